// DeviceProgram: a plan whose steps run partly on a GPU, as a list of actions: copies between host
// and device where a tensor is needed on the other side, launches, steps of the host. And where
// every tensor of the device lies in one arena of it.
//
// Pure: it is made from a plan alone, without a device.
//
// Thread safety: immutable once made. The plan outlives it.
#ifndef ERGO_ENGINE_DEVICE_DEVICE_PROGRAM_H_
#define ERGO_ENGINE_DEVICE_DEVICE_PROGRAM_H_

#include <memory>
#include <string>
#include <vector>

#include "engine/plan/plan.h"

namespace ergo {

// A step of the device, or several elementwise ones as one.
struct DeviceLaunch {
  const Kernel* kernel = nullptr;
  std::unique_ptr<Kernel> fused;     // owns `kernel` where steps were joined
  std::vector<int> inputs, outputs;  // indices into Plan::tensors
  size_t workspace_offset = 0, workspace_bytes = 0;
};

struct DeviceAction {
  enum class Kind : uint8_t {
    kToDevice,  // tensor `index`
    kToHost,    // tensor `index`
    kLaunch,    // launch `index`
    kHostStep,  // step `index` of the plan, when all before it is done
  };
  Kind kind;
  int index;
  bool operator==(const DeviceAction&) const = default;
};

struct DeviceProgram {
  std::vector<DeviceLaunch> launches;
  std::vector<DeviceAction> actions;
  // By tensor of the plan: where its bytes are in the device's arena; kNowhere for those that the
  // device does not touch, and for constants.
  static constexpr size_t kNowhere = ~size_t{0};
  std::vector<size_t> offsets;
  size_t arena_bytes = 0;
  bool needs_host_arena = false;  // a tensor between steps is touched by the host
  int fused_steps = 0;            // that are no launch of their own
};

// Why a plan cannot run on a device, although it has steps for one; "" where it can.
std::string WhyHostOnly(const Plan& plan);

// For plans that WhyHostOnly has nothing against. `context` is what its kernels were made with.
DeviceProgram MakeDeviceProgram(const Plan& plan, const MakeContext& context);

}  // namespace ergo

#endif  // ERGO_ENGINE_DEVICE_DEVICE_PROGRAM_H_
