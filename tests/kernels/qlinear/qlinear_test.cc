// Every variant of quantized convolution and product on every SIMD target: sums exactly as 64-bit
// loops of the test give them, epilogues bit for bit as the reference's, and the reference's as
// double arithmetic has them.
#include "kernels/qlinear/qlinear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

#include "kernels/qgemm/vnni.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using namespace ergo::testing;
using ::testing::ElementsAre;

int64_t ByteAt(const TestTensor& tensor, int64_t index) {
  const auto i = static_cast<size_t>(index);
  return tensor.Type() == DType::kU8 ? int64_t{tensor.Span<uint8_t>()[i]}
                                     : int64_t{tensor.Span<int8_t>()[i]};
}

void FillBytes(const TestTensor& tensor, std::mt19937& random) {
  for (std::byte& byte : std::span(static_cast<std::byte*>(tensor.View().data),
                                   static_cast<size_t>(tensor.View().Bytes()))) {
    constexpr uint8_t kExtremes[] = {0x00, 0x7f, 0x80, 0xff};
    byte = std::byte(random() % 3 == 0 ? kExtremes[random() % 4]
                                       : static_cast<uint8_t>(random() % 256));
  }
}

// The operands of the epilogue, and of what comes before it.
struct Operands {
  std::vector<TestTensor> owned;
  std::vector<TensorView> views;

  void Add(std::optional<TestTensor> tensor) {
    if (!tensor) {
      views.emplace_back();
      return;
    }
    views.push_back(tensor->View());
    owned.push_back(std::move(*tensor));
  }
};

TestTensor Single(DType dtype, std::mt19937& random) {
  TestTensor tensor(dtype, Shape{});
  FillBytes(tensor, random);
  return tensor;
}

TestTensor Scales(int64_t count, double low, double high, std::mt19937& random) {
  TestTensor tensor(DType::kF32, count == 1 ? Shape{} : Shape{count});
  tensor.FillUniform(random, low, high);
  return tensor;
}

QEpilogue DrawEpilogue(std::mt19937& random) {
  const auto of = [&](const auto& choices) { return choices[random() % std::size(choices)]; };
  constexpr DType kResults[] = {DType::kU8, DType::kI8, DType::kF32, DType::kI32};
  constexpr DType kBiases[] = {DType::kUndefined, DType::kI32, DType::kF32};
  constexpr DType kResiduals[] = {DType::kUndefined, DType::kUndefined, DType::kU8, DType::kI8,
                                  DType::kF32};
  constexpr ActivationSpec kActivations[] = {{},
                                             {},
                                             {Activation::kRelu},
                                             {Activation::kClip, -0.5f, 2.0f},
                                             {Activation::kLeakyRelu, 0.125f},
                                             {Activation::kClip, 90, 99}};
  QEpilogue epilogue;
  epilogue.y = of(kResults);
  if (epilogue.y == DType::kI32) return epilogue;
  epilogue.bias = of(kBiases);
  epilogue.residual = of(kResiduals);
  epilogue.activation = of(kActivations);
  return epilogue;
}

// Inputs 4 and on. Scales are such that results fill the range of the output and pass it a little.
void AddEpilogue(const QEpilogue& e, const Shape& y, int64_t channels, double depth,
                 std::mt19937& random, Operands& operands) {
  const double spread = 6000 * std::sqrt(std::max(depth, 1.0));
  operands.Add(Scales(1, 0.9, 1.1, random));
  operands.Add(Scales(random() % 2 == 0 ? 1 : channels, 2 / spread, 6 / spread, random));
  const bool quantized = e.y == DType::kU8 || e.y == DType::kI8;
  if (quantized) {
    operands.Add(Scales(1, 0.02, 0.05, random));
    operands.Add(Single(e.y, random));
  } else {
    operands.Add(std::nullopt);
    operands.Add(std::nullopt);
  }
  if (e.bias == DType::kUndefined) {
    operands.Add(std::nullopt);
  } else {
    TestTensor bias(e.bias, {channels});
    bias.FillUniform(random, e.bias == DType::kI32 ? -spread : -2,
                     e.bias == DType::kI32 ? spread : 2);
    operands.Add(std::move(bias));
  }
  if (e.residual == DType::kUndefined) return;
  TestTensor residual(e.residual, y);
  if (e.residual == DType::kF32) {
    residual.FillUniform(random, -2, 2);
  } else {
    FillBytes(residual, random);
  }
  operands.Add(std::move(residual));
  if (e.residual == DType::kF32) return;
  operands.Add(Scales(1, 0.01, 0.03, random));
  operands.Add(Single(e.residual, random));
}

