// The machine's limits, measured in the same run as the kernels: multiply-adds from registers, and
// reads from memory or from the caches that a working set fits into.
//
// Source of the model: Williams, Waterman and Patterson, Roofline: An Insightful Visual Performance
// Model, CACM 52 (2009).
#ifndef ERGO_BENCH_MICRO_ROOFLINE_H_
#define ERGO_BENCH_MICRO_ROOFLINE_H_

#include <map>
#include <string>
#include <vector>

#include "kernels/base/kernel.h"

namespace ergo::micro {

struct TargetPeak {
  std::string target;
  double gflops = 0;  // f32, one thread
};

class Roofline {
 public:
  // Measures for about `seconds` a point. `parallel` outlives it.
  Roofline(ParallelFor& parallel, double seconds);

  // f32 multiply-adds (2 each) of all workers, with the SIMD target in force.
  double PeakGflops() const { return peak_gflops_; }
  // Products of unsigned and signed bytes, added four at a time into 32 bits (2 operations each).
  double PeakByteGops() const { return peak_byte_gops_; }
  // What handing a task to each worker and waiting for all of them costs while they are hot, in
  // microseconds: the least that a second worker has to save.
  double ForkJoinUs() const { return fork_join_us_; }
  // Reads of all workers, in GB/s, of `bytes` in all that were read just before; measured once for
  // each power of two.
  double BandwidthGbps(int64_t bytes);
  // Reads from memory: of far more than the caches hold.
  double MemoryGbps() { return BandwidthGbps(kMemoryBytes); }

  // The least time in which the cost can be paid, by products of bytes or of f32.
  double LeastSeconds(const KernelCost& cost, bool integer);

  static constexpr int64_t kMemoryBytes = int64_t{1} << 28;

 private:
  ParallelFor& parallel_;
  double seconds_;
  double peak_gflops_ = 0, peak_byte_gops_ = 0, fork_join_us_ = 0;
  std::map<int64_t, double> bandwidths_;
};

// The peak of one thread for every target that this machine runs; leaves the one in force in force.
std::vector<TargetPeak> MeasurePeaks(double seconds);

}  // namespace ergo::micro

#endif  // ERGO_BENCH_MICRO_ROOFLINE_H_
