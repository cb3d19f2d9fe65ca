#include "tests/emulator/emulated_driver.h"

#include <cstring>

#include "kernels/base/aligned_buffer.h"
#include "tests/emulator/emulated_kernels.h"
#include "tests/emulator/emulator.h"

namespace ergo::cuda::emulated {
namespace {

template <typename T>
T* As(void* value) {
  return static_cast<T*>(value);
}

using WorkList = std::vector<EmulatedDriver::Work>;

void* AllocatePoisoned(size_t bytes) {
  void* memory = nullptr;
  ERGO_CHECK(posix_memalign(&memory, 256, bytes) == 0);
  std::memset(memory, 0xff, bytes);
  return memory;
}

}  // namespace

EmulatedDriver::~EmulatedDriver() {
  ERGO_CHECK_MSG(allocations_.empty() && pinned_.empty(), "memory of the device outlives it");
}

size_t EmulatedDriver::AllocatedBytes() const {
  size_t total = 0;
  for (const auto& [memory, bytes] : allocations_) total += bytes;
  return total;
}

Result<GpuProperties> EmulatedDriver::PropertiesOf(int) const {
  GpuProperties properties;
  properties.name = "emulated";
  properties.major = capability / 10;
  properties.minor = capability % 10;
  properties.multiprocessors = 4;
  properties.memory_bytes = memory_bytes;
  properties.shared_bytes_per_block = 160 * 1024;
  return properties;
}

Result<MemoryInfo> EmulatedDriver::Memory() const {
  return MemoryInfo{memory_bytes - AllocatedBytes(), memory_bytes};
}

Result<void*> EmulatedDriver::Allocate(size_t bytes) {
  if (AllocatedBytes() + bytes > memory_bytes) {
    return ResourceExhausted("{} bytes of GPU memory wanted, {} of {} are free", bytes,
                             memory_bytes - AllocatedBytes(), memory_bytes);
  }
  ++counts.allocations;
  void* memory = AllocatePoisoned(bytes);
  allocations_[memory] = bytes;
  return memory;
}

void EmulatedDriver::Free(void* memory) {
  ERGO_CHECK(allocations_.erase(memory) == 1);
  free(memory);
}

Result<void*> EmulatedDriver::AllocatePinned(size_t bytes) {
  ++counts.allocations;
  void* memory = AllocatePoisoned(bytes);
  pinned_[memory] = bytes;
  return memory;
}

void EmulatedDriver::FreePinned(void* memory) {
  ERGO_CHECK(pinned_.erase(memory) == 1);
  free(memory);
}

Result<StreamHandle> EmulatedDriver::NewStream() {
  return StreamHandle{new StreamState};
}
void EmulatedDriver::Delete(StreamHandle stream) {
  delete As<StreamState>(stream.value);
}
Status EmulatedDriver::Synchronize(StreamHandle stream) {
  if (As<StreamState>(stream.value)->capturing) {
    return Error(StatusCode::kDeviceError, "waits for a stream that is being captured");
  }
  ++counts.synchronizations;
  return {};
}
Result<EventHandle> EmulatedDriver::NewEvent() {
  return EventHandle{new int(0)};
}
void EmulatedDriver::Delete(EventHandle event) {
  delete As<int>(event.value);
}
Status EmulatedDriver::Record(EventHandle, StreamHandle) {
  return {};
}
Status EmulatedDriver::Wait(StreamHandle, EventHandle) {
  return {};
}
Result<bool> EmulatedDriver::IsDone(EventHandle) {
  return true;
}
Status EmulatedDriver::CallOnHost(StreamHandle stream, void (*function)(void*), void* argument) {
  return Put(stream, {"call", [=] {
                        function(argument);
                        return Status();
                      }});
}

Status EmulatedDriver::Copy(void* to, const void* from, size_t bytes, StreamHandle stream) {
  ++counts.copies;
  return Put(stream, {fmt::format("copy {}", bytes), [=] {
                        std::memcpy(to, from, bytes);
                        return Status();
                      }});
}

Status EmulatedDriver::Fill(void* to, uint8_t value, size_t bytes, StreamHandle stream) {
  return Put(stream, {fmt::format("fill {}", bytes), [=] {
                        std::memset(to, value, bytes);
                        return Status();
                      }});
}

Status EmulatedDriver::Run(const Launch& launch, StreamHandle stream) {
  const auto* kernel = As<const EmulatedKernel>(const_cast<void*>(launch.function.value));
  if (launch.parameter_bytes != kernel->parameter_bytes || launch.threads > kernel->threads) {
    return Error(StatusCode::kDeviceError, "{}: {} bytes of parameters, {} threads", kernel->name,
                 launch.parameter_bytes, launch.threads);
  }
  if (launch.grid.x == 0 || launch.grid.y == 0 || launch.grid.z == 0 || launch.grid.y > 65535 ||
      launch.grid.z > 65535) {
    return Error(StatusCode::kDeviceError, "{}: a grid of {} x {} x {} blocks", kernel->name,
                 launch.grid.x, launch.grid.y, launch.grid.z);
  }
  ++counts.launches;
  std::string parameter(static_cast<const char*>(launch.parameter), launch.parameter_bytes);
  const auto run = [kernel, launch, parameter = std::move(parameter), seed = seed_++]() -> Status {
    // Aligned, which a std::string's bytes need not be.
    AlignedBuffer aligned = AlignedBuffer::AllocateOrDie(parameter.size());
    std::memcpy(aligned.Data(), parameter.data(), parameter.size());
    const std::string failure =
        RunGrid(launch.grid, launch.threads, launch.shared_bytes, seed,
                [&](std::byte* shared) { kernel->run(aligned.Data(), shared); });
    if (failure.empty()) return {};
    return Error(StatusCode::kDeviceError, "{}: {}", kernel->name, failure);
  };
  return Put(stream, {fmt::format("{} {}", kernel->name, launch.threads), run});
}

Status EmulatedDriver::Put(StreamHandle stream, Work work) {
  auto* state = As<StreamState>(stream.value);
  if (!state->capturing) return work.run();
  state->captured.push_back(std::move(work));
  return {};
}

Status EmulatedDriver::BeginCapture(StreamHandle stream) {
  auto* state = As<StreamState>(stream.value);
  if (state->capturing) return Error(StatusCode::kDeviceError, "captured already");
  ++counts.captures;
  state->capturing = true;
  return {};
}
Result<GraphHandle> EmulatedDriver::EndCapture(StreamHandle stream) {
  auto* state = As<StreamState>(stream.value);
  state->capturing = false;
  return GraphHandle{new WorkList(std::move(state->captured))};
}
Result<GraphExecHandle> EmulatedDriver::Instantiate(GraphHandle graph) {
  ++counts.instantiations;
  return GraphExecHandle{new WorkList(*As<WorkList>(graph.value))};
}
Result<bool> EmulatedDriver::Update(GraphExecHandle exec, GraphHandle graph) {
  WorkList& old = *As<WorkList>(exec.value);
  const WorkList& fresh = *As<WorkList>(graph.value);
  if (old.size() != fresh.size()) return false;
  for (size_t i = 0; i < old.size(); ++i) {
    if (old[i].key != fresh[i].key) return false;
  }
  ++counts.updates;
  old = fresh;
  return true;
}
Status EmulatedDriver::Run(GraphExecHandle exec, StreamHandle stream) {
  ++counts.graph_launches;
  for (const Work& work : *As<WorkList>(exec.value)) ERGO_RETURN_IF_ERROR(Put(stream, work));
  return {};
}
void EmulatedDriver::Delete(GraphHandle graph) {
  delete As<WorkList>(graph.value);
}
void EmulatedDriver::Delete(GraphExecHandle exec) {
  delete As<WorkList>(exec.value);
}

Result<ModuleHandle> EmulatedDriver::LoadModule(std::string_view family) {
  for (const EmulatedKernel& kernel : EmulatedKernels()) {
    if (kernel.family == family) return ModuleHandle{const_cast<EmulatedKernel*>(&kernel)};
  }
  return Unsupported("no device code of {}", family);
}
Result<FunctionHandle> EmulatedDriver::FindFunction(ModuleHandle module, const char* name) {
  const std::string_view family = As<const EmulatedKernel>(module.value)->family;
  for (const EmulatedKernel& kernel : EmulatedKernels()) {
    if (kernel.family == family && kernel.name == name) {
      return FunctionHandle{const_cast<EmulatedKernel*>(&kernel)};
    }
  }
  return Error(StatusCode::kDeviceError, "{} has no function {}", family, name);
}

std::unique_ptr<Gpu> OpenEmulatedGpu(EmulatedDriver& driver) {
  return Gpu::Open(driver, 0, EmulatedLibraries()).value();
}

}  // namespace ergo::cuda::emulated
