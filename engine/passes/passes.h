// Passes: rewrites of a Graph that keep what it computes and make it cheaper. One rewrite a file,
// run in the order of the table in passes.cc, to a fixed point or a bound.
//
// Operators of the domain "ergo" that passes make (opset 1):
//   FusedConv  inputs X, W, B?, Z?   Y = activation(Conv(X, W) + B + Z); Z is a residual of Y's
//              shape. Attributes: those of Conv, and activation, alpha, beta.
//   FusedGemm  inputs A, B, C?, Z?   Y = activation(A x B + C + Z), A and B as in MatMul (broadcast
//              batches) after trans_a / trans_b swap their last two axes; C is a bias [N] or [1,
//              N]; Z is a residual of Y's shape. Attributes: trans_a, trans_b, activation, alpha,
//              beta.
//   QuantizedConv, QuantizedGemm
//              inputs x, x_scale, x_zero, w, w_scale, w_zero?, y_scale?, y_zero?, B?, Z?, z_scale?,
//              z_zero?: FusedConv, or FusedGemm without transposition, of quantized operands, as
//              kernels/qlinear/epilogue.h computes it. The first nine are those of QLinearConv and
//              QLinearMatMul; without y_scale and y_zero Y is float32. B is int32 (of scale x_scale
//              * w_scale) or float32; Z is quantized with z_scale and z_zero, or float32. Weights
//              have a scale (and zero point) for all or one an output channel.
//   QuantizedAdd
//              inputs a, a_scale, a_zero?, b, b_scale, b_zero?, y_scale, y_zero: the sum of two
//              quantized tensors of one shape, quantized; attributes activation, alpha, beta.
// activation is "none", "relu", "leaky_relu" (alpha), "clip" (alpha = min, beta = max), "sigmoid",
// "tanh", "silu", "hard_swish" or "gelu" (erf form).
#ifndef ERGO_ENGINE_PASSES_PASSES_H_
#define ERGO_ENGINE_PASSES_PASSES_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/budget.h"
#include "engine/graph/graph.h"

namespace ergo {

struct Pass {
  std::string_view name;         // "fold-affine"
  std::string_view description;  // one line for people
  // Rewrites the graph (subgraphs included) and returns the number of places changed.
  Result<int> (*run)(Graph& graph);
  // For a pass that computes: the same within a budget, and run instead.
  Result<int> (*run_within)(Graph& graph, const Budget& budget) = nullptr;
};

// In the order in which Optimize runs them.
std::span<const Pass> AllPasses();

struct PassReport {
  std::string_view pass;
  int changes = 0;
  int nodes_before = 0,
      nodes_after = 0;  // of the whole optimization, and after the pass's last run
};

// Runs all passes until a round changes nothing. Verifies the graph after each. ResourceExhausted
// when they take more than the budget.
Result<std::vector<PassReport>> Optimize(Graph& graph, const Budget& budget = {});

// Key of a graph's metadata that tells which passes made it what it is ("none": it is to stay as it
// is). Whoever stores a graph writes it; one that has it is not optimized again.
inline constexpr const char* kPassesMetadata = "ergo.passes";

// Optimize, for a graph as it was read, unless it was optimized before it was stored. Leaves graphs
// with nodes that cannot run to Model::Create, which lists all of those.
Status OptimizeOnLoad(Graph& graph, const Budget& budget = {});

// The passes, one a file of the same name.
Result<int> FoldConstantsPass(Graph& graph);
Result<int> FoldConstantsWithin(Graph& graph, const Budget& budget);
Result<int> RemoveIdentities(Graph& graph);  // nodes whose result is their input
Result<int> MergeEqualNodes(Graph& graph);   // equal nodes and equal constants become one
Result<int> FoldShapes(Graph& graph);        // shape arithmetic over partly known dimensions
Result<int> MergeReshapes(Graph& graph);     // chains of them become one
Result<int> MergeTransposes(Graph& graph);   // two become one; of ones only: a Reshape
Result<int> SinkTransposes(Graph& graph);    // behind elementwise operators, to meet their inverses
Result<int> FuseTranspose(Graph& graph);     // of the last two axes, into the product that reads it
Result<int> LiftReshapes(Graph& graph);      // from around the product of rows
// What exporters spell out becomes the operator that it is.
Result<int> RecognizeSoftmax(Graph& graph);      // Softmax, LogSoftmax
Result<int> RecognizeGelu(Graph& graph);         // both forms
Result<int> RecognizeActivations(Graph& graph);  // Sigmoid, Swish, HardSwish, Softplus, Mish ...
Result<int> RecognizeLayerNorm(Graph& graph);    // LayerNormalization, RMSNormalization
Result<int> FuseGemm(Graph& graph);              // MatMul + Add and Gemm -> FusedGemm
Result<int> RecognizeAttention(Graph& graph);    // from products and Softmax
Result<int> PackAttention(Graph& graph);         // heads side by side, without Transposes
Result<int> FoldAffine(Graph& graph);            // BatchNormalization, scales, shifts into weights
Result<int> FusePad(Graph& graph);               // into the convolution or pooling behind it
Result<int> FuseConv(Graph& graph);              // Conv -> FusedConv
Result<int> FuseActivation(Graph& graph);  // activation into the one FusedConv/FusedGemm before it
Result<int> FuseResidual(Graph& graph);    // Add of a same-shaped value into FusedConv/FusedGemm
Result<int> PropagateQuantized(Graph& graph);    // Q and DQ past operators that only move elements
Result<int> FuseDynamicQuantized(Graph& graph);  // scales and biases into integer products
Result<int> FuseQuantized(Graph& graph);         // Q and DQ into FusedConv/FusedGemm

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_PASSES_H_
