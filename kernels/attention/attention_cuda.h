// What host and device agree on to attend: the parameters.
#ifndef ERGO_KERNELS_ATTENTION_ATTENTION_CUDA_H_
#define ERGO_KERNELS_ATTENTION_ATTENTION_CUDA_H_

#include <cstdint>

#include "kernels/base/dtype.h"
#include "kernels/cuda/strided_index.h"

namespace ergo::cuda {

inline constexpr uint32_t kAttentionThreads = 128;  // four warps, a query each
inline constexpr int32_t kMaxAttentionHead = 256;

// Rows of `width` elements of one operand: row i of head h of sample b is number
// b * per_sample + h * per_head + i * per_row.
struct AttentionRows {
  const void* data = nullptr;
  int32_t per_sample = 0, per_head = 0, per_row = 0;
};

struct AttentionParameter {
  AttentionRows q, k, v, past_k, past_v, y;
  const void* mask = nullptr;       // null: none
  const int64_t* nonpad = nullptr;  // null: none
  int32_t mask_strides[4] = {};     // elements along sample, head, query, key; 0 repeats
  int32_t mask_keys = 0;            // keys beyond do not attend
  DType mask_dtype = DType::kBool;
  int32_t batch = 0, q_heads = 0, group = 1;  // q_heads that share a key/value head
  int32_t q_len = 0, kv_len = 0, past_len = 0, head = 0, v_head = 0;
  float scale = 1, softcap = 0;
  bool causal = false;
  int32_t left_window = -1, right_window = -1;
};

// present [batch, kv_heads, past_len + kv_len, width] = past, then new rows.
struct PresentParameter {
  AttentionRows past, fresh;
  void* present = nullptr;
  uint32_t elements = 0;
  FastDivide width, total, heads;
  int32_t past_len = 0;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_ATTENTION_ATTENTION_CUDA_H_
