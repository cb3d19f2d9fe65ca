// WorkerPool: threads that run jobs too large for a ring thread, behind one bounded queue.
//
// Thread safety: Submit and QueueWaitNs may be called by any thread.
#ifndef ERGO_SERVER_CORE_WORKER_POOL_H_
#define ERGO_SERVER_CORE_WORKER_POOL_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "server/core/executor.h"
#include "server/core/job.h"
#include "server/schedule/deadline_queue.h"
#include "server/server_options.h"

namespace ergo {

class WorkerPool {
 public:
  // Of the options, which outlive it, it uses the workers' number, queue and processors.
  WorkerPool(const ServerOptions& options, const Repository& models, CpuTimeRate* rate);
  // What is queued is still run; then the threads end.
  ~WorkerPool();

  // Gives the job back when the queue is full. A job that was taken comes back through its home's
  // Finished, once.
  [[nodiscard]] std::optional<std::unique_ptr<Job>> Submit(std::unique_ptr<Job> job);
  // How long a job submitted now would wait: what is queued, times the mean of recent runs.
  int64_t QueueWaitNs();

 private:
  void Work(int number);

  const ServerOptions& options_;
  const Repository& models_;
  CpuTimeRate* const rate_;
  std::mutex mutex_;
  std::condition_variable not_empty_;
  DeadlineQueue<std::unique_ptr<Job>> queue_;
  int64_t mean_run_ns_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_CORE_WORKER_POOL_H_
