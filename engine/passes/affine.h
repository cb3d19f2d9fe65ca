// Channelwise scales and shifts around convolutions and products with constant weights, which take
// them over: both are linear in their sums.
#ifndef ERGO_ENGINE_PASSES_AFFINE_H_
#define ERGO_ENGINE_PASSES_AFFINE_H_

#include <optional>
#include <vector>

#include "engine/passes/rewriter.h"

namespace ergo {

// y = scale * x + shift with a scale and a shift for each channel.
struct Affine {
  std::vector<double> scale, shift;

  bool Scales() const;
  bool Shifts() const;
};

// What a BatchNormalization at inference, or an Add, Sub, Mul or Div of a constant, does to its
// operand, whose channels lie on `channel_axis`; nullopt for any other node.
struct AffineNode {
  Affine affine;
  ValueId operand = kNoValue;
};
std::optional<AffineNode> AsAffine(const Graph& graph, const Node& node, int channel_axis,
                                   int64_t channels);

// A FusedConv, FusedGemm or ConvTranspose without residual and activation whose weights are a
// float32 constant, and whose bias, if any, is too.
class LinearNode {
 public:
  static std::optional<LinearNode> Of(const Graph& graph, const Node& node);

  int64_t Inputs() const { return out_first_ ? second_ * groups_ : first_; }
  int64_t Outputs() const { return out_first_ ? first_ : second_ * groups_; }
  int InputAxis() const { return input_axis_; }
  int OutputAxis() const { return output_axis_; }

  // The node with the map applied to its result, or to its operand beforehand.
  Node After(Graph& graph, const Affine& map) const;
  Node Before(Graph& graph, const Affine& map) const;

 private:
  explicit LinearNode(const Node& node) : node_(node) {}

  struct Channels {
    size_t in, out;
  };
  // Which channels the weight number `element` connects.
  Channels ChannelsOf(int64_t element) const;
  // The weights stay what they are unless the map scales.
  Node WithWeights(Graph& graph, bool scales, const std::vector<float>& weights,
                   const std::vector<double>& bias) const;
  std::vector<double> Bias(const Graph& graph) const;

  Node node_;
  // The weights are [first, second, kernel]; out_first_ where the first axis is that of the
  // results, of which each group has its share.
  bool out_first_ = false;
  int64_t first_ = 0, second_ = 0, kernel_ = 1, groups_ = 1;
  int input_axis_ = 1, output_axis_ = 1;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_AFFINE_H_
