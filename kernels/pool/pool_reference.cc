// Plain loops: the oracle of the other variants, and what runs where they decline.
#include <cmath>
#include <limits>

#include "kernels/pool/pool.h"

namespace ergo {
namespace {

// What sums of T are held in.
template <typename T>
struct SumOf {
  using type = float;
};
template <>
struct SumOf<float> {
  using type = double;
};
template <>
struct SumOf<double> {
  using type = double;
};

template <typename T>
constexpr bool kIsHalf = std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

// Max compares halves as the floats that they are.
template <typename T>
auto Comparable(T value) {
  if constexpr (kIsHalf<T>) {
    return static_cast<float>(value);
  } else {
    return value;
  }
}

template <typename T>
T Lowest() {
  if constexpr (kIsHalf<T>) {
    return T(-std::numeric_limits<float>::infinity());
  } else if constexpr (std::numeric_limits<T>::has_infinity) {
    return -std::numeric_limits<T>::infinity();
  } else {
    return std::numeric_limits<T>::lowest();
  }
}

// The taps of one window that lie inside the input, axis by axis.
using WindowTaps = std::array<Taps, kSpatialAxes>;

int64_t CountTaps(const WindowTaps& taps) {
  return taps[0].Count() * taps[1].Count() * taps[2].Count();
}

// Calls visit(d, h, w) for the input positions of the taps, row-major.
template <typename Visit>
void ForEachTap(const Window& window, const Spatial& o, const WindowTaps& taps, Visit visit) {
  for (int64_t kd = taps[0].begin; kd < taps[0].end; ++kd) {
    const int64_t d = window.Start(0, o[0]) + kd * window.dilations[0];
    for (int64_t kh = taps[1].begin; kh < taps[1].end; ++kh) {
      const int64_t h = window.Start(1, o[1]) + kh * window.dilations[1];
      for (int64_t kw = taps[2].begin; kw < taps[2].end; ++kw) {
        visit(d, h, window.Start(2, o[2]) + kw * window.dilations[2]);
      }
    }
  }
}

template <typename T>
class PoolReference final : public Kernel {
 public:
  explicit PoolReference(const PoolProblem& problem) : problem_(problem) {}

  void Run(const KernelArgs& args) const override {
    const T* x = args.inputs[0].As<T>();
    T* y = args.outputs[0].As<T>();
    int64_t* indices = problem_.has_indices ? args.outputs[1].As<int64_t>() : nullptr;
    const int64_t in_plane = problem_.window.InElements();
    const int64_t out_plane = problem_.window.OutElements();
    args.parallel.Run(problem_.planes, [&](int64_t plane, int) {
      RunPlane(x + plane * in_plane, plane * in_plane, y + plane * out_plane,
               indices == nullptr ? nullptr : indices + plane * out_plane);
    });
  }

 private:
  void RunPlane(const T* x, int64_t index_base, T* y, int64_t* indices) const {
    const Window& window = problem_.window;
    Spatial o{};
    for (o[0] = 0; o[0] < window.out[0]; ++o[0]) {
      for (o[1] = 0; o[1] < window.out[1]; ++o[1]) {
        for (o[2] = 0; o[2] < window.out[2]; ++o[2]) {
          WindowTaps taps;
          for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
            taps[axis] = window.TapsWithin(axis, o[axis]);
          }
          if (problem_.kind == PoolKind::kMax) {
            const int64_t index = Max(x, o, taps, *y++);
            if (indices != nullptr) *indices++ = index_base + index;
          } else if constexpr (!std::is_integral_v<T>) {
            *y++ = problem_.kind == PoolKind::kAverage ? Average(x, o, taps) : Lp(x, o, taps);
          }
        }
      }
    }
  }

  int64_t InIndex(int64_t d, int64_t h, int64_t w) const {
    return (d * problem_.window.in[1] + h) * problem_.window.in[2] + w;
  }

  // Puts the largest element into `max` and returns its index as the problem counts it.
  int64_t Max(const T* x, const Spatial& o, const WindowTaps& taps, T& max) const {
    max = Lowest<T>();
    int64_t index = -1;
    ForEachTap(problem_.window, o, taps, [&](int64_t d, int64_t h, int64_t w) {
      const T value = x[InIndex(d, h, w)];
      if (index >= 0 && !(Comparable(value) > Comparable(max))) return;
      max = value;
      const Spatial& in = problem_.window.in;
      index = problem_.column_major ? (w * in[1] + h) * in[0] + d : InIndex(d, h, w);
    });
    return std::max<int64_t>(index, 0);
  }

  T Average(const T* x, const Spatial& o, const WindowTaps& taps) const {
    typename SumOf<T>::type sum = 0;
    ForEachTap(problem_.window, o, taps, [&](int64_t d, int64_t h, int64_t w) {
      sum += static_cast<typename SumOf<T>::type>(Comparable(x[InIndex(d, h, w)]));
    });
    int64_t count = CountTaps(taps);
    if (problem_.count_include_pad) {
      count = 1;
      for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
        const Window& window = problem_.window;
        count *= window.TapsWithin(axis, o[axis], window.pads_begin[axis], window.pads_end[axis])
                     .Count();
      }
    }
    return count == 0 ? T() : T(sum / static_cast<typename SumOf<T>::type>(count));
  }

  T Lp(const T* x, const Spatial& o, const WindowTaps& taps) const {
    using Sum = typename SumOf<T>::type;
    const Sum p = static_cast<Sum>(problem_.p);
    Sum sum = 0;
    ForEachTap(problem_.window, o, taps, [&](int64_t d, int64_t h, int64_t w) {
      const Sum magnitude = std::abs(static_cast<Sum>(Comparable(x[InIndex(d, h, w)])));
      sum += std::pow(magnitude, p);
    });
    return T(std::pow(sum, 1 / p));
  }

  PoolProblem problem_;
};

}  // namespace

MadeKernel MakePoolReference(const PoolProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckPool(problem));
  switch (problem.dtype) {
    case DType::kF32: return std::unique_ptr<Kernel>(new PoolReference<float>(problem));
    case DType::kF64: return std::unique_ptr<Kernel>(new PoolReference<double>(problem));
    case DType::kF16: return std::unique_ptr<Kernel>(new PoolReference<Float16>(problem));
    case DType::kBF16: return std::unique_ptr<Kernel>(new PoolReference<BFloat16>(problem));
    case DType::kI8: return std::unique_ptr<Kernel>(new PoolReference<int8_t>(problem));
    case DType::kU8: return std::unique_ptr<Kernel>(new PoolReference<uint8_t>(problem));
    default: return Unsupported("{} tensors", DTypeName(problem.dtype));
  }
}

}  // namespace ergo
