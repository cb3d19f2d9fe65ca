// Each pass: what it makes of a graph, and that the graph still computes the same.
#include "engine/passes/passes.h"

#include "tests/engine/passes/pass_testing.h"

namespace ergo {
namespace {

using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::Operators;
using testing::Optimized;

TEST(FoldConstantsTest, ComputesWhatDependsOnNoInput) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3});
  const ValueId sum = b.Op("Add", {b.Weights({3}), b.Weights({3})});
  const Graph graph = Optimized(b.Build({b.Op("Mul", {x, b.Op("Exp", {sum})})}));
  EXPECT_THAT(Operators(graph), ElementsAre("Mul"));
}

TEST(FoldConstantsTest, KnowsTheShapesOfValues) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 4});
  const ValueId rows = b.Op("Gather", {b.Op("Shape", {x}), b.Ints({0})});
  const ValueId shape = b.Op("Concat", {rows, b.Ints({-1})}, Attributes{{"axis", int64_t{0}}});
  const Graph graph = Optimized(b.Build({b.Op("Reshape", {x, shape})}));
  EXPECT_THAT(Operators(graph), ElementsAre("Reshape"));
}

TEST(FoldConstantsTest, LeavesSymbolicShapesForPlanTime) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, SymbolicShape({Dim::Symbol("batch"), Dim(3)}));
  Graph graph = b.Build({b.Op("Shape", {x})});
  ASSERT_TRUE(Optimize(graph).ok());
  EXPECT_THAT(Operators(graph), ElementsAre("Shape"));
}

TEST(FuseConvTest, TakesAChannelBiasAndRefusesOthers) {
  for (const bool per_channel : {true, false}) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{2, 3, 6, 4});
    const ValueId conv = b.Op("Conv", {x, b.Weights({4, 3, 1, 1})});
    const ValueId bias = per_channel ? b.Weights({4, 1, 1}) : b.Weights({4});
    const Graph graph = Optimized(b.Build({b.Op("Add", {bias, conv})}));
    if (per_channel) {
      EXPECT_THAT(Operators(graph), ElementsAre("FusedConv"));
    } else {
      EXPECT_THAT(Operators(graph), ElementsAre("FusedConv", "Add"));
    }
  }
}

TEST(FuseGemmTest, MatMulAndGemmTakeBiasAndActivation) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{5, 8});
  const ValueId hidden =
      b.Op("Relu", {b.Op("Add", {b.Op("MatMul", {x, b.Weights({8, 6})}), b.Weights({6})})});
  const ValueId y = b.Op("Tanh", {b.Op("Gemm", {hidden, b.Weights({3, 6}), b.Weights({1, 3})},
                                       Attributes{{"transB", int64_t{1}}})});
  const Graph graph = Optimized(b.Build({y}));
  EXPECT_THAT(Operators(graph), ElementsAre("FusedGemm", "FusedGemm"));
  EXPECT_EQ(graph.GetNode(0).StringAttr("activation", ""), "relu");
  EXPECT_EQ(graph.GetNode(1).StringAttr("activation", ""), "tanh");
}

TEST(FuseGemmTest, ScaledGemmStaysAsItIs) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{5, 8});
  const Graph graph = Optimized(b.Build({b.Op("Gemm", {x, b.Weights({8, 3}), b.Weights({5, 1})},
                                              Attributes{{"alpha", 0.5f}, {"beta", 2.0f}})}));
  EXPECT_THAT(Operators(graph), ElementsAre("Gemm"));
}

TEST(FuseResidualTest, AddsBeforeTheActivation) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{1, 4, 6, 6});
  const ValueId first =
      b.Op("Relu", {b.Op("Conv", {x, b.Weights({4, 4, 3, 3}, 0.2f)},
                         Attributes{{"pads", std::vector<int64_t>{1, 1, 1, 1}}})});
  const ValueId second = b.Op("Conv", {first, b.Weights({4, 4, 1, 1})});
  const Graph graph = Optimized(b.Build({b.Op("Relu", {b.Op("Add", {second, x})})}));
  EXPECT_THAT(Operators(graph), ElementsAre("FusedConv", "FusedConv"));
  EXPECT_TRUE(graph.GetNode(1).HasInput(3));
}

TEST(FuseResidualTest, BroadcastsAreNotResiduals) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{4, 8});
  const ValueId row = b.Input("row", DType::kF32, Shape{1, 6});
  const Graph graph =
      Optimized(b.Build({b.Op("Add", {b.Op("MatMul", {x, b.Weights({8, 6})}), row})}));
  EXPECT_THAT(Operators(graph), ElementsAre("FusedGemm", "Add"));
}

