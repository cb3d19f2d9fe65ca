#include "tests/server/integration/small_models.h"

#include <utility>

namespace ergo {
namespace {

void Append(Graph& graph, std::string op, std::vector<ValueId> inputs, ValueId output) {
  Node node;
  node.name = op + std::to_string(graph.NodeCount());
  node.op = std::move(op);
  node.opset = 13;
  node.inputs = std::move(inputs);
  node.outputs = {output};
  graph.AddNode(std::move(node));
}

std::unique_ptr<Model> Create(Graph graph) {
  Result<std::unique_ptr<Model>> model = Model::Create(std::move(graph), {});
  return std::move(model).value();
}

}  // namespace

std::unique_ptr<Model> MakeAffine() {
  Graph graph;
  const ValueId x = graph.AddValue("x", DType::kF32, SymbolicShape({Dim::Symbol("n"), Dim(3)}));
  std::vector<float> weights;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j) weights.push_back(static_cast<float>(i + 2 * j));
  }
  const ValueId w =
      graph.AddConstant("w", Tensor::FromValues<float>({3, 4}, std::span<const float>(weights)));
  const ValueId b = graph.AddConstant("b", Tensor::FromValues<float>({4}, {0, 1, 2, 3}));
  const ValueId product = graph.AddValue("product"), y = graph.AddValue("y");
  graph.inputs = {x};
  graph.outputs = {y};
  Append(graph, "MatMul", {x, w}, product);
  Append(graph, "Add", {product, b}, y);
  return Create(std::move(graph));
}

std::vector<float> AffineAnswer(std::span<const float> x) {
  std::vector<float> y;
  for (size_t row = 0; row < x.size() / 3; ++row) {
    for (int j = 0; j < 4; ++j) {
      float sum = static_cast<float>(j);
      for (int i = 0; i < 3; ++i) {
        sum += x[row * 3 + static_cast<size_t>(i)] * static_cast<float>(i + 2 * j);
      }
      y.push_back(sum);
    }
  }
  return y;
}

std::unique_ptr<Model> MakeSumAndDifference() {
  Graph graph;
  const SymbolicShape shape({Dim::Symbol("n")});
  const ValueId a = graph.AddValue("a", DType::kF32, shape);
  const ValueId b = graph.AddValue("b", DType::kF32, shape);
  const ValueId sum = graph.AddValue("sum"), difference = graph.AddValue("difference");
  graph.inputs = {a, b};
  graph.outputs = {sum, difference};
  Append(graph, "Add", {a, b}, sum);
  Append(graph, "Sub", {a, b}, difference);
  return Create(std::move(graph));
}

std::unique_ptr<Model> MakePower(int times) {
  Graph graph;
  const Dim n = Dim::Symbol("n");
  const ValueId x = graph.AddValue("x", DType::kF32, SymbolicShape({n, n}));
  graph.inputs = {x};
  ValueId last = x;
  for (int i = 0; i < times; ++i) {
    const ValueId next = graph.AddValue(i + 1 == times ? "y" : "p" + std::to_string(i));
    Append(graph, "MatMul", {last, x}, next);
    last = next;
  }
  graph.outputs = {last};
  return Create(std::move(graph));
}

std::unique_ptr<Repository> MakeRepository() {
  auto models = std::make_unique<Repository>(ModelOptions{});
  const Status added[] = {
      models->Add("affine", 1, MakeAffine()), models->Add("sums", 1, MakeSumAndDifference()),
      models->Add("sums", 3, MakeSumAndDifference()), models->Add("power", 1, MakePower(50))};
  for (const Status& status : added) ERGO_CHECK_MSG(status.ok(), "{}", status.ToString());
  return models;
}

}  // namespace ergo
