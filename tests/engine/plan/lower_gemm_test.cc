// MatMul, Gemm and FusedGemm through Model and Runner, against loops over NumPy's definition.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/plan/node_testing.h"

namespace ergo {
namespace {

using testing::Op;
using testing::Random;
using testing::RunNode;

// Element [batch..., i, j] of a tensor that broadcasts, where `batch` has the result's rank.
struct Reader {
  const Tensor& tensor;
  bool transposed;
  double At(const std::vector<int64_t>& batch, int64_t i, int64_t j) const {
    const Shape& shape = tensor.GetShape();
    const auto strides = shape.RowMajorStrides();
    if (transposed) std::swap(i, j);
    int64_t offset = 0;
    const int axes = shape.Rank() - 2;
    for (int axis = 0; axis < axes; ++axis) {
      const size_t from = batch.size() - static_cast<size_t>(axes - axis);
      offset += (shape[axis] == 1 ? 0 : batch[from]) * strides[static_cast<size_t>(axis)];
    }
    const auto last = static_cast<size_t>(shape.Rank() - 1);
    return static_cast<double>(
        tensor.Span<float>()[static_cast<size_t>(offset + i * strides[last - 1] + j)]);
  }
};

// The product of tensors of rank 2 and more.
std::vector<double> Product(const Tensor& a, bool trans_a, const Tensor& b, bool trans_b,
                            const Shape& batch) {
  const auto dim = [](const Tensor& t, int from_end) {
    return t.GetShape()[t.GetShape().Rank() - from_end];
  };
  const int64_t m = dim(a, trans_a ? 1 : 2), k = dim(a, trans_a ? 2 : 1);
  const int64_t n = dim(b, trans_b ? 2 : 1);
  std::vector<double> out;
  const Reader read_a{a, trans_a}, read_b{b, trans_b};
  for (int64_t index = 0; index < batch.Elements(); ++index) {
    std::vector<int64_t> position(static_cast<size_t>(batch.Rank()));
    int64_t rest = index;
    for (int axis = batch.Rank() - 1; axis >= 0; --axis) {
      position[static_cast<size_t>(axis)] = rest % batch[axis];
      rest /= batch[axis];
    }
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < k; ++p)
          sum += read_a.At(position, i, p) * read_b.At(position, p, j);
        out.push_back(sum);
      }
    }
  }
  return out;
}

void ExpectNear(const Tensor& got, const Shape& shape, const std::vector<double>& expected) {
  ASSERT_EQ(got.GetShape().ToString(), shape.ToString());
  ASSERT_EQ(got.Span<float>().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got.Span<float>()[i]), expected[i], 1e-4) << i;
  }
}

TEST(LowerGemmTest, MatMulBroadcastsBatches) {
  struct Case {
    Shape a, b, batch, out;
  };
  const Case cases[] = {
      {{3, 4}, {4, 5}, {}, {3, 5}},
      {{2, 3, 4}, {4, 5}, {2}, {2, 3, 5}},
      {{3, 4}, {2, 4, 5}, {2}, {2, 3, 5}},
      {{2, 1, 3, 4}, {7, 4, 5}, {2, 7}, {2, 7, 3, 5}},
      {{2, 7, 3, 4}, {2, 1, 4, 1}, {2, 7}, {2, 7, 3, 1}},
      {{0, 3, 4}, {4, 5}, {0}, {0, 3, 5}},
      {{3, 0}, {0, 5}, {}, {3, 5}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.a.ToString() + " x " + c.b.ToString());
    const Tensor a = Random(c.a, 1), b = Random(c.b, 2);
    for (const unsigned constants : {0u, 1u, 2u}) {
      const Result<Tensor> got = RunNode(Op("", "MatMul"), {a, b}, constants);
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      ExpectNear(*got, c.out, Product(a, false, b, false, c.batch));
    }
  }
}

