// Recurrent: RNN, GRU and LSTM over a sequence, forward, reversed or both, as ONNX defines them.
//
// With G gates a cell (RNN 1, GRU 3 in order z r h, LSTM 4 in order i o f c), D directions, H
// hidden units, all row-major:
//   inputs  0 X [seq, batch, input]      1 W [D, G H, input]      2 R [D, G H, H]
//           3 B [D, 2 G H]: the biases of W, then of R
//           4 sequence_lens int32 [batch]; lengths are clamped into [0, seq]
//           5 initial_h [D, batch, H]    6 initial_c [D, batch, H] (LSTM)
//           7 P [D, 3 H]: peepholes of the gates i, o, f (LSTM)
//   outputs 0 Y [seq, D, batch, H]       1 Y_h [D, batch, H]      2 Y_c [D, batch, H] (LSTM)
// From 3 on inputs may be absent (initial states are then 0), and so may be any output. With
// `batch_major` batch comes first: X [batch, seq, input], Y [batch, seq, D, H], states
// [batch, D, H]. Everything but sequence_lens is of the one dtype, floating point. Nothing may
// overlap.
//
// A step, with f, g, h the direction's activations and clip applied to their arguments:
//   RNN   h' = f(W x + R h + b)
//   GRU   z = f(.), r = f(.), n = g(W x + R (r h) + b) or, with linear_before_reset,
//         g(W x + b_w + r (R h + b_r)); h' = (1 - z) n + z h
//   LSTM  i = f(. + p_i c), f = f(. + p_f c), or 1 - i with input_forget, n = g(.);
//         c' = f c + i n; o = f(. + p_o c'); h' = o h(c')
// Where a sample is over (its sequence_lens), Y is 0, and Y_h and Y_c are the states after its last
// step.
//
// Arithmetic: the reference computes in double and rounds what it stores; the state that goes from
// step to step is not rounded. The SIMD variant computes and keeps states in float: a matrix
// product sums in order of k, activations as in kernels/base/math-inl.h. RecurrentErrorBound says
// how far it may drift. No result depends on the number of workers.
#ifndef ERGO_KERNELS_RECURRENT_RECURRENT_H_
#define ERGO_KERNELS_RECURRENT_RECURRENT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "kernels/base/dtype.h"
#include "kernels/base/kernel.h"

namespace ergo {

enum class RecurrentCell : uint8_t { kRnn, kGru, kLstm };

enum class GateActivation : uint8_t {
  kSigmoid,
  kTanh,
  kRelu,
  kAffine,           // alpha x + beta
  kLeakyRelu,        // x < 0 ? alpha x : x
  kThresholdedRelu,  // x > alpha ? x : 0
  kScaledTanh,       // alpha tanh(beta x)
  kHardSigmoid,      // min(max(alpha x + beta, 0), 1)
  kElu,              // x < 0 ? alpha (e^x - 1) : x
  kSoftsign,         // x / (1 + |x|)
  kSoftplus,         // log(1 + e^x)
};

struct GateFunction {
  GateActivation kind = GateActivation::kSigmoid;
  float alpha = 0, beta = 0;
};

// By ONNX's name ("Sigmoid", whatever its case), with the parameters it has by default; nullopt for
// unknown ones.
std::optional<GateFunction> GateFunctionFromName(std::string_view name);
// How many of alpha and beta it takes.
int GateParameters(GateActivation kind);

inline constexpr int kMaxGates = 4;
inline constexpr int kMaxDirections = 2;

struct RecurrentProblem {
  RecurrentCell cell = RecurrentCell::kLstm;
  DType dtype = DType::kF32;
  int64_t seq = 0, batch = 0, input = 0, hidden = 0;
  int directions = 1;    // with 2, the second runs in reverse
  bool reverse = false;  // with 1: it runs in reverse
  bool batch_major = false;
  bool linear_before_reset = false;  // GRU
  bool input_forget = false;         // LSTM
  float clip = 0;                    // of the activations' arguments; 0: none
  // Of each direction: f (RNN); f, g (GRU); f, g, h (LSTM).
  std::array<std::array<GateFunction, 3>, kMaxDirections> activations;

  // W and R when they are known as the kernel is made, which then packs them; null otherwise. The
  // memory outlives the kernel, and Run is passed the same bytes.
  const void* constant_w = nullptr;
  const void* constant_r = nullptr;

  int Gates() const {
    return cell == RecurrentCell::kRnn ? 1 : cell == RecurrentCell::kGru ? 3 : 4;
  }
  bool Reversed(int direction) const { return directions == 2 ? direction == 1 : reverse; }
};

KernelCost CostOf(const RecurrentProblem& problem);

// |difference| of any output from the reference's, for states and activations that stay within
// [-1, 1] and rows of W and R whose absolute values times |x| <= `magnitude` and |h| sum up to at
// most `magnitude`: an error of (input + hidden + 16) eps magnitude a step, that steps add up.
double RecurrentErrorBound(const RecurrentProblem& problem, double magnitude);

// Best first, the reference last. InvalidArgument for sizes that make no sense.
std::span<const KernelVariant<RecurrentProblem>> RecurrentVariants();

#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  MadeKernel make(const RecurrentProblem& problem, const MakeContext& context);
#include "kernels/recurrent/recurrent_variants.inc"
#undef ERGO_KERNEL_VARIANT

}  // namespace ergo

#endif  // ERGO_KERNELS_RECURRENT_RECURRENT_H_
