#include "kernels/einsum/einsum.h"

#include <algorithm>

#include "kernels/base/checked_math.h"
#include "kernels/einsum/limits.h"

namespace ergo {
namespace {

int64_t Product(const std::vector<int64_t>& sizes, size_t begin, size_t end) {
  int64_t product = 1;
  for (size_t label = begin; label < end; ++label) product *= sizes[label];
  return product;
}

// The index of the last element reached, for sizes of at least 1.
Status CheckReach(const EinsumProblem& problem, const EinsumProblem::Operand& operand) {
  int64_t last = 0;
  for (size_t label = 0; label < problem.sizes.size(); ++label) {
    const int64_t stride = operand.strides[label];
    const auto step = CheckedMul(problem.sizes[label] - 1, stride);
    const auto reached = step ? CheckedAdd(last, *step) : std::nullopt;
    if (stride < 0 || !reached) return InvalidArgument("einsum stride {}", stride);
    last = *reached;
  }
  if (last >= operand.elements) {
    return InvalidArgument("einsum reads element {} of {}", last, operand.elements);
  }
  return {};
}

}  // namespace

Status CheckEinsum(const EinsumProblem& problem) {
  if (problem.sizes.size() > kMaxEinsumAxes || problem.operands.size() > kMaxEinsumOperands) {
    return ResourceExhausted("einsum of {} labels and {} operands", problem.sizes.size(),
                             problem.operands.size());
  }
  const auto labels = static_cast<int>(problem.sizes.size());
  if (problem.operands.empty() || problem.output_labels < 0 || problem.output_labels > labels) {
    return InvalidArgument("einsum with {} of {} labels in the output", problem.output_labels,
                           labels);
  }
  int64_t steps = 1;
  bool empty = false;
  for (const int64_t size : problem.sizes) {
    if (size < 0) return InvalidArgument("einsum label of size {}", size);
    empty |= size == 0;
    const auto product = CheckedMul(steps, std::max<int64_t>(size, 1));
    if (!product) return ResourceExhausted("einsum of more than 2^63 products");
    steps = *product;
  }
  if (Product(problem.sizes, 0, static_cast<size_t>(problem.output_labels)) > kMaxTensorElements) {
    return ResourceExhausted("einsum result is above the limit");
  }
  for (const EinsumProblem::Operand& operand : problem.operands) {
    if (operand.strides.size() != problem.sizes.size()) {
      return InvalidArgument("einsum operand with {} strides for {} labels", operand.strides.size(),
                             labels);
    }
    if (!empty) ERGO_RETURN_IF_ERROR(CheckReach(problem, operand));
  }
  return {};
}

KernelCost CostOf(const EinsumProblem& problem) {
  const int64_t size = DTypeBytes(problem.dtype, 1);
  const auto outputs = static_cast<size_t>(problem.output_labels);
  KernelCost cost;
  cost.flops = Product(problem.sizes, 0, problem.sizes.size()) *
               static_cast<int64_t>(problem.operands.size());
  for (const EinsumProblem::Operand& operand : problem.operands) {
    cost.bytes_read += size * operand.elements;
  }
  cost.bytes_written = size * Product(problem.sizes, 0, outputs);
  return cost;
}

std::span<const KernelVariant<EinsumProblem>> EinsumVariants() {
  static constexpr KernelVariant<EinsumProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"einsum", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/einsum/einsum_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

}  // namespace ergo
