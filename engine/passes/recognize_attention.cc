// Attention from its parts: softmax(Q K^T * scale + mask) V, as BERT, GPT and vision transformers
// spell it out, becomes ai.onnx Attention, whose kernel never holds all the scores.
//
// The scale may stand behind the product or on either operand. Masks are added, or chosen by Where
// (GPT-2), or both; a constant triangle becomes is_causal. A result that replaces NaN (rows that
// may attend nothing) by 0 is what Attention computes anyway.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/passes/fusible.h"
#include "engine/passes/passes.h"
#include "engine/passes/pattern.h"
#include "engine/passes/permutation.h"

namespace ergo {
namespace {

constexpr int kAttentionOpset = 23;
// Scores this low get no weight beside any that a float32 model computes.
constexpr double kMasked = -1e4;

struct Parts {
  ValueId query = kNoValue, key = kNoValue, value = kNoValue;  // key as [.., keys, head]
  Permutation key_perm;  // how `key` must still be transposed, if it must
  double scale = 1;
  ValueId added = kNoValue;       // a mask to add
  ValueId chosen = kNoValue;      // a mask of bools
  bool chosen_is_hidden = false;  // true where `chosen` hides, not where it shows
  bool causal = false;
};

// A plain product: no bias, residual, activation or first operand transposed.
bool IsProduct(const Node* node) {
  if (node == nullptr || node->inputs.size() != 2) return false;
  return node->Is("MatMul") || (IsErgo(*node, "FusedGemm") && AcceptsActivation(*node) &&
                                node->IntAttr("trans_a", 0) == 0);
}

bool IsLowerTriangle(const Tensor& mask, bool hidden) {
  const Shape& shape = mask.GetShape();
  const int rank = shape.Rank();
  if (rank < 2 || shape[rank - 1] != shape[rank - 2] || shape[rank - 1] < 2 ||
      mask.Elements() != shape[rank - 1] * shape[rank - 2]) {
    return false;
  }
  const int64_t n = shape[rank - 1];
  for (int64_t i = 0; i < n * n; ++i) {
    const bool below = i % n <= i / n;
    const auto at = static_cast<size_t>(i);
    if (mask.Type() == DType::kBool) {
      if (mask.Span<bool>()[at] != (below != hidden)) return false;
    } else if (mask.Type() != DType::kF32 ||
               (below ? mask.Span<float>()[at] != 0 : mask.Span<float>()[at] > kMasked)) {
      return false;
    }
  }
  return true;
}

class AttentionFinder {
 public:
  AttentionFinder(const Graph& graph, const Rewriter& rewriter)
      : graph_(graph), rewriter_(rewriter) {}

  // The parts of the attention whose result the node computes.
  std::optional<Parts> Find(const Node& node) {
    if (!IsProduct(&node) || node.IntAttr("trans_b", 0) != 0) return std::nullopt;
    parts_.value = node.inputs[1];
    const Node* softmax = Softmax(node.inputs[0]);
    if (softmax == nullptr) return std::nullopt;
    const ValueId scores = TakeMasks(softmax->inputs[0]);
    if (scores == kNoValue) return std::nullopt;
    const Node* product = rewriter_.SoleProducer(TakeScale(scores));
    if (!IsProduct(product) || !TakeKey(*product)) return std::nullopt;
    parts_.query = TakeScale(product->inputs[0]);
    if (!OperandsFit() || !MasksFit(product->outputs[0])) return std::nullopt;
    return parts_;
  }

