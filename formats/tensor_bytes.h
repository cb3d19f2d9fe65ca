// Bytes of a file as a Tensor, as every reader makes them.
#ifndef ERGO_FORMATS_TENSOR_BYTES_H_
#define ERGO_FORMATS_TENSOR_BYTES_H_

#include <cstddef>
#include <memory>
#include <span>

#include "engine/graph/tensor.h"
#include "kernels/base/status.h"

namespace ergo {

inline std::span<const std::byte> RawBytes(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.Data()), static_cast<size_t>(tensor.Bytes())};
}

// Every byte of a bool tensor is 0 or 1: anything else is undefined behaviour in C++.
bool AreBools(std::span<const std::byte> bytes);

// A tensor over `bytes`, which are exactly those of dtype and shape, little-endian. Shares them
// with `owner` where they are aligned to kTensorAlignment, else (or without an owner) copies them.
// Bools other than 0 and 1 are copied as 1. ResourceExhausted where there is no memory.
Result<Tensor> TensorFromBytes(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                               const std::shared_ptr<const void>& owner);

}  // namespace ergo

#endif  // ERGO_FORMATS_TENSOR_BYTES_H_
