// Splitting a loop over [0, count) into contiguous ranges, one ParallelFor task each.
#ifndef ERGO_KERNELS_BASE_PARALLEL_RANGES_H_
#define ERGO_KERNELS_BASE_PARALLEL_RANGES_H_

#include <algorithm>
#include <cstdint>

#include "kernels/base/checked_math.h"
#include "kernels/base/parallel_for.h"

namespace ergo {

// Calls body(begin, end, worker) on ranges that cover [0, count) once, each of at least `grain`
// (but the last) and a multiple of it. One range on the calling thread when there is one worker or
// no more than `grain` to do. Several ranges a worker, so that a slow core does not hold up the
// rest.
inline void ParallelRanges(ParallelFor& parallel, int64_t count, int64_t grain,
                           FunctionRef<void(int64_t begin, int64_t end, int worker)> body) {
  if (count <= 0) return;
  const int64_t grains = CeilDiv(count, grain);
  const int64_t tasks = std::min<int64_t>(grains, int64_t{4} * parallel.Workers());
  if (tasks <= 1 || parallel.Workers() == 1) {
    body(0, count, 0);
    return;
  }
  const int64_t step = CeilDiv(grains, tasks) * grain;
  parallel.Run(CeilDiv(count, step), [&](int64_t task, int worker) {
    const int64_t begin = task * step;
    body(begin, std::min(begin + step, count), worker);
  });
}

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_PARALLEL_RANGES_H_
