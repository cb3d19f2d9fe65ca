#include "engine/device/device_program.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "engine/plan/memory_plan.h"
#include "kernels/elementwise/elementwise_program.h"

namespace ergo {
namespace {

using Kind = DeviceAction::Kind;
using Storage = PlanTensor::Storage;

bool IsOnDevice(const Step& step) {
  return step.info.device == Device::kCuda;
}

class Builder {
 public:
  Builder(const Plan& plan, const MakeContext& context) : plan_(plan), context_(context) {
    for (const PlanTensor& tensor : plan.tensors) {
      const auto buffers = static_cast<size_t>(tensor.buffer) + 1;
      if (on_host_.size() < buffers) on_host_.resize(buffers), on_device_.resize(buffers);
      const auto buffer = static_cast<size_t>(tensor.buffer);
      on_host_[buffer] = tensor.storage == Storage::kInput || tensor.storage == Storage::kConstant;
      on_device_[buffer] = tensor.storage == Storage::kConstant;
    }
    CountReads();
  }

  DeviceProgram Build() {
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const Step& step = plan_.steps[i];
      if (!IsOnDevice(step)) {
        AddHostStep(static_cast<int>(i));
      } else if (!JoinsLast(step)) {
        AddLaunch(step);
      }
    }
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      if (plan_.tensors[i].storage == Storage::kOutput) NeedOnHost(static_cast<int>(i));
    }
    PlaceOnDevice();
    return std::move(program_);
  }

 private:
  size_t BufferOf(int tensor) const {
    return static_cast<size_t>(plan_.tensors[static_cast<size_t>(tensor)].buffer);
  }
  const PlanTensor& TensorOf(int tensor) const {
    return plan_.tensors[static_cast<size_t>(tensor)];
  }

