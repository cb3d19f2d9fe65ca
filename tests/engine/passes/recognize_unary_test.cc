// Gelu and the other activations in the forms that exporters write, and near misses of each.
#include <functional>

#include "tests/engine/passes/pass_testing.h"

namespace ergo {
namespace {

using testing::AfterPass;
using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::Operators;

using Form = std::function<ValueId(GraphBuilder& b, ValueId x)>;

ValueId C(GraphBuilder& b, float value) {
  return b.Constant(Tensor::Scalar(value));
}

Graph GraphOf(const Form& form) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{3, 7});
  return b.Build({form(b, x)});
}

Node Recognized(const Form& form, Result<int> (*pass)(Graph& graph)) {
  const Graph graph = AfterPass(GraphOf(form), pass);
  EXPECT_EQ(graph.NodeCount(), 1) << graph.ToString();
  return graph.GetNode(graph.NodeCount() - 1);
}

void ExpectUntouched(const Form& form, Result<int> (*pass)(Graph& graph)) {
  AfterPass(GraphOf(form), pass, false);
}

ValueId OnePlusErf(GraphBuilder& b, ValueId x, float root = 1.4142135f) {
  return b.Op("Add", {b.Op("Erf", {b.Op("Div", {x, C(b, root)})}), C(b, 1)});
}

ValueId GeluTanhStep(GraphBuilder& b, ValueId x, ValueId cube, float cubic = 0.044715f) {
  const ValueId sum = b.Op("Add", {x, b.Op("Mul", {cube, C(b, cubic)})});
  const ValueId tanh = b.Op("Tanh", {b.Op("Mul", {sum, C(b, 0.7978845608f)})});
  return b.Op("Add", {tanh, C(b, 1)});
}

TEST(RecognizeGeluTest, ErfFormsOfExporters) {
  const Form forms[] = {
      // PyTorch: (x (1 + erf(x / sqrt 2))) / 2.
      [](auto& b, ValueId x) {
        return b.Op("Mul", {b.Op("Mul", {x, OnePlusErf(b, x)}), C(b, 0.5f)});
      },
      // PyTorch's decompositions: (x / 2) (1 + erf(x sqrt 1/2)).
      [](auto& b, ValueId x) {
        const ValueId erf = b.Op("Erf", {b.Op("Mul", {x, C(b, 0.70710678f)})});
        return b.Op("Mul", {b.Op("Mul", {x, C(b, 0.5f)}), b.Op("Add", {C(b, 1), erf})});
      },
      // TensorFlow: x (0.5 (1 + erf)).
      [](auto& b, ValueId x) {
        return b.Op("Mul", {x, b.Op("Mul", {C(b, 0.5f), OnePlusErf(b, x)})});
      },
      [](auto& b, ValueId x) {
        return b.Op("Div", {b.Op("Mul", {OnePlusErf(b, x), x}), C(b, 2)});
      }};
  for (const Form& form : forms) {
    const Node node = Recognized(form, RecognizeGelu);
    EXPECT_EQ(node.op, "Gelu");
    EXPECT_EQ(node.StringAttr("approximate", "none"), "none");
  }
}

TEST(RecognizeGeluTest, TanhFormsOfExporters) {
  const Form forms[] = {
      // GPT-2 in PyTorch: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
      [](auto& b, ValueId x) {
        const ValueId cube = b.Op("Pow", {x, C(b, 3)});
        return b.Op("Mul", {b.Op("Mul", {x, C(b, 0.5f)}), GeluTanhStep(b, x, cube)});
      },
      [](auto& b, ValueId x) {
        const ValueId cube = b.Op("Mul", {b.Op("Mul", {x, x}), x});
        return b.Op("Mul", {b.Op("Mul", {x, GeluTanhStep(b, x, cube)}), C(b, 0.5f)});
      },
      // "Fast": x factored out of the sum.
      [](auto& b, ValueId x) {
        const ValueId square = b.Op("Mul", {b.Op("Mul", {x, C(b, 0.044715f)}), x});
        const ValueId factor = b.Op("Add", {C(b, 1), square});
        const ValueId scaled = b.Op("Mul", {x, C(b, 0.7978845608f)});
        const ValueId tanh = b.Op("Tanh", {b.Op("Mul", {scaled, factor})});
        return b.Op("Mul", {b.Op("Mul", {x, C(b, 0.5f)}), b.Op("Add", {tanh, C(b, 1)})});
      }};
  for (const Form& form : forms) {
    const Node node = Recognized(form, RecognizeGelu);
    EXPECT_EQ(node.op, "Gelu");
    EXPECT_EQ(node.StringAttr("approximate", "none"), "tanh");
  }
}

TEST(RecognizeGeluTest, NearMisses) {
  const auto half = [](GraphBuilder& b, ValueId x, ValueId step) {
    return b.Op("Mul", {b.Op("Mul", {x, step}), C(b, 0.5f)});
  };
  ExpectUntouched([&](auto& b, ValueId x) { return half(b, x, OnePlusErf(b, x, 1.5f)); },
                  RecognizeGelu);
  ExpectUntouched(
      [&](auto& b, ValueId x) {
        return half(b, x, GeluTanhStep(b, x, b.Op("Pow", {x, C(b, 3)}), 0.05f));
      },
      RecognizeGelu);
  // Half of another value than the one that erf is of.
  ExpectUntouched([&](auto& b, ValueId x) { return half(b, b.Op("Neg", {x}), OnePlusErf(b, x)); },
                  RecognizeGelu);
  // A constant with more axes than x makes the result larger.
  ExpectUntouched(
      [&](auto& b, ValueId x) {
        return b.Op("Mul", {b.Op("Mul", {x, OnePlusErf(b, x)}),
                            b.Constant(Tensor::FromValues<float>({1, 1, 1}, {0.5f}))});
      },
      RecognizeGelu);
}