TEST(LowerGemmTest, MatMulOfVectors) {
  const Tensor row = Random({4}, 3), matrix = Random({2, 4, 5}, 4), left = Random({2, 3, 4}, 5);
  const auto scalar = RunNode(Op("", "MatMul"), {row, row}, 2);
  ASSERT_TRUE(scalar.ok()) << scalar.status().ToString();
  ExpectNear(*scalar, {}, Product(row.Reshaped({1, 4}), false, row.Reshaped({4, 1}), false, {}));
  const auto by_row = RunNode(Op("", "MatMul"), {row, matrix}, 0);
  ASSERT_TRUE(by_row.ok()) << by_row.status().ToString();
  ExpectNear(*by_row, {2, 5}, Product(row.Reshaped({1, 4}), false, matrix, false, {2}));
  const auto by_column = RunNode(Op("", "MatMul"), {left, row}, 2);
  ASSERT_TRUE(by_column.ok()) << by_column.status().ToString();
  ExpectNear(*by_column, {2, 3}, Product(left, false, row.Reshaped({4, 1}), false, {2}));
}

TEST(LowerGemmTest, MatMulOfIntegersWrapsAround) {
  const auto a = Tensor::FromValues<int32_t>({1, 2}, {2147483647, 2});
  const auto b = Tensor::FromValues<int32_t>({2, 1}, {2, 3});
  const auto got = RunNode(Op("", "MatMul"), {a, b}, 0);
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  EXPECT_EQ(got->Span<int32_t>()[0], 4);
}

TEST(LowerGemmTest, GemmScalesTransposesAndBroadcastsC) {
  for (const bool trans_a : {false, true}) {
    for (const bool trans_b : {false, true}) {
      const Tensor a = Random(trans_a ? Shape{4, 3} : Shape{3, 4}, 6);
      const Tensor b = Random(trans_b ? Shape{5, 4} : Shape{4, 5}, 7);
      for (const Shape& c_shape :
           {Shape{}, Shape{5}, Shape{1}, Shape{1, 5}, Shape{3, 1}, Shape{3, 5}, Shape{1, 1}}) {
        SCOPED_TRACE(c_shape.ToString());
        const Tensor c = Random(c_shape, 8);
        Node node = Op("", "Gemm");
        node.attributes["transA"] = int64_t{trans_a};
        node.attributes["transB"] = int64_t{trans_b};
        node.attributes["alpha"] = 0.5f;
        node.attributes["beta"] = -2.0f;
        const auto got = RunNode(node, {a, b, c}, 6);
        ASSERT_TRUE(got.ok()) << got.status().ToString();
        std::vector<double> expected = Product(a, trans_a, b, trans_b, {});
        for (size_t i = 0; i < expected.size(); ++i) {
          const bool per_row = c_shape == Shape{3, 1};
          const size_t at = c.Elements() == 1 ? 0 : per_row ? i / 5 : c.Elements() == 5 ? i % 5 : i;
          expected[i] = 0.5 * expected[i] - 2 * static_cast<double>(c.Span<float>()[at]);
        }
        ExpectNear(*got, {3, 5}, expected);
      }
    }
  }
}

TEST(LowerGemmTest, GemmWithoutCOrWithBetaZero) {
  const Tensor a = Random({3, 4}, 9), b = Random({4, 5}, 10);
  const auto plain = RunNode(Op("", "Gemm", 11), {a, b}, 2);
  ASSERT_TRUE(plain.ok()) << plain.status().ToString();
  ExpectNear(*plain, {3, 5}, Product(a, false, b, false, {}));
  // 0 x C is no C at all, even where C is not a number.
  Node node = Op("", "Gemm", 7);
  node.attributes["beta"] = 0.0f;
  const auto got = RunNode(node, {a, b, Tensor::FromValues<float>({1}, {NAN})}, 0);
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  ExpectNear(*got, {3, 5}, Product(a, false, b, false, {}));
}

