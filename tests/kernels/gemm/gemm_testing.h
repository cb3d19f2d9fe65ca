// A gemm problem with its operands, and what every variant has to make of them.
#ifndef ERGO_TESTS_KERNELS_GEMM_GEMM_TESTING_H_
#define ERGO_TESTS_KERNELS_GEMM_GEMM_TESTING_H_

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "tests/kernels/variant_testing.h"

namespace ergo::testing {

// Elements of A (or B) that the problem reaches.
inline int64_t ReachedElements(const GemmProblem& p, bool of_a) {
  const auto& strides = of_a ? p.a_batch_strides : p.b_batch_strides;
  const int64_t rows = of_a ? (p.trans_a ? p.k : p.m) : (p.trans_b ? p.n : p.k);
  const int64_t columns = of_a ? (p.trans_a ? p.m : p.k) : (p.trans_b ? p.k : p.n);
  if (rows == 0 || columns == 0 || p.batch.Elements() == 0) return 0;
  int64_t last = (rows - 1) * (of_a ? p.ARowStride() : p.BRowStride()) + columns - 1;
  for (int axis = 0; axis < p.batch.Rank(); ++axis) {
    last += (p.batch[axis] - 1) * strides[static_cast<size_t>(axis)];
  }
  return last + 1;
}

inline Shape BiasShape(const GemmProblem& p) {
  switch (p.bias) {
    case GemmBias::kNone: return Shape{0};
    case GemmBias::kScalar: return Shape{1};
    case GemmBias::kPerColumn: return Shape{p.n};
    case GemmBias::kPerRow: return Shape{p.m};
    case GemmBias::kFull: return Shape{p.m, p.n};
  }
  return Shape{};
}

inline Shape ResultShape(const GemmProblem& p) {
  Shape shape = p.batch;
  shape.Append(p.m);
  shape.Append(p.n);
  return shape;
}

inline std::string Describe(const GemmProblem& p) {
  return fmt::format(
      "{} m{} n{} k{}{}{} batch {} strides a{} b{} bias {} residual {} alpha {} beta {} {}{}{}",
      DTypeName(p.dtype), p.m, p.n, p.k, p.trans_a ? " ta" : "", p.trans_b ? " tb" : "",
      p.batch.ToString(), p.ARowStride(), p.BRowStride(), static_cast<int>(p.bias), p.residual,
      p.alpha, p.beta, ActivationName(p.activation.kind), p.constant_a ? " const a" : "",
      p.constant_b ? " const b" : "");
}

// Element (i, j) of a matrix at `offset` of a tensor.
template <typename T>
double Element(const TestTensor& tensor, int64_t offset, int64_t row_stride, bool transposed,
               int64_t i, int64_t j) {
  const int64_t at = offset + (transposed ? j * row_stride + i : i * row_stride + j);
  return ToDouble(tensor.Span<T>()[static_cast<size_t>(at)]);
}

struct GemmCase {
  explicit GemmCase(const GemmProblem& p, uint32_t seed)
      : problem(p),
        a(p.dtype, Shape{ReachedElements(p, true)}),
        b(p.dtype, Shape{ReachedElements(p, false)}),
        bias(p.dtype, BiasShape(p)),
        residual(p.dtype, p.residual ? ResultShape(p) : Shape{0}) {
    std::mt19937 random(seed);
    const bool is_float = IsFloatingPoint(p.dtype);
    const double low = p.dtype == DType::kU32 || p.dtype == DType::kU64 ? 0 : is_float ? -1 : -9;
    for (TestTensor* tensor : {&a, &b, &bias, &residual}) {
      tensor->FillUniform(random, low, is_float ? 1 : 9);
    }
  }

  void MakeConstant(bool constant_a, bool constant_b) {
    problem.constant_a = constant_a ? a.View().data : nullptr;
    problem.constant_b = constant_b ? b.View().data : nullptr;
  }

  TestTensor Run(const Kernel& kernel, ParallelFor& parallel) const {
    TestTensor d(problem.dtype, ResultShape(problem));
    Run(kernel, parallel, problem.residual ? residual.View() : TensorView(), d);
    return d;
  }
  void Run(const Kernel& kernel, ParallelFor& parallel, const TensorView& added,
           TestTensor& d) const {
    const TensorView bias_view = problem.bias == GemmBias::kNone ? TensorView() : bias.View();
    RunKernel(kernel, {a.View(), b.View(), bias_view, added}, {d.View()}, parallel);
  }

  // In double precision, with the sum of magnitudes that the error bound is stated in. `T` is the
  // type of the problem's dtype.
  template <typename T>
  void ExpectMatches(const TestTensor& got) const {
    const GemmProblem& p = problem;
    int64_t at = 0;
    for (int64_t batch = 0; batch < p.batch.Elements(); ++batch) {
      for (int64_t i = 0; i < p.m; ++i) {
        for (int64_t j = 0; j < p.n; ++j, ++at) {
          double magnitude = 0;
          const double expected = Expected<T>(batch, i, j, at, magnitude);
          const double value = ToDouble(got.Span<T>()[static_cast<size_t>(at)]);
          ASSERT_LE(std::fabs(value - expected), GemmErrorBound(p, magnitude))
              << "batch " << batch << " row " << i << " column " << j << ": " << value
              << " instead of " << expected;
        }
      }
    }
    EXPECT_TRUE(got.GuardIntact());
  }

  GemmProblem problem;
  TestTensor a, b, bias, residual;

 private:
  template <typename T>
  double Expected(int64_t batch, int64_t i, int64_t j, int64_t at, double& magnitude) const {
    const GemmProblem& p = problem;
    const GemmOffsets offsets = GemmOffsetsOf(p, batch);
    double sum = 0, sum_magnitude = 0;
    for (int64_t q = 0; q < p.k; ++q) {
      const double product = Element<T>(a, offsets.a, p.ARowStride(), p.trans_a, i, q) *
                             Element<T>(b, offsets.b, p.BRowStride(), p.trans_b, q, j);
      sum += product;
      sum_magnitude += std::fabs(product);
    }
    double total = static_cast<double>(p.alpha) * sum;
    magnitude = std::fabs(static_cast<double>(p.alpha)) * sum_magnitude;
    const auto add = [&](double value) {
      total += value;
      magnitude += std::fabs(value);
    };
    if (p.bias != GemmBias::kNone) {
      const bool by_row = p.bias == GemmBias::kPerRow || p.bias == GemmBias::kFull;
      const bool by_column = p.bias == GemmBias::kPerColumn || p.bias == GemmBias::kFull;
      const int64_t index = (by_row ? i * (by_column ? p.n : 1) : 0) + (by_column ? j : 0);
      add(static_cast<double>(p.beta) * ToDouble(bias.Span<T>()[static_cast<size_t>(index)]));
    }
    if (p.residual) add(ToDouble(residual.Span<T>()[static_cast<size_t>(at)]));
    return Activate(p.activation, total);
  }
};

}  // namespace ergo::testing

#endif  // ERGO_TESTS_KERNELS_GEMM_GEMM_TESTING_H_
