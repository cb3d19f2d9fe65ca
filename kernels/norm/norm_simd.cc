// Normalizations by mean and variance on f32 vectors: batch, layer, root mean square, group.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/norm_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <cmath>

#include "kernels/base/parallel_ranges.h"
#include "kernels/base/sum-inl.h"
#include "kernels/norm/limits.h"
#include "kernels/norm/norm.h"
#include "kernels/norm/simd_loops.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

RowMoments Moments(const float* x, size_t count, bool centered) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  RowMoments moments;
  const auto n = static_cast<double>(count);
  if (centered) {
    moments.mean = static_cast<float>(SumMapped(d, x, count, [](V v, size_t) { return v; }) / n);
  }
  const V mean = hn::Set(d, moments.mean);
  const double squares = SumMapped(d, x, count, [&](V v, size_t) {
    const V deviation = hn::Sub(v, mean);
    return hn::Mul(deviation, deviation);
  });
  moments.variance = squares / n;
  return moments;
}

// y[i] = map(x[i .. ], i), where map loads what else it needs through `load`, which knows tails.
template <class Map>
HWY_INLINE void MapWithIndex(const float* x, float* y, size_t count, const Map& map) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto load = [&](const float* from) -> V { return hn::LoadU(d, from + i); };
    hn::StoreU(map(load(x), load), d, y + i);
  }
  if (i < count) {
    const auto load = [&](const float* from) -> V { return LoadTail(d, from + i, count - i); };
    StoreTail(map(load(x), load), d, y + i, count - i);
  }
}

void Affine(const float* x, float* y, size_t count, float mean, float scale, float bias) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const V vmean = hn::Set(d, mean), vscale = hn::Set(d, scale), vbias = hn::Set(d, bias);
  MapWithIndex(x, y, count,
               [&](V v, const auto&) { return hn::MulAdd(hn::Sub(v, vmean), vscale, vbias); });
}

void AffineEach(const float* x, float* y, size_t count, const float* mean, const float* scale,
                const float* bias) {
  using V = hn::Vec<hn::ScalableTag<float>>;
  MapWithIndex(x, y, count, [&](V v, const auto& load) {
    return hn::MulAdd(hn::Sub(v, load(mean)), load(scale), load(bias));
  });
}

void ScaleEach(const float* x, float* y, size_t count, float mean, float factor, const float* scale,
               const float* bias) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const V vmean = hn::Set(d, mean), vfactor = hn::Set(d, factor);
  MapWithIndex(x, y, count, [&](V v, const auto& load) {
    V z = hn::Mul(hn::Sub(v, vmean), vfactor);
    if (scale != nullptr) z = hn::Mul(z, load(scale));
    return bias == nullptr ? z : hn::Add(z, load(bias));
  });
}

NormLoops GetNormLoops() {
  return {Moments, Affine, AffineEach, ScaleEach};
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(GetNormLoops);

int64_t RowGrain(int64_t length) {
  return CeilDiv(kNormGrain, std::max<int64_t>(length, 1));
}

float InverseRoot(double variance, float epsilon) {
  return static_cast<float>(1 / std::sqrt(variance + static_cast<double>(epsilon)));
}

class BatchNormSimd final : public Kernel {
 public:
  explicit BatchNormSimd(const BatchNormProblem& problem)
      : problem_(problem), loops_(HWY_DYNAMIC_DISPATCH(GetNormLoops)()) {}

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(problem_.channels) * sizeof(float);
  }
  bool MayRunInPlace(int index) const override { return index == 0; }

  void Run(const KernelArgs& args) const override {
    const auto* scale = args.inputs[1].As<float>();
    const auto* bias = args.inputs[2].As<float>();
    const auto* mean = args.inputs[3].As<float>();
    const auto* variance = args.inputs[4].As<float>();
    auto* factor = reinterpret_cast<float*>(args.workspace.data());
    for (int64_t c = 0; c < problem_.channels; ++c) {
      factor[c] = static_cast<float>(
          static_cast<double>(scale[c]) /
          std::sqrt(static_cast<double>(variance[c]) + static_cast<double>(problem_.epsilon)));
    }
    const auto* x = args.inputs[0].As<float>();
    auto* y = args.outputs[0].As<float>();
    if (problem_.spatial == 1) {
      RunAcrossChannels(args, x, y, mean, factor, bias);
      return;
    }
    const int64_t spatial = problem_.spatial;
    ParallelRanges(args.parallel, problem_.batch * problem_.channels, RowGrain(spatial),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t row = begin; row < end; ++row) {
                       const int64_t c = row % problem_.channels;
                       loops_.affine(x + row * spatial, y + row * spatial,
                                     static_cast<size_t>(spatial), mean[c], factor[c], bias[c]);
                     }
                   });
  }

 private:
  void RunAcrossChannels(const KernelArgs& args, const float* x, float* y, const float* mean,
                         const float* factor, const float* bias) const {
    const int64_t channels = problem_.channels;
    ParallelRanges(args.parallel, problem_.batch, RowGrain(channels),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t row = begin; row < end; ++row) {
                       loops_.affine_each(x + row * channels, y + row * channels,
                                          static_cast<size_t>(channels), mean, factor, bias);
                     }
                   });
  }

  BatchNormProblem problem_;
  NormLoops loops_;
};

