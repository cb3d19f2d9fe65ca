// Models and tensors from files of any format that Ergo knows.
//
// Thread safety: pure functions.
#ifndef ERGO_FORMATS_MODEL_FILE_H_
#define ERGO_FORMATS_MODEL_FILE_H_

#include <string>

#include "engine/graph/budget.h"
#include "engine/graph/graph.h"
#include "formats/onnx/tensor_proto.h"
#include "kernels/base/status.h"

namespace ergo {

// An .onnx or .ergo model, told apart by its first bytes, whatever its name. ResourceExhausted when
// that takes more than the budget.
Result<Graph> ReadModel(const std::string& path, const Budget& budget = {});

// By its extension: .npy (without a name), or .pb, a TensorProto. InvalidArgument for others.
Result<NamedTensor> ReadTensorFile(const std::string& path);

}  // namespace ergo

#endif  // ERGO_FORMATS_MODEL_FILE_H_
