#include "engine/plan/lowering.h"
#include "engine/plan/random_seed.h"
#include "kernels/linalg/linalg.h"
#include "kernels/random/random.h"

namespace ergo {
namespace {

Status LowerRandom(LowerContext& context) {
  const Node& node = context.GetNode();
  using Kind = RandomProblem::Kind;
  RandomProblem problem;
  problem.dtype = context.OutputType(0);
  problem.elements = context.OutputShape(0).Elements();
  problem.seed = SeedOf(node);
  if (node.op.starts_with("RandomUniform")) {
    problem.kind = Kind::kUniform;
    problem.a = node.FloatAttr("low", 0);
    problem.b = node.FloatAttr("high", 1);
  } else if (node.op.starts_with("RandomNormal")) {
    problem.kind = Kind::kNormal;
    problem.a = node.FloatAttr("mean", 0);
    problem.b = node.FloatAttr("scale", 1);
  } else {
    problem.kind = node.op == "Bernoulli" ? Kind::kBernoulli : Kind::kMultinomial;
    problem.input_dtype = context.InputType(0);
    if (problem.kind == Kind::kMultinomial) {
      problem.samples = context.OutputShape(0)[1];
      problem.classes = context.InputShape(0)[1];
    }
    return context.Emit(RandomVariants(), problem, {In(0)}, {Out(0)});
  }
  return context.Emit(RandomVariants(), problem, {}, {Out(0)});
}

Status LowerDet(LowerContext& context) {
  const Shape& x = context.InputShape(0);
  DetProblem problem;
  problem.dtype = context.InputType(0);
  problem.batch = x.Elements(0, x.Rank() - 2);
  problem.n = x[x.Rank() - 1];
  if (x[x.Rank() - 2] != problem.n) return InvalidArgument("{} is not square", x.ToString());
  return context.Emit(DetVariants(), problem, {In(0)}, {Out(0)});
}

constexpr Lowering kLowerings[] = {
    {"", "RandomUniform", LowerRandom},
    {"", "RandomNormal", LowerRandom},
    {"", "RandomUniformLike", LowerRandom},
    {"", "RandomNormalLike", LowerRandom},
    {"", "Bernoulli", LowerRandom},
    {"", "Multinomial", LowerRandom},
    {"", "Det", LowerDet},
};

}  // namespace

std::span<const Lowering> RandomLowerings() {
  return kLowerings;
}

}  // namespace ergo
