#include "engine/run/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "engine/run/flush_denormals.h"

namespace ergo {
namespace {

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void FutexWait(std::atomic<uint32_t>& word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr,
          nullptr, 0);
}

void FutexWakeAll(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
          nullptr, 0);
}

}  // namespace

bool PinCurrentThread(int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  return pthread_setaffinity_np(pthread_self(), sizeof(set), &set) == 0;
}

// How a job is handed over. `state` counts up: odd while a job is open, even while none is. A
// worker that sees an odd state announces itself in `active` and looks again; only if the state is
// still the same may it touch the job. The caller closes the job (even state) and then waits until
// nobody is active, so that a worker that wakes late finds the door closed and the caller never
// waits for it. Both sides use sequentially consistent operations: either the worker sees the
// closed door, or the caller sees the worker.
struct ThreadPool::Impl {
  using Task = FunctionRef<void(int64_t, int)>;

  explicit Impl(const ThreadPoolOptions& the_options) : options(the_options) {
    options.threads = std::max(options.threads, 1);
    for (int worker = 1; worker < options.threads; ++worker) {
      threads.emplace_back([this, worker] { WorkerLoop(worker); });
    }
  }

  ~Impl() {
    stop.store(true);
    state.fetch_add(2);
    FutexWakeAll(state);
    for (std::thread& thread : threads) thread.join();
  }

  void Work(int worker) {
    const Task& run = *task;
    const int64_t total = count;
    for (int64_t i = next.fetch_add(1); i < total; i = next.fetch_add(1)) run(i, worker);
  }

  void WorkerLoop(int worker) {
    if (static_cast<size_t>(worker) < options.pin_cpus.size()) {
      PinCurrentThread(options.pin_cpus[static_cast<size_t>(worker)]);
    }
    const FlushDenormals flush;  // as the sessions that hand over work
    uint32_t seen = 0;
    while (!stop.load()) {
      seen = WaitForChange(seen);
      if (seen % 2 == 0) continue;
      active.fetch_add(1);
      if (state.load() == seen) Work(worker);
      active.fetch_sub(1);
    }
  }

  // Spins, then parks, until the state is another one.
  uint32_t WaitForChange(uint32_t seen) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point deadline = Clock::now() + std::chrono::microseconds(options.spin_us);
    // Reading the clock costs as much as a dozen pauses, so it is read seldom.
    constexpr int kPausesPerClockRead = 32;
    do {
      for (int i = 0; i < kPausesPerClockRead; ++i) {
        const uint32_t now = state.load(std::memory_order_acquire);
        if (now != seen) return now;
        Pause();
      }
    } while (Clock::now() < deadline);
    parked.fetch_add(1);
    uint32_t now = state.load();
    while (now == seen) {
      FutexWait(state, seen);
      now = state.load();
    }
    parked.fetch_sub(1);
    return now;
  }

  void Run(int64_t total, Task run) {
    task = &run;
    count = total;
    next.store(0);
    state.fetch_add(1);
    if (parked.load() > 0) FutexWakeAll(state);
    Work(0);
    state.fetch_add(1);
    for (int spins = 0; active.load() > 0; ++spins) {
      // With more threads than processors, the one waited for may need ours.
      constexpr int kSpinsBeforeYield = 4096;
      if (spins < kSpinsBeforeYield) {
        Pause();
      } else {
        sched_yield();
      }
    }
  }

  ThreadPoolOptions options;
  std::vector<std::thread> threads;
  const Task* task = nullptr;
  int64_t count = 0;
  alignas(64) std::atomic<uint32_t> state{0};
  std::atomic<bool> stop{false};
  std::atomic<int> parked{0};
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<int> active{0};
};

ThreadPool::ThreadPool(const ThreadPoolOptions& options) : impl_(std::make_unique<Impl>(options)) {}
ThreadPool::~ThreadPool() = default;

int ThreadPool::Workers() const {
  return impl_->options.threads;
}

void ThreadPool::Run(int64_t count, FunctionRef<void(int64_t index, int worker)> task) {
  if (count <= 1 || impl_->threads.empty()) {
    for (int64_t index = 0; index < count; ++index) task(index, 0);
    return;
  }
  impl_->Run(count, task);
}

int AvailableProcessors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int processors = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) processors = std::max(CPU_COUNT(&set), 1);
  // A container's quota, in microseconds of processor time per period: "max 100000" or "150000
  // 100000".
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period_us = 0;
  if (file >> quota >> period_us && quota != "max" && period_us > 0) {
    const double limit = std::strtod(quota.c_str(), nullptr) / period_us;
    if (limit > 0) processors = std::clamp(static_cast<int>(limit), 1, processors);
  }
  return processors;
}

}  // namespace ergo