class LayerNormSimd final : public Kernel {
 public:
  explicit LayerNormSimd(const LayerNormProblem& problem)
      : problem_(problem), loops_(HWY_DYNAMIC_DISPATCH(GetNormLoops)()) {}

  bool MayRunInPlace(int index) const override { return index == 0; }

  void Run(const KernelArgs& args) const override {
    const auto parameters = [&](size_t i) {
      return i < args.inputs.size() && args.inputs[i].data != nullptr ? args.inputs[i].As<float>()
                                                                      : nullptr;
    };
    const auto statistics = [&](size_t i) {
      return i < args.outputs.size() && args.outputs[i].data != nullptr
                 ? args.outputs[i].As<float>()
                 : nullptr;
    };
    const float* scale = parameters(1);
    const float* bias = parameters(2);
    float* means = statistics(1);
    float* inv_stds = statistics(2);
    const auto* x = args.inputs[0].As<float>();
    auto* y = args.outputs[0].As<float>();
    const int64_t length = problem_.length;
    const auto size = static_cast<size_t>(length);
    ParallelRanges(
        args.parallel, problem_.rows, RowGrain(length), [&](int64_t begin, int64_t end, int) {
          for (int64_t row = begin; row < end; ++row) {
            const float* from = x + row * length;
            const RowMoments moments = loops_.moments(from, size, !problem_.rms);
            const float inv_std = InverseRoot(moments.variance, problem_.epsilon);
            if (means != nullptr) means[row] = moments.mean;
            if (inv_stds != nullptr) inv_stds[row] = inv_std;
            loops_.scale_each(from, y + row * length, size, moments.mean, inv_std, scale, bias);
          }
        });
  }

 private:
  LayerNormProblem problem_;
  NormLoops loops_;
};

class GroupNormSimd final : public Kernel {
 public:
  explicit GroupNormSimd(const GroupNormProblem& problem)
      : problem_(problem), loops_(HWY_DYNAMIC_DISPATCH(GetNormLoops)()) {}

  bool MayRunInPlace(int index) const override { return index == 0; }

  void Run(const KernelArgs& args) const override {
    const auto* x = args.inputs[0].As<float>();
    auto* y = args.outputs[0].As<float>();
    const int64_t length = problem_.channels_per_group * problem_.spatial;
    ParallelRanges(args.parallel, problem_.batch * problem_.groups, RowGrain(length),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t row = begin; row < end; ++row) {
                       RunGroup(args, x + row * length, y + row * length, row % problem_.groups);
                     }
                   });
  }

 private:
  void RunGroup(const KernelArgs& args, const float* x, float* y, int64_t group) const {
    const auto* scale = args.inputs[1].As<float>();
    const auto* bias = args.inputs[2].As<float>();
    const int64_t channels = problem_.channels_per_group;
    const int64_t spatial = problem_.spatial;
    const RowMoments moments = loops_.moments(x, static_cast<size_t>(channels * spatial), true);
    const float inv_std = InverseRoot(moments.variance, problem_.epsilon);
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t at = problem_.params_per_group ? group : group * channels + c;
      loops_.affine(x + c * spatial, y + c * spatial, static_cast<size_t>(spatial), moments.mean,
                    inv_std * scale[at], bias[at]);
    }
  }

  GroupNormProblem problem_;
  NormLoops loops_;
};

Status TakesFloat(DType dtype) {
  if (dtype == DType::kF32) return {};
  return Unsupported("takes float32, not {}", DTypeName(dtype));
}

}  // namespace

MadeKernel MakeNormSimd(const BatchNormProblem& problem, const MakeContext&) {
  for (const DType dtype : {problem.dtype, problem.param_dtype, problem.moments_dtype}) {
    ERGO_RETURN_IF_ERROR(TakesFloat(dtype));
  }
  return MadeKernel(std::make_unique<BatchNormSimd>(problem));
}

MadeKernel MakeNormSimd(const LayerNormProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(TakesFloat(problem.dtype));
  return MadeKernel(std::make_unique<LayerNormSimd>(problem));
}

MadeKernel MakeNormSimd(const GroupNormProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(TakesFloat(problem.dtype));
  return MadeKernel(std::make_unique<GroupNormSimd>(problem));
}

MadeKernel MakeNormSimd(const LpNormProblem&, const MakeContext&) {
  return Unsupported("LpNormalization has no vector form");
}

MadeKernel MakeNormSimd(const LrnProblem&, const MakeContext&) {
  return Unsupported("LRN has no vector form");
}

}  // namespace ergo
#endif  // HWY_ONCE
