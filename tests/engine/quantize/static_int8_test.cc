#include "engine/quantize/static_int8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/passes/passes.h"
#include "engine/quantize/layer.h"
#include "engine/quantize/output_error.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using testing::Attributes;
using ::testing::ElementsAre;
using testing::GraphBuilder;
using ::testing::HasSubstr;
using testing::RandomInputs;
using testing::RunGraph;

class RandomSamples final : public CalibrationData {
 public:
  RandomSamples(const Graph& graph, size_t count) : graph_(graph), count_(count) {}
  size_t Size() const override { return count_; }
  Result<std::vector<Tensor>> Sample(size_t index) const override {
    return RandomInputs(graph_, static_cast<uint32_t>(100 + index));
  }

 private:
  const Graph& graph_;
  size_t count_;
};

constexpr auto kSilent = [](std::string_view, size_t, size_t) {};

// Two convolutions with a pooling between them, a residual, and a product at the end.
Graph SmallNet() {
  GraphBuilder b;
  const Attributes padded = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  const ValueId x = b.Input("x", DType::kF32, Shape{1, 3, 8, 8});
  const ValueId first =
      b.Op("Relu", {b.Op("Conv", {x, b.Weights({8, 3, 3, 3}, 0.3f), b.Weights({8})}, padded)});
  const ValueId pooled = b.Op("MaxPool", {first},
                              Attributes{{"kernel_shape", std::vector<int64_t>{2, 2}},
                                         {"strides", std::vector<int64_t>{2, 2}}});
  const ValueId second = b.Op(
      "Relu",
      {b.Op("Add", {b.Op("Conv", {pooled, b.Weights({8, 8, 3, 3}, 0.2f), b.Weights({8})}, padded),
                    pooled})});
  const ValueId flat = b.Op("Reshape", {second, b.Ints({1, 128})});
  const ValueId y = b.Op("Gemm", {flat, b.Weights({10, 128}, 0.1f), b.Weights({10})},
                         Attributes{{"transB", int64_t{1}}});
  Graph graph = b.Build({y});
  ERGO_CHECK(Optimize(graph).ok());
  return graph;
}

std::vector<std::string> Operators(const Graph& graph) {
  std::vector<std::string> ops;
  for (const Node& node : graph.Nodes()) ops.push_back(node.op);
  return ops;
}

TEST(QuantizeChannelsTest, RoundsEachChannelToItsLargestWeight) {
  const Tensor weights = Tensor::FromValues<float>({2, 3}, {1.27f, -0.5f, 0.004f, 0, 0, 0});
  const ChannelWeights by_row = QuantizeChannels(weights, 0);
  EXPECT_THAT(by_row.values.Span<int8_t>(), ElementsAre(127, -50, 0, 0, 0, 0));
  EXPECT_FLOAT_EQ(by_row.scales[0], 0.01f);
  EXPECT_FLOAT_EQ(by_row.scales[1], 1.0f);
  const ChannelWeights by_column = QuantizeChannels(weights, 1);
  EXPECT_THAT(by_column.values.Span<int8_t>(), ElementsAre(127, -127, 127, 0, 0, 0));
}

TEST(QuantizeStaticTest, EveryLayerIsIntegerFromEndToEnd) {
  const Graph before = SmallNet();
  const RandomSamples data(before, 12);
  for (const CalibrationMethod method :
       {CalibrationMethod::kMinMax, CalibrationMethod::kPercentile, CalibrationMethod::kEntropy}) {
    Graph graph = before;
    StaticInt8Options options;
    options.calibration.method = method;
    const auto report = QuantizeStatic(graph, data, options, kSilent);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_THAT(Operators(graph), ElementsAre("QuantizeLinear", "QuantizedConv", "MaxPool",
                                              "QuantizedConv", "Reshape", "QuantizedGemm"));
    EXPECT_EQ(report->layers.size(), 3u);
    for (const auto& layer : report->layers) {
      EXPECT_TRUE(layer.quantized);
      EXPECT_GT(layer.error, 0);
      EXPECT_LT(layer.error, 0.1);
    }
    // On samples that it was not calibrated with, too.
    const RandomSamples others(before, 30);
    const auto probe = ErrorProbe::Create(before, others, 30);
    ASSERT_TRUE(probe.ok());
    const auto error = probe->Measure(graph);
    ASSERT_TRUE(error.ok()) << error.status().ToString();
    EXPECT_LT(*error, 0.1);
    EXPECT_GT(*error, 1e-4);
  }
}

