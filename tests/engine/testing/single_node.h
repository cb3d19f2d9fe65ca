// Graphs of one node, inferred or run, for tests of schemas and lowerings.
#ifndef ERGO_TESTS_ENGINE_TESTING_SINGLE_NODE_H_
#define ERGO_TESTS_ENGINE_TESTING_SINGLE_NODE_H_

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/graph/op_schema.h"
#include "engine/run/model.h"

namespace ergo::testing {

// One node: operator, attributes, opset and how many outputs are asked for.
struct NodeSpec {
  std::string op;
  std::map<std::string, Attribute, std::less<>> attributes = {};
  int opset = 18;
  size_t outputs = 1;

  Node Make() const {
    Node node;
    node.name = "n";
    node.op = op;
    node.opset = opset;
    node.attributes = attributes;
    return node;
  }
};

// An operand: what is known of it before the run, and its value where that is. Undefined: absent.
struct NodeOperand {
  DType dtype = DType::kUndefined;
  SymbolicShape shape;
  std::optional<Tensor> constant;

  NodeOperand() = default;
  NodeOperand(DType type, SymbolicShape symbolic) : dtype(type), shape(std::move(symbolic)) {}
  NodeOperand(Tensor tensor)  // NOLINT: implicit, a constant is an operand
      : dtype(tensor.Type()), shape(tensor.GetShape()), constant(std::move(tensor)) {}
};

inline ValueId AddOperand(Graph& graph, const std::string& name, const NodeOperand& operand) {
  if (operand.dtype == DType::kUndefined) return kNoValue;
  if (operand.constant) return graph.AddConstant(name, *operand.constant);
  return graph.AddValue(name, operand.dtype, operand.shape);
}

// What inference finds: "float32 [2, ?]; bool [3]", an output after the other, or the error.
inline std::string Infer(const NodeSpec& spec, const std::vector<NodeOperand>& operands) {
  Graph graph;
  Node node = spec.Make();
  for (const NodeOperand& operand : operands) {
    node.inputs.push_back(AddOperand(graph, "in" + std::to_string(node.inputs.size()), operand));
  }
  for (size_t i = 0; i < spec.outputs; ++i) {
    node.outputs.push_back(graph.AddValue("out" + std::to_string(i)));
  }
  const Status status = InferNode(graph, node);
  if (!status.ok()) return status.ToString();
  std::string text;
  for (const ValueId id : node.outputs) {
    const Value& value = graph.GetValue(id);
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", DTypeName(value.dtype),
                        value.shape.ToString());
  }
  return text;
}

// Runs the node. Inputs are known before the run where their bit of `constants` is set; undefined
// tensors are absent.
inline Result<std::vector<Tensor>> RunNode(const NodeSpec& spec, const std::vector<Tensor>& inputs,
                                           unsigned constants = 0) {
  Graph graph;
  Node node = spec.Make();
  std::vector<TensorView> views;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = "in" + std::to_string(i);
    if (inputs[i].Type() == DType::kUndefined) {
      node.inputs.push_back(kNoValue);
    } else if (i < 32 && (constants >> i & 1) != 0) {
      node.inputs.push_back(graph.AddConstant(name, inputs[i]));
    } else {
      node.inputs.push_back(graph.AddValue(name, inputs[i].Type(), inputs[i].GetShape()));
      graph.inputs.push_back(node.inputs.back());
      views.push_back(inputs[i].View());
    }
  }
  for (size_t i = 0; i < spec.outputs; ++i) {
    node.outputs.push_back(graph.AddValue("out" + std::to_string(i)));
    graph.outputs.push_back(node.outputs.back());
  }
  graph.AddNode(std::move(node));
  ERGO_ASSIGN_OR_RETURN(const auto model, Model::Create(std::move(graph), {}));
  Runner runner(*model);
  return runner.Run(views);
}

// The values of output `output`; empty, with a failed expectation, where the run failed.
template <typename T>
std::vector<T> ValuesOf(const Result<std::vector<Tensor>>& results, size_t output = 0) {
  EXPECT_TRUE(results.ok()) << results.status().ToString();
  if (!results.ok() || results->size() <= output) return {};
  const Tensor& tensor = (*results)[output];
  EXPECT_EQ(tensor.Type(), DTypeOf<T>::value);
  if (tensor.Type() != DTypeOf<T>::value) return {};
  return {tensor.Span<T>().begin(), tensor.Span<T>().end()};
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_ENGINE_TESTING_SINGLE_NODE_H_