TEST(RecognizeGeluTest, WhatOthersReadStays) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{3, 7});
  const ValueId step = OnePlusErf(b, x);
  const ValueId y = b.Op("Mul", {b.Op("Mul", {x, step}), C(b, 0.5f)});
  AfterPass(b.Build({y, step}), RecognizeGelu, false);
}

TEST(RecognizeActivationsTest, FormsOfExporters) {
  const auto ramp = [](GraphBuilder& b, ValueId x) {
    return b.Op("Clip", {b.Op("Add", {x, C(b, 3)}), C(b, 0), C(b, 6)});
  };
  const std::pair<std::string, Form> forms[] = {
      {"Swish",
       [](auto& b, ValueId x) {
         return b.Op("Mul", {x, b.Op("Sigmoid", {x})});
       }},
      {"Swish",
       [](auto& b, ValueId x) {
         return b.Op("Mul", {b.Op("Sigmoid", {b.Op("Mul", {x, C(b, 1.702f)})}), x});
       }},
      {"Sigmoid",
       [](auto& b, ValueId x) {
         return b.Op("Div", {C(b, 1), b.Op("Add", {C(b, 1), b.Op("Exp", {b.Op("Neg", {x})})})});
       }},
      {"HardSwish",
       [&](auto& b, ValueId x) {
         return b.Op("Mul", {x, b.Op("Div", {ramp(b, x), C(b, 6)})});
       }},
      {"HardSwish",
       [&](auto& b, ValueId x) {
         return b.Op("Div", {b.Op("Mul", {x, ramp(b, x)}), C(b, 6)});
       }},
      {"HardSwish",
       [](auto& b, ValueId x) {
         const Attributes sixth = {{"alpha", 1.0f / 6}, {"beta", 0.5f}};
         return b.Op("Mul", {x, b.Op("HardSigmoid", {x}, sixth)});
       }},
      {"HardSigmoid",
       [](auto& b, ValueId x) {
         const ValueId up = b.Op("Relu", {b.Op("Add", {C(b, 3), x})});
         return b.Op("Mul", {b.Op("Min", {up, C(b, 6)}), C(b, 1.0f / 6)});
       }},
      {"HardSigmoid",
       [](auto& b, ValueId x) {
         const ValueId clip =
             b.Op("Clip", {b.Op("Add", {x, C(b, 3)})}, Attributes{{"min", 0.0f}, {"max", 6.0f}}, 6);
         return b.Op("Div", {clip, C(b, 6)});
       }},
      {"Softplus",
       [](auto& b, ValueId x) {
         return b.Op("Log", {b.Op("Add", {b.Op("Exp", {x}), C(b, 1)})});
       }},
      {"Mish",
       [](auto& b, ValueId x) {
         return b.Op("Mul", {x, b.Op("Tanh", {b.Op("Softplus", {x})})});
       }},
      {"LeakyRelu",
       [](auto& b, ValueId x) {
         return b.Op("Max", {b.Op("Mul", {x, C(b, 0.2f)}), x});
       }},
      {"LeakyRelu",
       [](auto& b, ValueId x) {
         return b.Op("PRelu", {x, C(b, -0.3f)});
       }},
  };
  for (const auto& [op, form] : forms) {
    EXPECT_EQ(Recognized(form, RecognizeActivations).op, op);
  }
}

TEST(RecognizeActivationsTest, MishFromItsParts) {
  const Graph graph =
      AfterPass(GraphOf([](auto& b, ValueId x) {
                  const ValueId softplus = b.Op("Log", {b.Op("Add", {b.Op("Exp", {x}), C(b, 1)})});
                  return b.Op("Mul", {x, b.Op("Tanh", {softplus})});
                }),
                RecognizeActivations);
  EXPECT_THAT(Operators(graph), ElementsAre("Mish"));
}

TEST(RecognizeActivationsTest, NearMisses) {
  const Form forms[] = {
      [](auto& b, ValueId x) {  // another value's gate
        return b.Op("Mul", {b.Op("Neg", {x}), b.Op("Sigmoid", {x})});
      },
      [](auto& b, ValueId x) {
        return b.Op("Log", {b.Op("Add", {b.Op("Exp", {x}), C(b, 2)})});
      },
      [](auto& b, ValueId x) {  // the smaller of the two for slopes above 1
        return b.Op("Max", {b.Op("Mul", {x, C(b, 1.5f)}), x});
      },
      [](auto& b, ValueId x) {
        const ValueId clip = b.Op("Clip", {b.Op("Add", {x, C(b, 3)}), C(b, 0), C(b, 5)});
        return b.Op("Div", {b.Op("Mul", {clip, x}), C(b, 6)});
      },
      [](auto& b, ValueId x) {  // HardSigmoid's default slope
        return b.Op("Mul", {x, b.Op("HardSigmoid", {x})});
      },
      [](auto& b, ValueId x) {
        return b.Op("PRelu", {x, b.Weights({7})});
      },
  };
  for (const Form& form : forms) ExpectUntouched(form, RecognizeActivations);
}

TEST(RecognizeActivationsTest, AGateThatIsAnOutputStays) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{3, 7});
  const ValueId gate = b.Op("Sigmoid", {x});
  AfterPass(b.Build({b.Op("Mul", {x, gate}), gate}), RecognizeActivations, false);
}

}  // namespace
}  // namespace ergo