  void CountReads() {
    reads_.assign(plan_.tensors.size(), 0);
    defined_.assign(plan_.tensors.size(), false);
    for (const Step& step : plan_.steps) {
      for (const int tensor : step.inputs) ++reads_[static_cast<size_t>(tensor)];
      for (const int tensor : step.outputs) defined_[static_cast<size_t>(tensor)] = true;
    }
    has_view_.assign(on_host_.size(), false);
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      const bool view = plan_.tensors[i].storage == Storage::kArena && !defined_[i];
      if (view) has_view_[BufferOf(static_cast<int>(i))] = true;
    }
  }

  void Add(Kind kind, int index) { program_.actions.push_back({kind, index}); }

  void NeedOnDevice(int tensor) {
    if (TensorOf(tensor).storage == Storage::kAbsent || on_device_[BufferOf(tensor)]) return;
    Add(Kind::kToDevice, tensor);
    NoteHostArena(tensor);
    on_device_[BufferOf(tensor)] = true;
  }
  void NeedOnHost(int tensor) {
    if (TensorOf(tensor).storage == Storage::kAbsent || on_host_[BufferOf(tensor)]) return;
    Add(Kind::kToHost, tensor);
    NoteHostArena(tensor);
    on_host_[BufferOf(tensor)] = true;
  }
  void NoteHostArena(int tensor) {
    program_.needs_host_arena |= TensorOf(tensor).storage == Storage::kArena;
  }

  void AddHostStep(int index) {
    const Step& step = plan_.steps[static_cast<size_t>(index)];
    for (const int tensor : step.inputs) NeedOnHost(tensor);
    Add(Kind::kHostStep, index);
    for (const int tensor : step.outputs) {
      on_host_[BufferOf(tensor)] = true;
      on_device_[BufferOf(tensor)] = false;
      NoteHostArena(tensor);
    }
    program_.needs_host_arena |= step.workspace_bytes > 0;
    last_.reset();
  }

  void AddLaunch(const Step& step) {
    for (const int tensor : step.inputs) NeedOnDevice(tensor);
    DeviceLaunch launch;
    launch.kernel = step.kernel.get();
    launch.inputs = step.inputs;
    launch.outputs = step.outputs;
    launch.workspace_bytes = step.workspace_bytes;
    Add(Kind::kLaunch, static_cast<int>(program_.launches.size()));
    program_.launches.push_back(std::move(launch));
    NoteResults(step);
    const ElementwiseProgram* program = FindProgram(*step.kernel);
    last_ = program == nullptr ? std::nullopt : std::optional(*program);
  }

  void NoteResults(const Step& step) {
    for (const int tensor : step.outputs) {
      on_device_[BufferOf(tensor)] = true;
      on_host_[BufferOf(tensor)] = false;
    }
  }

  // Whether the last launch can compute this step as well: both are elementwise, and nobody else
  // reads what lies between.
  bool JoinsLast(const Step& step) {
    const ElementwiseProgram* program = FindProgram(*step.kernel);
    if (!last_ || program == nullptr) return false;
    DeviceLaunch& launch = program_.launches.back();
    const int between = launch.outputs[0];
    const auto found = std::ranges::find(step.inputs, between);
    if (found == step.inputs.end() || reads_[static_cast<size_t>(between)] != 1 ||
        TensorOf(between).storage != Storage::kArena || has_view_[BufferOf(between)]) {
      return false;
    }
    const auto operand = static_cast<size_t>(found - step.inputs.begin());
    const auto chain = Chain(*last_, *program, operand);
    if (!chain) return false;
    MadeKernel made = MakeProgramKernel(*chain, context_);
    if (!made.ok()) return false;
    // What the step reads besides must be there before the launch that it now belongs to.
    const DeviceAction own = program_.actions.back();
    program_.actions.pop_back();
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (i == operand) continue;
      NeedOnDevice(step.inputs[i]);
      launch.inputs.push_back(step.inputs[i]);
    }
    program_.actions.push_back(own);
    launch.fused = std::move(made).value();
    launch.kernel = launch.fused.get();
    launch.outputs = step.outputs;
    NoteResults(step);
    ++program_.fused_steps;
    last_ = *chain;
    return true;
  }

  // One arena: every buffer from the first action that touches it to the last, workspaces during
  // theirs.
  void PlaceOnDevice() {
    std::map<size_t, BufferLifetime> lifetimes;
    const auto touch = [&](int tensor, size_t action) {
      const PlanTensor& of = TensorOf(tensor);
      if (of.storage == Storage::kAbsent || of.storage == Storage::kConstant) return;
      const auto bytes = static_cast<size_t>(DTypeBytes(of.dtype, of.shape.Elements()));
      const auto at = static_cast<int>(action);
      const auto [entry, fresh] =
          lifetimes.try_emplace(BufferOf(tensor), BufferLifetime{bytes, at, at});
      entry->second.bytes = std::max(entry->second.bytes, bytes);
      entry->second.last_step = at;
    };
    std::vector<BufferLifetime> workspaces;
    for (size_t i = 0; i < program_.actions.size(); ++i) {
      const DeviceAction& action = program_.actions[i];
      if (action.kind == Kind::kHostStep) continue;
      if (action.kind != Kind::kLaunch) {
        touch(action.index, i);
        continue;
      }
      const DeviceLaunch& launch = program_.launches[static_cast<size_t>(action.index)];
      for (const int tensor : launch.inputs) touch(tensor, i);
      for (const int tensor : launch.outputs) touch(tensor, i);
      const auto at = static_cast<int>(i);
      workspaces.push_back({launch.workspace_bytes, at, at});
    }
    std::vector<BufferLifetime> all;
    std::map<size_t, size_t> number;
    for (const auto& [buffer, lifetime] : lifetimes) {
      number[buffer] = all.size();
      all.push_back(lifetime);
    }
    all.insert(all.end(), workspaces.begin(), workspaces.end());
    const MemoryPlan memory = PlanMemory(all);
    program_.arena_bytes = memory.arena_bytes;
    for (size_t i = 0; i < program_.launches.size(); ++i) {
      program_.launches[i].workspace_offset = memory.offsets[lifetimes.size() + i];
    }
    program_.offsets.assign(plan_.tensors.size(), DeviceProgram::kNowhere);
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      const auto found = number.find(BufferOf(static_cast<int>(i)));
      if (found != number.end()) program_.offsets[i] = memory.offsets[found->second];
    }
  }

  const Plan& plan_;
  const MakeContext& context_;
  DeviceProgram program_;
  // By buffer: where its bytes are valid, and whether tensors that no step computes show it too.
  std::vector<bool> on_host_, on_device_, has_view_;
  // By tensor.
  std::vector<int> reads_;
  std::vector<bool> defined_;
  std::optional<ElementwiseProgram> last_;  // of the last action, where it is an elementwise launch
};

}  // namespace

std::string WhyHostOnly(const Plan& plan) {
  if (plan.late) return "some of its shapes are known only during a run";
  for (const Step& step : plan.steps) {
    if (step.branch) return "it branches: " + step.label;
  }
  if (std::ranges::none_of(plan.steps, IsOnDevice)) return "no step has a kernel for the device";
  return "";
}

DeviceProgram MakeDeviceProgram(const Plan& plan, const MakeContext& context) {
  return Builder(plan, context).Build();
}

}  // namespace ergo
