#include "engine/graph/op_schema.h"

#include <map>
#include <string>

namespace ergo {
namespace {

using FamilyTable = std::span<const OpSchema> (*)();
constexpr FamilyTable kFamilies[] = {
#define ERGO_SCHEMA_FAMILY(name) name##Schemas,
#include "engine/graph/schema_families.inc"
#undef ERGO_SCHEMA_FAMILY
};

// Rows of one operator, all versions, found by "domain/op".
const std::map<std::string, std::vector<const OpSchema*>, std::less<>>& Index() {
  static const auto index = [] {
    std::map<std::string, std::vector<const OpSchema*>, std::less<>> rows;
    for (const OpSchema* schema : AllSchemas()) {
      rows[fmt::format("{}/{}", schema->domain, schema->op)].push_back(schema);
    }
    return rows;
  }();
  return index;
}

}  // namespace

std::vector<const OpSchema*> AllSchemas() {
  std::vector<const OpSchema*> all;
  for (const FamilyTable family : kFamilies) {
    for (const OpSchema& schema : family()) all.push_back(&schema);
  }
  return all;
}

const OpSchema* FindSchema(std::string_view domain, std::string_view op, int opset) {
  const auto found = Index().find(fmt::format("{}/{}", domain, op));
  if (found == Index().end()) return nullptr;
  const OpSchema* best = nullptr;
  for (const OpSchema* schema : found->second) {
    if (schema->since_version <= opset &&
        (best == nullptr || schema->since_version > best->since_version)) {
      best = schema;
    }
  }
  return best;
}

const Tensor* InferContext::InputConstant(size_t i) const {
  if (!HasInput(i)) return nullptr;
  const Tensor* constant = graph_.Constant(node_.Input(i));
  if (constant == nullptr) missing_.push_back(i);
  return constant;
}

std::optional<std::vector<int64_t>> InferContext::InputInts(size_t i) const {
  const Tensor* constant = InputConstant(i);
  if (constant == nullptr) return std::nullopt;
  if (constant->Type() == DType::kI64) {
    const auto values = constant->Span<int64_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  if (constant->Type() == DType::kI32) {
    const auto values = constant->Span<int32_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  return std::nullopt;
}

std::optional<std::vector<int64_t>> InferContext::IntsFromAttrOrInput(std::string_view attribute,
                                                                      size_t i) const {
  if (const auto* ints = node_.IntsAttr(attribute)) return *ints;
  return InputInts(i);
}

Status InferContext::SetOutput(size_t i, DType dtype, const SymbolicShape& shape) {
  const ValueId id = node_.Output(i);
  if (id == kNoValue) return {};
  Value& value = graph_.GetValue(id);
  if (value.dtype != DType::kUndefined && value.dtype != dtype) {
    return InvalidArgument("output {} '{}' is {}, but was declared {}", i, value.name,
                           DTypeName(dtype), DTypeName(value.dtype));
  }
  value.dtype = dtype;
  if (!shape.RankKnown()) return {};
  if (!value.shape.RankKnown() || value.shape.Rank() != shape.Rank()) {
    // A declared rank that the operator contradicts is an exporter's mistake that runtimes forgive.
    value.shape = shape;
    return {};
  }
  for (int axis = 0; axis < shape.Rank(); ++axis) {
    Dim& known = value.shape[axis];
    const Dim& inferred = shape[axis];
    // What the operator computes wins over what a file declares, symbols over nothing.
    if (inferred.Known() || (!known.Known() && !inferred.symbol.empty())) known = inferred;
  }
  return {};
}

Status InferNode(Graph& graph, Node& node, std::vector<size_t>* missing) {
  const OpSchema* schema = FindSchema(node.domain, node.op, node.opset);
  if (schema == nullptr) {
    return Unsupported("{}: operator {}{}{} is not supported at opset {}", node.Label(),
                       node.domain, node.domain.empty() ? "" : ".", node.op, node.opset);
  }
  const auto within = [](size_t count, int low, int high) {
    return static_cast<int>(count) >= low && (high < 0 || static_cast<int>(count) <= high);
  };
  if (!within(node.inputs.size(), schema->min_inputs, schema->max_inputs)) {
    return InvalidArgument("{}: {} inputs", node.Label(), node.inputs.size());
  }
  if (!within(node.outputs.size(), schema->min_outputs, schema->max_outputs)) {
    return InvalidArgument("{}: {} outputs", node.Label(), node.outputs.size());
  }
  for (int i = 0; i < schema->min_inputs; ++i) {
    if (!node.HasInput(static_cast<size_t>(i))) {
      return InvalidArgument("{}: required input {} is absent", node.Label(), i);
    }
  }
  InferContext context(graph, node);
  const Status status = schema->infer(context);
  if (missing != nullptr) *missing = context.MissingConstants();
  return Status(status).WithContext(node.Label());
}

Status InferShapes(Graph& graph) {
  for (Node& node : graph.Nodes()) ERGO_RETURN_IF_ERROR(InferNode(graph, node));
  return {};
}

Result<int> NormalizeAxis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    return InvalidArgument("axis {} is outside a tensor of rank {}", axis, rank);
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Result<DType> DTypeAttr(const Node& node, std::string_view attribute, DType fallback) {
  const int64_t number = node.IntAttr(attribute, static_cast<int64_t>(fallback));
  const auto dtype = static_cast<DType>(number);
  if (number < 0 || number > UINT8_MAX || !IsTensorDType(dtype)) {
    return InvalidArgument("{} names element type {}, which no tensor has here", attribute, number);
  }
  return dtype;
}

Result<SymbolicShape> BroadcastSymbolic(const SymbolicShape& a, const SymbolicShape& b) {
  if (!a.RankKnown() || !b.RankKnown()) return SymbolicShape();
  const int rank = std::max(a.Rank(), b.Rank());
  std::vector<Dim> dims;
  for (int axis = 0; axis < rank; ++axis) {
    const int ia = axis - (rank - a.Rank());
    const int ib = axis - (rank - b.Rank());
    const Dim da = ia < 0 ? Dim(1) : a[ia];
    const Dim db = ib < 0 ? Dim(1) : b[ib];
    if (da.Known() && da.value == 1) {
      dims.push_back(db);
    } else if (db.Known() && db.value == 1) {
      dims.push_back(da);
    } else if (da.Known() && db.Known() && da.value != db.value) {
      return InvalidArgument("{} and {} do not broadcast", a.ToString(), b.ToString());
    } else if (da.Known() || db.Known()) {
      // An unknown dimension against a number above 1 can only be 1 or that number.
      dims.push_back(da.Known() ? da : db);
    } else {
      dims.push_back(da.SameAs(db) ? da : Dim());
    }
  }
  return SymbolicShape(std::move(dims));
}

}  // namespace ergo
