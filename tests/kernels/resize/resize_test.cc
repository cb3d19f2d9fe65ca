// The reference against ONNX's reference evaluator, the variants against the reference.
#include "kernels/resize/resize.h"

#include "tests/kernels/move/move_testing.h"
#include "tests/kernels/resize/resize_oracle.h"

namespace ergo {
namespace {

using namespace ergo::testing;

TEST(ResizeReferenceTest, AnswersLikeOnnx) {
  for (size_t i = 0; i < kResizeOracle.size(); ++i) {
    const ResizeCase& c = kResizeOracle[i];
    SCOPED_TRACE(fmt::format("case {}", i));
    ResizeProblem problem{DType::kF32,
                          c.input,
                          c.output,
                          {},
                          c.mode,
                          c.coordinates,
                          c.nearest,
                          c.cubic_a,
                          c.exclude_outside,
                          c.antialias,
                          c.extrapolation_value};
    for (size_t axis = 0; axis < c.scales.size(); ++axis) {
      problem.axes[axis] = {c.scales[axis], c.roi[axis], c.roi[axis + c.scales.size()]};
    }
    TestTensor x(DType::kF32, c.input), y(DType::kF32, c.output);
    std::ranges::copy(c.x, x.Span<float>().begin());
    SerialFor serial;
    RunKernel(*MakeReference(ResizeVariants(), problem), {x.View()}, {y.View()}, serial);
    ASSERT_TRUE(y.GuardIntact());
    for (size_t k = 0; k < c.y.size(); ++k) {
      ASSERT_NEAR(y.Span<float>()[k], c.y[k], 1e-5) << "element " << k;
    }
  }
}

TEST(ResizeReferenceTest, PicksLikeOpset10) {
  // ONNX's test_resize_downsample_scales_nearest of opset 10, and its upsampling counterpart.
  ResizeProblem problem{DType::kF32, {2, 4}, {1, 2}};
  problem.coordinates = CoordinateMode::kAsymmetric;
  problem.nearest = NearestMode::kSimple;
  problem.axes[0].scale = problem.axes[1].scale = double{0.6f};
  const TestTensor x = TestTensor::Of<float>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  TestTensor y(DType::kF32, {1, 2});
  SerialFor serial;
  RunKernel(*MakeReference(ResizeVariants(), problem), {x.View()}, {y.View()}, serial);
  EXPECT_EQ(y.Span<float>()[0], 1);
  EXPECT_EQ(y.Span<float>()[1], 3);
}

TEST(ResizeReferenceTest, RoundsAndSaturatesIntegers) {
  ResizeProblem problem{DType::kU8, {2}, {4}};
  problem.mode = ResizeMode::kCubic;
  problem.axes[0].scale = 2;
  const TestTensor x = TestTensor::Of<uint8_t>({2}, {0, 255});
  TestTensor y(DType::kU8, {4});
  SerialFor serial;
  RunKernel(*MakeReference(ResizeVariants(), problem), {x.View()}, {y.View()}, serial);
  // The kernel overshoots at both ends: about -9, 58, 197 and 264 before saturation.
  EXPECT_EQ(y.Span<uint8_t>()[0], 0);
  EXPECT_GT(y.Span<uint8_t>()[1], 0);
  EXPECT_EQ(y.Span<uint8_t>()[1] + y.Span<uint8_t>()[2], 255);
  EXPECT_EQ(y.Span<uint8_t>()[3], 255);
}

constexpr CoordinateMode kCoordinates[] = {
    CoordinateMode::kHalfPixel,        CoordinateMode::kHalfPixelSymmetric,
    CoordinateMode::kPytorchHalfPixel, CoordinateMode::kAlignCorners,
    CoordinateMode::kAsymmetric,       CoordinateMode::kTfHalfPixelForNn,
    CoordinateMode::kTfCropAndResize,
};

ResizeProblem RandomProblem(std::mt19937& random, int round) {
  ResizeProblem problem;
  problem.input = RandomShape(random, RandomInt(random, 1, 4), 12);
  problem.output = problem.input;
  problem.coordinates = kCoordinates[round % 7];
  for (int axis = 0; axis < problem.input.Rank(); ++axis) {
    if (RandomInt(random, 0, 2) == 0) continue;
    ResizeAxis& request = problem.axes[static_cast<size_t>(axis)];
    problem.output[axis] = RandomInt(random, 1, 25);
    request.scale =
        static_cast<double>(problem.output[axis]) / static_cast<double>(problem.input[axis]);
    if (problem.coordinates == CoordinateMode::kTfCropAndResize) {
      request.roi_start = RandomInt(random, 0, 4) == 0 ? -0.2 : 0.1;
      request.roi_end = 0.8;
    }
  }
  return problem;
}

std::vector<TestTensor> OneOf(TestTensor tensor) {
  std::vector<TestTensor> tensors;
  tensors.push_back(std::move(tensor));
  return tensors;
}

void ExpectNearestLikeReference(const ResizeProblem& problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} to {}", problem.input.ToString(), problem.output.ToString()));
  const std::vector<TestTensor> x = OneOf(RandomBytes(problem.dtype, problem.input, random));
  std::vector<TestTensor> y = OneOf(TestTensor(problem.dtype, problem.output));
  SerialFor serial;
  RunKernel(*MakeReference(ResizeVariants(), problem), {x[0].View()}, {y[0].View()}, serial);
  ExpectExact(ResizeVariants(), problem, x, y);
}

TEST(ResizeVariantsTest, NearestIsExact) {
  constexpr DType kSizes[] = {DType::kU8, DType::kF16, DType::kF32, DType::kI64};
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    ResizeProblem problem = RandomProblem(random, round);
    problem.dtype = kSizes[round % 4];
    problem.nearest = static_cast<NearestMode>(round % 5);
    ExpectNearestLikeReference(problem, random);
  }
}

