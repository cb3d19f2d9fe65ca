#include "kernels/loss/loss.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"

namespace ergo {
namespace {

// log of the sum of exponentials over the classes of one place.
double LogSumExp(const LossProblem& p, const TensorView& scores, int64_t base) {
  double max = -INFINITY;
  for (int64_t c = 0; c < p.classes; ++c) max = std::max(max, ReadReal(scores, base + c * p.inner));
  double sum = 0;
  for (int64_t c = 0; c < p.classes; ++c) {
    sum += std::exp(ReadReal(scores, base + c * p.inner) - max);
  }
  return max + std::log(sum);
}

void RunLoss(const LossProblem& p, const KernelArgs& args) {
  const TensorView& scores = args.inputs[0];
  const bool weighted = args.inputs.size() > 2 && args.inputs[2].Present();
  const bool wants_log = args.outputs.size() > 1 && args.outputs[1].Present();
  double loss_sum = 0, weight_sum = 0;
  for (int64_t place = 0; place < p.batch * p.inner; ++place) {
    const int64_t base = place / p.inner * p.classes * p.inner + place % p.inner;
    const double log_sum = p.softmax_first ? LogSumExp(p, scores, base) : 0;
    for (int64_t c = 0; wants_log && c < p.classes; ++c) {
      const int64_t at = base + c * p.inner;
      WriteReal(args.outputs[1], at, ReadReal(scores, at) - log_sum);
    }
    const auto target = static_cast<int64_t>(ReadReal(args.inputs[1], place));
    const bool counts =
        target >= 0 && target < p.classes && !(p.has_ignore_index && target == p.ignore_index);
    const double weight = !counts ? 0 : weighted ? ReadReal(args.inputs[2], target) : 1;
    const double loss = counts ? weight * (log_sum - ReadReal(scores, base + target * p.inner)) : 0;
    loss_sum += loss;
    weight_sum += weight;
    if (p.reduction == LossProblem::Reduction::kNone) WriteReal(args.outputs[0], place, loss);
  }
  if (p.reduction == LossProblem::Reduction::kSum) WriteReal(args.outputs[0], 0, loss_sum);
  if (p.reduction == LossProblem::Reduction::kMean) {
    WriteReal(args.outputs[0], 0, loss_sum / weight_sum);
  }
}

MadeKernel MakeLossReference(const LossProblem& problem, const MakeContext&) {
  if (!IsFloatingPoint(problem.dtype) || !HasRealAccess(problem.dtype)) {
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  }
  if (problem.target_dtype != DType::kI64 && problem.target_dtype != DType::kI32) {
    return Unsupported("targets of {}", DTypeName(problem.target_dtype));
  }
  return MakeFunctionKernel([problem](const KernelArgs& args) { RunLoss(problem, args); });
}

constexpr std::array kLossVariants = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  KernelVariant<LossProblem>{{"loss", name, device, dtypes, layout, needs}, make},
#include "kernels/loss/loss_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

std::span<const KernelVariant<LossProblem>> LossVariants() {
  return kLossVariants;
}

KernelCost CostOf(const LossProblem& p) {
  const int64_t scores = p.batch * p.classes * p.inner;
  return {p.softmax_first ? 4 * scores : p.batch * p.inner, DTypeBytes(p.dtype, scores),
          DTypeBytes(p.dtype, p.batch * p.inner)};
}

}  // namespace ergo
