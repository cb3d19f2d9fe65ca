#include "engine/graph/dim_range.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int64_t> Parsed(std::string_view text) {
  Result<std::vector<int64_t>> values = ParseDimValues(text);
  EXPECT_TRUE(values.ok()) << values.status().ToString();
  return values.ok() ? *values : std::vector<int64_t>();
}

TEST(DimRange, NumbersRangesAndSteps) {
  EXPECT_THAT(Parsed("7"), ElementsAre(7));
  EXPECT_THAT(Parsed("1..4"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Parsed("64..200:64"), ElementsAre(64, 128, 192));
  EXPECT_THAT(Parsed("16,32,64..192:64"), ElementsAre(16, 32, 64, 128, 192));
  EXPECT_THAT(Parsed("5..5"), ElementsAre(5));
  EXPECT_THAT(Parsed("9,1..3,2"), ElementsAre(1, 2, 3, 9));
}

TEST(DimRange, WhatIsNoRangeIsRefused) {
  for (const char* text : {"", ",", "1,", "a", "1..", "..3", "3..1", "1..9:0", "-1", "1.5", "1...4",
                           "1..4:", "1..4:2:3", " 1", "99999999999999999999"}) {
    const auto values = ParseDimValues(text);
    ASSERT_FALSE(values.ok()) << text;
    EXPECT_EQ(values.status().code(), StatusCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(ParseDimValues("0..4096").status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(ParseDimValues("0..9223372036854775807").status().code(),
            StatusCode::kResourceExhausted);
}

TEST(DimRange, TextIsShortAndReadsBack) {
  EXPECT_EQ(DimValuesText({1, 2, 3, 4, 5}), "1..5");
  EXPECT_EQ(DimValuesText({16, 32, 64, 128, 192}), "16,32,64..192:64");
  EXPECT_EQ(DimValuesText({4, 9}), "4,9");
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> values = {static_cast<int64_t>(random() % 5)};
    for (uint64_t i = random() % 20; i > 0; --i) {
      values.push_back(values.back() + 1 + static_cast<int64_t>(random() % 3));
    }
    EXPECT_EQ(Parsed(DimValuesText(values)), values) << DimValuesText(values);
  }
}

TEST(DimRange, AGraphKeepsItsRanges) {
  Graph graph;
  for (const char* symbol : {"batch", "version", "ergo.dims.x", "a=b;c"}) {
    SetDimRange(graph, {symbol, {1, 2, 3}});
  }
  SetDimRange(graph, {"batch", {4}});
  const auto ranges = DimRangesOf(graph);
  ASSERT_TRUE(ranges.ok()) << ranges.status().ToString();
  ASSERT_EQ(ranges->size(), 4u);
  std::vector<std::string> symbols;
  for (const DimRange& range : *ranges) symbols.push_back(range.symbol);
  EXPECT_THAT(symbols, ElementsAre("a=b;c", "batch", "ergo.dims.x", "version"));
  EXPECT_THAT((*ranges)[1].values, ElementsAre(4));
}

TEST(DimRange, MetadataFromOutsideIsNotBelieved) {
  Graph graph;
  graph.metadata["ergo.dims.version"] = "1";
  graph.metadata["ergo.dims.batch"] = "1..";
  EXPECT_EQ(DimRangesOf(graph).status().code(), StatusCode::kCorruptData);
  EXPECT_THAT(DimRangesOf(graph).status().ToString(), HasSubstr("ergo.dims.batch"));
  graph.metadata["ergo.dims.version"] = "2";
  EXPECT_EQ(DimRangesOf(graph).status().code(), StatusCode::kUnsupported);
}

TEST(DimRange, FixingADimensionReachesSubgraphs) {
  Graph graph;
  graph.inputs = {graph.AddValue("x", DType::kF32,
                                 SymbolicShape({Dim::Symbol("batch"), Dim::Symbol("seq"), 3}))};
  auto inner = std::make_unique<Graph>();
  inner->AddValue("y", DType::kF32, SymbolicShape({Dim::Symbol("batch")}));
  Node node;
  node.op = "Loop";
  node.subgraphs.emplace_back("body", std::move(inner), std::vector<ValueId>());
  graph.AddNode(std::move(node));
  FixDim(graph, "batch", 4);
  EXPECT_EQ(graph.GetValue(0).shape.ToString(), "[4, seq, 3]");
  EXPECT_EQ(graph.GetNode(0).subgraphs[0].graph->GetValue(0).shape.ToString(), "[4]");
}

}  // namespace
}  // namespace ergo
