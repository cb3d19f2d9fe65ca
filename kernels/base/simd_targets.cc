#include "kernels/base/simd_targets.h"

#include <fmt/ranges.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

namespace ergo {

std::vector<SimdTarget> RunnableSimdTargets() {
  std::vector<SimdTarget> targets;
  // Better targets have lower bits in Highway.
  for (const auto bit : hwy::SupportedAndGeneratedTargets()) {
    targets.push_back({static_cast<int64_t>(bit), hwy::TargetName(bit)});
  }
  return targets;
}

SimdTarget ActiveSimdTarget() {
  std::vector<SimdTarget> targets = RunnableSimdTargets();
  return targets.empty() ? SimdTarget{0, "none"} : targets.front();
}

void ChooseSimdTarget() {
  if (!hwy::GetChosenTarget().IsInitialized()) {
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

Status ForceSimdTarget(std::string_view name) {
  hwy::SetSupportedTargetsForTest(0);
  std::vector<std::string> names;
  for (const SimdTarget& target : RunnableSimdTargets()) {
    if (target.name == name) {
      hwy::SetSupportedTargetsForTest(target.bit);
      hwy::GetChosenTarget().Update(target.bit);
      return {};
    }
    names.push_back(target.name);
  }
  return InvalidArgument("SIMD target '{}' cannot run here; there are: {}", name,
                         fmt::join(names, ", "));
}

void ResetSimdTarget() {
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace ergo
