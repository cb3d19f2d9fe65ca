// What the tests of passes have in common: run a pass on a graph and check that the graph still
// computes the same.
#ifndef ERGO_TESTS_ENGINE_PASSES_PASS_TESTING_H_
#define ERGO_TESTS_ENGINE_PASSES_PASS_TESTING_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph/op_schema.h"
#include "engine/passes/passes.h"
#include "tests/engine/testing/graph_builder.h"

namespace ergo::testing {

inline constexpr double kPassTolerance = 1e-4;

inline std::vector<std::string> Operators(const Graph& graph) {
  std::vector<std::string> ops;
  for (const Node& node : graph.Nodes()) ops.push_back(node.op);
  return ops;
}

// Random values for every input: normal floats, integers in [0, 3), bools; `symbolic` is what
// dimensions are that the graph leaves open.
inline std::vector<Tensor> InputsFor(const Graph& graph, uint32_t seed, int64_t symbolic = 3) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    Shape shape;
    for (const Dim& dim : graph.GetValue(id).shape.Dims()) {
      shape.Append(dim.Known() ? dim.value : symbolic);
    }
    const auto count = static_cast<size_t>(shape.Elements());
    switch (graph.GetValue(id).dtype) {
      case DType::kI64: {
        std::vector<int64_t> values(count);
        for (int64_t& value : values) value = static_cast<int64_t>(rng() % 3);
        inputs.push_back(Tensor::FromValues<int64_t>(shape, std::span<const int64_t>(values)));
        break;
      }
      case DType::kBool: {
        std::vector<uint8_t> values(count);
        for (uint8_t& value : values) value = rng() % 2;
        inputs.push_back(Tensor::FromValues<uint8_t>(shape, std::span<const uint8_t>(values))
                             .Reinterpreted(DType::kBool, shape));
        break;
      }
      default: {
        std::vector<float> values(count);
        for (float& value : values) value = normal(rng);
        inputs.push_back(Tensor::FromValues<float>(shape, std::span<const float>(values)));
      }
    }
  }
  return inputs;
}

// Both graphs compute the same from the same random inputs, on reference and on chosen kernels.
inline void ExpectSameResults(const Graph& graph, const Graph& rewritten, uint32_t seed = 5) {
  const std::vector<Tensor> inputs = InputsFor(graph, seed);
  ModelOptions reference;
  reference.kernels.reference = true;
  const std::vector<Tensor> expected = RunGraph(graph, inputs, reference);
  EXPECT_LT(LargestDifference(RunGraph(rewritten, inputs), expected), kPassTolerance);
  EXPECT_LT(LargestDifference(RunGraph(rewritten, inputs, reference), expected), kPassTolerance);
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    EXPECT_EQ(rewritten.GetValue(rewritten.outputs[i]).name, graph.GetValue(graph.outputs[i]).name);
  }
}

// The graph after one run of one pass. The pass must count at least one change, or, where the graph
// is a near miss, none at all.
inline Graph AfterPass(const Graph& graph, Result<int> (*pass)(Graph& graph),
                       bool rewrites = true) {
  Graph rewritten = graph;
  EXPECT_TRUE(InferShapes(rewritten).ok());
  const Result<int> changes = pass(rewritten);
  ERGO_CHECK_MSG(changes.ok(), "{}", changes.status().ToString());
  EXPECT_EQ(*changes > 0, rewrites) << rewritten.ToString();
  EXPECT_TRUE(rewritten.Verify().ok()) << rewritten.Verify().ToString();
  ExpectSameResults(graph, rewritten);
  return rewritten;
}

// The graph after all passes.
inline Graph Optimized(const Graph& graph, uint32_t seed = 5) {
  Graph optimized = graph;
  const auto reports = Optimize(optimized);
  EXPECT_TRUE(reports.ok()) << reports.status().ToString();
  ExpectSameResults(graph, optimized, seed);
  return optimized;
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_ENGINE_PASSES_PASS_TESTING_H_
