// Plans on the emulated GPU against the same graphs on the CPU, and what the driver was asked for.
#include "engine/device/device_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/device/device_program.h"
#include "engine/passes/passes.h"
#include "tests/emulator/emulated_driver.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo {
namespace {

using namespace ergo::testing;
using ::testing::HasSubstr;

// A transformer's pieces: embedding, normalization, products of many batches, a transpose.
Graph EncoderLayer() {
  GraphBuilder b;
  const ValueId ids = b.Input("ids", DType::kI64, Shape{2, 6});
  const ValueId x = b.Op("Gather", {b.Weights({20, 16}), ids});
  const ValueId normal = b.Op("LayerNormalization", {x, b.Weights({16}), b.Weights({16})});
  const ValueId q = b.Op("MatMul", {normal, b.Weights({16, 16}, 0.2f)});
  const ValueId k = b.Op("MatMul", {normal, b.Weights({16, 16}, 0.2f)});
  const ValueId scores =
      b.Op("MatMul", {q, b.Op("Transpose", {k}, {{"perm", std::vector<int64_t>{0, 2, 1}}})});
  const ValueId mixed = b.Op("MatMul", {b.Op("Softmax", {scores}), normal});
  const ValueId gated = b.Op("Mul", {mixed, b.Op("Sigmoid", {mixed})});
  const ValueId summed = b.Op("Add", {b.Op("Tanh", {b.Op("Exp", {b.Op("Neg", {gated})})}), x});
  return b.Build({b.Op("ReduceMean", {summed}, {{"axes", std::vector<int64_t>{1}}}, 13), summed});
}

// CumSum runs on the CPU, in the middle.
Graph WithAStepOfTheHost() {
  GraphBuilder b;
  const ValueId x = b.Input("x", DType::kF32, Shape{4, 33});
  const ValueId before = b.Op("Mul", {b.Op("Exp", {x}), b.Weights({33})});
  const ValueId summed = b.Op("CumSum", {before, b.Constant(Tensor::Scalar<int64_t>(1))}, {}, 14);
  return b.Build({b.Op("Sub", {b.Op("Sqrt", {b.Op("Abs", {summed})}), before}), summed});
}

struct OnDevice {
  cuda::emulated::EmulatedDriver driver;
  std::shared_ptr<cuda::Gpu> gpu = cuda::emulated::OpenEmulatedGpu(driver);
};

void ExpectSameResults(Graph graph, OnDevice& device, float tolerance = 2e-5f) {
  ASSERT_TRUE(Optimize(graph).ok());
  for (const uint32_t seed : {1, 2}) {
    const std::vector<Tensor> inputs = RandomInputs(graph, seed);
    ModelOptions accelerated;
    accelerated.gpu = device.gpu;
    EXPECT_LE(LargestDifference(RunGraph(graph, inputs), RunGraph(graph, inputs, accelerated)),
              tolerance);
  }
}

TEST(DeviceExecutorTest, ComputesWhatTheCpuDoes) {
  OnDevice device;
  ExpectSameResults(ResidualNetwork(2), device);
  ExpectSameResults(WithAStepOfTheHost(), device, 2e-4f);
}

struct Prepared {
  Graph graph;
  std::vector<Tensor> inputs;
  std::unique_ptr<Plan> plan;
  SerialFor serial;
  std::unique_ptr<DeviceExecutor> executor;

