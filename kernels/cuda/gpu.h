// Gpu: one device that kernels are made for: its properties, its compiled functions, the weights on
// it, and the libraries that know it. Stream: where work for it is put, in order.
//
// A kernel that runs on a Gpu is made with MakeContext::gpu and run with KernelArgs::stream. Run
// cannot fail, so what a launch has to say stays with the stream: whoever waits for the stream asks
// Stream::Finish. A device that failed once stays failed, as CUDA has it.
//
// Thread safety: Gpu: all members. Stream: one thread at a time.
#ifndef ERGO_KERNELS_CUDA_GPU_H_
#define ERGO_KERNELS_CUDA_GPU_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/base/aligned_buffer.h"
#include "kernels/base/parallel_for.h"
#include "kernels/cuda/driver.h"
#include "kernels/cuda/libraries.h"

namespace ergo::cuda {

// Owned memory of a device or, pinned, of the host.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  static Result<DeviceBuffer> Allocate(Driver& driver, size_t bytes);
  static Result<DeviceBuffer> AllocatePinned(Driver& driver, size_t bytes);
  DeviceBuffer(DeviceBuffer&& other) noexcept { *this = std::move(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  ~DeviceBuffer();

  std::byte* Data() const { return data_; }
  size_t Size() const { return size_; }

 private:
  Driver* driver_ = nullptr;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool pinned_ = false;
};
using SharedDeviceBuffer = std::shared_ptr<const DeviceBuffer>;

class Gpu {
 public:
  // `driver` outlives it.
  static Result<std::unique_ptr<Gpu>> Open(Driver& driver, int device,
                                           std::unique_ptr<Libraries> libraries);
  ~Gpu();

  Driver& GetDriver() const { return driver_; }
  Libraries& GetLibraries() const { return *libraries_; }
  int Number() const { return device_; }
  // Float32 products may be rounded to tf32 on the way in.
  bool AllowsTf32() const { return allow_tf32_; }
  void AllowTf32(bool allow) { allow_tf32_ = allow; }

  Status MakeCurrent() { return driver_.MakeCurrent(device_); }

  // A function of kernels/FAMILY/FAMILY_cuda.cu that may take up to `shared_bytes`. Unsupported
  // where the binary has no code that this device can run.
  Result<FunctionHandle> Find(std::string_view family, const char* function,
                              size_t shared_bytes = 0);

  // What `fill` writes into host memory of `bytes`, on the device; shared by all that ask with the
  // same source and format, as PackCache has it. Allocates and waits: for making kernels.
  Result<SharedDeviceBuffer> Upload(const void* source, std::string format, size_t bytes,
                                    FunctionRef<void(std::byte* host)> fill);
  // The bytes at `source` as they are.
  Result<SharedDeviceBuffer> Upload(const void* source, size_t bytes);
  size_t UploadedBytes() const;  // of what is still in use

 private:
  Gpu(Driver& driver, int device, GpuProperties properties, std::unique_ptr<Libraries> libraries);

  Driver& driver_;
  int device_;
  GpuProperties properties_;
  std::unique_ptr<Libraries> libraries_;
  bool allow_tf32_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, ModuleHandle, std::less<>> modules_;
  std::map<std::pair<const void*, std::string>, std::weak_ptr<const DeviceBuffer>> uploads_;
};

// This machine's GPU of that number, with its driver and libraries. Unavailable or NotFound, saying
// why, where there is none.
Result<std::shared_ptr<Gpu>> OpenSystemGpu(int device);

class Stream {
 public:
  static Result<std::unique_ptr<Stream>> Create(Gpu& gpu);
  ~Stream();

  Gpu& GetGpu() const { return gpu_; }
  StreamHandle Handle() const { return handle_; }

  template <typename Parameter>
  void Run(FunctionHandle function, Extent grid, uint32_t threads, const Parameter& parameter,
           uint32_t shared_bytes = 0) {
    static_assert(std::is_trivially_copyable_v<Parameter>);
    Note(driver_.Run({function, grid, threads, shared_bytes, &parameter, sizeof(Parameter)},
                     handle_));
  }
  void Copy(void* to, const void* from, size_t bytes) {
    if (bytes > 0) Note(driver_.Copy(to, from, bytes, handle_));
  }
  void Fill(void* to, uint8_t value, size_t bytes) {
    if (bytes > 0) Note(driver_.Fill(to, value, bytes, handle_));
  }
  // Keeps the first error.
  void Note(Status status) {
    if (!status.ok() && status_.ok()) status_ = std::move(status);
  }

  const Status& GetStatus() const { return status_; }
  // Waits for everything; the first error of all that was put on the stream.
  Status Finish();

 private:
  Stream(Gpu& gpu, StreamHandle handle) : gpu_(gpu), driver_(gpu.GetDriver()), handle_(handle) {}

  Gpu& gpu_;
  Driver& driver_;
  StreamHandle handle_;
  Status status_;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_GPU_H_
