#include "engine/plan/tensor_layout.h"

#include <algorithm>
#include <utility>

#include "engine/plan/memory_plan.h"

namespace ergo {

int TensorLayout::AddTensor(DType dtype, const Shape& shape, std::string name, int buffer) {
  PlanTensor tensor;
  tensor.dtype = dtype;
  tensor.shape = shape;
  tensor.name = std::move(name);
  plan_.tensors.push_back(std::move(tensor));
  buffer_of_tensor_.push_back(buffer);
  return static_cast<int>(plan_.tensors.size()) - 1;
}

int TensorLayout::Add(DType dtype, const Shape& shape, std::string name, Storage storage,
                      int index) {
  Buffer buffer;
  buffer.storage = storage;
  buffer.index = index;
  buffer.bytes = static_cast<size_t>(DTypeBytes(dtype, shape.Elements()));
  buffers_.push_back(std::move(buffer));
  return AddTensor(dtype, shape, std::move(name), static_cast<int>(buffers_.size()) - 1);
}

int TensorLayout::AddInput(DType dtype, const Shape& shape, std::string name, int number) {
  return Add(dtype, shape, std::move(name), Storage::kInput, number);
}

int TensorLayout::AddOutput(DType dtype, const Shape& shape, std::string name, int number) {
  return Add(dtype, shape, std::move(name), Storage::kOutput, number);
}

int TensorLayout::AddArena(DType dtype, const Shape& shape, std::string name) {
  return Add(dtype, shape, std::move(name), Storage::kArena, 0);
}

int TensorLayout::AddConstant(const Tensor& constant, std::string name) {
  const int tensor =
      Add(constant.Type(), constant.GetShape(), std::move(name), Storage::kConstant, 0);
  buffers_.back().constant = constant;
  return tensor;
}

int TensorLayout::AddAlias(int source, DType dtype, const Shape& shape, std::string name) {
  return AddTensor(dtype, shape, std::move(name), buffer_of_tensor_[static_cast<size_t>(source)]);
}

int TensorLayout::Absent() {
  if (absent_ < 0) absent_ = Add(DType::kUndefined, Shape(), "", Storage::kAbsent, 0);
  return absent_;
}

bool TensorLayout::MakeOutput(int tensor, int number) {
  Buffer& buffer = BufferOf(tensor);
  if (buffer.storage != Storage::kArena) return false;
  buffer.storage = Storage::kOutput;
  buffer.index = number;
  return true;
}

void TensorLayout::Place(const std::vector<int>& kept) {
  ComputeLifetimes(kept);
  RunInPlace();
  PlaceBuffers();
  SumBytes();
}

void TensorLayout::ComputeLifetimes(const std::vector<int>& kept) {
  const auto touch = [&](int tensor, size_t step) {
    Buffer& buffer = BufferOf(tensor);
    if (buffer.first_step < 0) buffer.first_step = static_cast<int>(step);
    buffer.last_step = static_cast<int>(step);
  };
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    for (const int tensor : plan_.steps[i].inputs) touch(tensor, i);
    for (const int tensor : plan_.steps[i].outputs) touch(tensor, i);
  }
  for (const int tensor : kept) touch(tensor, plan_.steps.size());
}

// Lets output 0 of a step take over the arena bytes of an input that dies there.
void TensorLayout::RunInPlace() {
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    const Step& step = plan_.steps[i];
    if (!step.kernel || step.outputs.empty()) continue;
    const Buffer& output = BufferOf(step.outputs[0]);
    if (output.storage != Storage::kArena || output.first_step != static_cast<int>(i)) continue;
    for (size_t k = 0; k < step.inputs.size(); ++k) {
      if (TakeOver(step, static_cast<int>(i), k, output)) break;
    }
  }
}

bool TensorLayout::TakeOver(const Step& step, int step_index, size_t operand,
                            const Buffer& output) {
  const int from = buffer_of_tensor_[static_cast<size_t>(step.inputs[operand])];
  const int to = buffer_of_tensor_[static_cast<size_t>(step.outputs[0])];
  Buffer& input = buffers_[static_cast<size_t>(from)];
  if (from == to || input.storage != Storage::kArena || input.bytes != output.bytes ||
      input.last_step != step_index || !step.kernel->MayRunInPlace(static_cast<int>(operand))) {
    return false;
  }
  const auto same_buffer = [&](int tensor) {
    return buffer_of_tensor_[static_cast<size_t>(tensor)] == from;
  };
  if (std::ranges::count_if(step.inputs, same_buffer) != 1) return false;
  input.last_step = output.last_step;
  for (int& buffer : buffer_of_tensor_) {
    if (buffer == to) buffer = from;
  }
  return true;
}

void TensorLayout::PlaceBuffers() {
  std::vector<bool> used(buffers_.size(), false);
  for (const int buffer : buffer_of_tensor_) used[static_cast<size_t>(buffer)] = true;

  std::vector<BufferLifetime> lifetimes;
  std::vector<size_t> lifetime_of(buffers_.size());
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const Buffer& buffer = buffers_[i];
    if (!used[i] || buffer.storage != Storage::kArena || buffer.first_step < 0) continue;
    lifetime_of[i] = lifetimes.size();
    lifetimes.push_back({buffer.bytes, buffer.first_step, buffer.last_step});
  }
  const size_t tensors = lifetimes.size();
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    lifetimes.push_back({plan_.steps[i].workspace_bytes, static_cast<int>(i), static_cast<int>(i)});
  }
  const MemoryPlan memory = PlanMemory(lifetimes);
  plan_.arena_bytes = memory.arena_bytes;
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    plan_.steps[i].workspace_offset = memory.offsets[tensors + i];
  }
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    const auto buffer_index = static_cast<size_t>(buffer_of_tensor_[i]);
    const Buffer& buffer = buffers_[buffer_index];
    PlanTensor& tensor = plan_.tensors[i];
    tensor.storage = buffer.storage;
    tensor.index = buffer.index;
    tensor.buffer = buffer_of_tensor_[i];
    if (buffer.storage == Storage::kArena && buffer.first_step >= 0) {
      tensor.offset = memory.offsets[lifetime_of[buffer_index]];
    }
    if (buffer.storage == Storage::kConstant) tensor.constant = buffer.constant;
  }
}

void TensorLayout::SumBytes() {
  for (const Buffer& buffer : buffers_) {
    if (buffer.storage == Storage::kConstant && buffer.first_step >= 0) {
      plan_.constant_bytes += buffer.bytes;
    }
  }
  for (const Step& step : plan_.steps) {
    for (const int output : step.outputs) {
      const PlanTensor& tensor = plan_.tensors[static_cast<size_t>(output)];
      if (tensor.storage != Storage::kArena) continue;
      plan_.tensor_bytes += static_cast<size_t>(DTypeBytes(tensor.dtype, tensor.shape.Elements()));
    }
  }
}

}  // namespace ergo
