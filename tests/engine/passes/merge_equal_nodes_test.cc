#include "tests/engine/passes/pass_testing.h"

namespace ergo {
namespace {

using testing::AfterPass;
using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::Operators;

TEST(MergeEqualNodesTest, EqualNodesOfEqualConstantsBecomeOne) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3});
  std::vector<ValueId> halves;
  for (int i = 0; i < 2; ++i) {
    const ValueId half = b.Constant(Tensor::Scalar(0.5f));
    halves.push_back(b.Op("Exp", {b.Op("Mul", {x, half})}));
  }
  const Graph graph = AfterPass(b.Build({b.Op("Add", halves)}), MergeEqualNodes);
  EXPECT_THAT(Operators(graph), ElementsAre("Mul", "Exp", "Add"));
}

TEST(MergeEqualNodesTest, AttributesConstantsAndOpsetsTellNodesApart) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3});
  const Graph graph = b.Build({b.Op("Elu", {x}, Attributes{{"alpha", 1.0f}}),
                               b.Op("Elu", {x}, Attributes{{"alpha", 2.0f}}),
                               b.Op("Mul", {x, b.Constant(Tensor::Scalar(0.5f))}),
                               b.Op("Mul", {x, b.Constant(Tensor::FromValues<float>({1}, {0.5f}))}),
                               b.Op("Softmax", {x}, Attributes{{"axis", int64_t{0}}}, 11),
                               b.Op("Softmax", {x}, Attributes{{"axis", int64_t{0}}}, 13)});
  EXPECT_EQ(AfterPass(graph, MergeEqualNodes, false).NodeCount(), graph.NodeCount());
}

TEST(MergeEqualNodesTest, OutputsKeepTheirNamesAndTheirNodes) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3});
  const ValueId first = b.Op("Exp", {x}), second = b.Op("Exp", {x});
  const Graph graph = AfterPass(b.Build({first, second}), MergeEqualNodes, false);
  EXPECT_THAT(Operators(graph), ElementsAre("Exp", "Exp"));
}

TEST(MergeEqualNodesTest, DrawsStayApart) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2, 3});
  Graph graph =
      b.Build({b.Op("Sub", {b.Op("RandomNormalLike", {x}), b.Op("RandomNormalLike", {x})})});
  const Result<int> changes = MergeEqualNodes(graph);
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ(*changes, 0);
  EXPECT_EQ(graph.NodeCount(), 3);
}

}  // namespace
}  // namespace ergo
