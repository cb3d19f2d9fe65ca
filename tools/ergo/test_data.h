// Recorded inputs and outputs in the layout of ONNX's backend tests: DIR/test_data_set_K/
// {input,output}_I.pb.
#ifndef ERGO_TOOLS_ERGO_TEST_DATA_H_
#define ERGO_TOOLS_ERGO_TEST_DATA_H_

#include <string>
#include <vector>

#include "engine/run/model.h"
#include "formats/onnx/tensor_proto.h"

namespace ergo::tool {

struct TestDataSet {
  std::string name;                          // "test_data_set_0"
  std::vector<NamedTensor> inputs, outputs;  // in the order of their numbers
};

// All sets of the folder, at least one: NotFound otherwise. Errors name the file.
Result<std::vector<TestDataSet>> ReadTestData(const std::string& folder);

// For each port the tensor that is meant for it: by name where every tensor's name is a port's,
// else by number. InvalidArgument when there are not enough of them.
Result<std::vector<const Tensor*>> MatchToPorts(const std::vector<NamedTensor>& tensors,
                                                const std::vector<Model::Port>& ports);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_TEST_DATA_H_
