// Driver: the little that Ergo asks of a GPU's driver, as an interface, so that everything above it
// (kernels' launches, placement, arenas, captured graphs) is tested without a device, against a
// driver that emulates one (tests/kernels/cuda).
//
// OpenDriver loads libcuda.so.1 when it is called: a machine without it is an error to be logged,
// not a binary that does not start. Memory of the host and of devices share one address space.
//
// Errors are DeviceError, naming the call, unless said otherwise; ResourceExhausted is memory.
// Thread safety: all members may be called concurrently; work on one stream is ordered by its
// caller. What is not about a device by its number acts on the calling thread's current one.
#ifndef ERGO_KERNELS_CUDA_DRIVER_H_
#define ERGO_KERNELS_CUDA_DRIVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/base/status.h"

namespace ergo::cuda {

// What the driver made; null is nothing. Each type of its own, so that they cannot be mixed up.
struct StreamHandle {
  void* value = nullptr;
};
struct EventHandle {
  void* value = nullptr;
};
struct GraphHandle {  // what was captured
  void* value = nullptr;
};
struct GraphExecHandle {  // a graph ready to be launched
  void* value = nullptr;
};
struct ModuleHandle {
  void* value = nullptr;
};
struct FunctionHandle {
  void* value = nullptr;
};

struct GpuProperties {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  size_t memory_bytes = 0;
  size_t shared_bytes_per_block = 0;  // with opt-in
};

struct Extent {
  uint32_t x = 1, y = 1, z = 1;
};

struct Launch {
  FunctionHandle function;
  Extent grid;
  uint32_t threads = 0;       // of a block
  uint32_t shared_bytes = 0;  // dynamic
  // The kernel's only parameter, a plain struct, which is copied.
  const void* parameter = nullptr;
  size_t parameter_bytes = 0;
};

struct MemoryInfo {
  size_t free_bytes = 0, total_bytes = 0;
};

class Driver {
 public:
  virtual ~Driver() = default;

  virtual int Devices() const = 0;
  virtual std::string Version() const = 0;
  virtual Result<GpuProperties> PropertiesOf(int device) const = 0;
  // Retains the device's primary context, which libraries share, for as long as the driver lives.
  virtual Status MakeCurrent(int device) = 0;

  virtual Result<MemoryInfo> Memory() const = 0;
  virtual Result<void*> Allocate(size_t bytes) = 0;
  virtual void Free(void* memory) = 0;
  // Of the host, which devices read and write by themselves.
  virtual Result<void*> AllocatePinned(size_t bytes) = 0;
  virtual void FreePinned(void* memory) = 0;

  virtual Result<StreamHandle> NewStream() = 0;
  virtual void Delete(StreamHandle stream) = 0;
  virtual Status Synchronize(StreamHandle stream) = 0;
  virtual Result<EventHandle> NewEvent() = 0;
  virtual void Delete(EventHandle event) = 0;
  virtual Status Record(EventHandle event, StreamHandle stream) = 0;
  virtual Status Wait(StreamHandle stream, EventHandle event) = 0;
  virtual Result<bool> IsDone(EventHandle event) = 0;
  // Calls function(argument) on a thread of the driver's when all before it is done. It must not
  // call the driver.
  virtual Status CallOnHost(StreamHandle stream, void (*function)(void*), void* argument) = 0;

  // Between any two memories; the driver knows where they are.
  virtual Status Copy(void* to, const void* from, size_t bytes, StreamHandle stream) = 0;
  virtual Status Fill(void* to, uint8_t value, size_t bytes, StreamHandle stream) = 0;
  virtual Status Run(const Launch& launch, StreamHandle stream) = 0;

  // Work put on the stream between the two is recorded instead of done.
  virtual Status BeginCapture(StreamHandle stream) = 0;
  virtual Result<GraphHandle> EndCapture(StreamHandle stream) = 0;
  virtual Result<GraphExecHandle> Instantiate(GraphHandle graph) = 0;
  // Gives `exec` the parameters of `graph`; false where the two differ in more, and `exec` must be
  // made anew.
  virtual Result<bool> Update(GraphExecHandle exec, GraphHandle graph) = 0;
  virtual Status Run(GraphExecHandle exec, StreamHandle stream) = 0;
  virtual void Delete(GraphHandle graph) = 0;
  virtual void Delete(GraphExecHandle exec) = 0;

  // The device code of kernels/FAMILY/FAMILY_cuda.cu (embedded_modules.h). Unsupported where there
  // is none that the current device can run.
  virtual Result<ModuleHandle> LoadModule(std::string_view family) = 0;
  virtual void Delete(ModuleHandle module) = 0;
  virtual Result<FunctionHandle> FindFunction(ModuleHandle module, const char* name) = 0;
  // Needed once for functions that ask for more than 48 KiB.
  virtual Status AllowSharedBytes(FunctionHandle function, size_t bytes) = 0;
};

// Unavailable, saying why, where this build, this machine or its driver has no CUDA.
Result<std::unique_ptr<Driver>> OpenDriver();

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_DRIVER_H_
