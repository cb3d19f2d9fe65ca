// Attention on f32 vectors without ever holding all scores: a tile of queries goes over the keys a
// block at a time and keeps a running maximum, sum and result (Milakov and Gimelshein, Online
// normalizer calculation for softmax, 2018; Dao et al., FlashAttention, 2022).
//
// Scores are held key by key, the queries of the tile side by side in vectors: the keys need no
// transposing, and softmax needs no sums across a vector. Few queries (those of a decoder that
// emits token by token) are held one by one instead.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention/attention_operands.h"
#include "kernels/attention/attention_present.h"
#include "kernels/attention/attention_simd.h"
#include "kernels/attention/limits.h"
#include "kernels/base/checked_math.h"
#include "kernels/base/math-inl.h"
#include "kernels/base/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr float kNothing = -std::numeric_limits<float>::infinity();
// Vectors of queries, and of value elements, that go through a micro-kernel together: with four
// keys or queries they and their operands fit the registers.
constexpr int kVectors = HWY_TARGET <= HWY_AVX3 ? 4 : 2;

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
  for (int64_t i = 0; i < head; ++i, queries += kAttentionTileRows) {
    V q[kCount];
    for (size_t v = 0; v < kCount; ++v) q[v] = hn::Load(d, queries + v * lanes);
    for (size_t k = 0; k < kKeys; ++k) {
      const V key = hn::Set(d, keys[k][i]);
      for (size_t v = 0; v < kCount; ++v) sums[k][v] = hn::MulAdd(key, q[v], sums[k][v]);
    }
  }
  for (size_t k = 0; k < kKeys; ++k) {
    for (size_t v = 0; v < kCount; ++v) {
      hn::Store(sums[k][v], d, scores + k * kAttentionTileRows + v * lanes);
    }
  }
}

template <int kCount>
HWY_INLINE void ScoreColumns(const float* const* keys, int64_t count, int64_t head,
                             const float* queries, float* scores) {
  int64_t k = 0;
  for (; k + 4 <= count; k += 4) {
    ScoreTile<4, kCount>(keys + k, head, queries, scores + k * kAttentionTileRows);
  }
  for (; k < count; ++k) {
    ScoreTile<1, kCount>(keys + k, head, queries, scores + k * kAttentionTileRows);
  }
}

