#include "engine/passes/passes.h"

#include <array>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

constexpr std::array kPasses = {
    Pass{"fold-constants", "compute what does not depend on inputs", FoldConstantsPass},
    Pass{"remove-identities", "drop nodes that change nothing", RemoveIdentities},
    Pass{"eliminate-common", "compute once what is computed twice", EliminateCommon},
    Pass{"recognize-softmax", "Softmax from exponentials and their sums", RecognizeSoftmax},
    Pass{"recognize-gelu", "Gelu from erf or tanh", RecognizeGelu},
    Pass{"recognize-activations", "Swish, HardSwish, Mish and others from their formulas",
         RecognizeActivations},
    Pass{"recognize-layer-norm", "LayerNormalization and RMSNormalization from their moments",
         RecognizeLayerNorm},
    Pass{"fuse-batch-norm", "BatchNormalization into the convolution before it", FuseBatchNorm},
    Pass{"fuse-conv", "Conv and a constant per-channel Add into FusedConv", FuseConv},
    Pass{"fuse-gemm", "MatMul or Gemm and a constant per-column Add into FusedGemm", FuseGemm},
    Pass{"fuse-residual", "Add of a same-shaped value into the operator before it", FuseResidual},
    Pass{"fuse-activation", "activations into the operator before them", FuseActivation},
    Pass{"propagate-quantized", "QuantizeLinear and DequantizeLinear past operators that only move",
         PropagateQuantized},
    Pass{"fuse-quantized", "convolutions and products between quantized tensors", FuseQuantized},
};

// Each round makes the graph smaller or renames an operator once, so rounds end by themselves; the
// bound is a guard against two passes that undo each other.
constexpr int kMaxRounds = 16;

}  // namespace

std::span<const Pass> AllPasses() {
  return kPasses;
}

Result<std::vector<PassReport>> Optimize(Graph& graph) {
  std::vector<PassReport> reports;
  for (const Pass& pass : kPasses) reports.push_back({pass.name, 0, graph.NodeCount(), 0});
  for (int round = 0; round < kMaxRounds; ++round) {
    int changes = 0;
    for (size_t i = 0; i < kPasses.size(); ++i) {
      Result<int> changed = kPasses[i].run(graph);
      if (!changed.ok()) return std::move(changed).status().WithContext(kPasses[i].name);
      ERGO_RETURN_IF_ERROR(graph.Verify().WithContext(kPasses[i].name));
      reports[i].changes += *changed;
      reports[i].nodes_after = graph.NodeCount();
      changes += *changed;
    }
    if (changes == 0) return reports;
  }
  return Error(StatusCode::kInternal, "passes still change the graph after {} rounds", kMaxRounds);
}

}  // namespace ergo