// What the epilogue makes of an exact sum, in double.
double EpilogueInDouble(const QEpilogue& e, const std::vector<TensorView>& in, int64_t sum,
                        int64_t channel, int64_t index) {
  const auto number = [&](size_t i, int64_t at, double absent) {
    return i >= in.size() || !in[i].Present()
               ? absent
               : QNumber(in[i], in[i].Elements() == 1 ? 0 : at, absent);
  };
  double v = static_cast<double>(sum);
  if (e.bias == DType::kI32) v += number(8, channel, 0);
  v *= number(4, 0, 1) * number(5, channel, 1);
  if (e.bias == DType::kF32) v += number(8, channel, 0);
  if (e.residual != DType::kUndefined) {
    v += (number(9, index, 0) - number(11, 0, 0)) * number(10, 0, 1);
  }
  v = Activate(e.activation, v);
  if (e.y == DType::kF32) return v;
  const double low = e.y == DType::kU8 ? 0 : -128;
  return std::clamp(v / number(6, 0, 1) + number(7, 0, 0), low, low + 255);
}

// Compares with the sums, by the given bound on the quantized steps.
void ExpectResult(const QEpilogue& e, const Operands& operands, const TestTensor& got,
                  const std::vector<int64_t>& sums, int64_t inner, int64_t channels) {
  for (int64_t i = 0; i < static_cast<int64_t>(sums.size()); ++i) {
    const auto at = static_cast<size_t>(i);
    if (e.y == DType::kI32) {
      ASSERT_EQ(int64_t{got.Span<int32_t>()[at]}, sums[at]) << "element " << i;
      continue;
    }
    const int64_t channel = i / inner % channels;
    const double expected = EpilogueInDouble(e, operands.views, sums[at], channel, i);
    const double value =
        e.y == DType::kF32 ? got.Span<float>()[at] : static_cast<double>(ByteAt(got, i));
    // Half a step of rounding, and what float32 adds to it.
    const double bound = e.y == DType::kF32 ? 1e-5 * (1 + std::abs(expected)) : 0.501;
    ASSERT_NEAR(value, expected, bound) << "element " << i;
  }
  EXPECT_TRUE(got.GuardIntact());
}

bool RoundsOnce(const std::string& target) {
  return target.starts_with("AVX");
}

void ExpectSame(const TestTensor& got, const TestTensor& expected, bool exact) {
  for (int64_t i = 0; i < got.View().Elements(); ++i) {
    const auto at = static_cast<size_t>(i);
    if (got.Type() == DType::kI32) {
      ASSERT_EQ(got.Span<int32_t>()[at], expected.Span<int32_t>()[at]) << "element " << i;
    } else if (got.Type() == DType::kF32) {
      const float x = got.Span<float>()[at], y = expected.Span<float>()[at];
      ASSERT_NEAR(x, y, exact ? 0.0 : 1e-5 * (1 + std::abs(double{y}))) << "element " << i;
    } else {
      ASSERT_NEAR(static_cast<double>(ByteAt(got, i)), static_cast<double>(ByteAt(expected, i)),
                  exact ? 0 : 1)
          << "element " << i;
    }
  }
}

