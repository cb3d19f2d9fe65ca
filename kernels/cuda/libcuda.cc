// The driver of this machine, through libcuda.so.1. Without CUDA's headers there is none.
#include "kernels/cuda/driver.h"

#if defined(ERGO_HAVE_CUDA)

#include <cuda.h>

#include <mutex>
#include <vector>

#include "kernels/cuda/embedded_modules.h"
#include "kernels/cuda/shared_library.h"

// The functions that are used. cuda.h renames some of them to their newest version, and both the
// type and the symbol are what it renames to.
// clang-format off
#define ERGO_CUDA_FUNCTIONS(F) \
  F(cuInit) F(cuGetErrorName) F(cuDriverGetVersion) F(cuDeviceGetCount) F(cuDeviceGet) \
  F(cuDeviceGetName) F(cuDeviceGetAttribute) F(cuDeviceTotalMem) \
  F(cuDevicePrimaryCtxRetain) F(cuDevicePrimaryCtxRelease) F(cuCtxSetCurrent) \
  F(cuMemGetInfo) F(cuMemAlloc) F(cuMemFree) F(cuMemHostAlloc) F(cuMemFreeHost) \
  F(cuMemcpyAsync) F(cuMemsetD8Async) F(cuStreamCreate) F(cuStreamDestroy) \
  F(cuStreamSynchronize) F(cuStreamWaitEvent) F(cuStreamBeginCapture) \
  F(cuStreamEndCapture) F(cuEventCreate) F(cuEventDestroy) F(cuEventRecord) \
  F(cuEventQuery) F(cuLaunchHostFunc) F(cuLaunchKernel) F(cuGraphInstantiateWithFlags) \
  F(cuGraphExecUpdate) F(cuGraphLaunch) F(cuGraphDestroy) F(cuGraphExecDestroy) \
  F(cuModuleLoadData) F(cuModuleUnload) F(cuModuleGetFunction) F(cuFuncSetAttribute)
// clang-format on

