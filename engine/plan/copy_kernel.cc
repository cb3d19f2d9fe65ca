#include "engine/plan/copy_kernel.h"

#include <cstring>

namespace ergo {
namespace {

class CopyKernel final : public Kernel {
 public:
  void Run(const KernelArgs& args) const override {
    const auto bytes = static_cast<size_t>(args.outputs[0].Bytes());
    if (bytes > 0) std::memcpy(args.outputs[0].data, args.inputs[0].data, bytes);
  }
};

}  // namespace

Selected MakeCopyKernel() {
  return {std::make_unique<CopyKernel>(), {"move", "copy", Device::kCpu, "any", "any", ""}};
}

}  // namespace ergo
