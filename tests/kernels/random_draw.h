// RandomDraw: the random numbers of one test case, from a seed.
#ifndef ERGO_TESTS_KERNELS_RANDOM_DRAW_H_
#define ERGO_TESTS_KERNELS_RANDOM_DRAW_H_

#include <algorithm>
#include <random>
#include <vector>

#include "tests/kernels/variant_testing.h"

namespace ergo::testing {

class RandomDraw {
 public:
  explicit RandomDraw(uint32_t seed) : random_(seed) {}
  int64_t Int(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  bool Coin() { return Int(0, 1) == 1; }
  void Shuffle(std::vector<int64_t>& values) { std::ranges::shuffle(values, random_); }
  TestTensor Floats(const Shape& shape, double low = -1, double high = 1) {
    TestTensor tensor(DType::kF32, shape);
    tensor.FillUniform(random_, low, high);
    return tensor;
  }

 private:
  std::mt19937 random_;
};

inline double At(const TestTensor& tensor, int64_t i) {
  return static_cast<double>(tensor.Span<float>()[static_cast<size_t>(i)]);
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_KERNELS_RANDOM_DRAW_H_