 private:
  // The Softmax along the last axis that computes the weights for this product alone.
  const Node* Softmax(ValueId weights) const {
    const Node* node = rewriter_.SoleProducer(weights);
    if (node != nullptr && node->Is("Where")) {
      // where(isnan(p), 0, p)
      const Node* test = rewriter_.SoleProducer(node->inputs[0]);
      const std::optional<double> zero = ScalarValue(graph_, node->inputs[1]);
      if (test == nullptr || !test->Is("IsNaN") || zero != 0 ||
          test->inputs[0] != node->inputs[2] || rewriter_.Uses(node->inputs[2]) != 2) {
        return nullptr;
      }
      node = rewriter_.Producer(node->inputs[2]);
    }
    if (node == nullptr || !node->Is("Softmax")) return nullptr;
    const SymbolicShape& shape = graph_.GetValue(node->inputs[0]).shape;
    if (!shape.RankKnown()) return nullptr;
    const int64_t axis = node->IntAttr("axis", node->opset < 13 ? 1 : -1);
    return axis == -1 || axis == shape.Rank() - 1 ? node : nullptr;
  }

  // The value before scalars that multiply it, which go into the scale.
  ValueId TakeScale(ValueId id) {
    const Node* node = rewriter_.SoleProducer(id);
    if (node == nullptr || node->inputs.size() != 2) return id;
    for (size_t side = 0; side < 2; ++side) {
      const bool divides = node->Is("Div") && side == 1;
      const std::optional<double> factor = ScalarValue(graph_, node->inputs[side]);
      const ValueId other = node->inputs[1 - side];
      if (!factor || *factor == 0 || !(divides || node->Is("Mul")) || !SameRank(other, id)) {
        continue;
      }
      parts_.scale *= divides ? 1 / *factor : *factor;
      return TakeScale(other);
    }
    return id;
  }

  // An operand whose partner is one number: the result has its shape if it has its rank.
  bool SameRank(ValueId a, ValueId b) const {
    const SymbolicShape& from = graph_.GetValue(a).shape;
    const SymbolicShape& to = graph_.GetValue(b).shape;
    return from.RankKnown() && to.RankKnown() && from.Rank() == to.Rank();
  }

  // The scores before masks; kNoValue for masks that Attention has not.
  ValueId TakeMasks(ValueId id) {
    const Node* node = rewriter_.SoleProducer(id);
    if (node != nullptr && node->Is("Add")) {
      for (size_t side = 0; side < 2 && parts_.added == kNoValue; ++side) {
        if (!LeadsToProduct(node->inputs[side])) continue;
        parts_.added = node->inputs[1 - side];
        id = node->inputs[side];
      }
      node = rewriter_.SoleProducer(id);
    }
    if (node == nullptr || !node->Is("Where")) return id;
    const std::optional<double> yes = ScalarValue(graph_, node->inputs[1]);
    const std::optional<double> no = ScalarValue(graph_, node->inputs[2]);
    if (yes.has_value() == no.has_value()) return kNoValue;
    parts_.chosen = node->inputs[0];
    parts_.chosen_is_hidden = yes.has_value();
    const double fill = yes ? *yes : *no;
    if (fill > kMasked || (std::isfinite(fill) && !LeavesNoRowEmpty())) return kNoValue;
    return node->inputs[yes ? 2 : 1];
  }

  // Scores are a product, perhaps scaled, perhaps masked by Where.
  bool LeadsToProduct(ValueId id) const {
    for (int depth = 0; depth < 3; ++depth) {
      const Node* node = rewriter_.SoleProducer(id);
      if (node == nullptr) return false;
      if (IsProduct(node)) return true;
      if (node->Is("Mul") || node->Is("Div")) {
        id = node->inputs[ScalarValue(graph_, node->inputs[0]) ? 1 : 0];
      } else if (node->Is("Where")) {
        id = node->inputs[ScalarValue(graph_, node->inputs[1]) ? 2 : 1];
      } else {
        return false;
      }
    }
    return false;
  }