std::map<std::string, int> runs;  // of each variant, so that none goes untested

template <typename Problem>
void CheckVariants(std::span<const KernelVariant<Problem>> variants, const Problem& problem,
                   const Operands& operands, const Shape& y, const std::vector<int64_t>& sums,
                   int64_t inner, int64_t channels, const std::string& target) {
  std::optional<TestTensor> reference;
  for (auto variant = variants.rbegin(); variant != variants.rend(); ++variant) {
    SCOPED_TRACE(variant->info.variant);
    for (const int workers : {1, 3}) {
      PackCache packs;
      MakeContext context;
      context.max_workers = workers;
      context.packs = &packs;
      context.even_if_slow = true;
      const MadeKernel made = variant->make(problem, context);
      if (made.status().code() == StatusCode::kUnsupported &&
          variant->info.variant != "reference") {
        continue;
      }
      ASSERT_TRUE(made.ok()) << made.status().ToString();
      ++runs[std::string(variant->info.variant)];
      TestTensor got(problem.epilogue.y, y);
      ThreadedFor threads(workers);
      RunKernel(**made, operands.views, {got.View()}, threads);
      ExpectResult(problem.epilogue, operands, got, sums, inner, channels);
      if (::testing::Test::HasFatalFailure()) return;
      if (!reference) reference = got.Copy();
      ExpectSame(got, *reference, RoundsOnce(target));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

struct ConvShape {
  int64_t batch, groups, in, out;  // channels a group
  Window window;
};

ConvShape DrawConvShape(std::mt19937& random) {
  const auto of = [&](std::initializer_list<int64_t> choices) {
    return choices.begin()[random() % choices.size()];
  };
  ConvShape shape;
  do {
    const int64_t style = of({0, 1, 2, 3});  // any, pointwise, depthwise, deep
    shape.batch = of({1, 1, 2});
    shape.groups = style == 2 ? of({1, 3, 16}) : of({1, 1, 2});
    shape.in = style == 2 ? 1 : style == 3 ? of({120, 300}) : of({1, 2, 3, 8, 17});
    shape.out = style == 2 ? of({1, 1, 2}) : of({1, 2, 5, 12, 13, 30});
    shape.window = Window();
    for (size_t axis = of({0, 1, 1, 1, 2}) != 0 ? 1 : 0; axis < kSpatialAxes; ++axis) {
      shape.window.in[axis] = of({1, 2, 3, 7, 8, 19, 40});
      if (style == 1) continue;
      shape.window.kernel[axis] = of({1, 2, 3, 3, 5});
      shape.window.strides[axis] = of({1, 1, 2, 3});
      shape.window.dilations[axis] = of({1, 1, 1, 2});
      shape.window.pads_begin[axis] = of({0, 1, 2});
      shape.window.pads_end[axis] = of({0, 1, 2});
    }
    if (style == 2 && random() % 3 > 0) {  // what the depthwise variant is for
      const int64_t kernel = of({3, 5}), stride = of({1, 2});
      shape.window.in[0] = shape.window.kernel[0] = shape.window.strides[0] = 1;
      shape.window.pads_begin[0] = shape.window.pads_end[0] = 0;
      for (size_t axis = 1; axis < kSpatialAxes; ++axis) {
        shape.window.kernel[axis] = kernel;
        shape.window.strides[axis] = stride;
        shape.window.dilations[axis] = 1;
      }
      shape.window.in[1] = of({2, 7, 40, 150});
    }
    for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
      shape.window.out[axis] = shape.window.FittingOut(axis);
    }
  } while (shape.window.OutElements() == 0 || shape.batch * shape.groups * shape.in * shape.out *
                                                      shape.window.OutElements() *
                                                      shape.window.KernelElements() >
                                                  400000);
  return shape;
}

std::vector<int64_t> ConvSums(const ConvShape& s, const TestTensor& x, const TestTensor& w,
                              const Operands& operands) {
  std::vector<int64_t> sums;
  const Window& v = s.window;
  const int64_t taps = v.KernelElements(), plane = v.InElements();
  const auto zero_x = static_cast<int64_t>(QNumber(operands.views[2], 0, 0));
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t oc = 0; oc < s.groups * s.out; ++oc) {
      const auto zero_w = static_cast<int64_t>(QNumber(operands.views[3], oc, 0));
      for (int64_t o = 0; o < v.OutElements(); ++o) {
        const int64_t at[] = {o / (v.out[1] * v.out[2]), o / v.out[2] % v.out[1], o % v.out[2]};
        int64_t sum = 0;
        for (int64_t c = 0; c < s.in; ++c) {
          for (int64_t tap = 0; tap < taps; ++tap) {
            const int64_t k[] = {tap / (v.kernel[1] * v.kernel[2]), tap / v.kernel[2] % v.kernel[1],
                                 tap % v.kernel[2]};
            int64_t flat = 0;
            bool inside = true;
            for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
              const int64_t i = v.Start(axis, at[axis]) + k[axis] * v.dilations[axis];
              inside = inside && i >= 0 && i < v.in[axis];
              flat = flat * v.in[axis] + i;
            }
            if (!inside) continue;
            const int64_t channel = n * s.groups * s.in + oc / s.out * s.in + c;
            sum += (ByteAt(x, channel * plane + flat) - zero_x) *
                   (ByteAt(w, (oc * s.in + c) * taps + tap) - zero_w);
          }
        }
        sums.push_back(sum);
      }
    }
  }
  return sums;
}

