#include "engine/plan/kernel_choices.h"

#include <gtest/gtest.h>

#include "engine/plan/plan.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

TEST(KernelChoicesTest, TextGoesThereAndBack) {
  KernelChoices choices;
  choices.Set("Conv 'a\tb'", "conv=winograd4,gemm=simd");
  choices.Set("MatMul ''", "gemm=onednn");
  choices.Set("two\nlines", "gemm=onednn");
  const KernelChoices read = KernelChoices::FromText(choices.ToText());
  EXPECT_EQ(read.For("Conv 'a\tb'"), "conv=winograd4,gemm=simd");
  EXPECT_EQ(read.For("MatMul ''"), "gemm=onednn");
  EXPECT_EQ(read.For("two\nlines"), "");
  EXPECT_EQ(read.For("Conv"), "");
}

TEST(KernelChoicesTest, NonsenseIsNoChoice) {
  for (const char* text : {"", "\n\n", "no tab", "\n=\n"}) {
    EXPECT_TRUE(KernelChoices::FromText(text).Empty()) << text;
  }
}

// The gemm variant that the only node of a plan gets.
std::string Variant(const std::string& forced, const SelectOptions& kernels = {}) {
  testing::GraphBuilder g;
  const ValueId x = g.Input("x", DType::kF32, Shape{5, 6});
  const Graph graph = g.Build({g.Op("MatMul", {x, g.Weights({6, 7})})});
  KernelChoices choices;
  choices.Set(graph.GetNode(0).Label(), forced);
  PlanOptions options;
  options.kernels = kernels;
  options.choices = &choices;
  const Shape shape{5, 6};
  const auto plan = BuildPlan(graph, std::span(&shape, 1), options);
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  return std::string((*plan)->steps[0].info.variant);
}

TEST(KernelChoicesTest, APlanTakesThem) {
  EXPECT_EQ(Variant("gemm=onednn"), "onednn");
  EXPECT_EQ(Variant("gemm=reference"), "reference");
}

TEST(KernelChoicesTest, WhatCannotBeTakenIsTheUsualVariant) {
  const std::string usual = Variant("");
  EXPECT_EQ(Variant("gemm=no_such_variant"), usual);
  EXPECT_EQ(Variant("conv=onednn"), usual);
  EXPECT_EQ(Variant("nonsense"), usual);
}

TEST(KernelChoicesTest, WhoNamesVariantsIsObeyed) {
  SelectOptions kernels;
  kernels.forced = "gemm=onednn";
  EXPECT_EQ(Variant("gemm=reference", kernels), "onednn");
  kernels.forced = "";
  kernels.reference = true;
  EXPECT_EQ(Variant("gemm=onednn", kernels), "reference");
}

}  // namespace
}  // namespace ergo
