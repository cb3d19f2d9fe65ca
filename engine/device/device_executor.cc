#include "engine/device/device_executor.h"

#include <cstring>
#include <utility>
#include <vector>

#include "engine/device/device_program.h"
#include "kernels/base/checked_math.h"
#include "kernels/cuda/gpu.h"

namespace ergo {
namespace {

using Kind = DeviceAction::Kind;
using Storage = PlanTensor::Storage;

size_t BytesOf(const PlanTensor& tensor) {
  return static_cast<size_t>(DTypeBytes(tensor.dtype, tensor.shape.Elements()));
}

// A captured graph and what made it.
class CapturedGraph {
 public:
  explicit CapturedGraph(cuda::Driver& driver) : driver_(driver) {}
  ~CapturedGraph() {
    if (exec_.value != nullptr) driver_.Delete(exec_);
    if (graph_.value != nullptr) driver_.Delete(graph_);
  }
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;

  // Captures what `enqueue` puts on the stream.
  Status Capture(cuda::Stream& stream, FunctionRef<void()> enqueue) {
    ERGO_RETURN_IF_ERROR(driver_.BeginCapture(stream.Handle()));
    enqueue();
    ERGO_ASSIGN_OR_RETURN(graph_, driver_.EndCapture(stream.Handle()));
    ERGO_RETURN_IF_ERROR(stream.GetStatus());
    ERGO_ASSIGN_OR_RETURN(exec_, driver_.Instantiate(graph_));
    return {};
  }
  Status Launch(cuda::Stream& stream) { return driver_.Run(exec_, stream.Handle()); }

 private:
  cuda::Driver& driver_;
  cuda::GraphHandle graph_;
  cuda::GraphExecHandle exec_;
};

// Actions [begin, end): one step of the host, or any number of the device's.
struct Segment {
  size_t begin = 0, end = 0;
  std::unique_ptr<CapturedGraph> graph;  // of the device's
};

class Executor final : public DeviceExecutor {
 public:
  Executor(const Plan& plan, ParallelFor& parallel)
      : plan_(plan),
        parallel_(parallel),
        gpu_(*plan.options.gpu),
        program_(MakeDeviceProgram(plan, Context())) {}

  Status Prepare() {
    ERGO_RETURN_IF_ERROR(gpu_.MakeCurrent());
    ERGO_ASSIGN_OR_RETURN(stream_, cuda::Stream::Create(gpu_));
    ERGO_RETURN_IF_ERROR(Allocate());
    ERGO_RETURN_IF_ERROR(UploadConstants());
    for (const DeviceLaunch& launch : program_.launches) BindLaunch(launch);
    host_operands_.resize(plan_.steps.size());
    for (const DeviceAction& action : program_.actions) {
      if (action.kind == Kind::kHostStep) BindHostStep(static_cast<size_t>(action.index));
    }
    CutSegments();
    // Once without a graph: what libraries and the driver load lazily cannot be loaded while
    // capturing.
    ERGO_RETURN_IF_ERROR(RunSegments(false));
    for (Segment& segment : segments_) {
      if (IsHost(segment)) continue;
      segment.graph = std::make_unique<CapturedGraph>(gpu_.GetDriver());
      ERGO_RETURN_IF_ERROR(
          segment.graph->Capture(*stream_, [&] { Enqueue(segment.begin, segment.end); }));
    }
    return {};
  }

  Status Run(std::span<const TensorView> inputs,
             std::span<const MutableTensorView> outputs) override {
    ERGO_RETURN_IF_ERROR(gpu_.MakeCurrent());
    for (size_t i = 0; i < inputs.size(); ++i) Copy(staged_inputs_[i], inputs[i].data, i, true);
    ERGO_RETURN_IF_ERROR(RunSegments(true));
    for (size_t i = 0; i < outputs.size(); ++i) Copy(outputs[i].data, staged_outputs_[i], i, false);
    return {};
  }

  MutableTensorView StagedInput(size_t number) const override {
    const Plan::Port& port = plan_.inputs[number];
    return {staged_inputs_[number], port.dtype, Device::kCpu, port.shape};
  }
  MutableTensorView StagedOutput(size_t number) const override {
    const Plan::Port& port = plan_.outputs[number];
    return {staged_outputs_[number], port.dtype, Device::kCpu, port.shape};
  }

