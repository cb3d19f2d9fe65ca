// Scalars that lowerings and rewrites bring along, and small constants that they read.
#ifndef ERGO_ENGINE_GRAPH_SCALAR_CONSTANT_H_
#define ERGO_ENGINE_GRAPH_SCALAR_CONSTANT_H_

#include <optional>

#include "engine/graph/tensor.h"
#include "kernels/base/dtype.h"

namespace ergo {

// A rank-0 tensor of the dtype, one that has a C++ type (a bug otherwise), nearest to `value`.
Tensor ScalarConstant(DType dtype, double value);

// The value of a floating-point tensor of one element; nullopt when `tensor` is null, of another
// type or size, or not exact in float.
std::optional<float> ScalarAsFloat(const Tensor* tensor);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_SCALAR_CONSTANT_H_
