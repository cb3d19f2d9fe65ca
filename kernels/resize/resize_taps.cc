#include "kernels/resize/resize_taps.h"

#include <algorithm>
#include <cmath>

#include "kernels/resize/limits.h"

namespace ergo {
namespace {

double InputCoordinate(const ResizeProblem& problem, const ResizeAxis& axis, int64_t in,
                       int64_t out, int64_t index) {
  const auto o = static_cast<double>(index), length = static_cast<double>(in);
  const double resized = axis.scale * length;
  const double half_pixel = (o + 0.5) / axis.scale - 0.5;
  switch (problem.coordinates) {
    case CoordinateMode::kHalfPixel: return half_pixel;
    case CoordinateMode::kHalfPixelSymmetric:
      // Summed in the standard's order: nearest modes tell 1 from 1 - 1e-16.
      return length / 2 * (1 - static_cast<double>(out) / resized) + (o + 0.5) / axis.scale - 0.5;
    case CoordinateMode::kPytorchHalfPixel: return resized == 1 ? 0 : half_pixel;
    case CoordinateMode::kAlignCorners: return resized == 1 ? 0 : o * (length - 1) / (resized - 1);
    case CoordinateMode::kAsymmetric: return o / axis.scale;
    case CoordinateMode::kTfHalfPixelForNn: return (o + 0.5) / axis.scale;
    case CoordinateMode::kTfCropAndResize: {
      const double part = (axis.roi_end - axis.roi_start) * (length - 1);
      const double within = resized == 1 ? part / 2 : o * part / (resized - 1);
      return within + axis.roi_start * (length - 1);
    }
  }
  return half_pixel;
}

int64_t NearestIndex(NearestMode mode, double scale, double x) {
  switch (mode) {
    case NearestMode::kRoundPreferFloor: return static_cast<int64_t>(std::ceil(x - 0.5));
    case NearestMode::kRoundPreferCeil: return static_cast<int64_t>(std::floor(x + 0.5));
    case NearestMode::kFloor: return static_cast<int64_t>(std::floor(x));
    case NearestMode::kCeil: return static_cast<int64_t>(std::ceil(x));
    case NearestMode::kSimple:
      return static_cast<int64_t>(scale < 1 ? std::ceil(x) : std::floor(x));
  }
  return 0;
}

// The kernel at distance t.
double KernelWeight(ResizeMode mode, double a, double t) {
  t = std::fabs(t);
  if (mode == ResizeMode::kLinear) return std::max(0.0, 1 - t);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return 0;
}

// Fills the taps of output o, which lies at x.
void FillTaps(const ResizeProblem& problem, double shrink, double x, int64_t o, AxisTaps& axis) {
  const auto begin = static_cast<size_t>(o * axis.taps);
  const int64_t first = static_cast<int64_t>(std::floor(x)) - axis.taps / 2 + 1;
  double sum = 0;
  for (int64_t k = 0; k < axis.taps; ++k) {
    const auto at = begin + static_cast<size_t>(k);
    const int64_t index = first + k;
    const bool counts = !problem.exclude_outside || (index >= 0 && index < axis.in);
    const double distance = (static_cast<double>(index) - x) * shrink;
    axis.weights[at] = counts ? KernelWeight(problem.mode, problem.cubic_a, distance) : 0;
    axis.indices[at] = std::clamp<int64_t>(index, 0, axis.in - 1);
    sum += axis.weights[at];
  }
  // Only a widened or cut kernel does not add up to 1 by itself.
  if (sum != 0 && (shrink < 1 || problem.exclude_outside)) {
    for (int64_t k = 0; k < axis.taps; ++k) axis.weights[begin + static_cast<size_t>(k)] /= sum;
  }
}

Status FillAxis(const ResizeProblem& problem, const ResizeAxis& request, AxisTaps& axis) {
  // An antialiased kernel is as wide as the input elements that fall on one output.
  const double shrink = problem.antialias ? std::min(request.scale, 1.0) : 1.0;
  const double reach = problem.mode == ResizeMode::kNearest  ? 0.5
                       : problem.mode == ResizeMode::kLinear ? std::ceil(1 / shrink)
                                                             : std::ceil(2 / shrink);
  const double all_taps = 2 * reach * static_cast<double>(axis.out);
  if (!(all_taps <= static_cast<double>(kMaxResizeTaps))) {
    return ResourceExhausted("resizing {} to {} elements by {} takes more than {} weights", axis.in,
                             axis.out, request.scale, kMaxResizeTaps);
  }
  axis.taps = static_cast<int64_t>(2 * reach);
  axis.indices.resize(static_cast<size_t>(axis.taps * axis.out));
  axis.weights.resize(axis.indices.size(), 1.0);
  for (int64_t o = 0; o < axis.out; ++o) {
    const double x = InputCoordinate(problem, request, axis.in, axis.out, o);
    if (!(std::fabs(x) < static_cast<double>(kMaxTensorElements))) {
      return InvalidArgument("output {} of a resize by {} falls on {}", o, request.scale, x);
    }
    if (problem.coordinates == CoordinateMode::kTfCropAndResize &&
        (x < 0 || x > static_cast<double>(axis.in - 1))) {
      axis.outside.resize(static_cast<size_t>(axis.out), false);
      axis.outside[static_cast<size_t>(o)] = true;
    }
    if (problem.mode == ResizeMode::kNearest) {
      axis.indices[static_cast<size_t>(o)] =
          std::clamp<int64_t>(NearestIndex(problem.nearest, request.scale, x), 0, axis.in - 1);
    } else {
      FillTaps(problem, shrink, x, o, axis);
    }
  }
  return {};
}

}  // namespace

bool AxisTaps::Identity() const {
  if (in != out || !outside.empty()) return false;
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t k = 0; k < taps; ++k) {
      const auto at = static_cast<size_t>(o * taps + k);
      if (weights[at] != (indices[at] == o ? 1.0 : 0.0)) return false;
    }
  }
  return true;
}

Result<std::vector<AxisTaps>> MakeTaps(const ResizeProblem& problem) {
  const Shape &input = problem.input, &output = problem.output;
  if (input.Rank() != output.Rank()) {
    return InvalidArgument("{} cannot be resized to {}", input.ToString(), output.ToString());
  }
  std::vector<AxisTaps> all;
  for (int i = 0; i < input.Rank(); ++i) {
    const ResizeAxis& request = problem.axes[static_cast<size_t>(i)];
    AxisTaps axis;
    axis.in = input[i];
    axis.out = output[i];
    if (axis.in == 0 && output.Elements() != 0) {
      return InvalidArgument("axis {} of {} is empty and cannot be resized", i, input.ToString());
    }
    // A result without elements needs no weights, and an empty axis has none to give.
    if (output.Elements() != 0) {
      if (!(request.scale > 0) || !std::isfinite(request.scale)) {
        return InvalidArgument("scale {} of axis {}", request.scale, i);
      }
      ERGO_RETURN_IF_ERROR(FillAxis(problem, request, axis));
    }
    all.push_back(std::move(axis));
  }
  return all;
}

}  // namespace ergo
