// DFT, STFT, the windows and MelWeightMatrix.
#include <array>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

std::optional<int64_t> ScalarInput(const InferContext& context, size_t i) {
  const auto values = context.InputInts(i);
  return values && values->size() == 1 ? std::optional((*values)[0]) : std::nullopt;
}

Status InferDft(InferContext& context) {
  const Node& node = context.GetNode();
  const SymbolicShape& input = context.InputShape(0);
  const bool inverse = node.IntAttr("inverse", 0) != 0, onesided = node.IntAttr("onesided", 0) != 0;
  if (!input.RankKnown()) return context.SetOutput(0, context.InputType(0), {});
  if (input.Rank() < 2) return InvalidArgument("an input of rank {}", input.Rank());
  SymbolicShape output = input;
  output[output.Rank() - 1] = Dim(inverse && onesided ? 1 : 2);
  std::optional<int64_t> axis_value;
  if (node.opset < 20) {
    axis_value = node.IntAttr("axis", 1);
  } else {
    axis_value = context.HasInput(2) ? ScalarInput(context, 2) : std::optional<int64_t>(-2);
  }
  if (!axis_value) {
    for (int i = 0; i < output.Rank() - 1; ++i) output[i] = Dim();
    return context.SetOutput(0, context.InputType(0), output);
  }
  ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(*axis_value, input.Rank()));
  Dim length = input[axis];
  if (inverse && onesided && length.Known()) length = Dim(2 * (length.value - 1));
  if (context.HasInput(1)) {
    const auto given = ScalarInput(context, 1);
    length = given ? Dim(*given) : Dim();
  }
  if (length.Known() && length.value < 1) return InvalidArgument("a DFT of {}", length.value);
  output[axis] = length.Known() && onesided && !inverse ? Dim(length.value / 2 + 1) : length;
  return context.SetOutput(0, context.InputType(0), output);
}

Status InferStft(InferContext& context) {
  const SymbolicShape& signal = context.InputShape(0);
  const auto step = ScalarInput(context, 1);
  std::optional<int64_t> length = ScalarInput(context, 3);
  if (!context.HasInput(3) && context.HasInput(2)) {
    const SymbolicShape& window = context.InputShape(2);
    if (window.RankKnown() && window.Rank() == 1 && window[0].Known()) length = window[0].value;
  }
  Dim frames, bins;
  const bool onesided = context.GetNode().IntAttr("onesided", 1) != 0;
  if (length) {
    if (*length < 1) return InvalidArgument("frames of {} samples", *length);
    bins = Dim(onesided ? *length / 2 + 1 : *length);
    if (step && signal.RankKnown() && signal.Rank() >= 2 && signal[1].Known()) {
      if (*step < 1) return InvalidArgument("a frame step of {}", *step);
      frames = Dim(std::max<int64_t>((signal[1].value - *length) / *step + 1, 0));
    }
  }
  const Dim batch = signal.RankKnown() && signal.Rank() >= 2 ? signal[0] : Dim();
  return context.SetOutput(0, context.InputType(0), SymbolicShape({batch, frames, bins, Dim(2)}));
}

Status InferWindow(InferContext& context) {
  const auto size = ScalarInput(context, 0);
  if (size && *size < 0) return InvalidArgument("a window of {}", *size);
  ERGO_ASSIGN_OR_RETURN(const DType dtype,
                        DTypeAttr(context.GetNode(), "output_datatype", DType::kF32));
  return context.SetOutput(0, dtype, SymbolicShape({size ? Dim(*size) : Dim()}));
}

Status InferMelWeights(InferContext& context) {
  const auto bins = ScalarInput(context, 0), length = ScalarInput(context, 1);
  ERGO_ASSIGN_OR_RETURN(const DType dtype,
                        DTypeAttr(context.GetNode(), "output_datatype", DType::kF32));
  // All five inputs are needed ahead: their values are the result.
  for (size_t i = 2; i < 5; ++i) context.InputConstant(i);
  return context.SetOutput(0, dtype,
                           SymbolicShape({length && *length > 0 ? Dim(*length / 2 + 1) : Dim(),
                                          bins && *bins >= 0 ? Dim(*bins) : Dim()}));
}

constexpr std::array kSchemas = {
    OpSchema{"", "DFT", 17, 1, 2, 1, 1, InferDft},
    OpSchema{"", "DFT", 20, 1, 3, 1, 1, InferDft},
    OpSchema{"", "STFT", 17, 2, 4, 1, 1, InferStft},
    OpSchema{"", "HannWindow", 17, 1, 1, 1, 1, InferWindow},
    OpSchema{"", "HammingWindow", 17, 1, 1, 1, 1, InferWindow},
    OpSchema{"", "BlackmanWindow", 17, 1, 1, 1, 1, InferWindow},
    OpSchema{"", "MelWeightMatrix", 17, 5, 5, 1, 1, InferMelWeights},
};

}  // namespace

std::span<const OpSchema> SignalSchemas() {
  return kSchemas;
}

}  // namespace ergo
