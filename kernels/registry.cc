#include "kernels/registry.h"

#include "kernels/gemm/gemm.h"

namespace ergo {
namespace {

template <typename Problem>
void Add(std::vector<KernelInfo>& all, std::span<const KernelVariant<Problem>> variants) {
  for (const KernelVariant<Problem>& variant : variants) all.push_back(variant.info);
}

}  // namespace

std::vector<KernelInfo> AllKernels() {
  std::vector<KernelInfo> all;
  Add(all, GemmVariants());
  return all;
}

}  // namespace ergo
