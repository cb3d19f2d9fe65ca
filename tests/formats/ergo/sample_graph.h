// A small graph with one of everything that an .ergo file can hold.
#ifndef ERGO_TESTS_FORMATS_ERGO_SAMPLE_GRAPH_H_
#define ERGO_TESTS_FORMATS_ERGO_SAMPLE_GRAPH_H_

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

inline Node MakeNode(std::string op, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  Node node;
  node.name = op + "_node";
  node.op = std::move(op);
  node.opset = 17;
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  return node;
}

// y = x + w in a branch, x captured.
inline Subgraph MakeBranch(const std::string& attribute, ValueId captured, float weight) {
  auto graph = std::make_unique<Graph>();
  graph->name = attribute;
  const ValueId x = graph->AddValue("x", DType::kF32);
  const ValueId w = graph->AddConstant("w", Tensor::FromValues<float>({2}, {weight, weight}));
  const ValueId y = graph->AddValue("y");
  graph->inputs = {x};
  graph->AddNode(MakeNode("Add", {x, w}, {y}));
  graph->outputs = {y};
  return Subgraph(attribute, std::move(graph), {captured});
}

inline Graph SampleGraph() {
  Graph graph;
  graph.name = "sample";
  graph.metadata["producer"] = "test 1";
  const ValueId condition = graph.AddValue("condition", DType::kBool, Shape());
  const ValueId x =
      graph.AddValue("x", DType::kF32, SymbolicShape({Dim::Symbol("batch"), Dim(), Dim(2)}));
  const ValueId w = graph.AddConstant("w", Tensor::FromValues<float>({2}, {1, 2}));
  const ValueId same = graph.AddConstant("same", Tensor::FromValues<float>({1, 2}, {1, 2}));
  const ValueId flags =
      graph.AddConstant("flags", Tensor::FromValues<bool>({3}, {true, false, true}));
  const ValueId none = graph.AddConstant("none", Tensor::FromValues<int64_t>({0, 4}, {}));
  const ValueId a = graph.AddValue("a"), b = graph.AddValue("b"), c = graph.AddValue("c");
  graph.inputs = {condition, x};

  Node strange = MakeNode("Strange", {x, kNoValue, w, same}, {a, kNoValue, b});
  strange.domain = "com.example";
  strange.attributes["i"] = int64_t{-5};
  strange.attributes["zero"] = int64_t{0};
  strange.attributes["f"] = -0.0f;
  strange.attributes["nan"] = std::nanf("");
  strange.attributes["s"] = std::string("bytes\0\xff", 7);
  strange.attributes["ints"] = std::vector<int64_t>{1, -2, int64_t{1} << 60};
  strange.attributes["no_ints"] = std::vector<int64_t>{};
  strange.attributes["floats"] = std::vector<float>{0.5f, -1};
  strange.attributes["strings"] = std::vector<std::string>{"", "two"};
  strange.attributes["t"] = Tensor::FromValues<uint8_t>({2, 2}, {1, 2, 3, 4});
  graph.AddNode(std::move(strange));

  Node branch = MakeNode("If", {condition}, {c});
  branch.subgraphs.push_back(MakeBranch("then_branch", a, 1));
  branch.subgraphs.push_back(MakeBranch("else_branch", x, 7));
  graph.AddNode(std::move(branch));
  graph.outputs = {c, b, w, c, flags, none};
  return graph;
}

}  // namespace ergo

#endif  // ERGO_TESTS_FORMATS_ERGO_SAMPLE_GRAPH_H_
