// Session: runs one Plan, and its late part where it has one. It owns the arena; the operands of
// every step are laid out when it is made, so that Run only patches the caller's pointers and calls
// kernels: no allocation, no lock but ParallelFor's, no failure. Denormal numbers count as zero
// (engine/run/flush_denormals.h).
//
// Thread safety: one thread at a time; make one Session a worker. The Plan and the ParallelFor
// outlive it.
#ifndef ERGO_ENGINE_RUN_SESSION_H_
#define ERGO_ENGINE_RUN_SESSION_H_

#include <memory>
#include <span>
#include <vector>

#include "engine/device/device_executor.h"
#include "engine/plan/plan.h"
#include "engine/run/trace.h"
#include "kernels/base/parallel_for.h"

namespace ergo {

class Session {
 public:
  // ResourceExhausted when there is no memory for the arena. `parallel` may have fewer workers than
  // the plan was made for, not more.
  static Result<std::unique_ptr<Session>> Create(const Plan& plan, ParallelFor& parallel);
  ~Session();

  // For plans without a late part. Inputs and outputs in the plan's order, with exactly its dtypes
  // and shapes (a bug otherwise: callers check what comes from outside with CheckInputs), aligned
  // for their dtype. Outputs must not overlap inputs or each other. `trace` may be null.
  void Run(std::span<const TensorView> inputs, std::span<const MutableTensorView> outputs,
           Trace* trace = nullptr);

  // For every plan: the outputs in new tensors. Allocates; errors come only from the late part.
  Result<std::vector<Tensor>> RunToTensors(std::span<const TensorView> inputs,
                                           Trace* trace = nullptr);

  const Plan& GetPlan() const;

  // What the device that the plan runs on has failed with: from then on, outputs mean nothing. OK
  // for plans of the CPU, whose runs do not fail.
  const Status& DeviceStatus() const { return device_status_; }
  // Null for plans of the CPU.
  DeviceExecutor* Accelerated() const { return device_.get(); }

 private:
  struct Frame;
  struct Late;
  explicit Session(const Plan& plan);
  Status RunLate(std::span<const TensorView> inputs, std::span<const MutableTensorView> outputs,
                 Trace* trace, std::vector<Tensor>& results);
  const Plan& plan_;
  // One of the two runs the steps.
  std::unique_ptr<Frame> frame_;
  std::unique_ptr<DeviceExecutor> device_;
  std::unique_ptr<Late> late_;
  Status device_status_;
};

// InvalidArgument naming the input whose dtype or shape is not the plan's.
Status CheckInputs(const Plan& plan, std::span<const TensorView> inputs);

}  // namespace ergo

#endif  // ERGO_ENGINE_RUN_SESSION_H_
