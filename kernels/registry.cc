#include "kernels/registry.h"

#include "kernels/conv/conv.h"
#include "kernels/gemm/gemm.h"
#include "kernels/pool/pool.h"

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
  Add(all, ConvVariants());
  Add(all, PoolVariants());
  return all;
}

}  // namespace ergo
