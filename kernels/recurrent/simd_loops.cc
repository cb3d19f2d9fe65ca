#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/recurrent/simd_loops.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/elementwise/unary-inl.h"
#include "kernels/recurrent/panel_matrix.h"
#include "kernels/recurrent/simd_loops.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Vectors of rows that are summed at once: with up to four samples, as many accumulators as there
// are registers for.
constexpr size_t kVectors = 4;
constexpr int64_t kSamplesAtOnce = HWY_MAX_BYTES >= 64 ? 4 : 2;

// Rows [first, first + kVectors vectors) of a panel, of which those from `rows` on do not count.
template <int64_t kSamples>
HWY_INLINE void MultiplyTile(const float* panel, int64_t depth, int64_t first, int64_t rows,
                             const float* const* x, float* const* y) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sums[kSamples][kVectors];
  for (auto& of_sample : sums) {
    for (V& sum : of_sample) sum = hn::Zero(d);
  }
  const float* weights = panel + first;
  for (int64_t k = 0; k < depth; ++k, weights += kPanelRows) {
    V loaded[kVectors];
    for (size_t v = 0; v < kVectors; ++v) {
      loaded[v] = hn::Load(d, weights + static_cast<int64_t>(v) * lanes);
    }
    for (int64_t s = 0; s < kSamples; ++s) {
      const V factor = hn::Set(d, x[s][k]);
      for (size_t v = 0; v < kVectors; ++v) {
        sums[s][v] = hn::MulAdd(loaded[v], factor, sums[s][v]);
      }
    }
  }
  for (int64_t s = 0; s < kSamples; ++s) {
    for (size_t v = 0; v < kVectors; ++v) {
      const int64_t row = first + static_cast<int64_t>(v) * lanes;
      float* to = y[s] + row;
      if (row + lanes <= rows) {
        hn::StoreU(hn::Add(hn::LoadU(d, to), sums[s][v]), d, to);
      } else if (row < rows) {
        const auto left = static_cast<size_t>(rows - row);
        StoreTail(hn::Add(LoadTail(d, to, left), sums[s][v]), d, to, left);
      }
    }
  }
}

template <int64_t kSamples>
HWY_INLINE void MultiplyPanel(const float* panel, int64_t depth, int64_t rows,
                              const float* const* x, float* const* y) {
  const auto tile =
      static_cast<int64_t>(kVectors) * static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()));
  for (int64_t first = 0; first < rows; first += tile) {
    MultiplyTile<kSamples>(panel, depth, first, rows, x, y);
  }
}

void Multiply(const float* panel, int64_t depth, int64_t rows, const float* const* x,
              float* const* y, int64_t samples) {
  while (samples > 0) {
    const int64_t now = std::min(samples, kSamplesAtOnce);
    switch (now) {
      case 1: MultiplyPanel<1>(panel, depth, rows, x, y); break;
      case 2: MultiplyPanel<2>(panel, depth, rows, x, y); break;
      case 3: MultiplyPanel<std::min<int64_t>(3, kSamplesAtOnce)>(panel, depth, rows, x, y); break;
      default: MultiplyPanel<kSamplesAtOnce>(panel, depth, rows, x, y); break;
    }
    samples -= now;
    x += now;
    y += now;
  }
}

// y[i] = map(i), where map loads through `load`, which knows tails.
template <class Map>
HWY_INLINE void MapIndices(float* y, size_t count, const Map& map) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(map([&](const float* from) -> V { return hn::LoadU(d, from + i); }), d, y + i);
  }
  if (i < count) {
    const size_t left = count - i;
    StoreTail(map([&](const float* from) -> V { return LoadTail(d, from + i, left); }), d, y + i,
              left);
  }
}

void Activate(const GateFunction& function, float clip, float* x, size_t count) {
  if (clip > 0) UnaryLoop<UnaryOp::kClip>(x, x, count, -clip, clip);
  const float alpha = function.alpha;
  const float beta = function.beta;
  const hn::ScalableTag<float> d;
  switch (function.kind) {
    case GateActivation::kSigmoid: return UnaryLoop<UnaryOp::kSigmoid>(x, x, count, 0, 0);
    case GateActivation::kTanh: return UnaryLoop<UnaryOp::kTanh>(x, x, count, 0, 0);
    case GateActivation::kRelu: return UnaryLoop<UnaryOp::kRelu>(x, x, count, 0, 0);
    case GateActivation::kAffine:
      return MapIndices(x, count, [&](const auto& load) {
        return hn::MulAdd(hn::Set(d, alpha), load(x), hn::Set(d, beta));
      });
    case GateActivation::kLeakyRelu: return UnaryLoop<UnaryOp::kLeakyRelu>(x, x, count, alpha, 0);
    case GateActivation::kThresholdedRelu:
      return UnaryLoop<UnaryOp::kThresholdedRelu>(x, x, count, alpha, 0);
    case GateActivation::kScaledTanh:
      return MapIndices(x, count, [&](const auto& load) {
        return hn::Mul(hn::Set(d, alpha), Tanh(d, hn::Mul(hn::Set(d, beta), load(x))));
      });
    case GateActivation::kHardSigmoid:
      return UnaryLoop<UnaryOp::kHardSigmoid>(x, x, count, alpha, beta);
    case GateActivation::kElu: return UnaryLoop<UnaryOp::kElu>(x, x, count, alpha, 0);
    case GateActivation::kSoftsign: return UnaryLoop<UnaryOp::kSoftsign>(x, x, count, 0, 0);
    case GateActivation::kSoftplus: return UnaryLoop<UnaryOp::kSoftplus>(x, x, count, 0, 0);
  }
}

void Complement(const float* x, float* y, size_t count) {
  const hn::ScalableTag<float> d;
  MapIndices(y, count, [&](const auto& load) { return hn::Sub(hn::Set(d, 1.0f), load(x)); });
}

void MultiplyEach(const float* a, const float* b, float* y, size_t count) {
  MapIndices(y, count, [&](const auto& load) { return hn::Mul(load(a), load(b)); });
}

void AddProducts(const float* a, const float* b, float* y, size_t count) {
  MapIndices(y, count, [&](const auto& load) { return hn::MulAdd(load(a), load(b), load(y)); });
}

void Blend(const float* a, const float* b, const float* c, float* y, size_t count) {
  MapIndices(y, count, [&](const auto& load) {
    return hn::MulAdd(load(a), load(y), hn::Mul(load(b), load(c)));
  });
}

RecurrentLoops GetLoops() {
  return {Multiply, Activate, Complement, MultiplyEach, AddProducts, Blend};
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {

HWY_EXPORT(GetLoops);

RecurrentLoops GetRecurrentSimdLoops() {
  return HWY_DYNAMIC_DISPATCH(GetLoops)();
}

}  // namespace ergo
#endif  // HWY_ONCE
