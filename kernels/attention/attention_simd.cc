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
#include "kernels/attention/attention_tile-inl.h"
#include "kernels/attention/limits.h"
#include "kernels/base/checked_math.h"
#include "kernels/base/math-inl.h"
#include "kernels/base/simd-inl.h"
#include "kernels/gemm/gemm_pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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
        padded_(
            RoundUp(rows, std::max<int64_t>(kResultRows, static_cast<int64_t>(hn::Lanes(D()))))),
        stride_(AttentionResultStride(p_)),
        queries_(workspace),
        scores_(queries_ + p_.head * kAttentionTileStride),
        results_(scores_ + kAttentionBlockKeys * kAttentionTileStride),
        values_(results_ + kAttentionTileRows * stride_),
        maxima_(values_ + kAttentionBlockKeys * stride_),
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
      Softmax(j, count);
      AddResults(j, count);
    }
  }

  // Queries times the scale, transposed, zero beyond the tile. Returns the keys that any row may
  // attend.
  KeyRange LoadQueries() {
    KeyRange all{o_.Total(), 0};
    for (int64_t r = 0; r < rows_; ++r) {
      ranges_[r] = o_.Keys(b_, first_ + r);
      all.begin = std::min(all.begin, ranges_[r].begin);
      all.end = std::max(all.end, ranges_[r].end);
    }
    for (int64_t r = rows_; r < padded_; ++r) ranges_[r] = {};
    // Runs of rows that lie equally far apart, which end where a head does.
    for (int64_t r = 0; r < rows_;) {
      const int64_t run = std::min(rows_ - r, p_.q_len - (first_ + r) % p_.q_len);
      const float* query = o_.Query(b_, kv_head_, first_ + r);
      const int64_t stride = run > 1 ? o_.Query(b_, kv_head_, first_ + r + 1) - query : 0;
      TransposeScaled(query, static_cast<size_t>(stride), static_cast<size_t>(run),
                      static_cast<size_t>(p_.head), p_.scale, queries_ + r, kAttentionTileStride);
      r += run;
    }
    if (rows_ < padded_) {
      for (int64_t i = 0; i < p_.head; ++i) {
        std::fill(queries_ + i * kAttentionTileStride + rows_,
                  queries_ + i * kAttentionTileStride + padded_, 0.0f);
      }
    }
    return all;
  }

  // Whether any of the rows may attend any of the keys, masks aside.
  bool Attend(int64_t row, int64_t rows, int64_t first_key, int64_t count) const {
    for (int64_t r = row; r < row + rows; ++r) {
      if (ranges_[r].begin < first_key + count && ranges_[r].end > first_key) return true;
    }
    return false;
  }

  void Score(int64_t first_key, int64_t count) {
    const float* keys[kAttentionBlockKeys];
    for (int64_t k = 0; k < count; ++k) keys[k] = o_.Key(b_, kv_head_, first_key + k);
    const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
    int64_t column = 0;
    for (; column + kVectors * lanes <= padded_; column += kVectors * lanes) {
      if (!Attend(column, kVectors * lanes, first_key, count)) continue;  // Mask overwrites them
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
        float* score = scores_ + k * kAttentionTileStride + r;
        hn::Store(hn::Mul(cap, Tanh(d, hn::Mul(hn::Load(d, score), inverse))), d, score);
      }
    }
  }

  // Whether all rows of the tile have the same row of a mask of numbers, and may attend all keys.
  bool SharesMask(int64_t first_key, int64_t count) const {
    if (!p_.has_mask || p_.mask_dtype == DType::kBool) return false;
    const MaskRow mask = o_.Mask(b_, kv_head_, first_);
    for (int64_t r = 0; r < rows_; ++r) {
      if (o_.Mask(b_, kv_head_, first_ + r).data != mask.data || ranges_[r].begin > first_key ||
          ranges_[r].end < first_key + count) {
        return false;
      }
    }
    return mask.keys >= first_key + count;
  }

  void Mask(int64_t first_key, int64_t count) {
    if (SharesMask(first_key, count)) {
      const D d;
      const auto lanes = static_cast<int64_t>(hn::Lanes(d));
      const MaskRow mask = o_.Mask(b_, kv_head_, first_);
      const auto* bias = static_cast<const float*>(mask.data) + first_key * mask.step;
      for (int64_t k = 0; k < count; ++k) {
        const V added = hn::Set(d, bias[k * mask.step]);
        for (int64_t r = 0; r < padded_; r += lanes) {
          float* score = scores_ + k * kAttentionTileStride + r;
          hn::Store(hn::Add(hn::Load(d, score), added), d, score);
        }
      }
      return;
    }
    for (int64_t r = 0; r < padded_; ++r) {
      const int64_t begin = std::clamp<int64_t>(ranges_[r].begin - first_key, 0, count);
      const int64_t end = std::clamp<int64_t>(ranges_[r].end - first_key, begin, count);
      float* score = scores_ + r;
      for (int64_t k = 0; k < begin; ++k) score[k * kAttentionTileStride] = kNothing;
      for (int64_t k = end; k < count; ++k) score[k * kAttentionTileStride] = kNothing;
      if (!p_.has_mask || r >= rows_) continue;
      const MaskRow mask = o_.Mask(b_, kv_head_, first_ + r);
      const int64_t known = std::clamp<int64_t>(mask.keys - first_key, begin, end);
      if (p_.mask_dtype == DType::kBool) {
        const auto* allowed = static_cast<const uint8_t*>(mask.data) + first_key * mask.step;
        for (int64_t k = begin; k < known; ++k) {
          if (allowed[k * mask.step] == 0) score[k * kAttentionTileStride] = kNothing;
        }
      } else {
        const auto* bias = static_cast<const float*>(mask.data) + first_key * mask.step;
        for (int64_t k = begin; k < known; ++k) {
          score[k * kAttentionTileStride] += bias[k * mask.step];
        }
      }
      for (int64_t k = known; k < end; ++k) score[k * kAttentionTileStride] = kNothing;
    }
  }

  // Scores become weights; the results so far are scaled down to the new maximum.
  void Softmax(int64_t first_key, int64_t count) {
    const D d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    const V nothing = hn::Set(d, kNothing);
    HWY_ALIGN float factors[kAttentionTileRows];
    for (int64_t r = 0; r < padded_; r += lanes) {
      if (!Attend(r, lanes, first_key, count)) {
        for (int64_t k = 0; k < count; ++k) {
          hn::Store(hn::Zero(d), d, scores_ + k * kAttentionTileStride + r);
        }
        hn::Store(hn::Set(d, 1.0f), d, factors + r);
        continue;
      }
      const V before = hn::Load(d, maxima_ + r);
      V largest = before;
      for (int64_t k = 0; k < count; ++k) {
        largest = hn::Max(largest, hn::Load(d, scores_ + k * kAttentionTileStride + r));
      }
      // A row that attends nothing yet has nothing to be compared with.
      const V base = hn::IfThenElse(hn::Eq(largest, nothing), hn::Zero(d), largest);
      const V factor = Exp(d, hn::Sub(before, base));
      V sum = hn::Mul(hn::Load(d, sums_ + r), factor);
      for (int64_t k = 0; k < count; ++k) {
        float* score = scores_ + k * kAttentionTileStride + r;
        const V weight = ExpNotPositive(hn::Sub(hn::Load(d, score), base));
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
    CopyValues(first_key, count);
    const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
    for (int64_t e = 0; e < p_.v_head;) {
      const bool several = e + kResultVectors * lanes <= stride_;
      for (int64_t r = 0; r < rows_; r += kResultRows) {
        int64_t begin = count, end = 0;
        for (int64_t i = r; i < std::min(r + kResultRows, rows_); ++i) {
          begin = std::min(begin, std::max<int64_t>(ranges_[i].begin - first_key, 0));
          end = std::max(end, std::min(ranges_[i].end - first_key, count));
        }
        const auto tile = several ? &ResultTile<kResultVectors> : &ResultTile<1>;
        tile(scores_ + begin * kAttentionTileStride + r, values_ + begin * stride_ + e, end - begin,
             stride_, results_ + r * stride_ + e);
      }
      e += several ? kResultVectors * lanes : lanes;
    }
  }

  // The block's values side by side: where heads are packed, rows lie so that they would push each
  // other out of the cache.
  void CopyValues(int64_t first_key, int64_t count) {
    for (int64_t k = 0; k < count; ++k) {
      float* to = values_ + k * stride_;
      // What a key holds that no row attends may be anything.
      if (IsAttended(k)) {
        std::copy_n(o_.Value(b_, kv_head_, first_key + k), p_.v_head, to);
        std::fill(to + p_.v_head, to + stride_, 0.0f);
      } else {
        std::fill_n(to, stride_, 0.0f);
      }
    }
  }

  // Whether any row gives weight to a key of the block.
  bool IsAttended(int64_t k) const {
    if (!p_.has_mask) return true;
    const D d;
    V largest = hn::Zero(d);
    for (int64_t r = 0; r < padded_; r += static_cast<int64_t>(hn::Lanes(d))) {
      largest = hn::Or(largest, hn::Load(d, scores_ + k * kAttentionTileStride + r));
    }
    return !hn::AllTrue(d, hn::Eq(largest, hn::Zero(d)));
  }

  // Keys whose scores of one row are held at a time.
  static constexpr int64_t kRowKeys = kAttentionBlockKeys * kAttentionTileRows / 8;

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
  float* queries_;  // [head][kAttentionTileStride]
  float* scores_;   // [kAttentionBlockKeys][kAttentionTileStride]
  float* results_;  // [kAttentionTileRows][stride_]
  float* values_;   // [kAttentionBlockKeys][stride_]
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
    const int64_t stride = AttentionResultStride(problem_);
    return (problem_.head + kAttentionBlockKeys) * kAttentionTileStride +
           (kAttentionTileRows + kAttentionBlockKeys) * stride + 2 * kAttentionTileRows;
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
