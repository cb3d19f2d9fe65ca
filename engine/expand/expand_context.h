// ExpandContext: what an expansion reads of its node, and where it writes the operators that the
// node consists of.
#ifndef ERGO_ENGINE_EXPAND_EXPAND_CONTEXT_H_
#define ERGO_ENGINE_EXPAND_EXPAND_CONTEXT_H_

#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

// Operators of ai.onnx that expansions write have the meaning of this opset.
inline constexpr int kExpansionOpset = 24;

class ExpandContext {
 public:
  using Attributes = std::map<std::string, Attribute, std::less<>>;

  ExpandContext(Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  const Node& GetNode() const { return node_; }
  bool HasInput(size_t i) const { return node_.HasInput(i); }
  bool HasOutput(size_t i) const { return node_.Output(i) != kNoValue; }
  ValueId Input(size_t i) const { return node_.Input(i); }
  DType TypeOf(ValueId id) const { return graph_.GetValue(id).dtype; }
  DType InputType(size_t i) const { return TypeOf(Input(i)); }

  // Facts that may become known later: Unsupported while they are not, which makes the node wait.
  Result<int> Rank(ValueId id) const;
  Result<int64_t> Extent(ValueId id, int axis) const;  // axis from the front, or below 0 the end
  Result<Tensor> InputConstant(size_t i);
  // InvalidArgument where the input is of no floating-point type that is computed with;
  // Unsupported while its type is not known.
  Status CheckFloat(size_t i) const;

  // A new value: the first result of an operator of ai.onnx.
  ValueId Emit(std::string_view op, std::initializer_list<ValueId> inputs,
               Attributes attributes = {});
  ValueId EmitSpan(std::string_view op, std::span<const ValueId> inputs,
                   Attributes attributes = {});
  // An operator of any domain whose results are `outputs`: the node's own, or new values.
  void EmitTo(std::string_view domain, std::string_view op, std::span<const ValueId> inputs,
              std::vector<ValueId> outputs, Attributes attributes = {});
  // A node as it is.
  void Append(Node node);
  // The node's output `i` is `value`.
  void Output(size_t i, ValueId value);
  ValueId NewValue(std::string_view hint);

  ValueId Constant(Tensor tensor);
  ValueId Ints(std::initializer_list<int64_t> values);
  ValueId Int(int64_t value);  // rank 0
  // Rank 0; the value is one of the type's. What has no such type cannot be computed with either.
  ValueId Scalar(DType dtype, double value);
  // The operators of `inner`, a subgraph of the node, on `arguments` and its captures.
  Result<std::vector<ValueId>> Inline(std::string_view attribute,
                                      std::initializer_list<ValueId> arguments);

  // Shorthands.
  ValueId Cast(ValueId value, DType dtype);  // the value itself where it is of that type
  ValueId Transpose(ValueId value, std::vector<int64_t> perm);
  // 0 keeps the input's extent of the same axis, -1 is what remains.
  ValueId Reshape(ValueId value, std::initializer_list<int64_t> dims);
  // The extent of an axis as an int64 vector of one, known or not.
  ValueId ExtentOf(ValueId value, int64_t axis);

  std::vector<Node> TakeNodes() { return std::move(nodes_); }
  const std::vector<size_t>& MissingConstants() const { return missing_; }

 private:
  Graph& graph_;
  const Node& node_;
  std::vector<Node> nodes_;
  std::vector<size_t> missing_;
};

using ExpandFn = Status (*)(ExpandContext& context);

struct Expander {
  std::string_view domain, op;
  ExpandFn expand;
};

// Each family's rows, in its expand_FAMILY.cc. A new family is a line of expand_families.inc.
#define ERGO_EXPAND_FAMILY(name) std::span<const Expander> name##Expanders();
#include "engine/expand/expand_families.inc"
#undef ERGO_EXPAND_FAMILY

}  // namespace ergo

#endif  // ERGO_ENGINE_EXPAND_EXPAND_CONTEXT_H_
