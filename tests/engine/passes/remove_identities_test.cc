#include "tests/engine/passes/pass_testing.h"

namespace ergo {
namespace {

using testing::AfterPass;
using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using testing::Operators;
using Ints = std::vector<int64_t>;

ValueId Filled(GraphBuilder& b, const Shape& shape, float value) {
  const std::vector<float> values(static_cast<size_t>(shape.Elements()), value);
  return b.Constant(Tensor::FromValues<float>(shape, std::span<const float>(values)));
}

// Neg, what `middle` makes of its result, Abs.
template <typename Middle>
Graph Between(const SymbolicShape& shape, const Middle& middle) {
  GraphBuilder b;
  const ValueId x = b.Op("Neg", {b.Input("x", DType::kF32, shape)});
  return b.Build({b.Op("Abs", {middle(b, x)})});
}

template <typename Middle>
void ExpectGone(const Middle& middle, const SymbolicShape& shape = Shape{2, 3, 4}) {
  EXPECT_THAT(Operators(AfterPass(Between(shape, middle), RemoveIdentities)),
              ElementsAre("Neg", "Abs"));
}
template <typename Middle>
void ExpectKept(const Middle& middle, const SymbolicShape& shape = Shape{2, 3, 4}) {
  const Graph graph = Between(shape, middle);
  EXPECT_EQ(AfterPass(graph, RemoveIdentities, false).NodeCount(), graph.NodeCount());
}

const SymbolicShape kBatched({Dim::Symbol("batch"), Dim(3), Dim(4)});

TEST(RemoveIdentitiesTest, KeepsTheNamesOfOutputs) {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{4});
  const ValueId y = b.Op("Neg", {b.Op("Identity", {x})});
  const Graph graph =
      AfterPass(b.Build({b.Op("Identity", {y}), b.Op("Identity", {x})}), RemoveIdentities);
  EXPECT_THAT(Operators(graph), ElementsAre("Neg", "Identity"));
}

TEST(RemoveIdentitiesTest, AnOutputTwiceKeepsOneNode) {
  GraphBuilder b;
  const ValueId y = b.Op("Neg", {b.Input("x", DType::kF32, Shape{4})});
  const Graph graph = AfterPass(b.Build({b.Op("Identity", {y}), y}), RemoveIdentities, false);
  EXPECT_THAT(Operators(graph), ElementsAre("Neg", "Identity"));
}

TEST(RemoveIdentitiesTest, ShapesThatChangeNothing) {
  for (const SymbolicShape& shape : {SymbolicShape(Shape{2, 3, 4}), kBatched}) {
    ExpectGone([](auto& b, ValueId x) { return b.Op("Reshape", {x, b.Ints({0, 3, 4})}); }, shape);
    ExpectGone([](auto& b, ValueId x) { return b.Op("Reshape", {x, b.Ints({-1, 3, 4})}); }, shape);
    ExpectGone([](auto& b, ValueId x) { return b.Op("Expand", {x, b.Ints({3, 1})}); }, shape);
    ExpectGone([](auto& b, ValueId x) { return b.Op("Tile", {x, b.Ints({1, 1, 1})}); }, shape);
    ExpectGone(
        [](auto& b, ValueId x) {
          return b.Op("Transpose", {x}, Attributes{{"perm", Ints{0, 1, 2}}});
        },
        shape);
  }
  ExpectKept([](auto& b, ValueId x) { return b.Op("Reshape", {x, b.Ints({2, 4, 3})}); });
  ExpectKept([](auto& b, ValueId x) { return b.Op("Expand", {x, b.Ints({2, 1, 1, 1})}); });
  ExpectKept([](auto& b, ValueId x) { return b.Op("Tile", {x, b.Ints({1, 2, 1})}); });
  ExpectKept([](auto& b, ValueId x) {
    return b.Op("Transpose", {x}, Attributes{{"perm", Ints{0, 2, 1}}});
  });
}

TEST(RemoveIdentitiesTest, SlicesOfEverything) {
  ExpectGone([](auto& b, ValueId x) {
    return b.Op("Slice", {x, b.Ints({0}), b.Ints({9}), b.Ints({1}), b.Ints({1})});
  });
  const auto to_the_end = [](auto& b, ValueId x) {
    return b.Op("Slice", {x, b.Ints({0}), b.Ints({INT64_MAX}), b.Ints({0})});
  };
  ExpectGone(to_the_end, kBatched);
  ExpectKept([](auto& b, ValueId x) {
    return b.Op("Slice", {x, b.Ints({0}), b.Ints({2}), b.Ints({1})});
  });
  ExpectKept([](auto& b, ValueId x) {  // all elements, backwards
    return b.Op("Slice", {x, b.Ints({-1}), b.Ints({INT64_MIN}), b.Ints({1}), b.Ints({-1})});
  });
}

TEST(RemoveIdentitiesTest, PadsOfNothing) {
  ExpectGone([](auto& b, ValueId x) { return b.Op("Pad", {x, b.Ints({0, 0, 0, 0, 0, 0})}); });
  // As many elements as before, but others.
  ExpectKept([](auto& b, ValueId x) { return b.Op("Pad", {x, b.Ints({0, 0, 1, 0, 0, -1})}); });
}

TEST(RemoveIdentitiesTest, NeutralElementsByTheBit) {
  const auto arithmetic = [](std::string op, float value, bool left = false) {
    return [=](GraphBuilder& b, ValueId x) {
      const ValueId constant = Filled(b, Shape{4}, value);
      return left ? b.Op(op, {constant, x}) : b.Op(op, {x, constant});
    };
  };
  ExpectGone(arithmetic("Mul", 1));
  ExpectGone(arithmetic("Mul", 1, true));
  ExpectGone(arithmetic("Div", 1));
  ExpectGone(arithmetic("Pow", 1));
  ExpectGone(arithmetic("Sub", 0.0f));
  ExpectGone(arithmetic("Add", -0.0f));
  ExpectGone(arithmetic("Add", -0.0f, true));
  ExpectKept(arithmetic("Add", 0.0f));   // -0 becomes +0
  ExpectKept(arithmetic("Sub", -0.0f));  // likewise
  ExpectKept(arithmetic("Sub", 0.0f, true));
  ExpectKept(arithmetic("Div", 1, true));
  ExpectKept(arithmetic("Mul", 1.0001f));
  // A neutral element that widens its partner is none.
  ExpectKept([](GraphBuilder& b, ValueId x) {
    return b.Op("Mul", {x, Filled(b, Shape{1, 1, 1, 1}, 1)});
  });
  ExpectKept(
      [](GraphBuilder& b, ValueId x) {
        return b.Op("Mul", {x, Filled(b, Shape{4}, 1)});
      },
      Shape{2, 1});
}

TEST(RemoveIdentitiesTest, CastsForthAndBack) {
  const auto through = [](DType between) {
    return [between](GraphBuilder& b, ValueId x) {
      const ValueId wide = b.Op("Cast", {x}, Attributes{{"to", static_cast<int64_t>(between)}});
      return b.Op("Cast", {wide}, Attributes{{"to", static_cast<int64_t>(DType::kF32)}});
    };
  };
  ExpectGone(through(DType::kF64));
  ExpectGone([](GraphBuilder& b, ValueId x) {
    return b.Op("Cast", {x}, Attributes{{"to", static_cast<int64_t>(DType::kF32)}});
  });
  const Graph lossy = Between(Shape{2, 3}, through(DType::kF16));
  EXPECT_EQ(AfterPass(lossy, RemoveIdentities, false).NodeCount(), lossy.NodeCount());
}

}  // namespace
}  // namespace ergo
