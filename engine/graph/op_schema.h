// OpSchema: what the engine knows of an operator before it runs: arity, attribute defaults, result
// types and shapes. One table for import (is it known, are the operands there), for symbolic
// inference (inspect) and for planning (the same rules on concrete shapes).
//
// Each operator family has a file schema_FAMILY.cc with its rows; schema.cc gathers them.
#ifndef ERGO_ENGINE_GRAPH_OP_SCHEMA_H_
#define ERGO_ENGINE_GRAPH_OP_SCHEMA_H_

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"
#include "kernels/base/status.h"

namespace ergo {

// What inference sees of one node and where it puts its results. Works for symbolic and for
// concrete shapes: on concrete input shapes (and constant shape operands) a rule must give concrete
// output shapes, unless they depend on values known only at run time.
class InferContext {
 public:
  InferContext(Graph& graph, Node& node) : graph_(graph), node_(node) {}

  const Node& GetNode() const { return node_; }
  Node& MutableNode() { return node_; }  // for control flow, whose subgraphs are inferred in place
  Graph& GetGraph() { return graph_; }
  bool HasInput(size_t i) const { return node_.HasInput(i); }
  size_t InputCount() const { return node_.inputs.size(); }
  size_t OutputCount() const { return node_.outputs.size(); }
  DType InputType(size_t i) const { return graph_.GetValue(node_.Input(i)).dtype; }
  const SymbolicShape& InputShape(size_t i) const { return graph_.GetValue(node_.Input(i)).shape; }
  // Null when absent or not constant. Which inputs a rule asked for in vain is remembered: where
  // the result's shape stays unknown, their values decide it.
  const Tensor* InputConstant(size_t i) const;
  const std::vector<size_t>& MissingConstants() const { return missing_; }
  // The values of a constant int32 or int64 input; nullopt when it is absent or not constant.
  std::optional<std::vector<int64_t>> InputInts(size_t i) const;
  // The same, from the attribute of older opsets if it is there, else from input i.
  std::optional<std::vector<int64_t>> IntsFromAttrOrInput(std::string_view attribute,
                                                          size_t i) const;

  // Merges with what is known already: a contradiction of two known dimensions is InvalidArgument.
  // Absent outputs (kNoValue) are ignored.
  Status SetOutput(size_t i, DType dtype, const SymbolicShape& shape);

 private:
  Graph& graph_;
  Node& node_;
  mutable std::vector<size_t> missing_;
};

using InferFn = Status (*)(InferContext& context);

struct OpSchema {
  std::string_view domain;  // "" is ai.onnx, "ergo" is ours
  std::string_view op;
  int since_version;             // lowest opset in which these rules hold
  int min_inputs, max_inputs;    // max -1: variadic
  int min_outputs, max_outputs;  // max -1: variadic
  InferFn infer;
};

// The row with the highest since_version that is not above `opset`; null for unknown operators.
const OpSchema* FindSchema(std::string_view domain, std::string_view op, int opset);

// All rows, for documentation and for tests.
std::vector<const OpSchema*> AllSchemas();

// Types and shapes of all outputs of the node, from what is known of its inputs. Errors name the
// node; Unsupported for an operator without schema.
// `missing`, if given, receives the inputs whose values the rule would have liked to know.
Status InferNode(Graph& graph, Node& node, std::vector<size_t>* missing = nullptr);

// InferNode on every node in order. Values that cannot be inferred stay as they are.
Status InferShapes(Graph& graph);

// Helpers for rules.
// "axis" of a tensor of the given rank, negative counting from the end. InvalidArgument if outside.
Result<int> NormalizeAxis(int64_t axis, int rank);
// The type that an integer attribute names, `fallback` when it is absent. InvalidArgument for
// numbers that no tensor's type has.
Result<DType> DTypeAttr(const Node& node, std::string_view attribute, DType fallback);
// NumPy broadcast of symbolic shapes. InvalidArgument when known dimensions contradict each other.
Result<SymbolicShape> BroadcastSymbolic(const SymbolicShape& a, const SymbolicShape& b);

// Each family's rows, in its schema_FAMILY.cc. A new family is a line of schema_families.inc.
#define ERGO_SCHEMA_FAMILY(name) std::span<const OpSchema> name##Schemas();
#include "engine/graph/schema_families.inc"
#undef ERGO_SCHEMA_FAMILY

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_OP_SCHEMA_H_