  Sizes GetSizes() const override {
    Sizes sizes;
    sizes.arena_bytes = program_.arena_bytes;
    sizes.staging_bytes = staging_.Size();
    for (const Segment& segment : segments_) {
      ++(IsHost(segment) ? sizes.host_steps : sizes.graphs);
    }
    sizes.launches = static_cast<int>(program_.launches.size());
    sizes.fused_steps = program_.fused_steps;
    return sizes;
  }

 private:
  MakeContext Context() const {
    MakeContext context;
    context.gpu = &gpu_;
    return context;
  }

  static size_t PortBytes(const Plan::Port& port) {
    return static_cast<size_t>(DTypeBytes(port.dtype, port.shape.Elements()));
  }

  void Copy(void* to, const void* from, size_t number, bool input) const {
    const size_t bytes = PortBytes(input ? plan_.inputs[number] : plan_.outputs[number]);
    if (bytes > 0 && to != from) std::memcpy(to, from, bytes);
  }

  Status Allocate() {
    Result<cuda::DeviceBuffer> arena =
        cuda::DeviceBuffer::Allocate(gpu_.GetDriver(), program_.arena_bytes);
    if (!arena.ok()) {
      return std::move(arena).status().WithContext(
          fmt::format("an arena of {} bytes beside weights of {} bytes", program_.arena_bytes,
                      gpu_.UploadedBytes()));
    }
    arena_ = std::move(arena).value();
    size_t bytes = program_.needs_host_arena ? plan_.arena_bytes : 0;
    std::vector<size_t> starts;
    for (const auto* ports : {&plan_.inputs, &plan_.outputs}) {
      for (const Plan::Port& port : *ports) {
        bytes = RoundUp(bytes, kTensorAlignment);
        starts.push_back(bytes);
        bytes += PortBytes(port);
      }
    }
    ERGO_ASSIGN_OR_RETURN(staging_, cuda::DeviceBuffer::AllocatePinned(gpu_.GetDriver(), bytes));
    if (bytes > 0) std::memset(staging_.Data(), 0, bytes);
    for (size_t i = 0; i < starts.size(); ++i) {
      auto& staged = i < plan_.inputs.size() ? staged_inputs_ : staged_outputs_;
      staged.push_back(staging_.Data() + starts[i]);
    }
    return {};
  }

  Status UploadConstants() {
    constants_.resize(plan_.tensors.size());
    for (const DeviceLaunch& launch : program_.launches) {
      for (const int input : launch.inputs) {
        const auto i = static_cast<size_t>(input);
        const PlanTensor& tensor = plan_.tensors[i];
        if (tensor.storage != Storage::kConstant || constants_[i]) continue;
        Result<cuda::SharedDeviceBuffer> uploaded =
            gpu_.Upload(tensor.constant.Data(), BytesOf(tensor));
        if (!uploaded.ok()) {
          return std::move(uploaded).status().WithContext(
              fmt::format("weights '{}' of {} bytes, beside {} bytes of others", tensor.name,
                          BytesOf(tensor), gpu_.UploadedBytes()));
        }
        constants_[i] = std::move(uploaded).value();
      }
    }
    return {};
  }

  std::byte* OnDevice(int tensor) const {
    const auto i = static_cast<size_t>(tensor);
    const size_t offset = program_.offsets[i];
    if (offset != DeviceProgram::kNowhere) return arena_.Data() + offset;
    return constants_[i] ? constants_[i]->Data() : nullptr;
  }

  std::byte* OnHost(int index) const {
    const PlanTensor& tensor = plan_.tensors[static_cast<size_t>(index)];
    const auto port = static_cast<size_t>(tensor.index);
    switch (tensor.storage) {
      case Storage::kAbsent: return nullptr;
      case Storage::kInput: return staged_inputs_[port];
      case Storage::kOutput: return staged_outputs_[port];
      case Storage::kConstant:
        return static_cast<std::byte*>(const_cast<void*>(tensor.constant.Data()));
      case Storage::kArena: return staging_.Data() + tensor.offset;
    }
    return nullptr;
  }

