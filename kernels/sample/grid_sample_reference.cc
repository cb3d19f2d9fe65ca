#include <cmath>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"
#include "kernels/sample/sample_variants.h"

namespace ergo {
namespace {

using Problem = GridSampleProblem;

bool IsSupported(DType dtype) {
  return IsFloatingPoint(dtype) && HasRealAccess(dtype);
}

// Mirrors x at the ends of [low, high] until it lies within.
double Reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double over = x < low ? low - x : x > high ? x - high : 0;
  if (over == 0) return x;
  const double times = std::floor(over / range);
  const double rest = over - times * range;
  const bool even = std::fmod(times, 2) == 0;
  return (x < low) == even ? low + rest : high - rest;
}

// One place of the output in one sample: where to read, and the sum over the neighbours there.
class Sampler {
 public:
  Sampler(const Problem& problem, const KernelArgs& args) : p_(problem), args_(args) {}

  void Locate(int64_t place) {
    for (int axis = 0; axis < p_.spatial; ++axis) {
      const auto a = static_cast<size_t>(axis);
      const auto extent = static_cast<double>(p_.in[a]);
      const double x = ReadReal(args_.inputs[1], place * p_.spatial + (p_.spatial - 1 - axis));
      double at = p_.align_corners ? (x + 1) / 2 * (extent - 1) : ((x + 1) * extent - 1) / 2;
      if (p_.mode == Problem::Mode::kNearest) at = std::nearbyint(at);
      at_[a] = Pad(at, axis);
      if (!std::isfinite(at_[a])) at_[a] = -2;  // reads nothing but padding
    }
  }

  // The value of the channel whose first element is number `base`.
  double Read(int64_t base) const { return Sum(base, 0, 0); }

 private:
  double Low(int axis) const {
    return p_.align_corners || p_.in[static_cast<size_t>(axis)] == 0 ? 0 : -0.5;
  }
  double High(int axis) const {
    const auto extent = static_cast<double>(p_.in[static_cast<size_t>(axis)]);
    return p_.align_corners ? extent - 1 : extent - 0.5;
  }

  double Pad(double at, int axis) const {
    if (at >= Low(axis) && at <= High(axis)) return at;
    const auto extent = static_cast<double>(p_.in[static_cast<size_t>(axis)]);
    switch (p_.padding) {
      case Problem::Padding::kZeros: return at;
      case Problem::Padding::kBorder: return std::min(std::max(at, 0.0), extent - 1);
      case Problem::Padding::kReflection: return Reflect(at, Low(axis), High(axis));
    }
    return at;
  }

  // Sum over axes from `axis` on; `flat` is the position so far.
  double Sum(int64_t base, int axis, int64_t flat) const {
    if (axis == p_.spatial) return ReadReal(args_.inputs[0], base + flat);
    const auto a = static_cast<size_t>(axis);
    const double floor = std::floor(at_[a]), fraction = at_[a] - floor;
    switch (p_.mode) {
      case Problem::Mode::kNearest: return Neighbour(base, axis, flat, at_[a]);
      case Problem::Mode::kLinear:
        return Weighted(base, axis, flat, floor, 1 - fraction) +
               Weighted(base, axis, flat, floor + 1, fraction);
      case Problem::Mode::kCubic:
        return Weighted(base, axis, flat, floor - 1, CubicFar(1 + fraction)) +
               Weighted(base, axis, flat, floor, CubicNear(fraction)) +
               Weighted(base, axis, flat, floor + 1, CubicNear(1 - fraction)) +
               Weighted(base, axis, flat, floor + 2, CubicFar(2 - fraction));
    }
    return 0;
  }

  double Weighted(int64_t base, int axis, int64_t flat, double index, double weight) const {
    return weight == 0 ? 0 : weight * Neighbour(base, axis, flat, index);
  }

  double Neighbour(int64_t base, int axis, int64_t flat, double index) const {
    const int64_t extent = p_.in[static_cast<size_t>(axis)];
    auto i = static_cast<int64_t>(index);
    if (i < 0 || i >= extent) {
      if (p_.padding == Problem::Padding::kZeros || extent == 0) return 0;
      i = static_cast<int64_t>(Pad(index, axis));
      i = std::min(std::max<int64_t>(i, 0), extent - 1);
    }
    return Sum(base, axis + 1, flat * extent + i);
  }

  // Keys' cubic convolution with a = -0.75.
  static double CubicNear(double x) { return ((1.25 * x - 2.25) * x) * x + 1; }
  static double CubicFar(double x) { return ((-0.75 * x + 3.75) * x - 6) * x + 3; }

  const Problem& p_;
  const KernelArgs& args_;
  std::array<double, kMaxSpatial> at_{};
};

int64_t Product(const std::array<int64_t, kMaxSpatial>& dims, int count) {
  int64_t product = 1;
  for (int i = 0; i < count; ++i) product *= dims[static_cast<size_t>(i)];
  return product;
}

void RunAffineGrid(const AffineGridProblem& p, const KernelArgs& args) {
  const int64_t places = Product(p.out, p.spatial);
  args.parallel.Run(p.batch * places, [&](int64_t index, int) {
    std::array<double, kMaxSpatial + 1> base{};  // x first, then y, z; then 1
    int64_t rest = index % places;
    for (int axis = p.spatial - 1; axis >= 0; --axis) {
      const int64_t extent = p.out[static_cast<size_t>(axis)];
      const auto i = static_cast<double>(rest % extent);
      rest /= extent;
      const auto n = static_cast<double>(extent);
      base[static_cast<size_t>(p.spatial - 1 - axis)] =
          p.align_corners ? (extent == 1 ? 0 : -1 + 2 * i / (n - 1)) : (2 * i + 1) / n - 1;
    }
    base[static_cast<size_t>(p.spatial)] = 1;
    const int64_t columns = p.spatial + 1;
    for (int row = 0; row < p.spatial; ++row) {
      double sum = 0;
      for (int64_t column = 0; column < columns; ++column) {
        sum += ReadReal(args.inputs[0], (index / places * p.spatial + row) * columns + column) *
               base[static_cast<size_t>(column)];
      }
      WriteReal(args.outputs[0], index * p.spatial + row, sum);
    }
  });
}

}  // namespace

MadeKernel MakeSampleReference(const GridSampleProblem& problem, const MakeContext&) {
  if (!HasRealAccess(problem.dtype) || !IsSupported(problem.grid_dtype)) {
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  }
  return MakeFunctionKernel([p = problem](const KernelArgs& args) {
    const int64_t places = Product(p.out, p.spatial), plane = Product(p.in, p.spatial);
    args.parallel.Run(p.batch * places, [&](int64_t index, int) {
      Sampler sampler(p, args);
      sampler.Locate(index);
      const int64_t sample = index / places;
      for (int64_t c = 0; c < p.channels; ++c) {
        const int64_t channel = sample * p.channels + c;
        WriteReal(args.outputs[0], channel * places + index % places,
                  sampler.Read(channel * plane));
      }
    });
  });
}

MadeKernel MakeSampleReference(const AffineGridProblem& problem, const MakeContext&) {
  if (!IsSupported(problem.dtype))
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  return MakeFunctionKernel([problem](const KernelArgs& args) { RunAffineGrid(problem, args); });
}

}  // namespace ergo
