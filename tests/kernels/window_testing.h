// Random windows and layouts of images for the tests of convolution and pooling.
#ifndef ERGO_TESTS_KERNELS_WINDOW_TESTING_H_
#define ERGO_TESTS_KERNELS_WINDOW_TESTING_H_

#include <algorithm>
#include <random>

#include "kernels/base/window.h"
#include "tests/kernels/variant_testing.h"

namespace ergo::testing {

inline int64_t Draw(std::mt19937& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

// One to three axes; widths around SIMD tails, kernels up to 5, strides and dilations up to 3, pads
// that may be asymmetric and as large as the kernel, inputs smaller than the kernel. Now and then
// an axis of size zero.
inline Window RandomWindow(std::mt19937& random) {
  Window window;
  const auto axes = static_cast<size_t>(Draw(random, 1, 3));
  for (size_t axis = kSpatialAxes - axes; axis < kSpatialAxes; ++axis) {
    window.kernel[axis] = Draw(random, 1, Draw(random, 1, 5));
    window.strides[axis] = Draw(random, 1, Draw(random, 1, 3));
    window.dilations[axis] = Draw(random, 1, Draw(random, 1, 3));
    const int64_t extent = window.Extent(axis);
    window.pads_begin[axis] = Draw(random, 0, 1) * Draw(random, 0, extent);
    window.pads_end[axis] = Draw(random, 0, 1) * Draw(random, 0, extent);
    const int64_t most = axis == 2 ? 40 : axis == 1 ? 12 : 5;
    const int64_t least = extent - window.pads_begin[axis] - window.pads_end[axis];
    window.in[axis] = std::max<int64_t>({0, least, Draw(random, 1, most)});
    if (least <= 0 && Draw(random, 0, 15) == 0) window.in[axis] = 0;
    window.out[axis] = window.FittingOut(axis);
  }
  return window;
}

// Images [n, a, b] as [n, b, a]: planes as channels innermost and back, f32.
inline TestTensor Swapped(const TestTensor& tensor, int64_t n, int64_t a, int64_t b) {
  TestTensor swapped(DType::kF32, Shape{n * a * b});
  for (int64_t i = 0; i < n * a * b; ++i) {
    const int64_t image = i / (a * b), row = i / b % a, column = i % b;
    swapped.Span<float>()[static_cast<size_t>((image * b + column) * a + row)] =
        tensor.Span<float>()[static_cast<size_t>(i)];
  }
  return swapped;
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_KERNELS_WINDOW_TESTING_H_
