// NumPy's .npy files, versions 1 to 3 (https://numpy.org/doc/stable/reference/generated/
// numpy.lib.format.html).
//
// Element types that NumPy itself has, little-endian: bool, int8 to int64, uint8 to uint64,
// float16, float32, float64. Others (bfloat16, the packed types) cannot be said in the format:
// NumPy would read them back as raw bytes.
//
// Thread safety: pure functions.
#ifndef ERGO_FORMATS_NPY_NPY_H_
#define ERGO_FORMATS_NPY_NPY_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "engine/graph/tensor.h"
#include "kernels/base/status.h"

namespace ergo {

// The bytes are mapped and shared where they can be; arrays in Fortran order are transposed into C
// order. Errors: CorruptData with the byte offset; Unsupported, by name, for big-endian numbers,
// strings, objects, records and complex numbers.
Result<Tensor> ReadNpy(const std::string& path);
// Shares `bytes` with `owner`; copies them where there is none.
Result<Tensor> ParseNpy(std::span<const std::byte> bytes,
                        const std::shared_ptr<const void>& owner = nullptr);

// Version 1. Unsupported for types that NumPy does not have.
Status WriteNpy(const std::string& path, const Tensor& tensor);

}  // namespace ergo

#endif  // ERGO_FORMATS_NPY_NPY_H_
