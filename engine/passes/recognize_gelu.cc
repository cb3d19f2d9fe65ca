// Gelu as PyTorch, Hugging Face and TensorFlow write it out: x / 2 (1 + erf(x / sqrt(2))), and the
// approximation x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
// Hendrycks and Gimpel, Gaussian Error Linear Units, 2016.
#include "engine/passes/passes.h"
#include "engine/passes/recognize_unary.h"

namespace ergo {
namespace {

// x / 2 * (1 + step), multiplied in any order.
Pattern HalfTimes(const Pattern& x, const Pattern& step) {
  const Pattern shifted = Op("Add", {step, Number(1)});
  return OneOf({Scaled(Op("Mul", {shifted, x}), 0.5), Op("Mul", {shifted, Scaled(x, 0.5)}),
                Op("Mul", {Scaled(shifted, 0.5), x})});
}

// sqrt(2 / pi) (x + 0.044715 x^3), with or without x factored out.
Pattern TanhArgument(const Pattern& x) {
  constexpr double kSlope = 0.7978845608028654, kCubic = 0.044715;
  const Pattern square = Square(x);
  const Pattern cube = OneOf({Op("Pow", {x, Number(3)}), Op("Mul", {square, x})});
  const Pattern scaled_cube =
      OneOf({Scaled(cube, kCubic), Op("Mul", {Op("Mul", {Scaled(x, kCubic), x}), x}),
             Op("Mul", {Scaled(square, kCubic), x})});
  const Pattern factor =
      Op("Add", {OneOf({Scaled(square, kCubic), Op("Mul", {Scaled(x, kCubic), x})}), Number(1)});
  const Pattern sum = OneOf({Op("Add", {scaled_cube, x}), Op("Mul", {factor, x})});
  return OneOf({Scaled(sum, kSlope), Op("Mul", {factor, Scaled(x, kSlope)})});
}

std::vector<UnaryForm> Forms() {
  const Pattern x = Any("x");
  const auto tanh_form = [](const Matcher&, Node& node) {
    node.attributes["approximate"] = std::string("tanh");
    return true;
  };
  constexpr double kRootHalf = 0.7071067811865476;
  return {{HalfTimes(x, Op("Erf", {Scaled(x, kRootHalf)})), "Gelu", 20},
          {HalfTimes(x, Op("Tanh", {TanhArgument(x)})), "Gelu", 20, tanh_form}};
}

}  // namespace

Result<int> RecognizeGelu(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, RecognizeGelu));
  static const std::vector<UnaryForm> kForms = Forms();
  ERGO_ASSIGN_OR_RETURN(const int here, RecognizeUnary(graph, kForms));
  return inner + here;
}

}  // namespace ergo
