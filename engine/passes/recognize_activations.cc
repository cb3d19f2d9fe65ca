// Activations that exporters write out in terms of simpler operators: Sigmoid, Swish, HardSigmoid,
// HardSwish, Softplus, Mish, LeakyRelu.
#include "engine/passes/passes.h"
#include "engine/passes/recognize_unary.h"

namespace ergo {
namespace {

using Finish = std::function<bool(const Matcher& match, Node& node)>;

Finish WithAlpha(float alpha) {
  return [alpha](const Matcher&, Node& node) {
    node.attributes["alpha"] = alpha;
    return true;
  };
}

bool AlphaOfMatch(const Matcher& match, Node& node) {
  node.attributes["alpha"] = match.ScalarOf("alpha");
  return true;
}

// The larger of x and alpha x is LeakyRelu for slopes up to 1 only.
bool SlopeOfMatch(const Matcher& match, Node& node) {
  const float alpha = match.ScalarOf("alpha");
  return alpha >= 0 && alpha <= 1 && AlphaOfMatch(match, node);
}

// min(max(x, 0), 6)
Pattern ClipTo6(const Pattern& x) {
  const auto by_attributes = [](const Graph&, const Node& node) {
    return node.FloatAttr("min", -1) == 0 && node.FloatAttr("max", -1) == 6;
  };
  return OneOf({Op("Clip", {x, Number(0), Number(6)}), OpIf("Clip", {x}, by_attributes),
                Op("Min", {Op("Relu", {x}), Number(6)}),
                Op("Min", {Op("Max", {x, Number(0)}), Number(6)}),
                Op("Max", {Op("Min", {x, Number(6)}), Number(0)})});
}

// HardSigmoid with HardSwish's slope.
Pattern SixthHardSigmoid(const Pattern& x) {
  return OpIf("HardSigmoid", {x}, [](const Graph&, const Node& node) {
    return std::abs(node.FloatAttr("alpha", 0.2f) - 1.0f / 6) < 1e-6f &&
           node.FloatAttr("beta", 0.5f) == 0.5f;
  });
}

std::vector<UnaryForm> Forms() {
  const Pattern x = Any("x");
  const Pattern exp_plus_1 = Op("Add", {Op("Exp", {Op("Neg", {x})}), Number(1)});
  const Pattern ramp = ClipTo6(Op("Add", {x, Number(3)}));
  const Pattern hard_sigmoid = OneOf({SixthHardSigmoid(x), Scaled(ramp, 1.0 / 6)});
  const auto sixth = [](const Matcher&, Node& node) {
    node.attributes["alpha"] = 1.0f / 6;
    node.attributes["beta"] = 0.5f;
    return true;
  };
  return {
      {OneOf({Op("Mul", {Op("Sigmoid", {x}), x}), Op("Div", {x, exp_plus_1})}), "Swish", 24,
       WithAlpha(1)},
      {Op("Mul", {Op("Sigmoid", {Op("Mul", {Scalar("alpha"), x})}), x}), "Swish", 24, AlphaOfMatch},
      {OneOf({Op("Reciprocal", {exp_plus_1}), Op("Div", {Number(1), exp_plus_1})}), "Sigmoid", 13},
      {OneOf({Op("Mul", {hard_sigmoid, x}), Scaled(Op("Mul", {ramp, x}), 1.0 / 6),
              Op("Mul", {ramp, Scaled(x, 1.0 / 6)})}),
       "HardSwish", 14},
      {Scaled(ramp, 1.0 / 6), "HardSigmoid", 6, sixth},
      {Op("Log", {Op("Add", {Op("Exp", {x}), Number(1)})}), "Softplus", 1},
      {Op("Mul", {Op("Tanh", {Op("Softplus", {x})}), x}), "Mish", 18},
      {Op("Max", {Op("Mul", {Scalar("alpha"), x}), x}), "LeakyRelu", 6, SlopeOfMatch},
      {Op("PRelu", {x, Scalar("alpha")}), "LeakyRelu", 6, AlphaOfMatch},
  };
}

}  // namespace

Result<int> RecognizeActivations(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, RecognizeActivations));
  static const std::vector<UnaryForm> kForms = Forms();
  ERGO_ASSIGN_OR_RETURN(const int here, RecognizeUnary(graph, kForms));
  return inner + here;
}

}  // namespace ergo
