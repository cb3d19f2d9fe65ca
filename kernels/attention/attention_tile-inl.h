// The innermost loops of attention on f32 vectors: scores, weights and results of a tile of queries
// whose scores are held key by key, kAttentionTileStride floats apart, and of single queries.
// Per-target header.
#if defined(ERGO_KERNELS_ATTENTION_ATTENTION_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_ATTENTION_ATTENTION_TILE_INL_H_
#undef ERGO_KERNELS_ATTENTION_ATTENTION_TILE_INL_H_
#else
#define ERGO_KERNELS_ATTENTION_ATTENTION_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/attention/limits.h"
#include "kernels/base/math-inl.h"
#include "kernels/base/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr float kNothing = -std::numeric_limits<float>::infinity();
// Vectors of queries that go through a micro-kernel together: with four keys they and their
// operands fit the registers. So do kResultRows times kResultVectors of results.
constexpr int kVectors = HWY_TARGET <= HWY_AVX3 ? 4 : 2;
constexpr int kResultRows = HWY_TARGET <= HWY_AVX3 ? 8 : 4;
constexpr int kResultVectors = 2;

// exp(x) for x <= 0 as Exp has it, but 0 below -87.33, where floats stop being normal: 2^n is put
// together in one step then.
HWY_INLINE V ExpNotPositive(V x) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  // Adding 1.5 * 2^23 leaves the nearest whole number in the lowest bits.
  const V magic = hn::Set(d, 12582912.0f);
  const V shifted = hn::MulAdd(x, hn::Set(d, 1.44269504088896341f), magic);
  const V n = hn::Sub(shifted, magic);
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  static constexpr float kTaylorLike[] = {5.0000001201e-1f, 1.6666665459e-1f, 4.1665795894e-2f,
                                          8.3334519073e-3f, 1.3981999507e-3f, 1.9875691500e-4f};
  const V p = Polynomial(d, r, kTaylorLike);
  const V y = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(du, shifted));
  const V scaled = hn::BitCast(d, hn::Add(hn::BitCast(du, y), exponent));
  return KeepNaN(x, hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.33f)), scaled));
}

// scores[k][q] = sum over d of keys[k][d] * queries[d][q] for kKeys keys and kCount vectors of q.
template <int kKeys, int kCount>
HWY_INLINE void ScoreTile(const float* const* keys, int64_t head, const float* queries,
                          float* scores) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V sums[kKeys][kCount];
  for (auto& row : sums) {
    for (V& sum : row) sum = hn::Zero(d);
  }
  for (int64_t i = 0; i < head; ++i, queries += kAttentionTileStride) {
    V q[kCount];
    for (size_t v = 0; v < kCount; ++v) q[v] = hn::Load(d, queries + v * lanes);
    for (size_t k = 0; k < kKeys; ++k) {
      const V key = hn::Set(d, keys[k][i]);
      for (size_t v = 0; v < kCount; ++v) sums[k][v] = hn::MulAdd(key, q[v], sums[k][v]);
    }
  }
  for (size_t k = 0; k < kKeys; ++k) {
    for (size_t v = 0; v < kCount; ++v) {
      hn::Store(sums[k][v], d, scores + k * kAttentionTileStride + v * lanes);
    }
  }
}

template <int kCount>
HWY_INLINE void ScoreColumns(const float* const* keys, int64_t count, int64_t head,
                             const float* queries, float* scores) {
  // Enough sums at a time that their additions do not wait for each other.
  constexpr int kKeys = kCount == 1 ? 8 : 4;
  int64_t k = 0;
  for (; k + kKeys <= count; k += kKeys) {
    ScoreTile<kKeys, kCount>(keys + k, head, queries, scores + k * kAttentionTileStride);
  }
  for (; k < count; ++k) {
    ScoreTile<1, kCount>(keys + k, head, queries, scores + k * kAttentionTileStride);
  }
}

// results[q][e] += sum over k of scores[k][q] * values[k][e] for kResultRows q and kCount vectors
// of e; rows of results and of values lie `stride` apart.
template <int kCount>
HWY_INLINE void ResultTile(const float* HWY_RESTRICT scores, const float* HWY_RESTRICT values,
                           int64_t count, int64_t stride, float* HWY_RESTRICT results) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V sums[kResultRows][kCount];
  for (size_t q = 0; q < kResultRows; ++q) {
    for (size_t v = 0; v < kCount; ++v) {
      sums[q][v] = hn::Load(d, results + static_cast<int64_t>(q) * stride + v * lanes);
    }
  }
  for (int64_t k = 0; k < count; ++k, scores += kAttentionTileStride, values += stride) {
    V e[kCount];
    for (size_t v = 0; v < kCount; ++v) e[v] = hn::Load(d, values + v * lanes);
    for (size_t q = 0; q < kResultRows; ++q) {
      const V weight = hn::Set(d, scores[q]);
      for (size_t v = 0; v < kCount; ++v) sums[q][v] = hn::MulAdd(weight, e[v], sums[q][v]);
    }
  }
  for (size_t q = 0; q < kResultRows; ++q) {
    for (size_t v = 0; v < kCount; ++v) {
      hn::Store(sums[q][v], d, results + static_cast<int64_t>(q) * stride + v * lanes);
    }
  }
}

// scores[k] = scale * sum over d of query[d] * keys[k][d], for kKeys keys.
template <int kKeys>
HWY_INLINE void DotTile(const float* query, const float* const* keys, int64_t head, float scale,
                        float* scores) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V sums[kKeys];
  for (V& sum : sums) sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= head; i += lanes) {
    const V q = hn::LoadU(d, query + i);
    for (size_t k = 0; k < kKeys; ++k) sums[k] = hn::MulAdd(q, hn::LoadU(d, keys[k] + i), sums[k]);
  }
  if (i < head) {
    const auto tail = static_cast<size_t>(head - i);
    const V q = LoadTail(d, query + i, tail);
    for (size_t k = 0; k < kKeys; ++k) {
      sums[k] = hn::MulAdd(q, LoadTail(d, keys[k] + i, tail), sums[k]);
    }
  }
  for (size_t k = 0; k < kKeys; ++k) scores[k] = scale * hn::GetLane(hn::SumOfLanes(d, sums[k]));
}

// result[e] += sum over k of weights[k] * values[k][e] for kCount vectors of e, the last of which
// has `tail` elements, or all if that is 0.
template <int kCount>
HWY_INLINE void AddWeighted(const float* weights, const float* const* values, int64_t count,
                            int64_t offset, size_t tail, float* result) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V sums[kCount];
  for (size_t v = 0; v < kCount; ++v) sums[v] = hn::Load(d, result + v * lanes);
  for (int64_t k = 0; k < count; ++k) {
    if (weights[k] == 0) continue;
    const V weight = hn::Set(d, weights[k]);
    const float* value = values[k] + offset;
    for (size_t v = 0; v < kCount; ++v) {
      const bool whole = v + 1 < kCount || tail == 0;
      const V e = whole ? hn::LoadU(d, value + v * lanes) : LoadTail(d, value + v * lanes, tail);
      sums[v] = hn::MulAdd(weight, e, sums[v]);
    }
  }
  for (size_t v = 0; v < kCount; ++v) hn::Store(sums[v], d, result + v * lanes);
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_ATTENTION_ATTENTION_TILE_INL_H_
