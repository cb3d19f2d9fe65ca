// Nodes that compute the same from the same operands become one, and so do equal constants.
#include <string>
#include <unordered_map>

#include "engine/passes/passes.h"
#include "engine/passes/rewriter.h"
#include "engine/plan/random_seed.h"

namespace ergo {
namespace {

// Constants above this are only equal when they are the same bytes in memory.
constexpr int64_t kMaxComparedBytes = 4096;

// Collects what tells values apart, each piece with its length, so that no two lists of pieces give
// the same text.
class Key {
 public:
  Key& Add(std::string_view piece) {
    const size_t size = piece.size();
    text_.append(reinterpret_cast<const char*>(&size), sizeof(size)).append(piece);
    return *this;
  }
  template <typename T>
  Key& AddValue(const T& value) {
    return Add({reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  template <typename T>
  Key& AddValues(const std::vector<T>& values) {
    return Add({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
  }
  Key& AddTensor(const Tensor& tensor) {
    AddValue(tensor.Type());
    Add(tensor.GetShape().ToString());
    if (tensor.Bytes() > kMaxComparedBytes) return AddValue(tensor.Data());
    return Add({static_cast<const char*>(tensor.Data()), static_cast<size_t>(tensor.Bytes())});
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

struct AttributeKey {
  Key& key;
  void operator()(int64_t v) const { key.AddValue(v); }
  void operator()(float v) const { key.AddValue(v); }
  void operator()(const std::string& v) const { key.Add(v); }
  void operator()(const std::vector<int64_t>& v) const { key.AddValues(v); }
  void operator()(const std::vector<float>& v) const { key.AddValues(v); }
  void operator()(const std::vector<std::string>& v) const {
    for (const std::string& text : v) key.Add(text);
  }
  void operator()(const Tensor& v) const { key.AddTensor(v); }
};

std::string KeyOf(const Node& node) {
  Key key;
  key.Add(node.domain).Add(node.op).AddValue(node.opset).AddValues(node.inputs);
  for (const ValueId output : node.outputs) key.AddValue(output != kNoValue);
  for (const auto& [name, attribute] : node.attributes) {
    key.Add(name).AddValue(attribute.index());
    std::visit(AttributeKey{key}, attribute);
  }
  return std::move(key).Take();
}

bool MayBeShared(const Node& node) {
  return node.subgraphs.empty() && !IsRandom(node) && !node.Is("Dropout");
}

void ShareConstants(const Graph& graph, Rewriter& rewriter) {
  std::unordered_map<std::string, ValueId> first;
  for (ValueId id = 0; id < graph.ValueCount(); ++id) {
    const Tensor* constant = graph.Constant(id);
    if (constant == nullptr || rewriter.Uses(id) == 0) continue;
    const auto [found, added] = first.emplace(Key().AddTensor(*constant).Take(), id);
    if (!added) rewriter.Forward(id, found->second);
  }
}

void ShareNodes(const Graph& graph, Rewriter& rewriter) {
  std::unordered_map<std::string, NodeId> first;
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const Node& node = graph.GetNode(id);
    if (!MayBeShared(node)) continue;
    const auto [found, added] = first.emplace(KeyOf(node), id);
    if (added) continue;
    const Node& same = graph.GetNode(found->second);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNoValue && rewriter.Uses(node.outputs[i]) > 0) {
        rewriter.Forward(node.outputs[i], same.outputs[i]);
      }
    }
  }
}

}  // namespace

Result<int> MergeEqualNodes(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, MergeEqualNodes));
  Rewriter rewriter(graph);
  ShareConstants(graph, rewriter);
  ShareNodes(graph, rewriter);
  return inner + rewriter.Finish();
}

}  // namespace ergo
