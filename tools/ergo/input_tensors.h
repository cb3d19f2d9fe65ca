// Arrays for a model's inputs: from files by name, or drawn at random.
#ifndef ERGO_TOOLS_ERGO_INPUT_TENSORS_H_
#define ERGO_TOOLS_ERGO_INPUT_TENSORS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/graph/tensor.h"
#include "engine/run/model.h"
#include "tools/ergo/input_shapes.h"

namespace ergo::tool {

// The same values for the same seed on every machine: floats uniform in [-1, 1), 8-bit integers
// over their whole range, wider ones in [0, 10), bools either. Unsupported for 4-bit and 8-bit
// floats and packed integers.
Result<Tensor> RandomTensor(DType dtype, const Shape& shape, uint64_t seed);

struct InputFlags {
  std::vector<std::string> inputs;  // "NAME=FILE", or just FILE where the model has one input
  std::optional<uint64_t> random;   // seed for those not given
  ShapeFlags shapes;                // of those
};
void DefineInputFlags(CLI::App& app, InputFlags& flags);

struct GatheredInputs {
  std::vector<Tensor> tensors;       // one a port, in their order
  std::vector<std::string> assumed;  // as in BoundShapes
  std::vector<TensorView> Views() const;
};

// InvalidArgument naming every input that is missing, or the one that the model does not have, that
// is given twice, or whose dtype or shape does not fit.
Result<GatheredInputs> GatherInputs(std::span<const Model::Port> ports, const InputFlags& flags,
                                    std::span<const DimRange> ranges = {});

// Writes FOLDER/NAME.npy for each, making the folder. Characters of a name that a file name should
// not have become '_'; names that then collide get their number.
struct OutputTensor {
  std::string name;
  TensorView view;
};
Status WriteOutputs(const std::string& folder, std::span<const OutputTensor> outputs);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_INPUT_TENSORS_H_
