// Lowering of Einsum: two operands whose labels are those of a (batched) matrix product become a
// gemm, with copies of operands only where their layout needs one; anything else runs as the
// general loops of kernels/einsum.
#ifndef ERGO_ENGINE_PLAN_LOWER_EINSUM_H_
#define ERGO_ENGINE_PLAN_LOWER_EINSUM_H_

#include "engine/plan/lowering.h"

namespace ergo {

Status LowerEinsum(LowerContext& context);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_LOWER_EINSUM_H_
