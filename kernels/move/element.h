// What all kernels that only move elements have in common: they see elements as bytes, so that one
// kernel serves every dtype of at least 8 bits, and read indices of two widths.
//
// Thread safety: pure functions.
#ifndef ERGO_KERNELS_MOVE_ELEMENT_H_
#define ERGO_KERNELS_MOVE_ELEMENT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/base/tensor_view.h"

namespace ergo::move {

// Bytes of an element. Unsupported for packed types, whose elements have no address.
Result<int64_t> ElementBytes(DType dtype);

// OK for int32 and int64.
Status CheckIndexType(DType dtype);

// Elements of an int32 or int64 tensor.
class IndexReader {
 public:
  explicit IndexReader(const TensorView& indices)
      : data_(indices.data), wide_(indices.dtype == DType::kI64) {}
  int64_t operator[](int64_t i) const {
    return wide_ ? static_cast<const int64_t*>(data_)[i]
                 : int64_t{static_cast<const int32_t*>(data_)[i]};
  }

 private:
  const void* data_;
  bool wide_;
};

// ONNX's index into a dimension: negative ones count from the end. -1 when it is outside, which
// only the data of a request can bring about: what a kernel then does is part of its contract.
inline int64_t WrapIndex(int64_t index, int64_t dim) {
  if (index < 0) index += dim;
  return index >= 0 && index < dim ? index : -1;
}

// Memory traffic below which waking another thread costs more than it saves.
inline constexpr int64_t kMinTaskBytes = int64_t{128} << 10;

// The grain of ParallelRanges for items of this many bytes.
inline int64_t GrainFor(int64_t item_bytes) {
  return std::max<int64_t>(1, kMinTaskBytes / std::max<int64_t>(1, item_bytes));
}

// `rows` times `run` bytes; row r goes from src + r * src_stride to dst + r * dst_stride.
void CopyRuns(const std::byte* src, std::ptrdiff_t src_stride, std::byte* dst,
              std::ptrdiff_t dst_stride, int64_t run, int64_t rows);

// `count` copies of the `bytes` bytes at `value`, one after the other.
void FillElements(std::byte* dst, const std::byte* value, int64_t bytes, int64_t count);

}  // namespace ergo::move

#endif  // ERGO_KERNELS_MOVE_ELEMENT_H_
