// The SIMD variant against the reference over random sizes and options, on every target that this
// machine can run.
#include <gtest/gtest.h>

#include "kernels/recurrent/panel_matrix.h"
#include "kernels/recurrent/recurrent.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::ForEachSimdTarget;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;
using testing::ThreadedFor;

constexpr int kWorkers = 2;

struct Options {
  bool bias = true, lens = false, initial = false, peepholes = false;
};

// Every operand of a problem, filled so that sums of products stay about 1.
struct Operands {
  std::vector<TestTensor> memory;
  std::vector<TensorView> views;

  Operands(const RecurrentProblem& p, const Options& options, std::mt19937& random) {
    const int64_t d = p.directions, h = p.hidden, gates = p.Gates() * p.hidden;
    Add({p.seq, p.batch, p.input}, 1, random);
    Add({d, gates, p.input}, 1.0 / static_cast<double>(std::max<int64_t>(p.input, 1)), random);
    Add({d, gates, h}, 1.0 / static_cast<double>(std::max<int64_t>(h, 1)), random);
    options.bias ? Add({d, 2 * gates}, 0.5, random) : Skip();
    if (options.lens) {
      TestTensor lens(DType::kI32, {p.batch});
      for (int32_t& length : lens.Span<int32_t>()) {
        // Now and then beyond what there is.
        length = static_cast<int32_t>(random() % static_cast<unsigned>(p.seq + 3)) - 1;
      }
      views.push_back(lens.View());
      memory.push_back(std::move(lens));
    } else {
      Skip();
    }
    options.initial ? Add({d, p.batch, h}, 1, random) : Skip();
    options.initial ? Add({d, p.batch, h}, 1, random) : Skip();
    options.peepholes ? Add({d, 3 * h}, 0.5, random) : Skip();
  }

  void Add(const Shape& shape, double limit, std::mt19937& random) {
    TestTensor tensor(DType::kF32, shape);
    tensor.FillUniform(random, -limit, limit);
    views.push_back(tensor.View());
    memory.push_back(std::move(tensor));
  }
  void Skip() { views.emplace_back(); }
};

std::vector<TestTensor> Results(const RecurrentProblem& p) {
  std::vector<TestTensor> results;
  results.emplace_back(DType::kF32, Shape{p.seq, p.directions, p.batch, p.hidden});
  results.emplace_back(DType::kF32, Shape{p.directions, p.batch, p.hidden});
  if (p.cell == RecurrentCell::kLstm) {
    results.emplace_back(DType::kF32, Shape{p.directions, p.batch, p.hidden});
  }
  return results;
}

std::vector<MutableTensorView> Views(const std::vector<TestTensor>& tensors) {
  std::vector<MutableTensorView> views;
  for (const TestTensor& tensor : tensors) views.push_back(tensor.View());
  return views;
}

void Compare(RecurrentProblem problem, const Options& options, std::mt19937& random) {
  SCOPED_TRACE(
      fmt::format("cell {} seq {} batch {} input {} hidden {} directions {} reverse {} batch_major "
                  "{} linear {} "
                  "input_forget {} clip {} bias {} lens {} initial {} peepholes {}",
                  static_cast<int>(problem.cell), problem.seq, problem.batch, problem.input,
                  problem.hidden, problem.directions, problem.reverse, problem.batch_major,
                  problem.linear_before_reset, problem.input_forget, problem.clip, options.bias,
                  options.lens, options.initial, options.peepholes));
  const Operands operands(problem, options, random);
  problem.constant_w = operands.views[1].data;
  problem.constant_r = operands.views[2].data;
  const std::vector<TestTensor> expected = Results(problem), got = Results(problem);
  SerialFor serial;
  RunKernel(*MakeReference(RecurrentVariants(), problem), operands.views, Views(expected), serial);
  MakeContext context;
  context.max_workers = kWorkers;
  const MadeKernel made = MakeRecurrentSimd(problem, context);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  ThreadedFor threads(kWorkers);
  RunKernel(**made, operands.views, Views(got), threads);
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_TRUE(got[i].GuardIntact());
    for (size_t k = 0; k < got[i].Span<float>().size(); ++k) {
      ASSERT_NEAR(double{got[i].Span<float>()[k]}, double{expected[i].Span<float>()[k]},
                  RecurrentErrorBound(problem, 1))
          << "output " << i << " [" << k << "]";
    }
  }
}

RecurrentProblem Plain(RecurrentCell cell, int64_t seq, int64_t batch, int64_t input,
                       int64_t hidden) {
  RecurrentProblem problem;
  problem.cell = cell;
  problem.seq = seq;
  problem.batch = batch;
  problem.input = input;
  problem.hidden = hidden;
  constexpr GateFunction kSigmoid{GateActivation::kSigmoid, 0, 0};
  constexpr GateFunction kTanh{GateActivation::kTanh, 0, 0};
  const bool gated = cell != RecurrentCell::kRnn;
  for (auto& functions : problem.activations) functions = {gated ? kSigmoid : kTanh, kTanh, kTanh};
  return problem;
}

constexpr RecurrentCell kCells[] = {RecurrentCell::kRnn, RecurrentCell::kGru, RecurrentCell::kLstm};

