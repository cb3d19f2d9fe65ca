// Quantization to and from the small types, element by element in double: a part of the family's
// reference.
#include <cmath>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"
#include "kernels/base/small_types.h"
#include "kernels/quantize/quantize_small.h"
#include "kernels/quantize/scale_rows.h"

namespace ergo {
namespace {

double Read(const TensorView& view, int64_t index) {
  return IsSmallType(view.dtype) ? ReadSmall(view.data, view.dtype, index) : ReadReal(view, index);
}

double ZeroPoint(const KernelArgs& args, int64_t index) {
  return args.inputs.size() > 2 && args.inputs[2].Present() ? Read(args.inputs[2], index) : 0;
}

template <typename Visit>
void ForEach(const ScaleRows& rows, const Visit& visit) {
  for (int64_t r = 0; r < rows.Count(); ++r) {
    const ScaleRow row = rows.Row(r);
    for (int64_t i = 0; i < row.count; ++i) {
      visit(row.begin + i, row.scale + (rows.PerElement() ? i : 0));
    }
  }
}

}  // namespace

MadeKernel MakeQuantizeSmall(const QuantizeProblem& problem) {
  ERGO_ASSIGN_OR_RETURN(const ScaleRows rows, ScaleRows::Make(problem.layout));
  if (!IsSmallType(problem.to) || !HasRealAccess(problem.from)) {
    return Unsupported("{} to {}", DTypeName(problem.from), DTypeName(problem.to));
  }
  return MakeFunctionKernel([problem, rows](const KernelArgs& args) {
    ClearPadding(args.outputs[0].data, problem.to, args.outputs[0].Elements());
    const bool is_float = IsFloatingPoint(problem.to);
    ForEach(rows, [&](int64_t i, int64_t s) {
      const auto quotient = static_cast<float>(static_cast<float>(Read(args.inputs[0], i)) /
                                               static_cast<float>(Read(args.inputs[1], s)));
      if (is_float) {
        WriteSmall(args.outputs[0].data, problem.to, i, quotient + ZeroPoint(args, s),
                   {problem.saturate, SmallRounding::Mode::kUp});
      } else {
        WriteSmallSaturated(args.outputs[0].data, problem.to, i,
                            std::nearbyint(quotient) + ZeroPoint(args, s));
      }
    });
  });
}

MadeKernel MakeDequantizeSmall(const DequantizeProblem& problem) {
  ERGO_ASSIGN_OR_RETURN(const ScaleRows rows, ScaleRows::Make(problem.layout));
  if (!IsSmallType(problem.from) || !HasRealAccess(problem.to)) {
    return Unsupported("{} to {}", DTypeName(problem.from), DTypeName(problem.to));
  }
  return MakeFunctionKernel([rows](const KernelArgs& args) {
    ForEach(rows, [&](int64_t i, int64_t s) {
      const double difference = Read(args.inputs[0], i) - ZeroPoint(args, s);
      WriteReal(args.outputs[0], i, difference * Read(args.inputs[1], s));
    });
  });
}

}  // namespace ergo