TEST(FuseActivationTest, EveryActivationFuses) {
  const auto scalar = [](GraphBuilder& b, float value) {
    return b.Constant(Tensor::Scalar(value));
  };
  const std::pair<std::string, std::string> activations[] = {{"Relu", "relu"},
                                                             {"Sigmoid", "sigmoid"},
                                                             {"Tanh", "tanh"},
                                                             {"Swish", "silu"},
                                                             {"HardSwish", "hard_swish"},
                                                             {"LeakyRelu", "leaky_relu"},
                                                             {"Clip", "clip"},
                                                             {"Gelu", "gelu"}};
  for (const auto& [op, activation] : activations) {
    SCOPED_TRACE(op);
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{3, 9});
    const ValueId product = b.Op("MatMul", {x, b.Weights({9, 7})});
    std::vector<ValueId> operands = {product};
    if (op == "Clip") operands = {product, scalar(b, -0.5f), scalar(b, 1.5f)};
    const Graph graph = Optimized(b.Build({b.Op(op, operands, {}, 24)}));
    EXPECT_THAT(Operators(graph), ElementsAre("FusedGemm"));
    EXPECT_EQ(graph.GetNode(0).StringAttr("activation", ""), activation);
  }
}

TEST(FuseActivationTest, ParametersThatNoFusedOperatorHasStayApart) {
  const std::pair<std::string, Attributes> activations[] = {
      {"Swish", {{"alpha", 1.702f}}}, {"Gelu", {{"approximate", std::string("tanh")}}}};
  for (const auto& [op, attributes] : activations) {
    GraphBuilder b;
    const ValueId x = b.Input("x", DType::kF32, Shape{3, 9});
    const ValueId product = b.Op("MatMul", {x, b.Weights({9, 7})});
    const Graph graph = Optimized(b.Build({b.Op(op, {product}, attributes, 24)}));
    EXPECT_THAT(Operators(graph), ElementsAre("FusedGemm", op));
  }
}

TEST(FuseActivationTest, AValueThatIsReadTwiceKeepsItsActivationApart) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{3, 9});
  const ValueId product = b.Op("MatMul", {x, b.Weights({9, 9})});
  const Graph graph = Optimized(b.Build({b.Op("Mul", {product, b.Op("Tanh", {product})})}));
  EXPECT_THAT(Operators(graph), ElementsAre("FusedGemm", "Tanh", "Mul"));
}

TEST(OptimizeTest, WorksInsideBranches) {
  GraphBuilder outer;
  const ValueId condition = outer.Input("condition", DType::kBool, Shape());
  const ValueId x = outer.Input("x", DType::kF32, Shape{2, 4});
  const ValueId y = outer.Raw().AddValue("y");
  Node node;
  node.name = node.op = "If";
  node.opset = 16;
  node.inputs = {condition};
  node.outputs = {y};
  for (const char* attribute : {"then_branch", "else_branch"}) {
    GraphBuilder branch;
    const ValueId in = branch.Input("in", DType::kF32, SymbolicShape());
    Graph inner =
        branch.Build({branch.Op("Relu", {branch.Op("MatMul", {in, branch.Weights({4, 4})})})});
    node.subgraphs.emplace_back(attribute, std::make_unique<Graph>(std::move(inner)),
                                std::vector<ValueId>{x});
  }
  outer.Raw().AddNode(std::move(node));
  Graph graph = outer.Build({y});
  ASSERT_TRUE(Optimize(graph).ok());
  EXPECT_THAT(Operators(*graph.GetNode(0).subgraphs[0].graph), ElementsAre("FusedGemm"));
}

// Random graphs of what the passes look for: optimized and not, on chosen and on reference kernels,
// they compute the same.
TEST(OptimizeTest, RandomGraphsComputeTheSame) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 rng(seed);
    GraphBuilder b;
    std::vector<ValueId> values = {b.Input("x", DType::kF32, Shape{2, 6, 5, 5})};
    const auto pick = [&] { return values[rng() % values.size()]; };
    for (int i = 0; i < 12; ++i) {
      switch (rng() % 7) {
        case 0: values.push_back(b.Op("Conv", {pick(), b.Weights({6, 6, 1, 1}, 0.4f)})); break;
        case 1:
          values.push_back(
              b.Op("Conv", {pick(), b.Weights({6, 1, 3, 3}, 0.3f), b.Weights({6})},
                   Attributes{{"group", int64_t{6}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}}));
          break;
        case 2: values.push_back(b.Op("Add", {pick(), pick()})); break;
        case 3: values.push_back(b.Op("Relu", {pick()})); break;
        case 4: values.push_back(b.Op("MatMul", {pick(), b.Weights({5, 5}, 0.4f)})); break;
        case 5: values.push_back(b.Op("Add", {pick(), b.Weights({6, 1, 1})})); break;
        case 6: values.push_back(b.Op("Sigmoid", {b.Op("Identity", {pick()})})); break;
      }
    }
    Optimized(b.Build({values.back(), values[values.size() / 2]}), seed);
  }
}