TEST(RecurrentSimdTest, AgreesWithTheReferenceForChosenSizes) {
  ForEachSimdTarget([](const std::string&) {
    std::mt19937 random(31);
    for (const RecurrentCell cell : kCells) {
      Compare(Plain(cell, 1, 1, 257, 128), {}, random);  // one step of one sample
      Compare(Plain(cell, 50, 1, 40, 64), {}, random);   // many steps
      Compare(Plain(cell, 3, 50, 20, 33), {}, random);   // many samples
      Compare(Plain(cell, 2, 2, 300, 300), {}, random);  // work for two
      Compare(Plain(cell, 4, 3, 1, 1), {}, random);
      Compare(Plain(cell, 0, 2, 3, 4), {}, random);
      Compare(Plain(cell, 2, 0, 3, 4), {}, random);
      Compare(Plain(cell, 2, 2, 0, 4), {}, random);
      Compare(Plain(cell, 2, 2, 3, 0), {}, random);
    }
  });
}

TEST(RecurrentSimdTest, AgreesWithTheReferenceForRandomOptions) {
  ForEachSimdTarget([](const std::string&) {
    std::mt19937 random(32);
    const auto coin = [&] { return random() % 2 == 0; };
    for (int round = 0; round < 120; ++round) {
      const auto size = [&](unsigned limit) { return static_cast<int64_t>(1 + random() % limit); };
      RecurrentProblem problem = Plain(kCells[random() % 3], size(7), size(6), size(40), size(90));
      problem.directions = coin() ? 2 : 1;
      problem.reverse = coin();
      problem.batch_major = coin();
      problem.linear_before_reset = coin();
      problem.input_forget = random() % 4 == 0;
      problem.clip = coin() ? 0 : 0.4f;
      Compare(problem, {coin(), coin(), coin(), problem.cell == RecurrentCell::kLstm && coin()},
              random);
    }
  });
}

TEST(RecurrentSimdTest, KnowsEveryActivation) {
  constexpr GateFunction kFunctions[] = {{GateActivation::kSigmoid, 0, 0},
                                         {GateActivation::kTanh, 0, 0},
                                         {GateActivation::kRelu, 0, 0},
                                         {GateActivation::kAffine, 0.5f, 0.1f},
                                         {GateActivation::kLeakyRelu, 0.2f, 0},
                                         {GateActivation::kThresholdedRelu, 0.1f, 0},
                                         {GateActivation::kScaledTanh, 0.7f, 1.2f},
                                         {GateActivation::kHardSigmoid, 0.2f, 0.5f},
                                         {GateActivation::kElu, 0.6f, 0},
                                         {GateActivation::kSoftsign, 0, 0},
                                         {GateActivation::kSoftplus, 0, 0}};
  ForEachSimdTarget([&](const std::string&) {
    std::mt19937 random(33);
    for (const GateFunction& function : kFunctions) {
      RecurrentProblem problem = Plain(RecurrentCell::kRnn, 1, 3, 10, 21);
      problem.activations[0][0] = function;
      Compare(problem, {}, random);
    }
  });
}

TEST(RecurrentSimdTest, LeavesOutUnwantedOutputs) {
  std::mt19937 random(34);
  RecurrentProblem problem = Plain(RecurrentCell::kLstm, 3, 2, 5, 7);
  const Operands operands(problem, {}, random);
  problem.constant_w = operands.views[1].data;
  problem.constant_r = operands.views[2].data;
  const std::vector<TestTensor> all = Results(problem), few = Results(problem);
  const MadeKernel made = MakeRecurrentSimd(problem, MakeContext{});
  ASSERT_TRUE(made.ok());
  SerialFor serial;
  // Trailing absent inputs may be left out too.
  RunKernel(**made, operands.views, Views(all), serial);
  RunKernel(**made, {operands.views.begin(), operands.views.begin() + 4},
            {MutableTensorView(), few[1].View()}, serial);
  EXPECT_EQ(std::memcmp(few[1].View().data, all[1].View().data, 2 * 7 * sizeof(float)), 0);
}

TEST(RecurrentSimdTest, DeclinesWeightsThatAreNotKnown) {
  EXPECT_EQ(
      MakeRecurrentSimd(Plain(RecurrentCell::kGru, 1, 1, 2, 3), MakeContext{}).status().code(),
      StatusCode::kUnsupported);
}

TEST(PanelMatrixTest, PutsRowsSideBySideAndFillsUp) {
  const float matrix[] = {1, 2, 3, 4, 5, 6};  // 3 x 2
  const PanelMatrix shape{nullptr, 3, 2};
  ASSERT_EQ(shape.Floats(), kPanelRows * 2);
  std::vector<float> packed(static_cast<size_t>(shape.Floats()), NAN);
  PackPanels(matrix, 3, 2, packed.data());
  EXPECT_EQ(packed[0], 1);
  EXPECT_EQ(packed[1], 3);
  EXPECT_EQ(packed[2], 5);
  EXPECT_EQ(packed[3], 0);
  EXPECT_EQ(packed[kPanelRows], 2);
  EXPECT_EQ(packed[kPanelRows + 2], 6);
  EXPECT_EQ(packed[2 * kPanelRows - 1], 0);
}

}  // namespace
}  // namespace ergo
