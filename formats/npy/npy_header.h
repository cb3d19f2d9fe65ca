// The header of an .npy file: a Python dictionary literal with three keys.
#ifndef ERGO_FORMATS_NPY_NPY_HEADER_H_
#define ERGO_FORMATS_NPY_NPY_HEADER_H_

#include <cstddef>
#include <span>
#include <string>

#include "kernels/base/dtype.h"
#include "kernels/base/shape.h"
#include "kernels/base/status.h"

namespace ergo {

struct NpyHeader {
  DType dtype = DType::kUndefined;
  bool fortran_order = false;
  Shape shape;
  size_t data_offset = 0;
};

// From the beginning of a file.
Result<NpyHeader> ParseNpyHeader(std::span<const std::byte> bytes);

// All bytes before the data, in C order, 64-byte aligned. Unsupported as WriteNpy.
Result<std::string> FormatNpyHeader(DType dtype, const Shape& shape);

}  // namespace ergo

#endif  // ERGO_FORMATS_NPY_NPY_HEADER_H_
