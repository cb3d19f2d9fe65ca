// Plain loops: the oracle of the other variants, and what runs where they decline.
#include "kernels/conv/conv.h"

namespace ergo {
namespace {

template <typename T>
struct SumOf {
  using type = double;
};
template <>
struct SumOf<Float16> {
  using type = float;
};
template <>
struct SumOf<BFloat16> {
  using type = float;
};

template <typename T>
class ConvReference final : public Kernel {
 public:
  explicit ConvReference(const ConvProblem& problem) : problem_(problem) {}

  bool MayRunInPlace(int index) const override { return index == 3 && problem_.has_residual; }

  void Run(const KernelArgs& args) const override {
    args.parallel.Run(problem_.batch * problem_.out_channels,
                      [&](int64_t plane, int) { RunPlane(args, plane); });
  }

 private:
  using Sum = typename SumOf<T>::type;

  void RunPlane(const KernelArgs& args, int64_t plane) const {
    const Window& window = problem_.window;
    const int64_t m = plane % problem_.out_channels;
    const int64_t first_channel = m / problem_.GroupOutChannels() * problem_.GroupInChannels() +
                                  plane / problem_.out_channels * problem_.in_channels;
    const T* x = args.inputs[0].As<T>() + first_channel * window.InElements();
    const T* w = args.inputs[1].As<T>() + m * problem_.Depth();
    const int64_t base = plane * window.OutElements();
    const T* z = problem_.has_residual ? args.inputs[3].As<T>() + base : nullptr;
    T* y = args.outputs[0].As<T>() + base;
    const Sum bias = problem_.has_bias ? static_cast<Sum>(args.inputs[2].As<T>()[m]) : Sum{0};
    Spatial o{};
    for (o[0] = 0; o[0] < window.out[0]; ++o[0]) {
      for (o[1] = 0; o[1] < window.out[1]; ++o[1]) {
        for (o[2] = 0; o[2] < window.out[2]; ++o[2]) {
          const Sum start = z == nullptr ? bias : bias + static_cast<Sum>(*z++);
          *y++ = Finish(start + Convolve(x, w, o));
        }
      }
    }
  }

  Sum Convolve(const T* x, const T* w, const Spatial& o) const {
    const Window& window = problem_.window;
    const Taps depth = window.TapsWithin(0, o[0]);
    const Taps height = window.TapsWithin(1, o[1]);
    const Taps width = window.TapsWithin(2, o[2]);
    Sum sum = 0;
    for (int64_t c = 0; c < problem_.GroupInChannels(); ++c) {
      for (int64_t kd = depth.begin; kd < depth.end; ++kd) {
        const int64_t d = c * window.in[0] + window.Start(0, o[0]) + kd * window.dilations[0];
        for (int64_t kh = height.begin; kh < height.end; ++kh) {
          const int64_t h = window.Start(1, o[1]) + kh * window.dilations[1];
          const T* row = x + (d * window.in[1] + h) * window.in[2];
          const T* taps =
              w + ((c * window.kernel[0] + kd) * window.kernel[1] + kh) * window.kernel[2];
          for (int64_t kw = width.begin; kw < width.end; ++kw) {
            const T value = row[window.Start(2, o[2]) + kw * window.dilations[2]];
            sum += static_cast<Sum>(value) * static_cast<Sum>(taps[kw]);
          }
        }
      }
    }
    return sum;
  }

  T Finish(Sum value) const {
    const double result = Activate(problem_.activation, static_cast<double>(value));
    if constexpr (std::is_same_v<T, double>) {
      return result;
    } else {
      return T(static_cast<float>(result));
    }
  }

  const ConvProblem problem_;
};

}  // namespace

MadeKernel MakeConvReference(const ConvProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckConv(problem));
  switch (problem.dtype) {
    case DType::kF32: return std::unique_ptr<Kernel>(new ConvReference<float>(problem));
    case DType::kF64: return std::unique_ptr<Kernel>(new ConvReference<double>(problem));
    case DType::kF16: return std::unique_ptr<Kernel>(new ConvReference<Float16>(problem));
    case DType::kBF16: return std::unique_ptr<Kernel>(new ConvReference<BFloat16>(problem));
    default: return Unsupported("convolution of {}", DTypeName(problem.dtype));
  }
}

}  // namespace ergo