// The same of what the other passes look for: layouts, shapes computed from shapes, spelled-out
// activations and norms, over a batch whose size is open.
TEST(OptimizeTest, RandomLayoutsComputeTheSame) {
  for (uint32_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    std::mt19937 rng(seed);
    GraphBuilder b;
    const SymbolicShape shape({Dim::Symbol("batch"), Dim(2), Dim(4), Dim(6)});
    const ValueId x = b.Input("x", DType::kF32, shape), y = b.Input("y", DType::kF32, shape);
    std::vector<ValueId> values = {x, y};  // all of that shape
    const auto pick = [&] { return values[rng() % values.size()]; };
    const auto scalar = [&](float value) { return b.Constant(Tensor::Scalar(value)); };
    const auto transpose = [&](ValueId value, std::vector<int64_t> perm) {
      return b.Op("Transpose", {value}, Attributes{{"perm", std::move(perm)}});
    };
    const auto shape_of = [&](ValueId value, bool whole) {
      if (whole) return b.Op("Shape", {value});
      const ValueId batch = b.Op("Gather", {b.Op("Shape", {value}), b.Ints({0})});
      return b.Op("Concat", {batch, b.Ints({2, 4, -1})}, Attributes{{"axis", int64_t{0}}});
    };
    const auto norm = [&](ValueId value) {
      const Attributes last = {{"axes", std::vector<int64_t>{-1}}};
      const ValueId d = b.Op("Sub", {value, b.Op("ReduceMean", {value}, last)});
      const ValueId variance = b.Op("ReduceMean", {b.Op("Mul", {d, d})}, last);
      return b.Op("Div", {d, b.Op("Sqrt", {b.Op("Add", {variance, scalar(0.1f)})})});
    };
    for (int i = 0; i < 10; ++i) {
      const ValueId a = pick();
      switch (rng() % 12) {
        case 0: values.push_back(b.Op("Add", {a, pick()})); break;
        case 1:
          values.push_back(transpose(b.Op("Neg", {transpose(a, {0, 2, 3, 1})}), {0, 3, 1, 2}));
          break;
        case 2:
          values.push_back(b.Op("Reshape", {b.Op("Flatten", {a}), shape_of(x, false)}));
          break;
        case 3: values.push_back(b.Op("Expand", {a, shape_of(pick(), true)})); break;
        case 4: values.push_back(b.Op("Mul", {a, b.Op("Sigmoid", {a})})); break;
        case 5: values.push_back(norm(a)); break;
        case 6: values.push_back(b.Op("MatMul", {a, b.Weights({6, 6}, 0.4f)})); break;
        case 7: {
          const ValueId key = transpose(pick(), {0, 1, 3, 2});
          const ValueId scores = b.Op("Mul", {b.Op("MatMul", {a, key}), scalar(0.4f)});
          values.push_back(b.Op("MatMul", {b.Op("Softmax", {scores}), pick()}));
          break;
        }
        case 8: {
          const ValueId rows = b.Op("Reshape", {a, b.Ints({-1, 6})});
          const ValueId product = b.Op("MatMul", {rows, b.Weights({6, 6}, 0.4f)});
          values.push_back(b.Op("Reshape", {product, shape_of(a, rng() % 2 == 0)}));
          break;
        }
        case 9: values.push_back(b.Op("Mul", {a, b.Weights({2, 1, 1})})); break;
        case 10:
          values.push_back(b.Op(
              "Conv", {b.Op("Add", {a, b.Weights({2, 1, 1})}), b.Weights({2, 2, 1, 1}, 0.5f)}));
          break;
        case 11: {
          const ValueId joined = b.Op("Concat", {a, pick()}, Attributes{{"axis", int64_t{1}}});
          values.push_back(b.Op("Slice", {joined, b.Ints({1}), b.Ints({3}), b.Ints({1})}));
          break;
        }
      }
    }
    Optimized(b.Build({values.back(), values[values.size() / 2]}), seed);
  }
}

}  // namespace
}  // namespace ergo