namespace ergo::cuda {
namespace {

struct Functions {
#define ERGO_CUDA_FUNCTION(name) decltype(&::name) name##_ = nullptr;
  ERGO_CUDA_FUNCTIONS(ERGO_CUDA_FUNCTION)
#undef ERGO_CUDA_FUNCTION
};

#define ERGO_CUDA_TEXT(name) ERGO_CUDA_TEXT_(name)
#define ERGO_CUDA_TEXT_(name) #name

Status FindAll(const SharedLibrary& library, Functions& f) {
#define ERGO_CUDA_FUNCTION(name) \
  ERGO_RETURN_IF_ERROR(library.Find(ERGO_CUDA_TEXT(name), f.name##_));
  ERGO_CUDA_FUNCTIONS(ERGO_CUDA_FUNCTION)
#undef ERGO_CUDA_FUNCTION
  return {};
}

class LibCuda final : public Driver {
 public:
  LibCuda(SharedLibrary library, const Functions& functions)
      : library_(std::move(library)), f_(functions) {}

  ~LibCuda() override {
    for (size_t i = 0; i < contexts_.size(); ++i) {
      if (contexts_[i] != nullptr) f_.cuDevicePrimaryCtxRelease_(static_cast<CUdevice>(i));
    }
  }

  Status Start() {
    ERGO_RETURN_IF_ERROR(Check(f_.cuInit_(0), "cuInit"));
    int count = 0;
    ERGO_RETURN_IF_ERROR(Check(f_.cuDeviceGetCount_(&count), "cuDeviceGetCount"));
    if (count == 0) return Error(StatusCode::kUnavailable, "the driver has no device");
    contexts_.resize(static_cast<size_t>(count));
    return {};
  }

  int Devices() const override { return static_cast<int>(contexts_.size()); }

  std::string Version() const override {
    int version = 0;
    if (f_.cuDriverGetVersion_(&version) != CUDA_SUCCESS) return "unknown";
    return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
  }

  Result<GpuProperties> PropertiesOf(int device) const override {
    GpuProperties p;
    char name[128] = {};
    ERGO_RETURN_IF_ERROR(
        Check(f_.cuDeviceGetName_(name, sizeof(name) - 1, device), "cuDeviceGetName"));
    p.name = name;
    int shared = 0;
    const std::pair<int*, CUdevice_attribute> wanted[] = {
        {&p.major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR},
        {&p.minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR},
        {&p.multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT},
        {&shared, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN},
    };
    for (const auto& [value, attribute] : wanted) {
      ERGO_RETURN_IF_ERROR(
          Check(f_.cuDeviceGetAttribute_(value, attribute, device), "cuDeviceGetAttribute"));
    }
    p.shared_bytes_per_block = static_cast<size_t>(shared);
    ERGO_RETURN_IF_ERROR(Check(f_.cuDeviceTotalMem_(&p.memory_bytes, device), "cuDeviceTotalMem"));
    return p;
  }

  Status MakeCurrent(int device) override {
    std::lock_guard lock(mutex_);
    CUcontext& context = contexts_[static_cast<size_t>(device)];
    if (context == nullptr) {
      ERGO_RETURN_IF_ERROR(
          Check(f_.cuDevicePrimaryCtxRetain_(&context, device), "cuDevicePrimaryCtxRetain"));
    }
    return Check(f_.cuCtxSetCurrent_(context), "cuCtxSetCurrent");
  }

  Result<MemoryInfo> Memory() const override {
    MemoryInfo info;
    ERGO_RETURN_IF_ERROR(
        Check(f_.cuMemGetInfo_(&info.free_bytes, &info.total_bytes), "cuMemGetInfo"));
    return info;
  }

  Result<void*> Allocate(size_t bytes) override {
    CUdeviceptr memory = 0;
    const CUresult result = f_.cuMemAlloc_(&memory, bytes);
    if (result != CUDA_ERROR_OUT_OF_MEMORY) {
      ERGO_RETURN_IF_ERROR(Check(result, "cuMemAlloc"));
      return reinterpret_cast<void*>(memory);
    }
    ERGO_ASSIGN_OR_RETURN(const MemoryInfo info, Memory());
    return ResourceExhausted("{} MiB of GPU memory wanted, {} of {} MiB are free", bytes >> 20,
                             info.free_bytes >> 20, info.total_bytes >> 20);
  }
  void Free(void* memory) override { f_.cuMemFree_(reinterpret_cast<CUdeviceptr>(memory)); }

  Result<void*> AllocatePinned(size_t bytes) override {
    void* memory = nullptr;
    const CUresult result = f_.cuMemHostAlloc_(&memory, bytes, CU_MEMHOSTALLOC_PORTABLE);
    if (result == CUDA_ERROR_OUT_OF_MEMORY) {
      return ResourceExhausted("{} MiB of pinned memory cannot be had", bytes >> 20);
    }
    ERGO_RETURN_IF_ERROR(Check(result, "cuMemHostAlloc"));
    return memory;
  }
  void FreePinned(void* memory) override { f_.cuMemFreeHost_(memory); }

  Result<StreamHandle> NewStream() override {
    CUstream stream = nullptr;
    ERGO_RETURN_IF_ERROR(
        Check(f_.cuStreamCreate_(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate"));
    return StreamHandle{stream};
  }
  void Delete(StreamHandle stream) override { f_.cuStreamDestroy_(Of(stream)); }
  Status Synchronize(StreamHandle stream) override {
    return Check(f_.cuStreamSynchronize_(Of(stream)), "cuStreamSynchronize");
  }
  Result<EventHandle> NewEvent() override {
    CUevent event = nullptr;
    ERGO_RETURN_IF_ERROR(
        Check(f_.cuEventCreate_(&event, CU_EVENT_DISABLE_TIMING), "cuEventCreate"));
    return EventHandle{event};
  }
  void Delete(EventHandle event) override { f_.cuEventDestroy_(Of(event)); }
  Status Record(EventHandle event, StreamHandle stream) override {
    return Check(f_.cuEventRecord_(Of(event), Of(stream)), "cuEventRecord");
  }
  Status Wait(StreamHandle stream, EventHandle event) override {
    return Check(f_.cuStreamWaitEvent_(Of(stream), Of(event), 0), "cuStreamWaitEvent");
  }
  Result<bool> IsDone(EventHandle event) override {
    const CUresult result = f_.cuEventQuery_(Of(event));
    if (result == CUDA_ERROR_NOT_READY) return false;
    ERGO_RETURN_IF_ERROR(Check(result, "cuEventQuery"));
    return true;
  }
  Status CallOnHost(StreamHandle stream, void (*function)(void*), void* argument) override {
    return Check(f_.cuLaunchHostFunc_(Of(stream), function, argument), "cuLaunchHostFunc");
  }

  Status Copy(void* to, const void* from, size_t bytes, StreamHandle stream) override {
    return Check(f_.cuMemcpyAsync_(reinterpret_cast<CUdeviceptr>(to),
                                   reinterpret_cast<CUdeviceptr>(from), bytes, Of(stream)),
                 "cuMemcpyAsync");
  }
  Status Fill(void* to, uint8_t value, size_t bytes, StreamHandle stream) override {
    return Check(f_.cuMemsetD8Async_(reinterpret_cast<CUdeviceptr>(to), value, bytes, Of(stream)),
                 "cuMemsetD8Async");
  }
  Status Run(const Launch& launch, StreamHandle stream) override {
    void* parameters[] = {const_cast<void*>(launch.parameter)};
    return Check(f_.cuLaunchKernel_(static_cast<CUfunction>(launch.function.value), launch.grid.x,
                                    launch.grid.y, launch.grid.z, launch.threads, 1, 1,
                                    launch.shared_bytes, Of(stream), parameters, nullptr),
                 "cuLaunchKernel");
  }

  Status BeginCapture(StreamHandle stream) override {
    return Check(f_.cuStreamBeginCapture_(Of(stream), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                 "cuStreamBeginCapture");
  }
  Result<GraphHandle> EndCapture(StreamHandle stream) override {
    CUgraph graph = nullptr;
    ERGO_RETURN_IF_ERROR(Check(f_.cuStreamEndCapture_(Of(stream), &graph), "cuStreamEndCapture"));
    return GraphHandle{graph};
  }
  Result<GraphExecHandle> Instantiate(GraphHandle graph) override {
    CUgraphExec exec = nullptr;
    ERGO_RETURN_IF_ERROR(
        Check(f_.cuGraphInstantiateWithFlags_(&exec, static_cast<CUgraph>(graph.value), 0),
              "cuGraphInstantiate"));
    return GraphExecHandle{exec};
  }
  Result<bool> Update(GraphExecHandle exec, GraphHandle graph) override {
    CUgraphExecUpdateResultInfo info{};
    const CUresult result =
        f_.cuGraphExecUpdate_(Of(exec), static_cast<CUgraph>(graph.value), &info);
    if (result == CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE) return false;
    ERGO_RETURN_IF_ERROR(Check(result, "cuGraphExecUpdate"));
    return true;
  }
  Status Run(GraphExecHandle exec, StreamHandle stream) override {
    return Check(f_.cuGraphLaunch_(Of(exec), Of(stream)), "cuGraphLaunch");
  }
  void Delete(GraphHandle graph) override { f_.cuGraphDestroy_(static_cast<CUgraph>(graph.value)); }
  void Delete(GraphExecHandle exec) override { f_.cuGraphExecDestroy_(Of(exec)); }

  Result<ModuleHandle> LoadModule(std::string_view family) override {
    for (const EmbeddedModule& embedded : EmbeddedModules()) {
      if (embedded.name != family) continue;
      CUmodule module = nullptr;
      const CUresult result = f_.cuModuleLoadData_(&module, embedded.image.data());
      if (result == CUDA_ERROR_NO_BINARY_FOR_GPU) {
        return Unsupported("the device code of {} is for other devices", family);
      }
      ERGO_RETURN_IF_ERROR(Check(result, "cuModuleLoadData"));
      return ModuleHandle{module};
    }
    return Unsupported("this binary has no device code of {}", family);
  }
  void Delete(ModuleHandle module) override {
    f_.cuModuleUnload_(static_cast<CUmodule>(module.value));
  }
  Result<FunctionHandle> FindFunction(ModuleHandle module, const char* name) override {
    CUfunction function = nullptr;
    ERGO_RETURN_IF_ERROR(
        Check(f_.cuModuleGetFunction_(&function, static_cast<CUmodule>(module.value), name), name));
    return FunctionHandle{function};
  }
  Status AllowSharedBytes(FunctionHandle function, size_t bytes) override {
    return Check(f_.cuFuncSetAttribute_(static_cast<CUfunction>(function.value),
                                        CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                        static_cast<int>(bytes)),
                 "cuFuncSetAttribute");
  }

 private:
  static CUstream Of(StreamHandle stream) { return static_cast<CUstream>(stream.value); }
  static CUevent Of(EventHandle event) { return static_cast<CUevent>(event.value); }
  static CUgraphExec Of(GraphExecHandle exec) { return static_cast<CUgraphExec>(exec.value); }

  Status Check(CUresult result, const char* call) const {
    if (result == CUDA_SUCCESS) return {};
    const char* name = nullptr;
    f_.cuGetErrorName_(result, &name);
    return Error(StatusCode::kDeviceError, "{}: {}", call,
                 name != nullptr ? name : "an unknown error");
  }

  SharedLibrary library_;
  Functions f_;
  std::mutex mutex_;
  std::vector<CUcontext> contexts_;  // of each device; null until it is made current
};

}  // namespace

Result<std::unique_ptr<Driver>> OpenDriver() {
  ERGO_ASSIGN_OR_RETURN(SharedLibrary library, SharedLibrary::Open("libcuda.so.1"));
  Functions functions;
  ERGO_RETURN_IF_ERROR(FindAll(library, functions));
  auto driver = std::make_unique<LibCuda>(std::move(library), functions);
  Status started = driver->Start();
  if (!started.ok()) return Error(StatusCode::kUnavailable, "{}", started.message());
  return std::unique_ptr<Driver>(std::move(driver));
}

}  // namespace ergo::cuda

#else

namespace ergo::cuda {

Result<std::unique_ptr<Driver>> OpenDriver() {
  return Error(StatusCode::kUnavailable, "this binary was built without CUDA");
}

}  // namespace ergo::cuda

#endif