  struct Operands {
    std::vector<TensorView> inputs;
    std::vector<MutableTensorView> outputs;
  };

  MutableTensorView ViewOf(int tensor, Device device) const {
    const PlanTensor& of = plan_.tensors[static_cast<size_t>(tensor)];
    return {device == Device::kCpu ? OnHost(tensor) : OnDevice(tensor), of.dtype, device, of.shape};
  }

  Operands Bind(const std::vector<int>& inputs, const std::vector<int>& outputs,
                Device device) const {
    Operands operands;
    for (const int tensor : inputs) operands.inputs.push_back(ViewOf(tensor, device));
    for (const int tensor : outputs) operands.outputs.push_back(ViewOf(tensor, device));
    return operands;
  }
  void BindLaunch(const DeviceLaunch& launch) {
    device_operands_.push_back(Bind(launch.inputs, launch.outputs, Device::kCuda));
  }
  void BindHostStep(size_t step) {
    host_operands_[step] = Bind(plan_.steps[step].inputs, plan_.steps[step].outputs, Device::kCpu);
  }

  bool IsHost(const Segment& segment) const {
    return program_.actions[segment.begin].kind == Kind::kHostStep;
  }

  void CutSegments() {
    for (size_t i = 0; i < program_.actions.size(); ++i) {
      const bool host = program_.actions[i].kind == Kind::kHostStep;
      if (host || segments_.empty() || IsHost(segments_.back())) segments_.push_back({i, i, {}});
      segments_.back().end = i + 1;
    }
  }

  void Enqueue(size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const DeviceAction& action = program_.actions[i];
      if (action.kind == Kind::kLaunch) {
        Launch(static_cast<size_t>(action.index));
        continue;
      }
      const size_t bytes = BytesOf(plan_.tensors[static_cast<size_t>(action.index)]);
      std::byte* device = OnDevice(action.index);
      std::byte* host = OnHost(action.index);
      const bool to_device = action.kind == Kind::kToDevice;
      stream_->Copy(to_device ? device : host, to_device ? host : device, bytes);
    }
  }

  void Launch(size_t index) {
    const DeviceLaunch& launch = program_.launches[index];
    const Operands& operands = device_operands_[index];
    launch.kernel->Run({operands.inputs,
                        operands.outputs,
                        {arena_.Data() + launch.workspace_offset, launch.workspace_bytes},
                        parallel_,
                        stream_.get()});
  }

  // The stream is waited for before a step of the host, and at the end.
  Status RunSegments(bool captured) {
    for (const Segment& segment : segments_) {
      if (IsHost(segment)) {
        ERGO_RETURN_IF_ERROR(stream_->Finish());
        const auto i = static_cast<size_t>(program_.actions[segment.begin].index);
        const Step& step = plan_.steps[i];
        step.kernel->Run({host_operands_[i].inputs,
                          host_operands_[i].outputs,
                          {staging_.Data() + step.workspace_offset, step.workspace_bytes},
                          parallel_});
      } else if (captured) {
        stream_->Note(segment.graph->Launch(*stream_));
      } else {
        Enqueue(segment.begin, segment.end);
      }
    }
    return stream_->Finish();
  }

  const Plan& plan_;
  ParallelFor& parallel_;
  cuda::Gpu& gpu_;
  const DeviceProgram program_;
  std::unique_ptr<cuda::Stream> stream_;
  cuda::DeviceBuffer arena_, staging_;
  std::vector<cuda::SharedDeviceBuffer> constants_;  // by tensor
  std::vector<std::byte*> staged_inputs_, staged_outputs_;
  std::vector<Operands> device_operands_;  // parallel to the program's launches
  std::vector<Operands> host_operands_;    // parallel to the plan's steps
  std::vector<Segment> segments_;
};

}  // namespace

Result<std::unique_ptr<DeviceExecutor>> DeviceExecutor::Create(const Plan& plan,
                                                               ParallelFor& parallel) {
  ERGO_CHECK(plan.options.gpu != nullptr && WhyHostOnly(plan).empty());
  auto executor = std::make_unique<Executor>(plan, parallel);
  ERGO_RETURN_IF_ERROR(executor->Prepare());
  return std::unique_ptr<DeviceExecutor>(std::move(executor));
}

}  // namespace ergo