  // A row of which everything is hidden by a finite number attends everything alike; such rows must
  // not be. Sure when the first key is always there, which a slice from the start keeps.
  bool LeavesNoRowEmpty() const {
    ValueId id = parts_.chosen;
    while (const Node* slice = rewriter_.Producer(id)) {
      if (!slice->Is("Slice") || !StartsLastAxisAtZero(*slice)) return false;
      id = slice->inputs[0];
    }
    const Tensor* mask = graph_.Constant(id);
    if (mask == nullptr || mask->Type() != DType::kBool || mask->GetShape().Rank() < 1) {
      return false;
    }
    const int64_t keys = mask->GetShape()[mask->GetShape().Rank() - 1];
    for (int64_t i = 0; i < mask->Elements(); i += keys) {
      if (mask->Span<bool>()[static_cast<size_t>(i)] == parts_.chosen_is_hidden) return false;
    }
    return keys > 0;
  }

  bool StartsLastAxisAtZero(const Node& slice) const {
    const Tensor* starts = graph_.Constant(slice.Input(1));
    const Tensor* axes = graph_.Constant(slice.Input(3));
    const SymbolicShape& shape = graph_.GetValue(slice.inputs[0]).shape;
    if (axes == nullptr || axes->Type() != DType::kI64 || !shape.RankKnown() ||
        axes->Elements() != 1 ||
        slice.HasInput(4) == (graph_.Constant(slice.Input(4)) == nullptr)) {
      return false;
    }
    if (slice.HasInput(4) && ScalarValue(graph_, slice.inputs[4]) != 1) return false;
    const int64_t axis = axes->Span<int64_t>()[0];
    if (axis != -1 && axis != shape.Rank() - 1) return true;
    return starts != nullptr && ScalarValue(graph_, slice.inputs[1]) == 0;
  }

  bool TakeKey(const Node& product) {
    ValueId id = TakeScale(product.inputs[1]);
    if (product.IntAttr("trans_b", 0) != 0) {
      parts_.key = id;
      return true;
    }
    const Node* transpose = rewriter_.Producer(id);
    const auto perm = PermutationOf(graph_, transpose);
    if (!perm || perm->size() < 3) return false;
    id = transpose->inputs[0];
    parts_.key_perm = Compose(*perm, SwapOfLastTwo(static_cast<int>(perm->size())));
    if (std::ranges::is_sorted(parts_.key_perm)) parts_.key_perm.clear();
    // Scalars do not care where the axes lie.
    parts_.key = rewriter_.Uses(transpose->outputs[0]) == 1 ? TakeScale(id) : id;
    return true;
  }

  // Float32, of one rank, with the same leading axes.
  bool OperandsFit() const {
    const SymbolicShape& q = graph_.GetValue(parts_.query).shape;
    const SymbolicShape& k = graph_.GetValue(parts_.key).shape;
    const SymbolicShape& v = graph_.GetValue(parts_.value).shape;
    for (const ValueId id : {parts_.query, parts_.key, parts_.value}) {
      const Value& value = graph_.GetValue(id);
      if (value.dtype != DType::kF32 || !value.shape.RankKnown()) return false;
    }
    const int rank = q.Rank();
    if ((rank != 3 && rank != 4) || k.Rank() != rank || v.Rank() != rank) return false;
    for (int axis = 0; axis < rank - 2; ++axis) {
      const auto from = static_cast<int>(
          parts_.key_perm.empty() ? axis : parts_.key_perm[static_cast<size_t>(axis)]);
      if (!q[axis].SameAs(k[from]) || !q[axis].SameAs(v[axis])) return false;
    }
    return true;
  }

