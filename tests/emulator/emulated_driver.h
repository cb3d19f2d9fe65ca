// A driver of one device that is not there: memory is the host's, kernels run on the emulator,
// streams do their work at once, and a captured graph is the list of it. It counts what a test may
// want to know. What a real driver would refuse (capturing while waiting, memory of nobody) is
// refused.
//
// Thread safety: one thread at a time.
#ifndef ERGO_TESTS_EMULATOR_EMULATED_DRIVER_H_
#define ERGO_TESTS_EMULATOR_EMULATED_DRIVER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/driver.h"
#include "kernels/cuda/gpu.h"

namespace ergo::cuda::emulated {

class EmulatedDriver final : public Driver {
 public:
  struct Counts {
    int launches = 0, copies = 0, allocations = 0, synchronizations = 0;
    int captures = 0, instantiations = 0, updates = 0, graph_launches = 0;
  };

  EmulatedDriver() = default;
  ~EmulatedDriver() override;

  Counts counts;
  size_t memory_bytes = size_t{1} << 30;  // of the device
  int capability = 80;

  size_t LiveAllocations() const { return allocations_.size(); }
  size_t AllocatedBytes() const;

  int Devices() const override { return 1; }
  std::string Version() const override { return "emulated"; }
  Result<GpuProperties> PropertiesOf(int device) const override;
  Status MakeCurrent(int) override { return {}; }
  Result<MemoryInfo> Memory() const override;
  Result<void*> Allocate(size_t bytes) override;
  void Free(void* memory) override;
  Result<void*> AllocatePinned(size_t bytes) override;
  void FreePinned(void* memory) override;
  Result<StreamHandle> NewStream() override;
  void Delete(StreamHandle stream) override;
  Status Synchronize(StreamHandle stream) override;
  Result<EventHandle> NewEvent() override;
  void Delete(EventHandle event) override;
  Status Record(EventHandle event, StreamHandle stream) override;
  Status Wait(StreamHandle stream, EventHandle event) override;
  Result<bool> IsDone(EventHandle event) override;
  Status CallOnHost(StreamHandle stream, void (*function)(void*), void* argument) override;
  Status Copy(void* to, const void* from, size_t bytes, StreamHandle stream) override;
  Status Fill(void* to, uint8_t value, size_t bytes, StreamHandle stream) override;
  Status Run(const Launch& launch, StreamHandle stream) override;
  Status BeginCapture(StreamHandle stream) override;
  Result<GraphHandle> EndCapture(StreamHandle stream) override;
  Result<GraphExecHandle> Instantiate(GraphHandle graph) override;
  Result<bool> Update(GraphExecHandle exec, GraphHandle graph) override;
  Status Run(GraphExecHandle exec, StreamHandle stream) override;
  void Delete(GraphHandle graph) override;
  void Delete(GraphExecHandle exec) override;
  Result<ModuleHandle> LoadModule(std::string_view family) override;
  void Delete(ModuleHandle) override {}
  Result<FunctionHandle> FindFunction(ModuleHandle module, const char* name) override;
  Status AllowSharedBytes(FunctionHandle, size_t) override { return {}; }

  // Something put on a stream. The key says what a graph cannot change by an update.
  struct Work {
    std::string key;
    std::function<Status()> run;
  };
  // For the emulated libraries, whose work is captured like any other.
  Status Put(StreamHandle stream, Work work);

 private:
  struct StreamState {
    bool capturing = false;
    std::vector<Work> captured;
  };

  std::map<void*, size_t> allocations_, pinned_;
  uint32_t seed_ = 1;
};

// With libraries of plain loops.
std::unique_ptr<Gpu> OpenEmulatedGpu(EmulatedDriver& driver);
// cuBLASLt's and cuDNN's part by plain loops.
std::unique_ptr<Libraries> EmulatedLibraries();

}  // namespace ergo::cuda::emulated

#endif  // ERGO_TESTS_EMULATOR_EMULATED_DRIVER_H_
