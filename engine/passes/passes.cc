#include "engine/passes/passes.h"

#include <array>

#include "engine/passes/placeholder_symbols.h"
#include "engine/plan/plan.h"

namespace ergo {
namespace {

constexpr std::array kPasses = {
    Pass{"fold-constants", "compute what does not depend on inputs", FoldConstantsPass,
         FoldConstantsWithin},
    Pass{"fold-shapes", "compute shapes of which only some dimensions are known", FoldShapes},
    Pass{"remove-identities", "drop nodes that change nothing", RemoveIdentities},
    Pass{"merge-equal-nodes", "compute once what is computed twice", MergeEqualNodes},
    Pass{"merge-transposes", "two Transposes into one", MergeTransposes},
    Pass{"merge-reshapes", "chains of Reshape and its like into one", MergeReshapes},
    Pass{"recognize-softmax", "Softmax from exponentials and their sums", RecognizeSoftmax},
    Pass{"recognize-gelu", "Gelu from erf or tanh", RecognizeGelu},
    Pass{"recognize-activations", "Swish, HardSwish, Mish and others from their formulas",
         RecognizeActivations},
    Pass{"recognize-layer-norm", "LayerNormalization and RMSNormalization from their moments",
         RecognizeLayerNorm},
    Pass{"recognize-attention", "Attention from products and Softmax", RecognizeAttention},
    Pass{"pack-attention", "Attention on heads side by side, without Transposes", PackAttention},
    Pass{"fuse-conv", "Conv as FusedConv", FuseConv},
    Pass{"fuse-gemm", "MatMul or Gemm and a constant per-column Add into FusedGemm", FuseGemm},
    Pass{"fold-affine", "BatchNormalization, scales and shifts into the weights beside them",
         FoldAffine},
    Pass{"fuse-pad", "padding into the convolution or pooling behind it", FusePad},
    Pass{"sink-transposes", "Transposes behind elementwise operators, to meet their inverses",
         SinkTransposes},
    Pass{"fuse-transpose", "Transposes into the products that read them", FuseTranspose},
    Pass{"lift-reshapes", "products of rows without the Reshapes around them", LiftReshapes},
    Pass{"fuse-residual", "Add of a same-shaped value into the operator before it", FuseResidual},
    Pass{"fuse-activation", "activations into the operator before them", FuseActivation},
    Pass{"propagate-quantized", "QuantizeLinear and DequantizeLinear past operators that only move",
         PropagateQuantized},
    Pass{"fuse-dynamic-quantized", "integer products, their scales and biases into one operator",
         FuseDynamicQuantized},
    Pass{"fuse-quantized", "convolutions and products between quantized tensors", FuseQuantized},
};

// Symbols that a file declares for computed values are promises of its exporter, often wrong where
// users name output axes by hand. Passes rely on what inference derives from the inputs; the
// outputs get their names back afterwards.
void ForgetDeclaredSymbols(Graph& graph) {
  for (Node& node : graph.Nodes()) {
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      SymbolicShape& shape = graph.GetValue(id).shape;
      for (int axis = 0; shape.RankKnown() && axis < shape.Rank(); ++axis) {
        shape[axis].symbol.clear();
      }
    }
    for (Subgraph& subgraph : node.subgraphs) ForgetDeclaredSymbols(*subgraph.graph);
  }
}

std::vector<SymbolicShape> OutputShapes(const Graph& graph) {
  std::vector<SymbolicShape> shapes;
  for (const ValueId id : graph.outputs) shapes.push_back(graph.GetValue(id).shape);
  return shapes;
}

void RestoreSymbols(Graph& graph, const std::vector<SymbolicShape>& declared) {
  for (size_t i = 0; i < declared.size(); ++i) {
    SymbolicShape& shape = graph.GetValue(graph.outputs[i]).shape;
    if (!declared[i].RankKnown() || !shape.RankKnown() || declared[i].Rank() != shape.Rank()) {
      continue;
    }
    for (int axis = 0; axis < shape.Rank(); ++axis) {
      if (!shape[axis].Known() && shape[axis].symbol.empty()) {
        shape[axis].symbol = declared[i][axis].symbol;
      }
    }
  }
}

// Each round makes the graph smaller or renames an operator once, so rounds end by themselves; the
// bound is a guard against two passes that undo each other.
constexpr int kMaxRounds = 16;

}  // namespace

std::span<const Pass> AllPasses() {
  return kPasses;
}

Result<std::vector<PassReport>> Optimize(Graph& graph, const Budget& budget) {
  std::vector<PassReport> reports;
  const std::vector<SymbolicShape> declared = OutputShapes(graph);
  ForgetDeclaredSymbols(graph);
  for (const Pass& pass : kPasses) reports.push_back({pass.name, 0, graph.NodeCount(), 0});
  for (int round = 0; round < kMaxRounds; ++round) {
    int changes = 0;
    for (size_t i = 0; i < kPasses.size(); ++i) {
      ERGO_RETURN_IF_ERROR(budget.CheckTime());
      Result<int> changed = kPasses[i].run_within != nullptr ? kPasses[i].run_within(graph, budget)
                                                             : kPasses[i].run(graph);
      if (!changed.ok()) return std::move(changed).status().WithContext(kPasses[i].name);
      ERGO_RETURN_IF_ERROR(graph.Verify().WithContext(kPasses[i].name));
      reports[i].changes += *changed;
      reports[i].nodes_after = graph.NodeCount();
      changes += *changed;
    }
    if (changes == 0) {
      PlaceholderSymbols::Remove(graph);
      RestoreSymbols(graph, declared);
      return reports;
    }
  }
  return Error(StatusCode::kInternal, "passes still change the graph after {} rounds", kMaxRounds);
}

Status OptimizeOnLoad(Graph& graph, const Budget& budget) {
  if (graph.metadata.contains(kPassesMetadata) || !FindUnsupported(graph).empty()) return {};
  return Optimize(graph, budget).status();
}

}  // namespace ergo
