// The list of all kernels, for people and for tests: `ergo inspect --kernels`, coverage checks.
// Choosing a kernel needs no list of all: a lowering asks its family (SelectKernel,
// ExplainKernels).
//
// Thread safety: pure.
#ifndef ERGO_KERNELS_REGISTRY_H_
#define ERGO_KERNELS_REGISTRY_H_

#include <vector>

#include "kernels/base/kernel.h"

namespace ergo {

// Family by family, each in its order of preference. A new family adds its line in registry.cc.
std::vector<KernelInfo> AllKernels();

}  // namespace ergo

#endif  // ERGO_KERNELS_REGISTRY_H_
