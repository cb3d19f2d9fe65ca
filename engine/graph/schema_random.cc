// RandomUniform, RandomNormal, their Like forms, Bernoulli, Multinomial; and Det.
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

Status InferRandom(InferContext& context) {
  const std::vector<int64_t>* shape = context.GetNode().IntsAttr("shape");
  if (shape == nullptr) return InvalidArgument("needs shape");
  ERGO_ASSIGN_OR_RETURN(const Shape concrete, Shape::Make(*shape));
  ERGO_ASSIGN_OR_RETURN(const DType dtype, DTypeAttr(context.GetNode(), "dtype", DType::kF32));
  return context.SetOutput(0, dtype, concrete);
}

Status InferLike(InferContext& context) {
  ERGO_ASSIGN_OR_RETURN(const DType dtype,
                        DTypeAttr(context.GetNode(), "dtype", context.InputType(0)));
  return context.SetOutput(0, dtype, context.InputShape(0));
}

Status InferMultinomial(InferContext& context) {
  const SymbolicShape& scores = context.InputShape(0);
  const Dim batch = scores.RankKnown() && scores.Rank() == 2 ? scores[0] : Dim();
  const int64_t samples = context.GetNode().IntAttr("sample_size", 1);
  if (samples < 0) return InvalidArgument("sample_size {}", samples);
  ERGO_ASSIGN_OR_RETURN(const DType dtype, DTypeAttr(context.GetNode(), "dtype", DType::kI32));
  return context.SetOutput(0, dtype, SymbolicShape({batch, Dim(samples)}));
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
