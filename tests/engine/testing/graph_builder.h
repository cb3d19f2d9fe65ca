// GraphBuilder: small graphs for tests, one call a node.
#ifndef ERGO_TESTS_ENGINE_TESTING_GRAPH_BUILDER_H_
#define ERGO_TESTS_ENGINE_TESTING_GRAPH_BUILDER_H_

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/run/model.h"

namespace ergo::testing {

using Attributes = std::map<std::string, Attribute, std::less<>>;

class GraphBuilder {
 public:
  ValueId Input(std::string name, DType dtype, SymbolicShape shape) {
    graph_.inputs.push_back(graph_.AddValue(std::move(name), dtype, std::move(shape)));
    return graph_.inputs.back();
  }

  ValueId Constant(Tensor tensor) { return graph_.AddConstant(Name("c"), std::move(tensor)); }

  // Normally distributed float32 values from the builder's own seed.
  ValueId Weights(const Shape& shape, float deviation = 1) {
    std::normal_distribution<float> normal(0, deviation);
    std::vector<float> values(static_cast<size_t>(shape.Elements()));
    for (float& value : values) value = normal(rng_);
    return Constant(Tensor::FromValues<float>(shape, std::span<const float>(values)));
  }

  ValueId Ints(std::vector<int64_t> values) {
    return Constant(Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(values.size())},
                                                std::span<const int64_t>(values)));
  }

  // A node with one output.
  ValueId Op(std::string op, std::vector<ValueId> inputs, Attributes attributes = {},
             int opset = 17) {
    Node node;
    node.name = Name(op);
    node.op = std::move(op);
    node.opset = opset;
    node.inputs = std::move(inputs);
    node.outputs = {graph_.AddValue(Name("v"))};
    node.attributes = std::move(attributes);
    const ValueId output = node.outputs[0];
    graph_.AddNode(std::move(node));
    return output;
  }

  Graph Build(std::vector<ValueId> outputs) {
    graph_.outputs = std::move(outputs);
    return std::move(graph_);
  }

  Graph& Raw() { return graph_; }

 private:
  std::string Name(const std::string& hint) { return hint + "_" + std::to_string(count_++); }

  Graph graph_;
  std::mt19937 rng_{1};
  int count_ = 0;
};

// Convolutions, a residual, pooling, a classifier: the scores, then the sum in the middle.
inline Graph ResidualNetwork(int64_t batch) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{batch, 3, 12, 12});
  const Attributes same = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  const ValueId stem = b.Op("Relu", {b.Op("Conv", {x, b.Weights({8, 3, 3, 3}, 0.2f)}, same)});
  const ValueId body = b.Op("Conv", {stem, b.Weights({8, 8, 3, 3}, 0.1f), b.Weights({8})}, same);
  const ValueId sum = b.Op("Relu", {b.Op("Add", {body, stem})});
  const ValueId pooled =
      b.Op("MaxPool", {sum},
           {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
  const ValueId flat = b.Op("Reshape", {pooled, b.Ints({batch, -1})});
  const ValueId scores = b.Op("MatMul", {flat, b.Weights({288, 10}, 0.05f)});
  return b.Build({b.Op("Softmax", {scores}, {{"axis", int64_t{-1}}}), sum});
}

// Float32 values for every input of the graph, whose shapes must be concrete.
inline std::vector<Tensor> RandomInputs(const Graph& graph, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    const Shape shape = *graph.GetValue(id).shape.Concrete();
    std::vector<float> values(static_cast<size_t>(shape.Elements()));
    for (float& value : values) value = normal(rng);
    inputs.push_back(Tensor::FromValues<float>(shape, std::span<const float>(values)));
  }
  return inputs;
}

// Plans and runs the graph as it is; aborts on errors.
inline std::vector<Tensor> RunGraph(const Graph& graph, const std::vector<Tensor>& inputs,
                                    const ModelOptions& options = {}) {
  auto model = Model::Create(graph, options);
  ERGO_CHECK_MSG(model.ok(), "{}", model.status().ToString());
  Runner runner(**model);
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) views.push_back(input.View());
  auto outputs = runner.Run(views);
  ERGO_CHECK_MSG(outputs.ok(), "{}", outputs.status().ToString());
  return std::move(outputs).value();
}

// Largest |a - b| / (1 + |b|) over all outputs; infinity where shapes or types differ, or values
// that are not float32.
inline double LargestDifference(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double largest = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (!(a[i].GetShape() == b[i].GetShape()) || a[i].Type() != b[i].Type()) return INFINITY;
    if (a[i].Type() != DType::kF32) {
      const auto bytes = static_cast<size_t>(a[i].Bytes());
      if (bytes > 0 && std::memcmp(a[i].Data(), b[i].Data(), bytes) != 0) return INFINITY;
      continue;
    }
    const auto x = a[i].Span<float>(), y = b[i].Span<float>();
    for (size_t k = 0; k < x.size(); ++k) {
      const double difference = std::abs(double{x[k]} - y[k]) / (1 + std::abs(double{y[k]}));
      largest = std::max(largest, difference == difference ? difference : INFINITY);
    }
  }
  return largest;
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_ENGINE_TESTING_GRAPH_BUILDER_H_