TEST(LowerGemmTest, FusedGemmAddsBiasAndResidualThenActivates) {
  const Tensor a = Random({2, 3, 4}, 11), b = Random({5, 4}, 12);
  const Tensor bias = Random({5}, 13), residual = Random({2, 3, 5}, 14);
  Node node = Op("ergo", "FusedGemm", 1);
  node.attributes["trans_b"] = int64_t{1};
  node.attributes["activation"] = std::string("leaky_relu");
  node.attributes["alpha"] = 0.25f;
  for (const bool with_bias : {false, true}) {
    for (const bool with_residual : {false, true}) {
      const auto got = RunNode(
          node, {a, b, with_bias ? bias : Tensor(), with_residual ? residual : Tensor()}, 6);
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      std::vector<double> expected = Product(a, false, b, true, {2});
      for (size_t i = 0; i < expected.size(); ++i) {
        if (with_bias) expected[i] += static_cast<double>(bias.Span<float>()[i % 5]);
        if (with_residual) expected[i] += static_cast<double>(residual.Span<float>()[i]);
        expected[i] *= expected[i] < 0 ? 0.25 : 1;
      }
      ExpectNear(*got, {2, 3, 5}, expected);
    }
  }
}

TEST(LowerGemmTest, FusedGemmRefusesAnUnknownActivation) {
  Node node = Op("ergo", "FusedGemm", 1);
  node.attributes["activation"] = std::string("softplus");
  const auto got = RunNode(node, {Random({2, 3}, 1), Random({3, 4}, 2)}, 0);
  EXPECT_EQ(got.status().code(), StatusCode::kInvalidArgument);
}

TEST(LowerGemmTest, MatMulIntegerSubtractsZeroPoints) {
  // The example of the ONNX standard.
  const auto a = Tensor::FromValues<uint8_t>({4, 3}, {11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0});
  const auto b = Tensor::FromValues<uint8_t>({3, 2}, {1, 4, 2, 5, 3, 6});
  const auto zero_a = Tensor::FromValues<uint8_t>({1}, {12});
  const auto zero_b = Tensor::FromValues<uint8_t>({1}, {0});
  for (const unsigned constants : {0u, 2u, 10u}) {
    const auto got = RunNode(Op("", "MatMulInteger"), {a, b, zero_a, zero_b}, constants);
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    EXPECT_THAT(got->Span<int32_t>(),
                ::testing::ElementsAre(-38, -83, -44, -98, -50, -113, -56, -128));
  }
}

TEST(LowerGemmTest, MatMulIntegerTakesZeroPointsOfRowsAndColumns) {
  const auto a = Tensor::FromValues<int8_t>({2, 1, 2}, {1, 2, 3, 4});
  const auto b = Tensor::FromValues<int8_t>({2, 2}, {1, 2, 3, 4});
  const auto per_column = Tensor::FromValues<int8_t>({2}, {1, -1});
  const auto by_column = RunNode(Op("", "MatMulInteger"), {a, b, Tensor(), per_column}, 0);
  ASSERT_TRUE(by_column.ok()) << by_column.status().ToString();
  // b - zero = [[0, 3], [2, 5]]
  EXPECT_THAT(by_column->Span<int32_t>(), ::testing::ElementsAre(4, 13, 8, 29));
  const auto rows = a.Reshaped({2, 2});
  for (const Shape& shape : {Shape{2}, Shape{2, 1}}) {
    const auto per_row = per_column.Reshaped(shape);
    const auto by_row = RunNode(Op("", "MatMulInteger"), {rows, b, per_row}, 0);
    ASSERT_TRUE(by_row.ok()) << by_row.status().ToString();
    // a - zero = [[0, 1], [4, 5]]
    EXPECT_THAT(by_row->Span<int32_t>(), ::testing::ElementsAre(3, 4, 19, 28));
  }
  const auto three = Tensor::FromValues<int8_t>({3}, {0, 0, 0});
  EXPECT_FALSE(RunNode(Op("", "MatMulInteger"), {rows, b, three}, 0).ok());
}

}  // namespace
}  // namespace ergo
