// RandomUniform, RandomNormal, their Like forms, Bernoulli, Multinomial; and Det.
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

DType DTypeAttr(const Node& node, DType fallback) {
  return static_cast<DType>(node.IntAttr("dtype", static_cast<int64_t>(fallback)));
}

Status InferRandom(InferContext& context) {
  const std::vector<int64_t>* shape = context.GetNode().IntsAttr("shape");
  if (shape == nullptr) return InvalidArgument("needs shape");
  ERGO_ASSIGN_OR_RETURN(const Shape concrete, Shape::Make(*shape));
  return context.SetOutput(0, DTypeAttr(context.GetNode(), DType::kF32), concrete);
}

Status InferLike(InferContext& context) {
  return context.SetOutput(0, DTypeAttr(context.GetNode(), context.InputType(0)),
                           context.InputShape(0));
}

Status InferMultinomial(InferContext& context) {
  const SymbolicShape& scores = context.InputShape(0);
  const Dim batch = scores.RankKnown() && scores.Rank() == 2 ? scores[0] : Dim();
  const int64_t samples = context.GetNode().IntAttr("sample_size", 1);
  if (samples < 0) return InvalidArgument("sample_size {}", samples);
  return context.SetOutput(0, DTypeAttr(context.GetNode(), DType::kI32),
                           SymbolicShape({batch, Dim(samples)}));
}

Status InferDet(InferContext& context) {
  const SymbolicShape& x = context.InputShape(0);
  SymbolicShape y;
  if (x.RankKnown()) {
    if (x.Rank() < 2) return InvalidArgument("a determinant of rank {}", x.Rank());
    y = SymbolicShape(std::vector<Dim>(x.Dims().begin(), x.Dims().end() - 2));
  }
  return context.SetOutput(0, context.InputType(0), y);
}

constexpr OpSchema kSchemas[] = {
    {"", "RandomUniform", 1, 0, 0, 1, 1, InferRandom},
    {"", "RandomNormal", 1, 0, 0, 1, 1, InferRandom},
    {"", "RandomUniformLike", 1, 1, 1, 1, 1, InferLike},
    {"", "RandomNormalLike", 1, 1, 1, 1, 1, InferLike},
    {"", "Bernoulli", 15, 1, 1, 1, 1, InferLike},
    {"", "Multinomial", 7, 1, 1, 1, 1, InferMultinomial},
    {"", "Det", 11, 1, 1, 1, 1, InferDet},
};

}  // namespace

std::span<const OpSchema> RandomSchemas() {
  return kSchemas;
}

}  // namespace ergo
