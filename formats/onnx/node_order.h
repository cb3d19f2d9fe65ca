// Topological order of the nodes of an ONNX graph or function body.
#ifndef ERGO_FORMATS_ONNX_NODE_ORDER_H_
#define ERGO_FORMATS_ONNX_NODE_ORDER_H_

#include <string>
#include <vector>

#include "formats/onnx/onnx.pb.h"
#include "kernels/base/status.h"

namespace ergo::onnx {

using NodeList = google::protobuf::RepeatedPtrField<NodeProto>;

// "node[3] Conv 'conv1'", for messages.
std::string NodeLabel(int index, const NodeProto& node);

// Indices such that every node stands behind those whose outputs it, or a subgraph of it, uses;
// otherwise as near to the file's order as that allows. InvalidArgument naming the nodes for a
// cycle or a value that two nodes compute.
Result<std::vector<int>> TopologicalOrder(const NodeList& nodes);

}  // namespace ergo::onnx

#endif  // ERGO_FORMATS_ONNX_NODE_ORDER_H_