  // Masks do not widen the scores. Finds out whether they are a constant triangle.
  bool MasksFit(ValueId scores) {
    const SymbolicShape& shape = graph_.GetValue(scores).shape;
    for (const ValueId mask : {parts_.added, parts_.chosen}) {
      if (mask == kNoValue) continue;
      const SymbolicShape& dims = graph_.GetValue(mask).shape;
      if (!shape.RankKnown() || !dims.RankKnown() || dims.Rank() > shape.Rank()) return false;
      for (int axis = 0; axis < dims.Rank(); ++axis) {
        const Dim& dim = dims[axis];
        const Dim& score = shape[axis + shape.Rank() - dims.Rank()];
        if (dim.Known() && dim.value != 1 && score.Known() && !dim.SameAs(score)) return false;
      }
    }
    if (parts_.added != kNoValue && graph_.GetValue(parts_.added).dtype != DType::kF32) {
      return false;
    }
    const auto square = [&](ValueId mask) {
      const SymbolicShape& dims = graph_.GetValue(mask).shape;
      return shape[shape.Rank() - 1].SameAs(dims[dims.Rank() - 1]) &&
             shape[shape.Rank() - 2].SameAs(dims[dims.Rank() - 2]);
    };
    for (ValueId* mask : {&parts_.added, &parts_.chosen}) {
      const Tensor* constant = graph_.Constant(*mask);
      const bool hidden = mask == &parts_.chosen && parts_.chosen_is_hidden;
      if (constant == nullptr || !IsLowerTriangle(*constant, hidden) || !square(*mask)) continue;
      parts_.causal = true;
      *mask = kNoValue;
    }
    return true;
  }

  const Graph& graph_;
  const Rewriter& rewriter_;
  Parts parts_;
};

// Both masks in one operand; kNoValue where there is none.
ValueId MaskOperand(Rewriter& rewriter, NodeId id, const Parts& parts) {
  Graph& graph = rewriter.GetGraph();
  const Node& origin = graph.GetNode(id);
  ValueId mask = parts.chosen;
  if (mask != kNoValue && parts.added != kNoValue) {
    const ValueId nothing =
        graph.AddConstant(graph.UniqueName(origin.name + "/masked"),
                          Tensor::Scalar(-std::numeric_limits<float>::infinity()));
    std::vector<ValueId> operands = {mask, parts.added, nothing};
    if (parts.chosen_is_hidden) std::swap(operands[1], operands[2]);
    mask = rewriter.Insert(id, MakeNode(origin, "Where", 16, std::move(operands)));
  } else if (mask != kNoValue && parts.chosen_is_hidden) {
    mask = rewriter.Insert(id, MakeNode(origin, "Not", 1, {mask}));
  } else if (mask == kNoValue) {
    mask = parts.added;
  }
  const int rank = mask == kNoValue ? 0 : graph.GetValue(mask).shape.Rank();
  if (graph.GetValue(parts.query).shape.Rank() == 4 || rank < 3) return mask;
  // [batch, queries, keys] for the one head that operands without an axis for heads have.
  const ValueId axes = graph.AddConstant(graph.UniqueName(origin.name + "/axes"),
                                         Tensor::FromValues<int64_t>({1}, {1}));
  return rewriter.Insert(id, MakeNode(origin, "Unsqueeze", 13, {mask, axes}));
}

Node MakeAttention(Rewriter& rewriter, NodeId id, const Parts& parts) {
  const Node origin = rewriter.GetGraph().GetNode(id);
  ValueId key = parts.key;
  if (!parts.key_perm.empty()) {
    key = rewriter.Insert(id, MakeTranspose(origin, key, parts.key_perm));
  }
  Node node = MakeNode(origin, "Attention", kAttentionOpset, {parts.query, key, parts.value});
  const ValueId mask = MaskOperand(rewriter, id, parts);
  if (mask != kNoValue) node.inputs.push_back(mask);
  node.attributes["scale"] = static_cast<float>(parts.scale);
  if (parts.causal) node.attributes["is_causal"] = int64_t{1};
  if (rewriter.GetGraph().GetValue(parts.query).shape.Rank() == 3) {
    node.attributes["q_num_heads"] = node.attributes["kv_num_heads"] = int64_t{1};
  }
  return node;
}

}  // namespace

Result<int> RecognizeAttention(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, RecognizeAttention));
  Rewriter rewriter(graph);
  for (NodeId id = 0; id < graph.NodeCount(); ++id) {
    const std::optional<Parts> parts = AttentionFinder(graph, rewriter).Find(graph.GetNode(id));
    if (parts) rewriter.Replace(id, MakeAttention(rewriter, id, *parts));
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
