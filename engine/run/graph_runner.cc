#include "engine/run/graph_runner.h"

#include <utility>

#include "engine/run/limits.h"

namespace ergo {
namespace {

void AppendBytes(std::string& text, const void* data, size_t bytes) {
  text.append(static_cast<const char*>(data), bytes);
}

}  // namespace

GraphRunner::GraphRunner(const Graph& graph, std::vector<bool> bound, const PlanOptions& options,
                         ParallelFor& parallel)
    : graph_(graph), bound_(std::move(bound)), options_(options), parallel_(parallel) {
  bound_.resize(graph_.inputs.size(), false);
}
GraphRunner::~GraphRunner() = default;

std::string GraphRunner::KeyOf(std::span<const TensorView> inputs) const {
  std::string key;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorView& input = inputs[i];
    key.push_back(static_cast<char>(input.dtype));
    key.push_back(static_cast<char>(input.shape.Rank()));
    const std::span<const int64_t> dims = input.shape.Dims();
    AppendBytes(key, dims.data(), dims.size_bytes());
    if (bound_[i] && input.Bytes() > 0) {
      AppendBytes(key, input.data, static_cast<size_t>(input.Bytes()));
    }
  }
  return key;
}

Result<GraphRunner::Entry> GraphRunner::Make(std::span<const TensorView> inputs) const {
  Graph graph = graph_;
  std::vector<Shape> shapes;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Value& value = graph.GetValue(graph.inputs[i]);
    value.dtype = inputs[i].dtype;
    value.shape = inputs[i].shape;
    shapes.push_back(inputs[i].shape);
    // The input stays an input, so that the plan has as many as the graph; what reads it reads the
    // constant instead.
    if (bound_[i]) {
      const ValueId constant =
          graph.AddConstant(graph.UniqueName(graph.GetValue(graph.inputs[i]).name + "/bound"),
                            Tensor::CopyOf(inputs[i]));
      graph.ReplaceUses(graph.inputs[i], constant);
    }
  }
  ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Plan> plan, BuildPlan(graph, shapes, options_));
  ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::Create(*plan, parallel_));
  return Entry{"", std::move(plan), std::move(session)};
}

Result<std::vector<Tensor>> GraphRunner::Run(std::span<const TensorView> inputs, Trace* trace) {
  if (inputs.size() != graph_.inputs.size()) {
    return InvalidArgument("{} inputs for a graph with {}", inputs.size(), graph_.inputs.size());
  }
  std::string key = KeyOf(inputs);
  auto entry = entries_.begin();
  while (entry != entries_.end() && entry->key != key) ++entry;
  if (entry == entries_.end()) {
    ERGO_ASSIGN_OR_RETURN(Entry made, Make(inputs));
    made.key = std::move(key);
    entries_.push_front(std::move(made));
    if (entries_.size() > kMaxLatePlans) entries_.pop_back();
  } else {
    entries_.splice(entries_.begin(), entries_, entry);
  }
  Entry& current = entries_.front();
  if (trace != nullptr) trace->KeepAlive(current.plan);
  return current.session->RunToTensors(inputs, trace);
}

}  // namespace ergo
