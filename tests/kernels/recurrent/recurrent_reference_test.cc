// The reference kernel against onnxruntime's answers, and across layouts and types.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/recurrent/recurrent.h"
#include "tests/kernels/recurrent/recurrent_oracle.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;

constexpr GateFunction kSigmoid{GateActivation::kSigmoid, 0, 0};
constexpr GateFunction kTanh{GateActivation::kTanh, 0, 0};

// The sizes of make_recurrent_oracle.py.
RecurrentProblem SmallProblem(RecurrentCell cell, int directions = 1) {
  RecurrentProblem problem;
  problem.cell = cell;
  problem.seq = 3;
  problem.batch = 2;
  problem.input = 3;
  problem.hidden = 2;
  problem.directions = directions;
  for (auto& functions : problem.activations) {
    functions = {kSigmoid, kTanh, kTanh};
    if (cell == RecurrentCell::kRnn) functions[0] = kTanh;
  }
  return problem;
}

const std::vector<float>* FindOracle(const std::string& name) {
  const auto found = kRecurrentOracle.find(name);
  return found == kRecurrentOracle.end() ? nullptr : &found->second;
}

TestTensor FromVector(const std::vector<float>& values) {
  TestTensor tensor(DType::kF32, {static_cast<int64_t>(values.size())});
  std::ranges::copy(values, tensor.Span<float>().begin());
  return tensor;
}

void ExpectOracle(const std::string& name, const RecurrentProblem& problem,
                  std::vector<int32_t> lens = {}) {
  SCOPED_TRACE(name);
  std::vector<TestTensor> memory;
  std::vector<TensorView> inputs;
  for (const char* operand : {"x", "w", "r", "b", "lens", "h", "c", "p"}) {
    if (operand == std::string_view("lens") && !lens.empty()) {
      memory.emplace_back(DType::kI32, Shape{static_cast<int64_t>(lens.size())});
      std::ranges::copy(lens, memory.back().Span<int32_t>().begin());
      inputs.push_back(memory.back().View());
    } else if (const auto* values = FindOracle(name + "/" + operand)) {
      memory.push_back(FromVector(*values));
      inputs.push_back(memory.back().View());
    } else {
      inputs.emplace_back();
    }
  }
  std::vector<TestTensor> results;
  std::vector<MutableTensorView> outputs;
  std::vector<const std::vector<float>*> expected;
  for (const char* operand : {"y", "y_h", "y_c"}) {
    const auto* values = FindOracle(name + "/" + operand);
    if (values == nullptr) continue;
    expected.push_back(values);
    results.emplace_back(DType::kF32, Shape{static_cast<int64_t>(values->size())});
    outputs.push_back(results.back().View());
  }
  ASSERT_GE(outputs.size(), 2u);
  SerialFor serial;
  RunKernel(*MakeReference(RecurrentVariants(), problem), inputs, outputs, serial);
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_TRUE(results[i].GuardIntact());
    for (size_t k = 0; k < expected[i]->size(); ++k) {
      EXPECT_NEAR(results[i].Span<float>()[k], (*expected[i])[k], 1e-5f)
          << "output " << i << " [" << k << "]";
    }
  }
}

TEST(RecurrentReferenceTest, RunsLstmLikeOnnxruntime) {
  ExpectOracle("lstm", SmallProblem(RecurrentCell::kLstm));
  RecurrentProblem bare = SmallProblem(RecurrentCell::kLstm);
  bare.reverse = true;
  ExpectOracle("lstm_bare", bare);
  RecurrentProblem full = SmallProblem(RecurrentCell::kLstm, 2);
  full.clip = 0.6f;
  ExpectOracle("lstm_full", full, {3, 1});
  RecurrentProblem coupled = SmallProblem(RecurrentCell::kLstm);
  coupled.input_forget = true;
  ExpectOracle("lstm_coupled", coupled);
  RecurrentProblem functions = SmallProblem(RecurrentCell::kLstm);
  functions.activations[0] = {GateFunction{GateActivation::kHardSigmoid, 0.3f, 0.4f},
                              GateFunction{GateActivation::kScaledTanh, 0.8f, 1.2f},
                              GateFunction{GateActivation::kSoftsign, 0, 0}};
  ExpectOracle("lstm_functions", functions);
}

TEST(RecurrentReferenceTest, RunsGruLikeOnnxruntime) {
  ExpectOracle("gru", SmallProblem(RecurrentCell::kGru));
  RecurrentProblem linear = SmallProblem(RecurrentCell::kGru, 2);
  linear.linear_before_reset = true;
  ExpectOracle("gru_linear", linear, {2, 3});
  RecurrentProblem clip = SmallProblem(RecurrentCell::kGru);
  clip.clip = 0.5f;
  clip.reverse = true;
  ExpectOracle("gru_clip", clip, {1, 3});
}

TEST(RecurrentReferenceTest, RunsRnnLikeOnnxruntime) {
  ExpectOracle("rnn", SmallProblem(RecurrentCell::kRnn, 2), {3, 2});
  RecurrentProblem relu = SmallProblem(RecurrentCell::kRnn);
  relu.activations[0][0] = {GateActivation::kRelu, 0, 0};
  ExpectOracle("rnn_relu", relu);
  RecurrentProblem leaky = SmallProblem(RecurrentCell::kRnn);
  leaky.activations[0][0] = {GateActivation::kLeakyRelu, 0.2f, 0};
  ExpectOracle("rnn_leaky", leaky);
}

}  // namespace
}  // namespace ergo
