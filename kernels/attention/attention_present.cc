#include "kernels/attention/attention_present.h"

#include <cstring>

namespace ergo {
namespace {

// present = past, then the new ones, as [batch, kv_heads, total, width].
void WritePresent(const AttentionProblem& p, const TensorView& fresh, const TensorView& past,
                  bool packed, int64_t width, const MutableTensorView& present) {
  const auto element = static_cast<size_t>(DTypeBits(p.dtype) / 8);
  const size_t row = static_cast<size_t>(width) * element;
  auto* to = static_cast<std::byte*>(present.data);
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t h = 0; h < p.kv_heads; ++h) {
      for (int64_t j = 0; j < p.past_len + p.kv_len; ++j, to += row) {
        const bool old = j < p.past_len;
        const int64_t from =
            old ? AttentionPosition(false, p.kv_heads, p.past_len, width, b, h, j, 0)
                : AttentionPosition(packed, p.kv_heads, p.kv_len, width, b, h, j - p.past_len, 0);
        const void* source = old ? past.data : fresh.data;
        if (row > 0) {
          std::memcpy(
              to, static_cast<const std::byte*>(source) + static_cast<size_t>(from) * element, row);
        }
      }
    }
  }
}

}  // namespace

void WritePresents(const AttentionProblem& problem, const KernelArgs& args) {
  const auto has = [&](size_t i) { return args.outputs.size() > i && args.outputs[i].Present(); };
  if (has(1)) {
    WritePresent(problem, args.inputs[1], args.inputs[4], problem.k_packed, problem.head,
                 args.outputs[1]);
  }
  if (has(2)) {
    WritePresent(problem, args.inputs[2], args.inputs[5], problem.v_packed, problem.v_head,
                 args.outputs[2]);
  }
}

}  // namespace ergo
