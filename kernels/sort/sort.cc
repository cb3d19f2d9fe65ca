#include "kernels/sort/sort.h"

#include <array>

#include "kernels/sort/sort_variants.h"

namespace ergo {
namespace {

constexpr std::array kTopKVariants = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  KernelVariant<TopKProblem>{{"topk", name, device, dtypes, layout, needs}, make},
#include "kernels/sort/sort_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

std::span<const KernelVariant<TopKProblem>> TopKVariants() {
  return kTopKVariants;
}

KernelCost CostOf(const TopKProblem& p) {
  const int64_t elements = p.outer * p.extent * p.inner;
  const int64_t kept = p.outer * p.k * p.inner;
  return {elements, DTypeBytes(p.dtype, elements), DTypeBytes(p.dtype, kept) + 8 * kept};
}

}  // namespace ergo
