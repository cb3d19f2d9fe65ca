// Comparison of a model's output with the expected one, and figures that describe an output.
//
// Floats match where |actual - expected| <= atol + rtol * |expected| (NumPy's allclose); NaN
// matches NaN and an infinity matches itself. Every other type matches only exactly.
#ifndef ERGO_TOOLS_ERGO_COMPARE_H_
#define ERGO_TOOLS_ERGO_COMPARE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/base/tensor_view.h"

namespace ergo::tool {

struct Tolerance {
  std::optional<double> rtol;  // unset: DefaultRtol of the expected dtype
  double atol = 1e-5;
};
// 1e-3; float16 2e-3, bfloat16 2e-2, which is about what one rounding of a value costs them.
double DefaultRtol(DType dtype);

struct Comparison {
  std::string problem;  // dtype or shape differ: nothing was compared
  int64_t elements = 0;
  int64_t mismatches = 0;
  // Over elements that are finite on both sides; relative to |expected|, 0 where both are 0 and
  // infinite where only the expected value is.
  double max_abs = 0, max_rel = 0;
  std::string max_abs_at, max_rel_at;  // "[0, 3, 7]"
  std::string first_mismatch;          // "[0, 1]: 0.5, expected 0.25"
  double cosine = 1;                   // of the two as vectors; 1 where both are 0
  double abs_p99 = 0;                  // 99th percentile of the absolute error

  bool Matches() const { return problem.empty() && mismatches == 0; }
};
Comparison Compare(TensorView actual, TensorView expected, const Tolerance& tolerance);

// The elements as numbers; empty for types that are not numbers of their own (packed, 8-bit float).
// Integers beyond 2^53 lose their last digits.
std::vector<double> ToDoubles(TensorView tensor);

// "0.25", "-3", "true", as suits the dtype.
std::string ElementText(double value, DType dtype);

// "[0, 3, 7]" of the element with this row-major number.
std::string Coordinates(const Shape& shape, int64_t element);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_COMPARE_H_
