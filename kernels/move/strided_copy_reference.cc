#include <cstring>

#include "kernels/move/copy_plan.h"

namespace ergo::move {
namespace {

// One element at a time, the last axis fastest.
class ReferenceStridedCopy final : public Kernel {
 public:
  explicit ReferenceStridedCopy(CopyPlan plan) : plan_(std::move(plan)) {}

  void Run(const KernelArgs& args) const override {
    if (plan_.empty) return;
    CopyAxis(static_cast<const std::byte*>(args.inputs[0].data) + plan_.offset_bytes,
             static_cast<std::byte*>(args.outputs[0].data), 0);
  }

 private:
  void CopyAxis(const std::byte* from, std::byte* to, size_t depth) const {
    if (depth == plan_.axes.size()) {
      std::memcpy(to, from, static_cast<size_t>(plan_.element_bytes));
      return;
    }
    const PlannedAxis& axis = plan_.axes[depth];
    for (int64_t i = 0; i < axis.count; ++i) {
      CopyAxis(from + i * axis.from_stride, to + i * axis.to_stride, depth + 1);
    }
  }

  CopyPlan plan_;
};

}  // namespace

MadeKernel MakeReferenceStridedCopy(const StridedCopyProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(CopyPlan plan, PlanCopy(problem));
  return MadeKernel(std::make_unique<ReferenceStridedCopy>(std::move(plan)));
}

}  // namespace ergo::move
