// Where the rows of attention's operands lie, and which keys a query may attend, for float32.
//
// The queries of all heads that share a key/value head are numbered through: row r of a key/value
// head is query r % q_len of its head number r / q_len.
//
// Thread safety: immutable; borrows the problem and the arguments of one run.
#ifndef ERGO_KERNELS_ATTENTION_ATTENTION_OPERANDS_H_
#define ERGO_KERNELS_ATTENTION_ATTENTION_OPERANDS_H_

#include <algorithm>
#include <cstdint>

#include "kernels/attention/attention.h"

namespace ergo {

struct KeyRange {
  int64_t begin = 0, end = 0;
};

// A query's row of the mask: element j * step for key j < keys; keys beyond may not be attended.
struct MaskRow {
  const void* data = nullptr;
  int64_t step = 0;
  int64_t keys = 0;
};

class AttentionOperands {
 public:
  AttentionOperands(const AttentionProblem& problem, const KernelArgs& args)
      : p_(problem), args_(args), group_(problem.q_heads / problem.kv_heads) {}

  const AttentionProblem& Problem() const { return p_; }
  int64_t Total() const { return p_.past_len + p_.kv_len; }
  // Rows of one key/value head.
  int64_t Rows() const { return group_ * p_.q_len; }

  const float* Query(int64_t b, int64_t kv_head, int64_t row) const {
    return args_.inputs[0].As<float>() + QueryRow(b, kv_head, row) * p_.head;
  }
  float* Result(int64_t b, int64_t kv_head, int64_t row) const {
    return args_.outputs[0].As<float>() + QueryRow(b, kv_head, row) * p_.v_head;
  }
  const float* Key(int64_t b, int64_t kv_head, int64_t j) const {
    return CachedRow(args_.inputs[1], 4, p_.k_packed, p_.head, b, kv_head, j);
  }
  const float* Value(int64_t b, int64_t kv_head, int64_t j) const {
    return CachedRow(args_.inputs[2], 5, p_.v_packed, p_.v_head, b, kv_head, j);
  }

  // The keys that causality, windows and padding leave to a row.
  KeyRange Keys(int64_t b, int64_t row) const {
    const int64_t valid = p_.has_nonpad ? args_.inputs[6].As<int64_t>()[b] : Total();
    const int64_t before = p_.has_nonpad ? valid - p_.q_len : p_.past_len;
    const int64_t position = row % p_.q_len + before;
    KeyRange range{0, std::clamp<int64_t>(valid, 0, Total())};
    if (p_.causal) range.end = std::min(range.end, position + 1);
    if (p_.right_window >= 0) range.end = std::min(range.end, position + p_.right_window + 1);
    // A window may lie behind the last key: it is empty then.
    if (p_.left_window >= 0) {
      range.begin = std::clamp<int64_t>(position - p_.left_window, 0, Total());
    }
    range.end = std::max(range.end, range.begin);
    return range;
  }

  MaskRow Mask(int64_t b, int64_t kv_head, int64_t row) const {
    if (!p_.has_mask) return {};
    const Shape& shape = p_.mask_shape;
    const int64_t at[] = {b, kv_head * group_ + row / p_.q_len, row % p_.q_len};
    int64_t flat = 0;
    for (int axis = 0; axis < shape.Rank() - 1; ++axis) {
      flat = flat * shape[axis] + (shape[axis] == 1 ? 0 : at[4 - shape.Rank() + axis]);
    }
    const int64_t last = shape.Rank() == 0 ? 1 : shape[shape.Rank() - 1];
    const auto element = static_cast<int64_t>(DTypeBits(p_.mask_dtype) / 8);
    return {static_cast<const std::byte*>(args_.inputs[3].data) + flat * last * element,
            last == 1 ? 0 : 1, last == 1 ? Total() : last};
  }

 private:
  // Number of the row of `head` elements within Q, and of `v_head` elements within Y.
  int64_t QueryRow(int64_t b, int64_t kv_head, int64_t row) const {
    const int64_t h = kv_head * group_ + row / p_.q_len, i = row % p_.q_len;
    return p_.q_packed ? (b * p_.q_len + i) * p_.q_heads + h : (b * p_.q_heads + h) * p_.q_len + i;
  }

  const float* CachedRow(const TensorView& fresh, size_t past, bool packed, int64_t width,
                         int64_t b, int64_t h, int64_t j) const {
    if (j < p_.past_len) {
      return args_.inputs[past].As<float>() + ((b * p_.kv_heads + h) * p_.past_len + j) * width;
    }
    const int64_t i = j - p_.past_len;
    const int64_t row =
        packed ? (b * p_.kv_len + i) * p_.kv_heads + h : (b * p_.kv_heads + h) * p_.kv_len + i;
    return fresh.As<float>() + row * width;
  }

  const AttentionProblem& p_;
  const KernelArgs& args_;
  int64_t group_;
};

}  // namespace ergo

#endif  // ERGO_KERNELS_ATTENTION_ATTENTION_OPERANDS_H_
