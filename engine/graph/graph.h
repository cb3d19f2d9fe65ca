// Graph: a model as data: values, and the nodes that compute them. The only stage of a model's way
// that may be changed; planning makes an immutable Plan of it.
//
// Values and nodes are named by their index (ValueId, NodeId), stable until Compact(). A value is
// exactly one of: a graph input, a constant, the output of one node; or dead (nothing refers to
// it). Nodes stand in topological order: every input is a graph input, a constant, or an output of
// an earlier node.
//
// Subgraphs (the branches of If, the body of Loop) see values of the graph around them only through
// captures, which are explicit: Subgraph::captures[i] (a value of the outer graph) feeds the inner
// graph's input number formal_inputs + i, behind the inputs that the operator defines.
//
// Fused operators that passes make live in the domain "ergo" (see passes/passes.h).
//
// Thread safety: none; a graph belongs to one thread at a time. Copying shares constants' bytes.
#ifndef ERGO_ENGINE_GRAPH_GRAPH_H_
#define ERGO_ENGINE_GRAPH_GRAPH_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/graph/symbolic_shape.h"
#include "engine/graph/tensor.h"
#include "kernels/base/dtype.h"
#include "kernels/base/status.h"

namespace ergo {

class Graph;

using ValueId = int32_t;
using NodeId = int32_t;
// An optional input that is absent, or an output that nobody wants.
inline constexpr ValueId kNoValue = -1;

using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>,
                               std::vector<float>, std::vector<std::string>, Tensor>;

struct Value {
  std::string name;  // unique within the graph among live values; "" only for dead ones
  DType dtype = DType::kUndefined;  // kUndefined until inferred
  SymbolicShape shape;
  std::optional<Tensor> constant;
};

// A graph inside a node, deep-copied with it.
struct Subgraph {
  std::string attribute;  // "then_branch", "body"
  std::unique_ptr<Graph> graph;
  std::vector<ValueId> captures;

  Subgraph(std::string attribute, std::unique_ptr<Graph> graph, std::vector<ValueId> captures);
  Subgraph(const Subgraph& other);
  Subgraph(Subgraph&&) noexcept;
  Subgraph& operator=(const Subgraph& other);
  Subgraph& operator=(Subgraph&&) noexcept;
  ~Subgraph();
};

struct Node {
  std::string name;    // for messages and traces; importers make one up where there is none
  std::string domain;  // "" is ai.onnx
  std::string op;
  int opset = 0;                 // version of the domain's operator set that gives `op` its meaning
  std::vector<ValueId> inputs;   // kNoValue for absent ones; trailing absent ones are dropped
  std::vector<ValueId> outputs;  // kNoValue likewise
  std::map<std::string, Attribute, std::less<>> attributes;
  std::vector<Subgraph> subgraphs;

  bool Is(std::string_view operator_name) const { return domain.empty() && op == operator_name; }
  ValueId Input(size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
  bool HasInput(size_t i) const { return Input(i) != kNoValue; }
  ValueId Output(size_t i) const { return i < outputs.size() ? outputs[i] : kNoValue; }

  // Attributes by name; the default when absent. An attribute of another type than asked for counts
  // as absent: importers have checked types against the schema.
  int64_t IntAttr(std::string_view attribute, int64_t fallback) const;
  float FloatAttr(std::string_view attribute, float fallback) const;
  std::string StringAttr(std::string_view attribute, std::string_view fallback) const;
  // Null when absent.
  const std::vector<int64_t>* IntsAttr(std::string_view attribute) const;
  const std::vector<float>* FloatsAttr(std::string_view attribute) const;
  const Tensor* TensorAttr(std::string_view attribute) const;
  const Graph* SubgraphAttr(std::string_view attribute) const;

  // "Conv 'conv_3'", for messages.
  std::string Label() const;
};

class Graph {
 public:
  std::string name;
  std::vector<ValueId> inputs;   // of a subgraph: formal inputs, then captures
  std::vector<ValueId> outputs;  // may name inputs or constants, and one value more than once
  // "producer", "opset_import" and the like, kept for inspect.
  std::map<std::string, std::string, std::less<>> metadata;

  // Values.
  ValueId AddValue(std::string value_name, DType dtype = DType::kUndefined,
                   SymbolicShape shape = {});
  ValueId AddConstant(std::string value_name, Tensor tensor);
  // A name that no value has yet, beginning with `hint`.
  std::string UniqueName(std::string_view hint) const;
  int ValueCount() const { return static_cast<int>(values_.size()); }
  Value& GetValue(ValueId id) { return values_[Checked(id)]; }
  const Value& GetValue(ValueId id) const { return values_[Checked(id)]; }
  // kNoValue when there is none. Linear time.
  ValueId FindValue(std::string_view value_name) const;
  // Null when absent (kNoValue) or not a constant.
  const Tensor* Constant(ValueId id) const;

  // Nodes. Appending keeps the order topological if the inputs are there already.
  NodeId AddNode(Node node);
  int NodeCount() const { return static_cast<int>(nodes_.size()); }
  Node& GetNode(NodeId id) { return nodes_[CheckedNode(id)]; }
  const Node& GetNode(NodeId id) const { return nodes_[CheckedNode(id)]; }
  std::vector<Node>& Nodes() { return nodes_; }
  const std::vector<Node>& Nodes() const { return nodes_; }

  // Every use of `from` (node inputs, captures, graph outputs) becomes a use of `to`.
  void ReplaceUses(ValueId from, ValueId to);

  // Index of the node that computes each value, -1 for inputs, constants and dead values.
  std::vector<NodeId> Producers() const;
  // How often each value is used: node inputs, captures and graph outputs, all counted.
  std::vector<int> UseCounts() const;

  // Takes out the nodes marked true, then values that nothing refers to; ids change.
  void RemoveNodes(const std::vector<bool>& remove);
  void Compact();
  // Takes out the nodes none of whose results anybody uses, directly or through others; ids change
  // if there are any. Returns their number.
  int RemoveDeadNodes();

  // The invariants above, recursively. Internal errors that name the node; for tests and after
  // every pass in debug builds, and for graphs that come from a file.
  Status Verify() const;

  // One line a node, for tests and people: "y, z = Conv(x, w, b) {strides=[1, 1]}".
  std::string ToString() const;

 private:
  size_t Checked(ValueId id) const {
    ERGO_CHECK_MSG(id >= 0 && id < ValueCount(), "value {} of {}", id, ValueCount());
    return static_cast<size_t>(id);
  }
  size_t CheckedNode(NodeId id) const {
    ERGO_CHECK_MSG(id >= 0 && id < NodeCount(), "node {} of {}", id, NodeCount());
    return static_cast<size_t>(id);
  }

  std::vector<Value> values_;
  std::vector<Node> nodes_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_GRAPH_H_