TEST(QuantizeStaticTest, SensitiveLayersStayFloat) {
  // A product whose numbers cancel: weights of 8 bits leave next to nothing of its result.
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{4, 16});
  std::vector<float> cancelling(16 * 16, 0.0f);
  for (size_t i = 0; i < 16; ++i) {
    cancelling[i * 16 + i] = 1000.0f;
    cancelling[i * 16 + (i + 1) % 16] = 0.4f;
  }
  const ValueId scaled = b.Op("MatMul", {x, b.Weights({16, 16})});
  const ValueId delicate =
      b.Op("MatMul", {b.Op("Tanh", {scaled}), b.Constant(Tensor::FromValues<float>(
                                                  {16, 16}, std::span<const float>(cancelling)))});
  const ValueId rest = b.Op(
      "Sub", {delicate,
              b.Op("Mul", {b.Op("Tanh", {scaled}), b.Constant(Tensor::Scalar<float>(1000.0f))})});
  Graph graph = b.Build({rest});
  ASSERT_TRUE(Optimize(graph).ok());
  const Graph before = graph;
  const RandomSamples data(before, 6);
  StaticInt8Options options;
  options.max_error = 0.05;
  const auto report = QuantizeStatic(graph, data, options, kSilent);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_LE(report->error, 0.05);
  const auto kept = std::ranges::count_if(report->layers, [](const auto& layer) {
    return !layer.quantized && layer.reason == "sensitive";
  });
  EXPECT_GE(kept, 1);
  const auto probe = ErrorProbe::Create(before, data, kMaxErrorSamples);
  ASSERT_TRUE(probe.ok());
  EXPECT_EQ(*probe->Measure(graph), report->error);
}

TEST(QuantizeStaticTest, KeepsLayersAsAskedAndRefusesOthers) {
  Graph graph = SmallNet();
  const Graph before = graph;
  const RandomSamples data(before, 2);
  const std::string last = before.Nodes().back().name;
  StaticInt8Options options;
  options.keep_float = {last};
  const auto report = QuantizeStatic(graph, data, options, kSilent);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(graph.Nodes().back().op, "FusedGemm");
  EXPECT_FALSE(report->layers.back().quantized);
  EXPECT_TRUE(std::isnan(report->layers.back().error));

  options.keep_float = {"nobody"};
  Graph other = before;
  const Status status = QuantizeStatic(other, data, options, kSilent).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(last));
}

TEST(QuantizeStaticTest, RefusesWhatCannotBeDone) {
  Graph graph = SmallNet();
  const Graph before = graph;
  EXPECT_EQ(QuantizeStatic(graph, RandomSamples(before, 0), {}, kSilent).status().code(),
            StatusCode::kInvalidArgument);
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{2});
  Graph plain = b.Build({b.Op("Exp", {x})});
  const Graph copy = plain;
  EXPECT_EQ(QuantizeStatic(plain, RandomSamples(copy, 1), {}, kSilent).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(OutputErrorTest, IsTheLargestOfTheOutputs) {
  OutputError error;
  error.Add({Tensor::FromValues<float>({2}, {3, 4.5f}), Tensor::FromValues<int64_t>({2}, {1, 2})},
            {Tensor::FromValues<float>({2}, {3, 4}), Tensor::FromValues<int64_t>({2}, {1, 2})});
  EXPECT_NEAR(error.Value(), 0.1, 1e-6);
  error.Add({Tensor::FromValues<float>({2}, {3, 4}), Tensor::FromValues<int64_t>({2}, {0, 0})},
            {Tensor::FromValues<float>({2}, {3, 4}), Tensor::FromValues<int64_t>({2}, {1, 2})});
  EXPECT_NEAR(error.Value(), std::sqrt(0.5), 1e-6);
  error.Add({Tensor::FromValues<float>({2}, {3, NAN}), Tensor::FromValues<int64_t>({2}, {1, 2})},
            {Tensor::FromValues<float>({2}, {3, 4}), Tensor::FromValues<int64_t>({2}, {1, 2})});
  EXPECT_TRUE(std::isinf(error.Value()));
}

}  // namespace
}  // namespace ergo
