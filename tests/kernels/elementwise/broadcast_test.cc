#include "kernels/elementwise/broadcast.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ergo {
namespace {

BroadcastPlan Plan(std::vector<Shape> shapes) {
  Result<BroadcastPlan> plan = PlanBroadcast(shapes);
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  return plan.ok() ? *plan : BroadcastPlan();
}

TEST(BroadcastPlanTest, MergesAxes) {
  const BroadcastPlan same = Plan({{2, 3, 4}, {2, 3, 4}});
  EXPECT_TRUE(same.SingleRow());
  EXPECT_EQ(same.row_length, 24);
  EXPECT_EQ(same.row_stride[0], 1);
  EXPECT_EQ(same.row_stride[1], 1);

  const BroadcastPlan scalar = Plan({{2, 3, 4}, {}});
  EXPECT_TRUE(scalar.SingleRow());
  EXPECT_EQ(scalar.row_length, 24);
  EXPECT_EQ(scalar.row_stride[1], 0);

  const BroadcastPlan channel = Plan({{2, 3, 4, 5}, {3, 1, 1}});
  EXPECT_EQ(channel.row_length, 20);
  EXPECT_EQ(channel.rows, 6);
  EXPECT_EQ(channel.row_stride[1], 0);

  const BroadcastPlan bias = Plan({{2, 3, 4}, {1, 1, 4}});
  EXPECT_EQ(bias.row_length, 4);
  EXPECT_EQ(bias.rows, 6);
  EXPECT_EQ(bias.outer_rank, 1);
  EXPECT_EQ(bias.row_stride[1], 1);
}

TEST(BroadcastPlanTest, RefusesWhatDoesNotFit) {
  const Shape apart[] = {{2, 3}, {2, 4}};
  EXPECT_EQ(PlanBroadcast(apart).status().code(), StatusCode::kInvalidArgument);
  const Shape huge[] = {{int64_t{1} << 20, 1}, {1, int64_t{1} << 20}};
  EXPECT_EQ(PlanBroadcast(huge).status().code(), StatusCode::kResourceExhausted);
}

// Offset in `shape` of the element that broadcasting puts at flat index `at` of `out`.
int64_t NaiveOffset(const Shape& shape, const Shape& out, int64_t at) {
  int64_t offset = 0, stride = 1;
  for (int axis = out.Rank() - 1; axis >= 0; --axis) {
    const int64_t index = at % out[axis];
    at /= out[axis];
    const int own = axis - (out.Rank() - shape.Rank());
    if (own < 0) continue;
    if (shape[own] != 1) offset += index * stride;
    stride *= shape[own];
  }
  return offset;
}

TEST(BroadcastPlanTest, WalksRandomShapesLikeIndexArithmetic) {
  std::mt19937 random(20240601);
  for (int round = 0; round < 500; ++round) {
    Shape out;
    const int rank = static_cast<int>(random() % 6);
    for (int axis = 0; axis < rank; ++axis) out.Append(1 + random() % 4);
    std::vector<Shape> inputs;
    for (int i = 0; i < 3; ++i) {
      Shape input;
      const int drop = i == 0 ? 0 : static_cast<int>(random() % static_cast<unsigned>(rank + 1));
      for (int axis = drop; axis < rank; ++axis) {
        input.Append(i > 0 && random() % 2 == 0 ? 1 : out[axis]);
      }
      inputs.push_back(input);
    }
    const BroadcastPlan plan = Plan(inputs);
    ASSERT_EQ(plan.output, out);
    ASSERT_EQ(plan.rows * plan.row_length, out.Elements());
    const int64_t elements = out.Elements();
    const int64_t begin = static_cast<int64_t>(random()) % (elements + 1);
    int64_t seen = begin;
    ForEachRowPiece(plan, begin, elements,
                    [&](int64_t at, int64_t length, const RowWalker& walker, int64_t column) {
                      ASSERT_EQ(at, seen);
                      for (int64_t k = 0; k < length; ++k) {
                        for (size_t i = 0; i < inputs.size(); ++i) {
                          const int64_t offset = walker.Offset(static_cast<int>(i)) +
                                                 (column + k) * plan.row_stride[i];
                          ASSERT_EQ(offset, NaiveOffset(inputs[i], out, at + k))
                              << inputs[i].ToString() << " to " << out.ToString();
                        }
                      }
                      seen += length;
                    });
    ASSERT_EQ(seen, elements);
  }
}

}  // namespace
}  // namespace ergo
