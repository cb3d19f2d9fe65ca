// The reference against results computed elsewhere: ONNX's documented examples, and onnxruntime on
// small whole numbers, which are exact in every dtype.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/conv/conv.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using ::ergo::testing::MakeReference;
using ::ergo::testing::RunKernel;
using ::ergo::testing::TestTensor;
using ::ergo::testing::ToDouble;
using ::testing::ElementsAreArray;

// (i * factor + shift) % modulus - offset: the numbers that onnxruntime was given.
struct Pattern {
  int factor, shift, modulus, offset;
  double At(size_t i) const {
    const int value = static_cast<int>(i) * factor + shift;
    return value % modulus - offset;
  }
};
constexpr Pattern kX = {7, 3, 11, 5}, kW = {5, 1, 7, 3};

template <typename T>
void Fill(TestTensor& tensor, const std::function<double(size_t)>& value) {
  const auto span = tensor.Span<T>();
  for (size_t i = 0; i < span.size(); ++i) span[i] = T(static_cast<float>(value(i)));
}

// Convolves x and w as they are, with a bias of -1, 0, 1, ...
template <typename T>
std::vector<double> Convolve(ConvProblem p, const std::function<double(size_t)>& x,
                             const std::function<double(size_t)>& w) {
  p.dtype = DTypeOf<T>::value;
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
    p.window.out[axis] = p.window.FittingOut(axis);
  }
  EXPECT_TRUE(CheckConv(p).ok()) << CheckConv(p).ToString();
  TestTensor xs(p.dtype, Shape{p.InputElements()}), ws(p.dtype, Shape{p.WeightElements()});
  TestTensor bias(p.dtype, Shape{p.out_channels}), y(p.dtype, Shape{p.OutputElements()});
  Fill<T>(xs, x);
  Fill<T>(ws, w);
  Fill<T>(bias, [](size_t i) { return static_cast<double>(i) - 1; });
  SerialFor serial;
  RunKernel(*MakeReference(ConvVariants(), p),
            {xs.View(), ws.View(), p.has_bias ? TensorView(bias.View()) : TensorView(), {}},
            {y.View()}, serial);
  EXPECT_TRUE(y.GuardIntact());
  std::vector<double> values;
  for (const T value : y.Span<T>()) values.push_back(ToDouble(value));
  return values;
}

template <typename T>
std::vector<double> ConvolvePatterns(const ConvProblem& p) {
  return Convolve<T>(
      p, [](size_t i) { return kX.At(i); }, [](size_t i) { return kW.At(i); });
}

// In every dtype.
void ExpectPatterns(const ConvProblem& p, const std::vector<double>& expected) {
  EXPECT_THAT(ConvolvePatterns<float>(p), ElementsAreArray(expected));
  EXPECT_THAT(ConvolvePatterns<double>(p), ElementsAreArray(expected));
  EXPECT_THAT(ConvolvePatterns<Float16>(p), ElementsAreArray(expected));
  EXPECT_THAT(ConvolvePatterns<BFloat16>(p), ElementsAreArray(expected));
}

// conv_with_strides_padding, _no_padding and _and_asymmetric_padding of ONNX.
TEST(ConvReferenceTest, DocumentedExamples) {
  const auto iota = [](size_t i) { return static_cast<double>(i); };
  const auto ones = [](size_t) { return 1.0; };
  ConvProblem p;
  p.window.in = {1, 7, 5};
  p.window.kernel = {1, 3, 3};
  p.window.strides = {1, 2, 2};
  p.window.pads_begin = p.window.pads_end = {0, 1, 1};
  EXPECT_THAT(Convolve<float>(p, iota, ones), ElementsAreArray({12., 27., 24., 63., 108., 81., 123.,
                                                                198., 141., 112., 177., 124.}));
  p.window.pads_begin = p.window.pads_end = {0, 0, 0};
  EXPECT_THAT(Convolve<float>(p, iota, ones), ElementsAreArray({54., 72., 144., 162., 234., 252.}));
  p.window.pads_begin = p.window.pads_end = {0, 1, 0};
  EXPECT_THAT(Convolve<float>(p, iota, ones),
              ElementsAreArray({21., 33., 99., 117., 189., 207., 171., 183.}));
}

