#include <array>
#include <vector>

#include "engine/graph/op_schema.h"
#include "engine/plan/copy_kernel.h"
#include "engine/plan/lowering.h"
#include "kernels/base/real_access.h"
#include "kernels/signal/signal.h"

namespace ergo {
namespace {

// Inputs 1 (length) and 2 (axis) have shaped the output already; they must be known, or the
// output's shape would not be.
Status LowerDft(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& input = context.InputShape(0);
  const Shape& output = context.OutputShape(0);
  int64_t axis_value = node.opset < 20 ? node.IntAttr("axis", 1) : -2;
  if (node.opset >= 20) {
    ERGO_ASSIGN_OR_RETURN(const auto given, context.InputInts(2));
    if (given && given->size() == 1) axis_value = (*given)[0];
  }
  ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(axis_value, input.Rank()));
  ERGO_ASSIGN_OR_RETURN(const auto length, context.InputInts(1));
  const int last = input.Rank() - 1;
  DftProblem problem;
  problem.dtype = context.InputType(0);
  problem.inverse = node.IntAttr("inverse", 0) != 0;
  problem.onesided = node.IntAttr("onesided", 0) != 0;
  problem.outer = input.Elements(0, axis);
  problem.extent = input[axis];
  problem.inner = input.Elements(axis + 1, last);
  if (axis == last || input[last] < 1 || input[last] > 2) {
    return InvalidArgument("a transform of {} along axis {}", input.ToString(), axis);
  }
  problem.components = static_cast<int>(input[last]);
  problem.out_components = static_cast<int>(output[last]);
  problem.bins = output[axis];
  problem.length = problem.extent;
  if (problem.inverse && problem.onesided) problem.length = 2 * (problem.extent - 1);
  if (length && length->size() == 1) problem.length = (*length)[0];
  return context.Emit(DftVariants(), problem, {In(0)}, {Out(0)});
}

Status LowerStft(LowerContext& context) {
  const Shape& signal = context.InputShape(0);
  const Shape& output = context.OutputShape(0);
  ERGO_ASSIGN_OR_RETURN(const auto step, context.InputInts(1));
  ERGO_ASSIGN_OR_RETURN(const auto length, context.InputInts(3));
  StftProblem problem;
  problem.dtype = context.InputType(0);
  problem.batch = signal[0];
  problem.samples = signal[1];
  problem.components = signal.Rank() == 3 ? static_cast<int>(signal[2]) : 1;
  problem.frame_step = (*step)[0];
  problem.frame_length = length ? (*length)[0] : context.InputShape(2).Elements();
  problem.frames = output[1];
  problem.bins = output[2];
  if (context.HasInput(2) && context.InputShape(2).Elements() != problem.frame_length) {
    return InvalidArgument("a window of {} for frames of {}", context.InputShape(2).Elements(),
                           problem.frame_length);
  }
  return context.Emit(StftVariants(), problem, {In(0), In(2)}, {Out(0)});
}

// Results that only attributes and known inputs decide: made here, copied in the run.
Status EmitConstant(LowerContext& context, const std::vector<double>& values) {
  const DType dtype = context.OutputType(0);
  const Shape& shape = context.OutputShape(0);
  if (!HasRealAccess(dtype)) return Unsupported("results of {}", DTypeName(dtype));
  ERGO_CHECK(shape.Elements() == static_cast<int64_t>(values.size()));
  const int64_t bytes = DTypeBytes(dtype, shape.Elements());
  ERGO_ASSIGN_OR_RETURN(AlignedBuffer buffer, AlignedBuffer::Allocate(static_cast<size_t>(bytes)));
  const MutableTensorView view{buffer.Data(), dtype, Device::kCpu, shape};
  for (size_t i = 0; i < values.size(); ++i) WriteReal(view, static_cast<int64_t>(i), values[i]);
  const std::array inputs = {context.Constant(Tensor(dtype, shape, std::move(buffer)))};
  const std::array outputs = {Out(0)};
  context.Append(MakeCopyKernel(), {0, bytes, bytes}, inputs, outputs);
  return {};
}

Status LowerWindow(LowerContext& context) {
  const Node& node = context.GetNode();
  const WindowFunction window = node.op == "HannWindow"      ? WindowFunction::kHann
                                : node.op == "HammingWindow" ? WindowFunction::kHamming
                                                             : WindowFunction::kBlackman;
  return EmitConstant(
      context, MakeWindow(window, context.OutputShape(0)[0], node.IntAttr("periodic", 1) != 0));
}

Status LowerMelWeights(LowerContext& context) {
  std::array<double, 5> values{};
  for (int i = 0; i < 5; ++i) {
    const Tensor* constant = context.InputConstant(i);
    if (constant == nullptr) return Unsupported("input {} must be known before the run", i);
    if (constant->Elements() != 1 || !HasRealAccess(constant->Type())) {
      return InvalidArgument("input {} is not one number", i);
    }
    values[static_cast<size_t>(i)] = ReadReal(constant->View(), 0);
  }
  ERGO_ASSIGN_OR_RETURN(
      const std::vector<double> weights,
      MakeMelWeights(static_cast<int64_t>(values[0]), static_cast<int64_t>(values[1]),
                     static_cast<int64_t>(values[2]), values[3], values[4]));
  return EmitConstant(context, weights);
}

constexpr std::array kLowerings = {
    Lowering{"", "DFT", LowerDft},
    Lowering{"", "STFT", LowerStft},
    Lowering{"", "HannWindow", LowerWindow},
    Lowering{"", "HammingWindow", LowerWindow},
    Lowering{"", "BlackmanWindow", LowerWindow},
    Lowering{"", "MelWeightMatrix", LowerMelWeights},
};

}  // namespace

std::span<const Lowering> SignalLowerings() {
  return kLowerings;
}

}  // namespace ergo
