// Operators whose results have a size that only their values decide. They are not lowered to
// kernels over planned memory but evaluated to new tensors (engine/run/evaluation.h).
#ifndef ERGO_ENGINE_PLAN_DATA_DEPENDENT_H_
#define ERGO_ENGINE_PLAN_DATA_DEPENDENT_H_

#include <string_view>

namespace ergo {

// If is one only when its branches differ in shape, which the planner finds out.
bool IsDataDependent(std::string_view domain, std::string_view op);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_DATA_DEPENDENT_H_
