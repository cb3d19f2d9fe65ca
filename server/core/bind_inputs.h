// From the tensors of an INFER to the inputs of a model.
#ifndef ERGO_SERVER_CORE_BIND_INPUTS_H_
#define ERGO_SERVER_CORE_BIND_INPUTS_H_

#include <span>
#include <vector>

#include "engine/run/model.h"
#include "kernels/base/status.h"
#include "server/protocol/native/frame.h"

namespace ergo {

// Puts each tensor, given by number or by name, at its place in `inputs`. InvalidArgument naming
// the input that is missing, given twice, unknown, or of another element type. Shapes are checked
// later, against the plan.
Status BindInputs(const Model& model, std::span<const native::WireTensor> tensors,
                  std::vector<TensorView>& inputs);

}  // namespace ergo

#endif  // ERGO_SERVER_CORE_BIND_INPUTS_H_
