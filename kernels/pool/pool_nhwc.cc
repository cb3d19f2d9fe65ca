#include "kernels/pool/pool_nhwc.h"

#include <limits>

namespace ergo {
namespace {

// Plain loops: the oracle of the other variants.
class NhwcPoolReference final : public Kernel {
 public:
  explicit NhwcPoolReference(const NhwcPoolProblem& problem) : problem_(problem) {}

  void Run(const KernelArgs& args) const override {
    const Window& w = problem_.pool.window;
    const int64_t channels = problem_.channels;
    args.parallel.Run(problem_.Images() * w.out[1], [&](int64_t row, int) {
      const float* x = args.inputs[0].As<float>() + row / w.out[1] * w.InElements() * channels;
      float* y = args.outputs[0].As<float>() + row * w.out[2] * channels;
      for (int64_t i = 0; i < w.out[2] * channels; ++i) {
        y[i] = Combine(x + i % channels, row % w.out[1], i / channels);
      }
    });
  }

 private:
  float Combine(const float* x, int64_t oy, int64_t ox) const {
    const PoolProblem& p = problem_.pool;
    const Window& w = p.window;
    const Taps height = w.TapsWithin(1, oy), width = w.TapsWithin(2, ox);
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t ky = height.begin; ky < height.end; ++ky) {
      for (int64_t kx = width.begin; kx < width.end; ++kx) {
        const int64_t row = w.Start(1, oy) + ky * w.dilations[1];
        const int64_t column = w.Start(2, ox) + kx * w.dilations[2];
        const double value = x[(row * w.in[2] + column) * problem_.channels];
        largest = std::max(largest, value);
        sum += value;
      }
    }
    if (p.kind == PoolKind::kMax) return static_cast<float>(largest);
    const int64_t count = NhwcPoolCount(p, oy, ox);
    return count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
  }

  const NhwcPoolProblem problem_;
};

}  // namespace

std::string NhwcPoolProblem::ToString() const {
  return fmt::format("{} {} channels", pool.ToString(), channels);
}

int64_t NhwcPoolCount(const PoolProblem& problem, int64_t oy, int64_t ox) {
  const Window& w = problem.window;
  const auto count = [&](size_t axis, int64_t o) {
    if (!problem.count_include_pad) return w.TapsWithin(axis, o).Count();
    return w.TapsWithin(axis, o, w.pads_begin[axis], w.pads_end[axis]).Count();
  };
  return count(1, oy) * count(2, ox);
}

Status CheckNhwcPool(const NhwcPoolProblem& problem) {
  const PoolProblem& p = problem.pool;
  ERGO_RETURN_IF_ERROR(CheckPool(p));
  if (p.dtype != DType::kF32) return Unsupported("{} tensors", DTypeName(p.dtype));
  if (p.kind == PoolKind::kLp) return Unsupported("lp pooling");
  if (p.has_indices) return Unsupported("indices");
  if (problem.channels < 0 || (problem.channels == 0) != (p.planes == 0) ||
      (problem.channels > 0 && p.planes % problem.channels != 0)) {
    return InvalidArgument("{} planes of {} channels", p.planes, problem.channels);
  }
  if (p.window.in[0] != 1 || p.window.kernel[0] != 1 || p.window.out[0] != 1) {
    return Unsupported("not two-dimensional: {}", p.window.ToString());
  }
  return {};
}

KernelCost CostOf(const NhwcPoolProblem& problem) {
  return CostOf(problem.pool);
}

std::span<const KernelVariant<NhwcPoolProblem>> NhwcPoolVariants() {
  static constexpr KernelVariant<NhwcPoolProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"pool_nhwc", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/pool/pool_nhwc_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

MadeKernel MakeNhwcPoolReference(const NhwcPoolProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckNhwcPool(problem));
  return MadeKernel(std::make_unique<NhwcPoolReference>(problem));
}

}  // namespace ergo
