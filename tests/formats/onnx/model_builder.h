// ONNX models for tests, put together message by message.
#ifndef ERGO_TESTS_FORMATS_ONNX_MODEL_BUILDER_H_
#define ERGO_TESTS_FORMATS_ONNX_MODEL_BUILDER_H_

#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "formats/onnx/onnx.pb.h"
#include "formats/onnx/onnx_reader.h"

namespace ergo {

using Strings = std::vector<std::string>;

inline onnx::ModelProto EmptyModel(int opset = 17, int ir_version = 8) {
  onnx::ModelProto model;
  model.set_ir_version(ir_version);
  model.mutable_graph()->set_name("test");
  model.add_opset_import()->set_version(opset);
  return model;
}

inline onnx::NodeProto& AddNode(google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes,
                                const std::string& op, const Strings& inputs,
                                const Strings& outputs, const std::string& name = "") {
  onnx::NodeProto& node = *nodes.Add();
  node.set_op_type(op);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
  return node;
}
inline onnx::NodeProto& AddNode(onnx::GraphProto& graph, const std::string& op,
                                const Strings& inputs, const Strings& outputs,
                                const std::string& name = "") {
  return AddNode(*graph.mutable_node(), op, inputs, outputs, name);
}

inline onnx::AttributeProto& AddAttribute(onnx::NodeProto& node, const std::string& name,
                                          onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

inline onnx::GraphProto& AddGraph(onnx::NodeProto& node, const std::string& name) {
  return *AddAttribute(node, name, onnx::AttributeProto::GRAPH).mutable_g();
}

// Negative dimensions are left unknown.
inline onnx::ValueInfoProto& AddInput(onnx::GraphProto& graph, const std::string& name,
                                      const std::vector<int64_t>& dims,
                                      int data_type = onnx::TensorProto::FLOAT) {
  onnx::ValueInfoProto& input = *graph.add_input();
  input.set_name(name);
  auto& type = *input.mutable_type()->mutable_tensor_type();
  type.set_elem_type(data_type);
  type.mutable_shape();
  for (const int64_t dim : dims) {
    auto& entry = *type.mutable_shape()->add_dim();
    if (dim >= 0) entry.set_dim_value(dim);
  }
  return input;
}

inline void AddOutput(onnx::GraphProto& graph, const std::string& name) {
  graph.add_output()->set_name(name);
}

inline onnx::TensorProto FloatTensor(const std::string& name, const std::vector<int64_t>& dims,
                                     const std::vector<float>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  for (const float value : values) tensor.add_float_data(value);
  return tensor;
}

inline std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline Result<Graph> Import(const onnx::ModelProto& model, const OnnxReadOptions& options = {}) {
  return ParseOnnx(BytesOf(model.SerializeAsString()), options);
}

// What a failing import says; "" when it does not fail.
inline std::string ImportError(const onnx::ModelProto& model, const OnnxReadOptions& options = {}) {
  return Import(model, options).status().ToString();
}

}  // namespace ergo

#endif  // ERGO_TESTS_FORMATS_ONNX_MODEL_BUILDER_H_