TEST(ConvReferenceTest, GroupsDilationsAndAsymmetricPads) {
  ConvProblem p;
  p.in_channels = p.out_channels = 4;
  p.groups = 2;
  p.has_bias = true;
  p.window.in = {1, 6, 5};
  p.window.kernel = {1, 2, 2};
  p.window.dilations = {1, 2, 1};
  p.window.strides = {1, 1, 2};
  p.window.pads_begin = {0, 1, 0};
  p.window.pads_end = {0, 0, 1};
  ExpectPatterns(p, {9,  3,   -6, 17, -22, -27, -20, -37, 20,  -35, 14,  12,  -39, 43,  4,
                     1,  -8,  13, -8, 12,  29,  -13, 29,  -22, 26,  -20, -18, 32,  -14, -14,
                     -1, -25, 4,  15, 18,  -1,  17,  9,   1,   19,  -22, 3,   -23, 2,   -28,
                     10, 5,   -6, 15, -21, 13,  -20, 10,  13,  -22, 19,  13,  20,  -16, 2});
}

TEST(ConvReferenceTest, OneDimensionWithDepthMultiplier) {
  ConvProblem p;
  p.batch = 2;
  p.in_channels = p.groups = 2;
  p.out_channels = 4;
  p.window.in = {1, 1, 7};
  p.window.kernel = {1, 1, 3};
  p.window.strides = {1, 1, 2};
  p.window.pads_begin = {0, 0, 1};
  p.window.pads_end = {0, 0, 2};
  ExpectPatterns(p, {-1, -10, 18, -12, 16, -14, -9, 12, -9,  16, 19, -2, 0, -2,  -11, 4,
                     -5, -12, 16, -13, 17, -12, -7, 16, -10, -7, 18, 0,  4, -10, -8,  4});
}

TEST(ConvReferenceTest, ThreeDimensions) {
  ConvProblem p;
  p.in_channels = p.out_channels = 2;
  p.has_bias = true;
  p.window.in = {3, 3, 4};
  p.window.kernel = {2, 3, 2};
  p.window.strides = {1, 2, 1};
  p.window.pads_begin = {0, 1, 0};
  p.window.pads_end = {1, 1, 0};
  ExpectPatterns(p,
                 {22,  -19, -5, 6, -6,  -18, -19, -5, 31, -6,  -18, 47, 2,  2,   -20, -1, 5,  -22,
                  -23, 0,   23, 3, -11, -3,  0,   23, 2,  -11, -3,  5,  21, -16, -9,  -6, -9, 21});
}

TEST(ConvReferenceTest, KernelLargerThanTheInput) {
  ConvProblem p;
  p.window.in = {1, 2, 2};
  p.window.kernel = {1, 5, 5};
  p.window.pads_begin = p.window.pads_end = {0, 2, 2};
  ExpectPatterns(p, {4, 20, 21, -19});
}

TEST(ConvReferenceTest, HalvesAccumulateInFloat) {
  ConvProblem p;
  p.in_channels = 4096;
  const auto ones = [](size_t) { return 1.0; };
  // A sum in halves would stop at 2048; 4096 itself is a half.
  EXPECT_THAT(Convolve<Float16>(p, ones, ones), ElementsAreArray({4096.}));
}

TEST(ConvReferenceTest, ResidualAndActivation) {
  ConvProblem p;
  p.has_residual = true;
  p.activation = {Activation::kClip, -1, 2.5f};
  p.window.in = p.window.out = {1, 1, 4};
  const TestTensor x = TestTensor::Of<float>({4}, {1, 2, 3, 4});
  const TestTensor w = TestTensor::Of<float>({1}, {2});
  TestTensor y = TestTensor::Of<float>({4}, {-9, -3, -4, -6});  // Z, in place
  SerialFor serial;
  RunKernel(*MakeReference(ConvVariants(), p), {x.View(), w.View(), {}, y.View()}, {y.View()},
            serial);
  EXPECT_THAT(y.Span<float>(), ::testing::ElementsAre(-1, 1, 2, 2));
}

TEST(ConvReferenceTest, RefusesWhatMakesNoSense) {
  ConvProblem p;
  p.in_channels = 3;
  p.groups = 2;
  EXPECT_EQ(CheckConv(p).code(), StatusCode::kInvalidArgument);
  p = ConvProblem();
  p.window.out = {1, 1, 2};
  EXPECT_EQ(CheckConv(p).code(), StatusCode::kInvalidArgument);
  p = ConvProblem();
  p.dtype = DType::kI32;
  EXPECT_EQ(CheckConv(p).code(), StatusCode::kUnsupported);
  p = ConvProblem();
  p.out_channels = int64_t{1} << 30;
  p.in_channels = int64_t{1} << 30;
  EXPECT_EQ(CheckConv(p).code(), StatusCode::kResourceExhausted);
  for (const auto& variant : ConvVariants()) {
    EXPECT_EQ(variant.make(p, {}).status().code(), StatusCode::kResourceExhausted);
  }
}

}  // namespace
}  // namespace ergo