void CheckConv(uint32_t seed, const std::string& target) {
  std::mt19937 random(seed);
  const ConvShape s = DrawConvShape(random);
  const Window& v = s.window;
  const int64_t channels = s.groups * s.out;
  QConvProblem p;
  p.x_dtype = random() % 2 == 0 ? DType::kU8 : DType::kI8;
  p.w_dtype = random() % 3 == 0 ? DType::kU8 : DType::kI8;
  p.epilogue = DrawEpilogue(random);
  p.batch = s.batch;
  p.groups = s.groups;
  p.in_channels = s.groups * s.in;
  p.out_channels = channels;
  p.window = v;
  const Shape x_shape{s.batch, p.in_channels, v.in[0], v.in[1], v.in[2]};
  const Shape w_shape{channels, s.in, v.kernel[0], v.kernel[1], v.kernel[2]};
  const Shape y_shape{s.batch, channels, v.out[0], v.out[1], v.out[2]};
  SCOPED_TRACE(fmt::format("seed {} {}: {} groups, {} -> {} each, {} x {} -> {}", seed, target,
                           s.groups, s.in, s.out, v.ToString(), DTypeName(p.x_dtype),
                           DTypeName(p.epilogue.y)));
  TestTensor x(p.x_dtype, x_shape), w(p.w_dtype, w_shape);
  FillBytes(x, random);
  FillBytes(w, random);
  Operands operands;
  operands.views = {x.View(), w.View()};
  operands.Add(random() % 4 == 0 ? std::nullopt : std::optional(Single(p.x_dtype, random)));
  TestTensor zero_w(p.w_dtype, random() % 2 == 0 ? Shape{} : Shape{channels});
  FillBytes(zero_w, random);
  if (random() % 2 == 0) {  // weights that less their zero points are bytes
    std::memset(zero_w.View().data, p.w_dtype == DType::kI8 ? 0 : 128,
                static_cast<size_t>(zero_w.View().Bytes()));
  }
  p.weights = w.View();
  p.zero_w = zero_w.View();
  operands.Add(std::move(zero_w));
  const auto depth = static_cast<double>(s.in * v.KernelElements());
  AddEpilogue(p.epilogue, y_shape, channels, depth, random, operands);
  CheckVariants(QConvVariants(), p, operands, y_shape, ConvSums(s, x, w, operands), v.OutElements(),
                channels, target);
}

