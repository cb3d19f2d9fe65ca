#include "server/core/worker_pool.h"

#include <pthread.h>

#include <utility>

#include "engine/run/thread_pool.h"
#include "server/monotonic_clock.h"

namespace ergo {

WorkerPool::WorkerPool(const ServerOptions& options, const Repository& models, CpuTimeRate* rate)
    : options_(options),
      models_(models),
      rate_(rate),
      queue_(static_cast<size_t>(options.limits.max_queued_requests)) {
  for (int i = 0; i < options.workers; ++i) threads_.emplace_back([this, i] { Work(i); });
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  not_empty_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::optional<std::unique_ptr<Job>> WorkerPool::Submit(std::unique_ptr<Job> job) {
  {
    const int64_t deadline_ns = job->deadline_ns;
    const std::lock_guard lock(mutex_);
    auto refused = queue_.Push(std::move(job), deadline_ns);
    if (refused) return refused;
  }
  not_empty_.notify_one();
  return std::nullopt;
}

int64_t WorkerPool::QueueWaitNs() {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(queue_.Size() + 1) * mean_run_ns_ /
         static_cast<int64_t>(threads_.size());
}

void WorkerPool::Work(int number) {
  constexpr int64_t kMeanWeight = 8;
  pthread_setname_np(pthread_self(), fmt::format("ergo-work-{}", number).c_str());
  const auto place = static_cast<size_t>(options_.ring_threads + number);
  PinCurrentThread(options_.CpuOf(place));
  Executor executor(models_, rate_, place);
  std::unique_lock lock(mutex_);
  for (;;) {
    not_empty_.wait(lock, [this] { return stopping_ || !queue_.Empty(); });
    auto popped = queue_.Pop(MonotonicNs());
    if (!popped) return;
    lock.unlock();
    const int64_t begin_ns = MonotonicNs();
    executor.Execute(*popped->item, popped->expired);
    const int64_t run_ns = MonotonicNs() - begin_ns;
    JobSink* const home = popped->item->home;
    home->Finished(std::move(popped->item));
    lock.lock();
    if (!popped->expired) mean_run_ns_ += (run_ns - mean_run_ns_) / kMeanWeight;
  }
}

}  // namespace ergo
