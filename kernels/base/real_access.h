// Elements of any plain dtype as double, one at a time: what reference kernels of rarely used
// operators read and write through, so that one readable loop serves every dtype. Exact for every
// float type and for integers up to 2^53.
#ifndef ERGO_KERNELS_BASE_REAL_ACCESS_H_
#define ERGO_KERNELS_BASE_REAL_ACCESS_H_

#include <cstdint>

#include "kernels/base/tensor_view.h"

namespace ergo {

// True for the dtypes that the two functions below serve: floats of 16 bits and more, integers of 8
// bits and more, bool.
bool HasRealAccess(DType dtype);

// Element `index` of a dense tensor at `data`.
double ReadReal(const void* data, DType dtype, int64_t index);
inline double ReadReal(const TensorView& view, int64_t index) {
  return ReadReal(view.data, view.dtype, index);
}

// Rounds to nearest (even) for floats; truncates for integers, which the value must fit.
void WriteReal(const MutableTensorView& view, int64_t index, double value);

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_REAL_ACCESS_H_