// results[q][e] += sum over k of scores[k][q] * values[k][e] for four q and kCount vectors of e.
// Keys that none of the four attends are passed over: their values may be anything.
template <int kCount>
HWY_INLINE void ResultTile(const float* scores, const float* const* values, int64_t count,
                           int64_t offset, size_t tail, float* results, int64_t stride) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V sums[4][kCount];
  for (size_t q = 0; q < 4; ++q) {
    for (size_t v = 0; v < kCount; ++v) {
      sums[q][v] = hn::Load(d, results + static_cast<int64_t>(q) * stride + v * lanes);
    }
  }
  for (int64_t k = 0; k < count; ++k, scores += kAttentionTileRows) {
    if (scores[0] + scores[1] + scores[2] + scores[3] == 0) continue;
    const float* value = values[k] + offset;
    V e[kCount];
    for (size_t v = 0; v < kCount; ++v) {
      const bool whole = v + 1 < kCount || tail == 0;
      e[v] = whole ? hn::LoadU(d, value + v * lanes) : LoadTail(d, value + v * lanes, tail);
    }
    for (size_t q = 0; q < 4; ++q) {
      const V weight = hn::Set(d, scores[q]);
      for (size_t v = 0; v < kCount; ++v) sums[q][v] = hn::MulAdd(weight, e[v], sums[q][v]);
    }
  }
  for (size_t q = 0; q < 4; ++q) {
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

// A tile's work on its slice of the workspace.
class AttentionTile {
 public:
  AttentionTile(const AttentionOperands& operands, int64_t b, int64_t kv_head, int64_t first,
                int64_t rows, float* workspace)
      : o_(operands),
        p_(operands.Problem()),
        b_(b),
        kv_head_(kv_head),
        first_(first),
        rows_(rows),
        padded_(RoundUp(rows, std::max<int64_t>(4, static_cast<int64_t>(hn::Lanes(D()))))),
        stride_(AttentionResultStride(p_)),
        queries_(workspace),
        scores_(queries_ + p_.head * kAttentionTileRows),
        results_(scores_ + kAttentionBlockKeys * kAttentionTileRows),
        maxima_(results_ + kAttentionTileRows * stride_),
        sums_(maxima_ + kAttentionTileRows) {}

  void Run() {
    std::fill_n(results_, padded_ * stride_, 0.0f);
    std::fill_n(maxima_, padded_, kNothing);
    std::fill_n(sums_, padded_, 0.0f);
    if (rows_ <= kAttentionFewRows) {
      RunRows();
    } else {
      RunTile();
    }
    StoreResults();
  }

 private:
  void RunTile() {
    const KeyRange range = LoadQueries();
    for (int64_t j = range.begin; j < range.end; j += kAttentionBlockKeys) {
      const int64_t count = std::min(kAttentionBlockKeys, range.end - j);
      Score(j, count);
      Mask(j, count);
      Softmax(count);
      AddResults(j, count);
    }
  }

  // Queries times the scale, transposed, zero beyond the tile. Returns the keys that any row may
  // attend.
  KeyRange LoadQueries() {
    KeyRange all{o_.Total(), 0};
    for (int64_t r = 0; r < padded_; ++r) {
      if (r >= rows_) {
        for (int64_t i = 0; i < p_.head; ++i) queries_[i * kAttentionTileRows + r] = 0;
        ranges_[r] = {};
        continue;
      }
      const float* query = o_.Query(b_, kv_head_, first_ + r);
      for (int64_t i = 0; i < p_.head; ++i) {
        queries_[i * kAttentionTileRows + r] = query[i] * p_.scale;
      }
      ranges_[r] = o_.Keys(b_, first_ + r);
      all.begin = std::min(all.begin, ranges_[r].begin);
      all.end = std::max(all.end, ranges_[r].end);
    }
    return all;
  }

  void Score(int64_t first_key, int64_t count) {
    const float* keys[kAttentionBlockKeys];
    for (int64_t k = 0; k < count; ++k) keys[k] = o_.Key(b_, kv_head_, first_key + k);
    const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
    int64_t column = 0;
    for (; column + kVectors * lanes <= padded_; column += kVectors * lanes) {
      ScoreColumns<kVectors>(keys, count, p_.head, queries_ + column, scores_ + column);
    }
    for (; column < padded_; column += lanes) {
      ScoreColumns<1>(keys, count, p_.head, queries_ + column, scores_ + column);
    }
    if (p_.softcap == 0) return;
    const D d;
    const V cap = hn::Set(d, p_.softcap), inverse = hn::Set(d, 1 / p_.softcap);
    for (int64_t k = 0; k < count; ++k) {
      for (int64_t r = 0; r < padded_; r += lanes) {
        float* score = scores_ + k * kAttentionTileRows + r;
        hn::Store(hn::Mul(cap, Tanh(d, hn::Mul(hn::Load(d, score), inverse))), d, score);
      }
    }
  }

  void Mask(int64_t first_key, int64_t count) {
    for (int64_t r = 0; r < padded_; ++r) {
      const int64_t begin = std::clamp<int64_t>(ranges_[r].begin - first_key, 0, count);
      const int64_t end = std::clamp<int64_t>(ranges_[r].end - first_key, begin, count);
      float* score = scores_ + r;
      for (int64_t k = 0; k < begin; ++k) score[k * kAttentionTileRows] = kNothing;
      for (int64_t k = end; k < count; ++k) score[k * kAttentionTileRows] = kNothing;
      if (!p_.has_mask || r >= rows_) continue;
      const MaskRow mask = o_.Mask(b_, kv_head_, first_ + r);
      const int64_t known = std::clamp<int64_t>(mask.keys - first_key, begin, end);
      if (p_.mask_dtype == DType::kBool) {
        const auto* allowed = static_cast<const uint8_t*>(mask.data) + first_key * mask.step;
        for (int64_t k = begin; k < known; ++k) {
          if (allowed[k * mask.step] == 0) score[k * kAttentionTileRows] = kNothing;
        }
      } else {
        const auto* bias = static_cast<const float*>(mask.data) + first_key * mask.step;
        for (int64_t k = begin; k < known; ++k) {
          score[k * kAttentionTileRows] += bias[k * mask.step];
        }
      }
      for (int64_t k = known; k < end; ++k) score[k * kAttentionTileRows] = kNothing;
    }
  }

  // Scores become weights; the results so far are scaled down to the new maximum.
  void Softmax(int64_t count) {
    const D d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const V nothing = hn::Set(d, kNothing);
    HWY_ALIGN float factors[kAttentionTileRows];
    for (int64_t r = 0; r < padded_; r += lanes) {
      const V before = hn::Load(d, maxima_ + r);
      V largest = before;
      for (int64_t k = 0; k < count; ++k) {
        largest = hn::Max(largest, hn::Load(d, scores_ + k * kAttentionTileRows + r));
      }
      // A row that attends nothing yet has nothing to be compared with.
      const V base = hn::IfThenElse(hn::Eq(largest, nothing), hn::Zero(d), largest);
      const V factor = Exp(d, hn::Sub(before, base));
      V sum = hn::Mul(hn::Load(d, sums_ + r), factor);
      for (int64_t k = 0; k < count; ++k) {
        float* score = scores_ + k * kAttentionTileRows + r;
        const V weight = Exp(d, hn::Sub(hn::Load(d, score), base));
        hn::Store(weight, d, score);
        sum = hn::Add(sum, weight);
      }
      hn::Store(largest, d, maxima_ + r);
      hn::Store(sum, d, sums_ + r);
      hn::Store(factor, d, factors + r);
    }
    for (int64_t r = 0; r < rows_; ++r) {
      if (factors[r] == 1) continue;
      const V factor = hn::Set(d, factors[r]);
      for (int64_t e = 0; e < stride_; e += lanes) {
        float* result = results_ + r * stride_ + e;
        hn::Store(hn::Mul(hn::Load(d, result), factor), d, result);
      }
    }
  }

  void AddResults(int64_t first_key, int64_t count) {
    const float* values[kAttentionBlockKeys];
    for (int64_t k = 0; k < count; ++k) values[k] = o_.Value(b_, kv_head_, first_key + k);
    const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
    for (int64_t r = 0; r < rows_; r += 4) {
      int64_t e = 0;
      float* result = results_ + r * stride_;
      for (; e + kVectors * lanes <= p_.v_head; e += kVectors * lanes) {
        ResultTile<kVectors>(scores_ + r, values, count, e, 0, result + e, stride_);
      }
      for (; e < p_.v_head; e += lanes) {
        const auto tail = static_cast<size_t>(p_.v_head - e < lanes ? p_.v_head - e : 0);
        ResultTile<1>(scores_ + r, values, count, e, tail, result + e, stride_);
      }
    }
  }

  // Keys that the scores of a few rows have room for.
  static constexpr int64_t kRowKeys = kAttentionBlockKeys * kAttentionTileRows / kAttentionFewRows;

  void RunRows() {
    KeyRange all{o_.Total(), 0};
    for (int64_t r = 0; r < rows_; ++r) {
      ranges_[r] = o_.Keys(b_, first_ + r);
      all.begin = std::min(all.begin, ranges_[r].begin);
      all.end = std::max(all.end, ranges_[r].end);
    }
    for (int64_t j = all.begin; j < all.end; j += kRowKeys) {
      for (int64_t r = 0; r < rows_; ++r) {
        const int64_t begin = std::max(ranges_[r].begin, j);
        const int64_t end = std::min({ranges_[r].end, j + kRowKeys, all.end});
        if (begin < end) AddRow(r, begin, end);
      }
    }
  }

  // What the keys [begin, end) give row r.
  void AddRow(int64_t r, int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    const float* rows[kRowKeys];
    for (int64_t k = 0; k < count; ++k) rows[k] = o_.Key(b_, kv_head_, begin + k);
    const float* query = o_.Query(b_, kv_head_, first_ + r);
    int64_t k = 0;
    for (; k + 4 <= count; k += 4) DotTile<4>(query, rows + k, p_.head, p_.scale, scores_ + k);
    for (; k < count; ++k) DotTile<1>(query, rows + k, p_.head, p_.scale, scores_ + k);
    MaskRowScores(r, begin, count);
    const float factor = SoftmaxRow(r, count);
    for (k = 0; k < count; ++k) rows[k] = o_.Value(b_, kv_head_, begin + k);
    const D d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    float* result = results_ + r * stride_;
    for (int64_t e = 0; e < p_.v_head; e += lanes) {
      hn::Store(hn::Mul(hn::Load(d, result + e), hn::Set(d, factor)), d, result + e);
    }
    int64_t e = 0;
    for (; e + 4 * lanes <= p_.v_head; e += 4 * lanes) {
      AddWeighted<4>(scores_, rows, count, e, 0, result + e);
    }
    for (; e < p_.v_head; e += lanes) {
      const auto tail = static_cast<size_t>(p_.v_head - e < lanes ? p_.v_head - e : 0);
      AddWeighted<1>(scores_, rows, count, e, tail, result + e);
    }
  }

  void MaskRowScores(int64_t r, int64_t first_key, int64_t count) {
    if (p_.softcap != 0) {
      const D d;
      const auto lanes = static_cast<int64_t>(hn::Lanes(d));
      const V cap = hn::Set(d, p_.softcap), inverse = hn::Set(d, 1 / p_.softcap);
      // Beyond `count` the scores are whatever they were; nobody reads them.
      for (int64_t k = 0; k < count; k += lanes) {
        const V score = hn::Load(d, scores_ + k);
        hn::Store(hn::Mul(cap, Tanh(d, hn::Mul(score, inverse))), d, scores_ + k);
      }
    }
    if (!p_.has_mask) return;
    const MaskRow mask = o_.Mask(b_, kv_head_, first_ + r);
    const int64_t known = std::clamp<int64_t>(mask.keys - first_key, 0, count);
    if (p_.mask_dtype == DType::kBool) {
      const auto* allowed = static_cast<const uint8_t*>(mask.data) + first_key * mask.step;
      for (int64_t k = 0; k < known; ++k) {
        scores_[k] = allowed[k * mask.step] != 0 ? scores_[k] : kNothing;
      }
    } else {
      const auto* bias = static_cast<const float*>(mask.data) + first_key * mask.step;
      for (int64_t k = 0; k < known; ++k) scores_[k] += bias[k * mask.step];
    }
    std::fill(scores_ + known, scores_ + count, kNothing);
  }

  // Scores become weights. Returns what the row's results so far are to be multiplied with.
  float SoftmaxRow(int64_t r, int64_t count) {
    const D d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const int64_t padded = RoundUp(count, lanes);
    std::fill(scores_ + count, scores_ + padded, kNothing);
    V largest = hn::Set(d, maxima_[r]);
    for (int64_t k = 0; k < padded; k += lanes) {
      largest = hn::Max(largest, hn::Load(d, scores_ + k));
    }
    const float maximum = hn::GetLane(hn::MaxOfLanes(d, largest));
    const float base = maximum == kNothing ? 0 : maximum;
    V sum = hn::Zero(d);
    for (int64_t k = 0; k < padded; k += lanes) {
      const V weight = Exp(d, hn::Sub(hn::Load(d, scores_ + k), hn::Set(d, base)));
      hn::Store(weight, d, scores_ + k);
      sum = hn::Add(sum, weight);
    }
    const float factor = std::exp(maxima_[r] - base);
    sums_[r] = sums_[r] * factor + hn::GetLane(hn::SumOfLanes(d, sum));
    maxima_[r] = maximum;
    return factor;
  }

  void StoreResults() {
    const D d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t r = 0; r < rows_; ++r) {
      const V scale = hn::Set(d, sums_[r] > 0 ? 1 / sums_[r] : sums_[r]);
      float* to = o_.Result(b_, kv_head_, first_ + r);
      for (int64_t e = 0; e < p_.v_head; e += lanes) {
        const V result = hn::Mul(hn::Load(d, results_ + r * stride_ + e), scale);
        if (e + lanes <= p_.v_head) {
          hn::StoreU(result, d, to + e);
        } else {
          StoreTail(result, d, to + e, static_cast<size_t>(p_.v_head - e));
        }
      }
    }
  }

  const AttentionOperands& o_;
  const AttentionProblem& p_;
  int64_t b_, kv_head_, first_, rows_;
  int64_t padded_;  // rows, rounded up to whole vectors
  int64_t stride_;  // of results_
  float* queries_;  // [head][kAttentionTileRows]
  float* scores_;   // [kAttentionBlockKeys][kAttentionTileRows]
  float* results_;  // [kAttentionTileRows][stride_]
  float* maxima_;   // of the scores so far, a query
  float* sums_;     // of the weights so far, a query
  KeyRange ranges_[kAttentionTileRows];
};

