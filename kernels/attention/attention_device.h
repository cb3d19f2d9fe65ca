// Device code of attention: a warp for each query. Keys are dealt out to lanes, 32 at a time; the
// softmax runs along with them (Milakov and Gimelshein, Online normalizer calculation for softmax,
// 2018), so that scores are never stored.
#ifndef ERGO_KERNELS_ATTENTION_ATTENTION_DEVICE_H_
#define ERGO_KERNELS_ATTENTION_ATTENTION_DEVICE_H_

#include <cmath>

#include "kernels/attention/attention_cuda.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/kernel_entry.h"

namespace ergo::cuda {

template <typename T>
ERGO_DEVICE const T* RowOf(const AttentionRows& rows, int32_t sample, int32_t head, int32_t row,
                           int32_t width) {
  const int64_t number = int64_t{sample} * rows.per_sample + int64_t{head} * rows.per_head +
                         int64_t{row} * rows.per_row;
  return static_cast<const T*>(rows.data) + number * width;
}

// The keys [begin, end) that causality, windows and padding leave to a query.
struct AttentionRange {
  int32_t begin, end;
};
ERGO_DEVICE AttentionRange KeysOf(const AttentionParameter& p, int32_t sample, int32_t query) {
  const int32_t total = p.past_len + p.kv_len;
  const auto valid = p.nonpad != nullptr ? static_cast<int32_t>(p.nonpad[sample]) : total;
  const int32_t position = query + (p.nonpad != nullptr ? valid - p.q_len : p.past_len);
  AttentionRange range{0, valid < 0 ? 0 : valid > total ? total : valid};
  if (p.causal && position + 1 < range.end) range.end = position + 1;
  if (p.right_window >= 0 && position + p.right_window + 1 < range.end) {
    range.end = position + p.right_window + 1;
  }
  if (p.left_window >= 0 && position - p.left_window > 0) range.begin = position - p.left_window;
  if (p.mask != nullptr && p.mask_keys < range.end) range.end = p.mask_keys;
  return range;
}

ERGO_DEVICE float Masked(const AttentionParameter& p, float score, int64_t mask_row, int32_t key) {
  if (p.mask == nullptr) return score;
  const auto at = static_cast<int32_t>(mask_row + int64_t{key} * p.mask_strides[3]);
  if (p.mask_dtype == DType::kBool) {
    return static_cast<const uint8_t*>(p.mask)[at] != 0 ? score : -Infinity();
  }
  return score + LoadElement<float>(p.mask, p.mask_dtype, at);
}

template <typename T>
ERGO_DEVICE float ScoreOf(const AttentionParameter& p, const float* query, int32_t sample,
                          int32_t kv_head, int32_t key) {
  const T* row = key < p.past_len ? RowOf<T>(p.past_k, sample, kv_head, key, p.head)
                                  : RowOf<T>(p.k, sample, kv_head, key - p.past_len, p.head);
  float score = 0;
  for (int32_t i = 0; i < p.head; ++i) score += query[i] * ToFloat(row[i]);
  score *= p.scale;
  return p.softcap > 0 ? p.softcap * std::tanh(score / p.softcap) : score;
}

template <typename T>
ERGO_DEVICE void RunAttention(const AttentionParameter& p, std::byte* shared) {
  constexpr int32_t kWarps = kAttentionThreads / kWarp, kPerLane = kMaxAttentionHead / kWarp;
  const auto lane = static_cast<int32_t>(Thread() % kWarp);
  const auto warp = static_cast<int32_t>(Thread() / kWarp);
  const int32_t query = static_cast<int32_t>(BlockX()) * kWarps + warp;
  const auto head = static_cast<int32_t>(BlockY()), sample = static_cast<int32_t>(BlockZ());
  if (query >= p.q_len) return;
  const int32_t kv_head = head / p.group;
  // A warp's query is its own: no other warp reads or writes it.
  float* q = reinterpret_cast<float*>(shared) + warp * p.head;
  const T* from = RowOf<T>(p.q, sample, head, query, p.head);
  for (int32_t i = lane; i < p.head; i += static_cast<int32_t>(kWarp)) q[i] = ToFloat(from[i]);
  SyncWarp();
  const int64_t mask_row = int64_t{sample} * p.mask_strides[0] + int64_t{head} * p.mask_strides[1] +
                           int64_t{query} * p.mask_strides[2];
  const AttentionRange keys = KeysOf(p, sample, query);
  float largest = -Infinity(), sum = 0, result[kPerLane] = {};
  for (int32_t first = keys.begin; first < keys.end; first += static_cast<int32_t>(kWarp)) {
    const int32_t key = first + lane;
    float score = -Infinity();
    if (key < keys.end) {
      score = Masked(p, ScoreOf<T>(p, q, sample, kv_head, key), mask_row, key);
    }
    const float raised = Larger(largest, WarpMax(score));
    if (raised == -Infinity()) continue;
    const float weight = score == -Infinity() ? 0.0f : std::exp(score - raised);
    const float shrink = largest == -Infinity() ? 0.0f : std::exp(largest - raised);
    largest = raised;
    sum = sum * shrink + WarpSum(weight);
    ERGO_UNROLL
    for (int32_t i = 0; i < kPerLane; ++i) result[i] *= shrink;
    for (int32_t j = 0; j < static_cast<int32_t>(kWarp) && first + j < keys.end; ++j) {
      const float of_key = Shuffle(weight, static_cast<uint32_t>(j));
      if (of_key == 0) continue;
      const int32_t at = first + j;
      const T* value = at < p.past_len ? RowOf<T>(p.past_v, sample, kv_head, at, p.v_head)
                                       : RowOf<T>(p.v, sample, kv_head, at - p.past_len, p.v_head);
      ERGO_UNROLL
      for (int32_t i = 0; i < kPerLane; ++i) {
        const int32_t column = lane + i * static_cast<int32_t>(kWarp);
        if (column < p.v_head) result[i] += of_key * ToFloat(value[column]);
      }
    }
  }
  const float inverse = sum == 0 ? 0.0f : 1 / sum;
  T* to = const_cast<T*>(RowOf<T>(p.y, sample, head, query, p.v_head));
  ERGO_UNROLL
  for (int32_t i = 0; i < kPerLane; ++i) {
    const int32_t column = lane + i * static_cast<int32_t>(kWarp);
    if (column < p.v_head) to[column] = FromFloat<T>(result[i] * inverse);
  }
}

template <typename T>
ERGO_DEVICE void RunPresent(const PresentParameter& p, std::byte*) {
  const uint32_t index = BlockX() * Threads() + Thread();
  if (index >= p.elements) return;
  const uint32_t row = p.width.Quotient(index), column = index - row * p.width.divisor;
  const uint32_t of_head = p.total.Quotient(row);
  const auto key = static_cast<int32_t>(row - of_head * p.total.divisor);
  const uint32_t sample = p.heads.Quotient(of_head);
  const auto head = static_cast<int32_t>(of_head - sample * p.heads.divisor);
  const auto width = static_cast<int32_t>(p.width.divisor);
  const T* from =
      key < p.past_len
          ? RowOf<T>(p.past, static_cast<int32_t>(sample), head, key, width)
          : RowOf<T>(p.fresh, static_cast<int32_t>(sample), head, key - p.past_len, width);
  static_cast<T*>(p.present)[index] = from[column];
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_ATTENTION_ATTENTION_DEVICE_H_