TEST(ResizeVariantsTest, NearestDoublesRowsOfEveryLength) {
  std::mt19937 random(2);
  for (int width = 1; width < 40; ++width) {
    ResizeProblem problem{DType::kF32, {2, 3, width}, {2, 6, 2 * width}};
    problem.coordinates = CoordinateMode::kAsymmetric;
    problem.nearest = NearestMode::kFloor;
    problem.axes[1].scale = problem.axes[2].scale = 2;
    ExpectNearestLikeReference(problem, random);
  }
  ResizeProblem large{DType::kF32, {3, 130, 201}, {3, 260, 402}};
  large.axes[1].scale = large.axes[2].scale = 2;
  ExpectNearestLikeReference(large, random);
}

// Every variant within the contract's bound of the reference's double sums.
void ExpectNearReference(const ResizeProblem& problem, std::mt19937& random) {
  SCOPED_TRACE(fmt::format("{} to {}, mode {}, coordinates {}", problem.input.ToString(),
                           problem.output.ToString(), static_cast<int>(problem.mode),
                           static_cast<int>(problem.coordinates)));
  TestTensor x(DType::kF32, problem.input), expected(DType::kF32, problem.output);
  x.FillUniform(random, -1, 1);
  SerialFor serial;
  ThreadedFor threaded(3);
  RunKernel(*MakeReference(ResizeVariants(), problem), {x.View()}, {expected.View()}, serial);
  ForEachSimdTarget([&](const std::string&) {
    for (const auto& variant : ResizeVariants()) {
      const MadeKernel made = variant.make(problem, {});
      if (!made.ok()) {
        ASSERT_EQ(made.status().code(), StatusCode::kUnsupported) << made.status().ToString();
        continue;
      }
      for (ParallelFor* parallel :
           {static_cast<ParallelFor*>(&serial), static_cast<ParallelFor*>(&threaded)}) {
        TestTensor y(DType::kF32, problem.output);
        RunKernel(**made, {x.View()}, {y.View()}, *parallel);
        ASSERT_TRUE(y.GuardIntact());
        for (size_t i = 0; i < y.Span<float>().size(); ++i) {
          // Elements are below 1, and weights add up to less than 1.5 an axis in absolute value.
          ASSERT_NEAR(y.Span<float>()[i], expected.Span<float>()[i], 5 * 0x1p-21)
              << variant.info.variant << " element " << i;
        }
      }
    }
  });
}

TEST(ResizeVariantsTest, InterpolatesLikeTheReference) {
  std::mt19937 random(3);
  for (int round = 0; round < 120; ++round) {
    ResizeProblem problem = RandomProblem(random, round);
    problem.dtype = DType::kF32;
    problem.mode = round % 2 == 0 ? ResizeMode::kLinear : ResizeMode::kCubic;
    problem.antialias = round % 5 == 0;
    problem.exclude_outside = round % 3 == 0;
    problem.extrapolation_value = 0.5;
    ExpectNearReference(problem, random);
  }
}

TEST(ResizeVariantsTest, InterpolatesImagesOnSeveralWorkers) {
  std::mt19937 random(4);
  ResizeProblem problem{DType::kF32, {1, 3, 90, 61}, {1, 3, 173, 150}};
  problem.mode = ResizeMode::kLinear;
  problem.axes[2].scale = 173.0 / 90;
  problem.axes[3].scale = 150.0 / 61;
  ExpectNearReference(problem, random);
  problem.mode = ResizeMode::kCubic;
  ExpectNearReference(problem, random);
}

TEST(ResizeVariantsTest, ResizesNothing) {
  std::mt19937 random(5);
  ResizeProblem problem{DType::kF32, {2, 0}, {4, 0}};
  problem.axes[0].scale = 2;
  ExpectNearestLikeReference(problem, random);
  problem.mode = ResizeMode::kLinear;
  ExpectNearReference(problem, random);
}

TEST(ResizeVariantsTest, RefusesWhatMakesNoSense) {
  for (const auto& variant : ResizeVariants()) {
    for (const ResizeMode mode : {ResizeMode::kNearest, ResizeMode::kLinear}) {
      const auto code = [&](const Shape& in, const Shape& out, double scale) {
        ResizeProblem problem{DType::kF32, in, out};
        problem.mode = mode;
        problem.antialias = mode == ResizeMode::kLinear;
        problem.axes[0].scale = scale;
        return variant.make(problem, {}).status().code();
      };
      if (code({2}, {2}, 1) == StatusCode::kUnsupported) continue;
      EXPECT_EQ(code({2}, {2, 1}, 1), StatusCode::kInvalidArgument);
      EXPECT_EQ(code({0}, {2}, 1), StatusCode::kInvalidArgument);
      EXPECT_EQ(code({2}, {2}, 0), StatusCode::kInvalidArgument);
      EXPECT_EQ(code({2}, {2}, std::nan("")), StatusCode::kInvalidArgument);
      if (mode == ResizeMode::kLinear) {
        EXPECT_EQ(code({2}, {2}, 1e-30), StatusCode::kResourceExhausted);
      }
    }
  }
}

}  // namespace
}  // namespace ergo
