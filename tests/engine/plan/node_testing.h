// One operator as a model, for tests of lowerings.
#ifndef ERGO_TESTS_ENGINE_PLAN_NODE_TESTING_H_
#define ERGO_TESTS_ENGINE_PLAN_NODE_TESTING_H_

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/run/model.h"

namespace ergo::testing {

inline Node Op(std::string domain, std::string op, int opset = 13) {
  Node node;
  node.name = "n";
  node.domain = std::move(domain);
  node.op = std::move(op);
  node.opset = opset;
  return node;
}

// Runs the node, of one output, through a model; inputs whose bit of `constants` is set are
// weights. An undefined tensor is absent.
inline Result<Tensor> RunNode(Node node, const std::vector<Tensor>& inputs, unsigned constants) {
  Graph graph;
  std::vector<TensorView> views;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = "in" + std::to_string(i);
    if (inputs[i].Type() == DType::kUndefined) {
      node.inputs.push_back(kNoValue);
    } else if ((constants >> i & 1) != 0) {
      node.inputs.push_back(graph.AddConstant(name, inputs[i]));
    } else {
      node.inputs.push_back(graph.AddValue(name, inputs[i].Type(), inputs[i].GetShape()));
      graph.inputs.push_back(node.inputs.back());
      views.push_back(inputs[i].View());
    }
  }
  const ValueId y = graph.AddValue("y");
  node.outputs = {y};
  graph.outputs = {y};
  graph.AddNode(std::move(node));
  ERGO_ASSIGN_OR_RETURN(const auto model, Model::Create(std::move(graph), {}));
  Runner runner(*model);
  ERGO_ASSIGN_OR_RETURN(std::vector<Tensor> outputs, runner.Run(views));
  return outputs[0];
}

inline Tensor Random(const Shape& shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> draw(-1, 1);
  std::vector<float> values(static_cast<size_t>(shape.Elements()));
  for (float& value : values) value = draw(random);
  return Tensor::FromValues<float>(shape, values);
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_ENGINE_PLAN_NODE_TESTING_H_