TEST(QConvTest, EveryVariantOnEveryTarget) {
  ForEachSimdTarget([](const std::string& target) {
    for (uint32_t seed = 1; seed <= 200; ++seed) {
      CheckConv(seed, target);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
  for (const auto& variant : QConvVariants()) {
    if (variant.info.requires_ == "AVX-512 VNNI" && !VnniInForce()) continue;
    EXPECT_GT(runs[std::string(variant.info.variant)], 20) << variant.info.variant;
  }
}

void CheckMatMul(uint32_t seed, const std::string& target) {
  std::mt19937 random(seed);
  const auto of = [&](std::initializer_list<int64_t> choices) {
    return choices.begin()[random() % choices.size()];
  };
  const int64_t m = of({0, 1, 2, 7, 13, 40}), n = of({0, 1, 3, 16, 17, 33, 70});
  const int64_t k = of({0, 1, 2, 31, 64, 513});
  const int64_t batches = of({1, 1, 3});
  const bool wide_b = batches > 1 && random() % 2 == 0;
  QMatMulProblem p;
  p.a_dtype = random() % 2 == 0 ? DType::kU8 : DType::kI8;
  p.b_dtype = random() % 2 == 0 ? DType::kU8 : DType::kI8;
  p.epilogue = DrawEpilogue(random);
  if (p.epilogue.y == DType::kI32) p.epilogue.y = DType::kF32;
  p.a = batches > 1 ? Shape{batches, m, k} : Shape{m, k};
  p.b = wide_b ? Shape{batches, k, n} : Shape{k, n};
  p.y = batches > 1 ? Shape{batches, m, n} : Shape{m, n};
  SCOPED_TRACE(fmt::format("seed {} {}: {} x {} of {} and {} -> {}", seed, target, p.a.ToString(),
                           p.b.ToString(), DTypeName(p.a_dtype), DTypeName(p.b_dtype),
                           DTypeName(p.epilogue.y)));
  TestTensor a(p.a_dtype, p.a), b(p.b_dtype, p.b);
  FillBytes(a, random);
  FillBytes(b, random);
  Operands operands;
  operands.views = {a.View(), b.View()};
  operands.Add(random() % 4 == 0 ? std::nullopt : std::optional(Single(p.a_dtype, random)));
  if (random() % 2 == 0) {
    TestTensor zero_b(p.b_dtype, random() % 2 == 0 ? Shape{} : Shape{n});
    FillBytes(zero_b, random);
    p.b_zeros = zero_b.View().Elements();
    operands.Add(std::move(zero_b));
  } else {
    operands.Add(std::nullopt);
  }
  if (random() % 2 == 0) p.weights = b.View().data;
  AddEpilogue(p.epilogue, p.y, n, static_cast<double>(k), random, operands);
  std::vector<int64_t> sums;
  for (int64_t batch = 0; batch < batches; ++batch) {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        int64_t sum = 0;
        for (int64_t q = 0; q < k; ++q) {
          sum += (ByteAt(a, (batch * m + i) * k + q) -
                  static_cast<int64_t>(QNumber(operands.views[2], 0, 0))) *
                 (ByteAt(b, ((wide_b ? batch : 0) * k + q) * n + j) -
                  static_cast<int64_t>(QNumber(operands.views[3], j, 0)));
        }
        sums.push_back(sum);
      }
    }
  }
  CheckVariants(QMatMulVariants(), p, operands, p.y, sums, 1, std::max<int64_t>(n, 1), target);
}

TEST(QMatMulTest, EveryVariantOnEveryTarget) {
  ForEachSimdTarget([](const std::string& target) {
    for (uint32_t seed = 1; seed <= 200; ++seed) {
      CheckMatMul(seed, target);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

TEST(QAddTest, EveryVariantOnEveryTarget) {
  ForEachSimdTarget([](const std::string& target) {
    for (uint32_t seed = 1; seed <= 60; ++seed) {
      std::mt19937 random(seed);
      QAddProblem p;
      p.a_dtype = random() % 2 == 0 ? DType::kU8 : DType::kI8;
      p.elements = std::array{0, 1, 15, 16, 17, 511, 512, 513, 40000}[random() % 9];
      do {
        p.epilogue = DrawEpilogue(random);
        p.epilogue.bias = DType::kUndefined;
      } while (!CheckQAdd(p).ok());
      SCOPED_TRACE(
          fmt::format("seed {} {}: {} x {}", seed, target, p.elements, DTypeName(p.a_dtype)));
      const Shape shape{p.elements};
      TestTensor a(p.a_dtype, shape);
      FillBytes(a, random);
      Operands operands;
      operands.views = {a.View(), TensorView()};
      operands.Add(Single(p.a_dtype, random));
      operands.Add(std::nullopt);
      AddEpilogue(p.epilogue, shape, 1, 1, random, operands);
      operands.views[kQScaleW] = TensorView();
      TestTensor scale(DType::kF32, Shape{});
      scale.FillUniform(random, 0.01, 0.03);
      operands.views[kQScaleX] = scale.View();
      std::vector<int64_t> sums;
      for (int64_t i = 0; i < p.elements; ++i) {
        sums.push_back(ByteAt(a, i) - static_cast<int64_t>(QNumber(operands.views[2], 0, 0)));
      }
      CheckVariants(QAddVariants(), p, operands, shape, sums, 1, 1, target);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

TEST(QMatMulTest, ActivationsThatDoNotCommuteWithScales) {
  for (const Activation kind : {Activation::kSigmoid, Activation::kTanh, Activation::kSilu,
                                Activation::kHardSwish, Activation::kGelu}) {
    SCOPED_TRACE(ActivationName(kind));
    std::mt19937 random(3);
    QMatMulProblem p;
    p.a = {5, 40};
    p.b = {40, 19};
    p.y = {5, 19};
    p.epilogue = {DType::kU8, DType::kF32, DType::kUndefined, {kind}};
    TestTensor a(DType::kU8, p.a), b(DType::kI8, p.b);
    FillBytes(a, random);
    FillBytes(b, random);
    Operands operands;
    operands.views = {a.View(), b.View(), TensorView(), TensorView()};
    operands.Add(Scales(1, 1, 1, random));
    operands.Add(Scales(19, 1e-5, 4e-5, random));
    operands.Add(Scales(1, 0.01, 0.01, random));
    TestTensor zero(DType::kU8, Shape{});
    zero.Span<uint8_t>()[0] = 77;
    operands.Add(std::move(zero));
    operands.Add(Scales(19, -0.5, 0.5, random));
    std::vector<int64_t> sums;
    for (int64_t i = 0; i < 5 * 19; ++i) {
      int64_t sum = 0;
      for (int64_t q = 0; q < 40; ++q)
        sum += ByteAt(a, i / 19 * 40 + q) * ByteAt(b, q * 19 + i % 19);
      sums.push_back(sum);
    }
    CheckVariants(QMatMulVariants(), p, operands, p.y, sums, 1, 19, "any");
  }
}

TEST(QConvTest, DeclinesWhatItDoesNotKnowInTime) {
  QConvProblem p;
  p.batch = p.in_channels = p.out_channels = 1;
  EXPECT_EQ(MakeQConvSimd(p, MakeContext{}).status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(MakeQConvDepthwise(p, MakeContext{}).status().code(), StatusCode::kUnsupported);
  p.epilogue.y = DType::kF64;
  EXPECT_EQ(QConvVariants().back().make(p, MakeContext{}).status().code(),
            StatusCode::kUnsupported);
}

}  // namespace
}  // namespace ergo
