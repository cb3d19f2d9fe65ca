#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/base/parallel_ranges.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/resize/resize_taps.h"

namespace ergo {
namespace {

constexpr int64_t kGrainElements = 4096;

template <typename T>
double ToReal(T value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<double>(value);
  } else {
    return double{static_cast<float>(value)};
  }
}

template <typename T>
T FromReal(double value) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    // The bounds of 64-bit types are not doubles; the nearest ones outside are cut off before.
    const double low = static_cast<double>(std::numeric_limits<T>::min());
    const double high = static_cast<double>(std::numeric_limits<T>::max());
    const double rounded = std::nearbyint(value);
    if (!(rounded > low)) return std::isnan(rounded) ? T{0} : std::numeric_limits<T>::min();
    return rounded >= high ? std::numeric_limits<T>::max() : static_cast<T>(rounded);
  } else if constexpr (std::is_same_v<T, bool>) {
    return value != 0;
  } else if constexpr (std::is_same_v<T, double>) {
    return value;
  } else {
    return T(static_cast<float>(value));
  }
}

// Coordinates of output element i, and whether one of them is extrapolated.
struct Place {
  std::array<int64_t, kMaxRank> at{};
  bool outside = false;
};

class ReferenceResize : public Kernel {
 protected:
  ReferenceResize(const ResizeProblem& problem, std::vector<AxisTaps> taps)
      : problem_(problem), taps_(std::move(taps)), strides_(problem.input.RowMajorStrides()) {}

  Place PlaceOf(int64_t i) const {
    Place place;
    for (size_t axis = taps_.size(); axis-- > 0;) {
      const int64_t o = i % taps_[axis].out;
      i /= taps_[axis].out;
      place.at[axis] = o;
      place.outside = place.outside ||
                      (!taps_[axis].outside.empty() && taps_[axis].outside[static_cast<size_t>(o)]);
    }
    return place;
  }

  const ResizeProblem problem_;
  const std::vector<AxisTaps> taps_;
  const std::array<int64_t, kMaxRank> strides_;
};

template <typename T>
class WeightedResize final : public ReferenceResize {
 public:
  WeightedResize(const ResizeProblem& problem, std::vector<AxisTaps> taps)
      : ReferenceResize(problem, std::move(taps)) {}

  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const T*>(args.inputs[0].data);
    auto* to = static_cast<T*>(args.outputs[0].data);
    ParallelRanges(
        args.parallel, problem_.output.Elements(), kGrainElements,
        [&](int64_t begin, int64_t end, int) {
          for (int64_t i = begin; i < end; ++i) {
            const Place place = PlaceOf(i);
            to[i] = FromReal<T>(place.outside ? problem_.extrapolation_value : Sum(from, place, 0));
          }
        });
  }

 private:
  double Sum(const T* from, const Place& place, size_t axis) const {
    if (axis == taps_.size()) return ToReal(*from);
    const AxisTaps& taps = taps_[axis];
    double sum = 0;
    for (int64_t k = 0; k < taps.taps; ++k) {
      const auto at = static_cast<size_t>(place.at[axis] * taps.taps + k);
      // A weight of 0 keeps out even an infinity.
      if (taps.weights[at] == 0) continue;
      sum += taps.weights[at] * Sum(from + taps.indices[at] * strides_[axis], place, axis + 1);
    }
    return sum;
  }
};

class PickingResize final : public ReferenceResize {
 public:
  PickingResize(const ResizeProblem& problem, std::vector<AxisTaps> taps)
      : ReferenceResize(problem, std::move(taps)),
        bytes_(static_cast<size_t>(DTypeBits(problem.dtype)) / 8) {
    VisitDType(problem.dtype, [&]<typename T>(TypeTag<T>) {
      const T value = FromReal<T>(problem_.extrapolation_value);
      std::memcpy(outside_.data(), &value, sizeof(T));
      return 0;
    });
  }

  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    ParallelRanges(args.parallel, problem_.output.Elements(), kGrainElements,
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       const Place place = PlaceOf(i);
                       int64_t source = 0;
                       for (size_t axis = 0; axis < taps_.size(); ++axis) {
                         const auto o = static_cast<size_t>(place.at[axis]);
                         source += taps_[axis].indices[o] * strides_[axis];
                       }
                       std::memcpy(to + static_cast<size_t>(i) * bytes_,
                                   place.outside ? outside_.data()
                                                 : from + static_cast<size_t>(source) * bytes_,
                                   bytes_);
                     }
                   });
  }

 private:
  size_t bytes_;
  std::array<std::byte, 8> outside_{};
};

}  // namespace

MadeKernel MakeResizeReference(const ResizeProblem& problem, const MakeContext&) {
  if (DTypeBits(problem.dtype) < 8) {
    return Unsupported("elements of {} are smaller than a byte", DTypeName(problem.dtype));
  }
  ERGO_ASSIGN_OR_RETURN(std::vector<AxisTaps> taps, MakeTaps(problem));
  if (problem.mode == ResizeMode::kNearest) {
    return MadeKernel(std::make_unique<PickingResize>(problem, std::move(taps)));
  }
  auto kernel = VisitDType(problem.dtype, [&]<typename T>(TypeTag<T>) -> std::unique_ptr<Kernel> {
    if constexpr (std::is_same_v<T, bool>) {
      return nullptr;
    } else {
      return std::make_unique<WeightedResize<T>>(problem, std::move(taps));
    }
  });
  if (kernel == nullptr) return Unsupported("interpolating {}", DTypeName(problem.dtype));
  return MadeKernel(std::move(kernel));
}

}  // namespace ergo
