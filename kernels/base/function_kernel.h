// FunctionKernel: a Kernel whose Run is a function object. For kernels that are made in one line
// and need no state but what the lambda captured.
#ifndef ERGO_KERNELS_BASE_FUNCTION_KERNEL_H_
#define ERGO_KERNELS_BASE_FUNCTION_KERNEL_H_

#include <memory>
#include <utility>

#include "kernels/base/kernel.h"

namespace ergo {

// `run` is called as run(const KernelArgs&), concurrently, and must not allocate or throw.
template <typename F>
std::unique_ptr<Kernel> MakeFunctionKernel(F run, size_t workspace_bytes = 0) {
  class FunctionKernel final : public Kernel {
   public:
    FunctionKernel(F function, size_t workspace)
        : function_(std::move(function)), workspace_bytes_(workspace) {}
    size_t WorkspaceBytes() const override { return workspace_bytes_; }
    void Run(const KernelArgs& args) const override { function_(args); }

   private:
    F function_;
    size_t workspace_bytes_;
  };
  return std::make_unique<FunctionKernel>(std::move(run), workspace_bytes);
}

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_FUNCTION_KERNEL_H_
