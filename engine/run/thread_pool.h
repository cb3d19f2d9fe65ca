// ThreadPool: the engine's only threads. Implements ParallelFor by fork-join: the caller works too,
// idle workers spin for a while (cheap hand-over while requests keep coming) and then park on a
// futex (silent when idle).
//
// Thread safety: Run may be called by one thread at a time (each Session has its own pool, or
// none).
#ifndef ERGO_ENGINE_RUN_THREAD_POOL_H_
#define ERGO_ENGINE_RUN_THREAD_POOL_H_

#include <memory>
#include <vector>

#include "kernels/base/parallel_for.h"

namespace ergo {

struct ThreadPoolOptions {
  int threads = 1;   // workers in all, the caller included; at least 1
  int spin_us = 50;  // how long a worker spins after work before it parks
  // Processors to pin to: cpus[0] is not used for the caller, cpus[i] is worker i's. Empty: no
  // pinning.
  std::vector<int> pin_cpus;
};

class ThreadPool final : public ParallelFor {
 public:
  explicit ThreadPool(const ThreadPoolOptions& options);
  ~ThreadPool() override;  // joins

  int Workers() const override;
  void Run(int64_t count, FunctionRef<void(int64_t index, int worker)> task) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Keeps the calling thread on one processor. False, and the thread stays where it may, for a
// processor that is not ours to use.
bool PinCurrentThread(int cpu);

// Processors that this process may run on (affinity and cgroup quota), at least 1.
int AvailableProcessors();

}  // namespace ergo

#endif  // ERGO_ENGINE_RUN_THREAD_POOL_H_
