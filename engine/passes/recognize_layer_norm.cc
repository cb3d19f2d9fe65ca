// LayerNormalization and RMSNormalization from means, squares and roots, as PyTorch, Hugging Face
// and TensorFlow (whose batch_normalization folds the scale into the root) write them out.
// Ba, Kiros and Hinton, Layer Normalization, 2016; Zhang and Sennrich, Root Mean Square Layer
// Normalization, 2019.
#include <array>

#include "engine/passes/passes.h"
#include "engine/passes/pattern.h"

namespace ergo {
namespace {

constexpr int kLayerNormOpset = 17, kRmsNormOpset = 23;

// One way to write a normalization: which of the names "scale" and "bias" it binds.
struct NormForm {
  Pattern pattern;
  bool rms = false;
};

Pattern PlusEpsilon(const Pattern& moment) {
  return Op("Add", {moment, Scalar("epsilon")});
}

// value / sqrt(moment + epsilon). The value is matched first: it binds what the moment is of.
Pattern OverRoot(const Pattern& value, const Pattern& moment) {
  const Pattern sum = PlusEpsilon(moment);
  return OneOf({Op("Div", {value, Op("Sqrt", {sum})}), Op("Mul", {value, ReciprocalSqrt(sum)}),
                Op("Div", {value, Op("Pow", {sum, Number(0.5)})})});
}

Pattern Deviations() {
  const Pattern x = Any("x");
  return OverRoot(Named("deviation", Op("Sub", {x, Named("mean", Reduction("ReduceMean", x))})),
                  Named("moment", Reduction("ReduceMean", Square(Any("deviation")))));
}

Pattern RootMeanSquare() {
  return OverRoot(Any("x"), Named("moment", Reduction("ReduceMean", Square(Any("x")))));
}

// x g + (bias - mean g) with g = scale / sqrt(variance + epsilon).
Pattern FoldedScale() {
  const Pattern x = Any("x"), mean = Any("mean");
  const Pattern variance = Named("moment", Reduction("ReduceMean", Square(Op("Sub", {x, mean}))));
  const Pattern gain =
      Named("gain", Op("Mul", {ReciprocalSqrt(PlusEpsilon(variance)), Constant("scale")}));
  const Pattern shift =
      Op("Sub", {Constant("bias"), Op("Mul", {Named("mean", Reduction("ReduceMean", x)), gain})});
  return Op("Add", {shift, Op("Mul", {x, Any("gain")})});
}

const std::array<NormForm, 6>& Forms() {
  static const std::array<NormForm, 6> kForms = [] {
    const Pattern layer = Deviations(), rms = RootMeanSquare();
    const Pattern scaled = Op("Mul", {layer, Constant("scale")});
    return std::array<NormForm, 6>{NormForm{FoldedScale()},
                                   NormForm{Op("Add", {scaled, Constant("bias")})},
                                   NormForm{scaled},
                                   NormForm{layer},
                                   NormForm{Op("Mul", {rms, Constant("scale")}), true},
                                   NormForm{rms, true}};
  }();
  return kForms;
}

// The concrete dimensions from the first normalized axis on; nullopt unless the axes are the last
// ones and everything is known.
std::optional<Shape> NormalizedShape(const Graph& graph, const Matcher& match) {
  const auto axes = ReducedAxes(graph, match.NodeOf("moment"));
  const SymbolicShape& shape = graph.GetValue(match["x"]).shape;
  if (!axes || axes->front() + static_cast<int>(axes->size()) != shape.Rank()) return std::nullopt;
  if (match.Find("mean") != kNoValue && ReducedAxes(graph, match.NodeOf("mean")) != axes) {
    return std::nullopt;
  }
  Shape normalized;
  for (const int axis : *axes) {
    if (!shape[axis].Known()) return std::nullopt;
    normalized.Append(shape[axis].value);
  }
  return normalized;
}

// The constant as one number for each normalized element; nullopt for any other.
std::optional<Tensor> AsParameter(const Tensor& constant, DType dtype, const Shape& normalized) {
  const Shape& shape = constant.GetShape();
  const int leading = shape.Rank() - normalized.Rank();
  if (constant.Type() != dtype || leading < 0 || constant.Elements() != normalized.Elements()) {
    return std::nullopt;
  }
  for (int axis = 0; axis < normalized.Rank(); ++axis) {
    if (shape[leading + axis] != normalized[axis]) return std::nullopt;
  }
  return constant.Reshaped(normalized);
}

// Ones, for a normalization that nothing scales; nullopt for types other than float32.
std::optional<Tensor> Ones(DType dtype, const Shape& shape) {
  if (dtype != DType::kF32) return std::nullopt;
  const std::vector<float> ones(static_cast<size_t>(shape.Elements()), 1.0f);
  return Tensor::FromValues<float>(shape, std::span<const float>(ones));
}

// The parameter of that name as an operand of the normalization; kNoValue when it does not fit.
ValueId Parameter(Graph& graph, const Matcher& match, std::string_view name,
                  const Shape& normalized) {
  const DType dtype = graph.GetValue(match["x"]).dtype;
  const ValueId bound = match.Find(name);
  std::optional<Tensor> tensor = bound == kNoValue
                                     ? Ones(dtype, normalized)
                                     : AsParameter(*graph.Constant(bound), dtype, normalized);
  if (!tensor) return kNoValue;
  const std::string hint = bound == kNoValue ? "ones" : graph.GetValue(bound).name;
  return graph.AddConstant(graph.UniqueName(hint), std::move(*tensor));
}

std::optional<Node> Recognize(Graph& graph, const Matcher& match, const NormForm& form,
                              const Node& root) {
  const Value& x = graph.GetValue(match["x"]);
  const SymbolicShape& result = graph.GetValue(root.outputs[0]).shape;
  const std::optional<Shape> normalized = NormalizedShape(graph, match);
  if (!normalized || !IsFloatingPoint(x.dtype) || !result.RankKnown() ||
      result.Rank() != x.shape.Rank()) {
    return std::nullopt;
  }
  const int64_t axis = x.shape.Rank() - normalized->Rank();
  Node node = MakeNode(root, form.rms ? "RMSNormalization" : "LayerNormalization",
                       form.rms ? kRmsNormOpset : kLayerNormOpset, {match["x"]});
  node.attributes["axis"] = axis;
  node.attributes["epsilon"] = match.ScalarOf("epsilon");
  node.inputs.push_back(Parameter(graph, match, "scale", *normalized));
  if (node.inputs.back() == kNoValue) return std::nullopt;
  if (match.Find("bias") != kNoValue) {
    node.inputs.push_back(Parameter(graph, match, "bias", *normalized));
    if (node.inputs.back() == kNoValue) return std::nullopt;
  }
  return node;
}

}  // namespace

Result<int> RecognizeLayerNorm(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, RecognizeLayerNorm));
  Rewriter rewriter(graph);
  Matcher matcher(rewriter);
  // Backwards, so that a scale and a bias are seen before what they are applied to.
  for (NodeId id = graph.NodeCount() - 1; id >= 0; --id) {
    for (const NormForm& form : Forms()) {
      if (!matcher.Match(id, form.pattern)) continue;
      std::optional<Node> node = Recognize(graph, matcher, form, graph.GetNode(id));
      if (!node) continue;
      matcher.Replace(std::move(*node));
      break;
    }
  }
  return inner + rewriter.Finish();
}

}  // namespace ergo