  Prepared(Graph g, cuda::Gpu& gpu) : graph(std::move(g)) {
    EXPECT_TRUE(Optimize(graph).ok());
    inputs = RandomInputs(graph, 3);
    std::vector<Shape> shapes;
    for (const Tensor& input : inputs) shapes.push_back(input.GetShape());
    PlanOptions options;
    options.gpu = &gpu;
    plan = BuildPlan(graph, shapes, options).value();
  }
  Status MakeExecutor() {
    ERGO_ASSIGN_OR_RETURN(executor, DeviceExecutor::Create(*plan, serial));
    return {};
  }
  Status Run() {
    std::vector<TensorView> views;
    std::vector<MutableTensorView> outputs;
    for (const Tensor& input : inputs) views.push_back(input.View());
    for (size_t i = 0; i < plan->outputs.size(); ++i) outputs.push_back(executor->StagedOutput(i));
    return executor->Run(views, outputs);
  }
};

TEST(DeviceExecutorTest, ARunIsOneGraphAndOneWait) {
  OnDevice device;
  Prepared p(ResidualNetwork(2), *device.gpu);
  for (const Step& step : p.plan->steps) EXPECT_EQ(step.info.device, Device::kCuda) << step.label;
  ASSERT_TRUE(p.MakeExecutor().ok());
  const auto before = device.driver.counts;
  for (int run = 0; run < 3; ++run) ASSERT_TRUE(p.Run().ok());
  const auto after = device.driver.counts;
  EXPECT_EQ(after.graph_launches - before.graph_launches, 3);
  EXPECT_EQ(after.synchronizations - before.synchronizations, 3);
  EXPECT_EQ(after.launches, before.launches);
  EXPECT_EQ(after.copies, before.copies);
  EXPECT_EQ(after.allocations, before.allocations);
  EXPECT_EQ(after.captures, 1);
}

TEST(DeviceExecutorTest, StepsOfTheHostCutTheGraph) {
  OnDevice device;
  Prepared p(WithAStepOfTheHost(), *device.gpu);
  ASSERT_TRUE(p.MakeExecutor().ok());
  const auto sizes = p.executor->GetSizes();
  EXPECT_EQ(sizes.host_steps, 1);
  EXPECT_EQ(sizes.graphs, 2);
  EXPECT_EQ(sizes.fused_steps, 3) << "Exp and Mul; Abs, Sqrt and Sub";
  EXPECT_EQ(sizes.launches, 2);
}

TEST(DeviceExecutorTest, WeightsAreOnTheDeviceOnce) {
  OnDevice device;
  Prepared first(ResidualNetwork(2), *device.gpu);
  ASSERT_TRUE(first.MakeExecutor().ok());
  const size_t weights = device.gpu->UploadedBytes();
  EXPECT_GT(weights, 288u * 10 * 4);
  auto second = DeviceExecutor::Create(*first.plan, first.serial);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(device.gpu->UploadedBytes(), weights);
  second->reset();
  first.executor.reset();
  first.plan.reset();
  EXPECT_EQ(device.gpu->UploadedBytes(), 0u);
}

TEST(DeviceExecutorTest, SaysWhatDoesNotFit) {
  OnDevice device;
  Prepared p(ResidualNetwork(2), *device.gpu);
  for (const size_t bytes : {size_t{2000}, size_t{20000}}) {
    device.driver.memory_bytes = bytes;
    const Status status = p.MakeExecutor();
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(bytes == 2000 ? "an arena of" : "weights '"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(fmt::format("of {} are free", bytes)));
  }
}

TEST(DeviceExecutorTest, TheArenaIsReused) {
  OnDevice device;
  GraphBuilder b;
  ValueId x = b.Input("x", DType::kF32, Shape{64, 64});
  for (int i = 0; i < 12; ++i) x = b.Op("MatMul", {x, b.Weights({64, 64}, 0.1f)});
  Prepared p(b.Build({x}), *device.gpu);
  ASSERT_TRUE(p.MakeExecutor().ok());
  EXPECT_LE(p.executor->GetSizes().arena_bytes, size_t{4} * 64 * 64 * 4);
}

TEST(DeviceProgramTest, PlansOfTheHostStayThere) {
  Graph graph = WithAStepOfTheHost();
  const std::vector<Shape> shapes = {Shape{4, 33}};
  const auto plan = BuildPlan(graph, shapes, {});
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(WhyHostOnly(**plan), HasSubstr("no step"));
}

TEST(DeviceExecutorTest, EncodersComputeWhatTheCpuDoes) {
  OnDevice device;
  Graph graph = EncoderLayer();
  ASSERT_TRUE(Optimize(graph).ok());
  const std::vector<Tensor> ids = {
      Tensor::FromValues<int64_t>({2, 6}, {3, 19, 0, 7, 7, 1, 12, 11, 2, 5, 6, 18})};
  ModelOptions accelerated;
  accelerated.gpu = device.gpu;
  EXPECT_LE(LargestDifference(RunGraph(graph, ids), RunGraph(graph, ids, accelerated)), 2e-5f);
}

}  // namespace
}  // namespace ergo
