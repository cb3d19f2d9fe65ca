#include "kernels/linalg/linalg.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace ergo {
namespace {

std::vector<float> Determinants(const std::vector<float>& matrices, int64_t batch, int64_t n) {
  auto selected = SelectKernel(DetVariants(), DetProblem{DType::kF32, batch, n}, {}, {});
  std::vector<float> out(static_cast<size_t>(batch), -99);
  std::vector<std::byte> workspace(selected->kernel->WorkspaceBytes() + 64);
  const std::vector<TensorView> inputs = {
      {matrices.data(), DType::kF32, Device::kCpu, Shape{batch, n, n}}};
  const std::vector<MutableTensorView> outputs = {
      {out.data(), DType::kF32, Device::kCpu, Shape{batch}}};
  SerialFor serial;
  selected->kernel->Run({inputs, outputs, workspace, serial});
  return out;
}

TEST(DetTest, SmallMatrices) {
  EXPECT_EQ(Determinants({5}, 1, 1)[0], 5);
  EXPECT_EQ(Determinants({1, 2, 3, 4, 0, 1, 1, 0}, 2, 2), (std::vector<float>{-2, -1}));
  EXPECT_EQ(Determinants({1, 2, 2, 4}, 1, 2)[0], 0);
  EXPECT_EQ(Determinants({}, 1, 0)[0], 1);
}

// Leibniz's sum over permutations as the oracle.
TEST(DetTest, AgreesWithTheSumOverPermutations) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 rng(seed);
    const int n = 2 + static_cast<int>(rng() % 4);
    std::vector<float> a(static_cast<size_t>(n * n));
    for (float& v : a) v = static_cast<float>(static_cast<int>(rng() % 19) - 9) / 4;
    std::vector<int> order(static_cast<size_t>(n));
    for (int i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
    double expected = 0;
    do {
      double product = 1;
      for (int i = 0; i < n; ++i) {
        product *= a[static_cast<size_t>(i * n + order[static_cast<size_t>(i)])];
        for (int j = 0; j < i; ++j) {
          if (order[static_cast<size_t>(j)] > order[static_cast<size_t>(i)]) product = -product;
        }
      }
      expected += product;
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_NEAR(Determinants(a, 1, n)[0], expected, 1e-3 * (1 + std::abs(expected)));
  }
}

}  // namespace
}  // namespace ergo
