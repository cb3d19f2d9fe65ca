// DeviceExecutor: runs a plan on a GPU. It owns a stream, one arena of the device, and pinned
// memory of the host through which inputs and outputs pass; weights are shared with all other
// executors of the device. Whatever lies between two steps of the host is captured once, when the
// executor is made, as a graph: a run is one launch a segment, and where all steps are the
// device's, one launch and one wait in all. A run allocates nothing.
//
// Thread safety: one thread at a time; make one executor a worker. Plan and ParallelFor outlive it.
#ifndef ERGO_ENGINE_DEVICE_DEVICE_EXECUTOR_H_
#define ERGO_ENGINE_DEVICE_DEVICE_EXECUTOR_H_

#include <memory>
#include <span>

#include "engine/plan/plan.h"
#include "kernels/base/parallel_for.h"

namespace ergo {

class DeviceExecutor {
 public:
  // For a plan made with PlanOptions::gpu that WhyHostOnly has nothing against. ResourceExhausted,
  // with the numbers, where the device's memory is not enough.
  static Result<std::unique_ptr<DeviceExecutor>> Create(const Plan& plan, ParallelFor& parallel);
  virtual ~DeviceExecutor() = default;

  // As Session::Run. DeviceError where the device fails; it stays failed.
  virtual Status Run(std::span<const TensorView> inputs,
                     std::span<const MutableTensorView> outputs) = 0;

  // The pinned memory of input and output `number`: whoever puts inputs there itself, and passes
  // views of it, saves a copy. Lives as long as the executor.
  virtual MutableTensorView StagedInput(size_t number) const = 0;
  virtual MutableTensorView StagedOutput(size_t number) const = 0;

  struct Sizes {
    size_t arena_bytes = 0, staging_bytes = 0;
    int graphs = 0, launches = 0, host_steps = 0, fused_steps = 0;
  };
  virtual Sizes GetSizes() const = 0;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_DEVICE_DEVICE_EXECUTOR_H_
