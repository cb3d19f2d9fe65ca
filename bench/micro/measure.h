// Checks every variant of a case against the reference, then times them with Google Benchmark.
#ifndef ERGO_BENCH_MICRO_MEASURE_H_
#define ERGO_BENCH_MICRO_MEASURE_H_

#include <string>
#include <vector>

#include "bench/micro/family.h"

namespace ergo::micro {

struct MeasureOptions {
  std::string variant;        // only this one, if not ""
  int repetitions = 9;        // samples a variant, interleaved with those of the others
  double min_seconds = 0.02;  // of each sample
  bool time_reference = false;
};

struct VariantResult {
  KernelInfo info;
  std::string declined;         // why, if it did
  bool checked = false;         // agreed with the reference
  std::string mismatch;         // where and how much, if it did not
  std::vector<double> seconds;  // samples: seconds a run, each the mean of many
  size_t workspace_bytes = 0;

  double MedianSeconds() const;
  double MinSeconds() const;
  // Median absolute deviation of the samples from their median.
  double MadSeconds() const;
};

// One result a variant, in the family's order. Nothing is timed where anything mismatches.
std::vector<VariantResult> Measure(Case& problem, ParallelFor& parallel,
                                   const MeasureOptions& options);

bool HasMismatch(const std::vector<VariantResult>& results);

}  // namespace ergo::micro

#endif  // ERGO_BENCH_MICRO_MEASURE_H_
