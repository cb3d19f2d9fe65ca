// Written by make_range_oracle.py with NumPy. Do not edit.
#ifndef ERGO_TESTS_ENGINE_QUANTIZE_RANGE_ORACLE_H_
#define ERGO_TESTS_ENGINE_QUANTIZE_RANGE_ORACLE_H_

namespace ergo::testing {

struct RangeOracle {
  const char* kind;
  double min, max;
  double percentile_1, percentile_99;
  double entropy_threshold;
};

inline constexpr RangeOracle kRangeOracles[] = {
    {"skewed", 3.92284884e-30, 9.9993372, 1.9953087e-15, 9.24966388, 9.92121737},
    {"signed", -0.0185183734, 5.99983454, -0.0184410457, 5.80801583, 5.98811611},
    {"outliers", -0.499841809, 9.99983406, -0.489098348, 0.490297602, 0.624989629},
};

}  // namespace ergo::testing

#endif  // ERGO_TESTS_ENGINE_QUANTIZE_RANGE_ORACLE_H_