void RunAttentionTile(const AttentionOperands& operands, int64_t b, int64_t kv_head, int64_t first,
                      int64_t rows, float* workspace) {
  AttentionTile(operands, b, kv_head, first, rows, workspace).Run();
}

AttentionTileLoop GetAttentionTileLoop() {
  return RunAttentionTile;
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(GetAttentionTileLoop);

class AttentionSimd final : public Kernel {
 public:
  AttentionSimd(const AttentionProblem& problem, int max_workers)
      : problem_(problem),
        max_workers_(max_workers),
        run_tile_(HWY_DYNAMIC_DISPATCH(GetAttentionTileLoop)()) {}

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(max_workers_ * TileFloats()) * sizeof(float);
  }

  void Run(const KernelArgs& args) const override {
    WritePresents(problem_, args);
    const AttentionOperands operands(problem_, args);
    const int64_t tiles = CeilDiv(operands.Rows(), kAttentionTileRows);
    auto* workspaces = reinterpret_cast<float*>(args.workspace.data());
    const int64_t heads = problem_.batch * problem_.kv_heads;
    args.parallel.Run(heads * tiles, [&](int64_t task, int worker) {
      const int64_t first = task % tiles * kAttentionTileRows, head = task / tiles;
      const int64_t rows = std::min(kAttentionTileRows, operands.Rows() - first);
      run_tile_(operands, head / problem_.kv_heads, head % problem_.kv_heads, first, rows,
                workspaces + worker * TileFloats());
    });
  }

 private:
  int64_t TileFloats() const {
    return kAttentionTileRows *
           (problem_.head + kAttentionBlockKeys + AttentionResultStride(problem_) + 2);
  }

  AttentionProblem problem_;
  int64_t max_workers_;
  AttentionTileLoop run_tile_;
};

}  // namespace

MadeKernel MakeAttentionSimd(const AttentionProblem& problem, const MakeContext& context) {
  if (problem.dtype != DType::kF32) {
    return Unsupported("takes float32, not {}", DTypeName(problem.dtype));
  }
  if (problem.has_mask && problem.mask_dtype != DType::kF32 && problem.mask_dtype != DType::kBool) {
    return Unsupported("a mask of {}", DTypeName(problem.mask_dtype));
  }
  if (problem.wants_scores) return Unsupported("never holds all scores, which are asked for");
  if (std::max(problem.head, problem.v_head) > kMaxAttentionHead) {
    return Unsupported("heads wider than {}", kMaxAttentionHead);
  }
  return std::unique_ptr<Kernel>(std::make_unique<AttentionSimd>(problem, context.max_workers));
}

}  // namespace ergo
#endif  // HWY_ONCE
