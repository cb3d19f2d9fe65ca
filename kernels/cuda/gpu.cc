#include "kernels/cuda/gpu.h"

#include <cstring>

namespace ergo::cuda {

Result<DeviceBuffer> DeviceBuffer::Allocate(Driver& driver, size_t bytes) {
  DeviceBuffer buffer;
  buffer.driver_ = &driver;
  buffer.size_ = bytes;
  if (bytes == 0) return buffer;
  ERGO_ASSIGN_OR_RETURN(void* data, driver.Allocate(bytes));
  buffer.data_ = static_cast<std::byte*>(data);
  return buffer;
}

Result<DeviceBuffer> DeviceBuffer::AllocatePinned(Driver& driver, size_t bytes) {
  DeviceBuffer buffer;
  buffer.driver_ = &driver;
  buffer.size_ = bytes;
  buffer.pinned_ = true;
  if (bytes == 0) return buffer;
  ERGO_ASSIGN_OR_RETURN(void* data, driver.AllocatePinned(bytes));
  buffer.data_ = static_cast<std::byte*>(data);
  return buffer;
}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(driver_, other.driver_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(pinned_, other.pinned_);
  return *this;
}

DeviceBuffer::~DeviceBuffer() {
  if (data_ == nullptr) return;
  if (pinned_) {
    driver_->FreePinned(data_);
  } else {
    driver_->Free(data_);
  }
}

Gpu::Gpu(Driver& driver, int device, GpuProperties properties, std::unique_ptr<Libraries> libraries)
    : driver_(driver),
      device_(device),
      properties_(std::move(properties)),
      libraries_(std::move(libraries)) {}

Gpu::~Gpu() {
  for (const auto& [name, module] : modules_) driver_.Delete(module);
}

Result<std::unique_ptr<Gpu>> Gpu::Open(Driver& driver, int device,
                                       std::unique_ptr<Libraries> libraries) {
  if (device < 0 || device >= driver.Devices()) {
    return NotFound("GPU {} of {}", device, driver.Devices());
  }
  ERGO_ASSIGN_OR_RETURN(GpuProperties properties, driver.PropertiesOf(device));
  ERGO_RETURN_IF_ERROR(driver.MakeCurrent(device));
  return std::unique_ptr<Gpu>(new Gpu(driver, device, std::move(properties), std::move(libraries)));
}

Result<FunctionHandle> Gpu::Find(std::string_view family, const char* function,
                                 size_t shared_bytes) {
  ERGO_RETURN_IF_ERROR(MakeCurrent());
  std::lock_guard lock(mutex_);
  auto loaded = modules_.find(family);
  if (loaded == modules_.end()) {
    ERGO_ASSIGN_OR_RETURN(const ModuleHandle module, driver_.LoadModule(family));
    loaded = modules_.emplace(std::string(family), module).first;
  }
  ERGO_ASSIGN_OR_RETURN(const FunctionHandle handle,
                        driver_.FindFunction(loaded->second, function));
  constexpr size_t kAlwaysAllowed = 48 * 1024;
  if (shared_bytes > properties_.shared_bytes_per_block) {
    return Unsupported("{} needs {} bytes of shared memory, a block has {}", function, shared_bytes,
                       properties_.shared_bytes_per_block);
  }
  if (shared_bytes > kAlwaysAllowed) {
    ERGO_RETURN_IF_ERROR(driver_.AllowSharedBytes(handle, shared_bytes));
  }
  return handle;
}

Result<SharedDeviceBuffer> Gpu::Upload(const void* source, std::string format, size_t bytes,
                                       FunctionRef<void(std::byte* host)> fill) {
  ERGO_RETURN_IF_ERROR(MakeCurrent());
  std::lock_guard lock(mutex_);
  auto& entry = uploads_[{source, std::move(format)}];
  if (SharedDeviceBuffer found = entry.lock()) return found;
  ERGO_ASSIGN_OR_RETURN(DeviceBuffer buffer, DeviceBuffer::Allocate(driver_, bytes));
  ERGO_ASSIGN_OR_RETURN(DeviceBuffer host, DeviceBuffer::AllocatePinned(driver_, bytes));
  if (bytes > 0) {
    fill(host.Data());
    ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Stream> stream, Stream::Create(*this));
    stream->Copy(buffer.Data(), host.Data(), bytes);
    ERGO_RETURN_IF_ERROR(stream->Finish());
  }
  auto shared = std::make_shared<const DeviceBuffer>(std::move(buffer));
  entry = shared;
  return SharedDeviceBuffer(std::move(shared));
}

Result<SharedDeviceBuffer> Gpu::Upload(const void* source, size_t bytes) {
  return Upload(source, fmt::format("bytes/{}", bytes), bytes,
                [&](std::byte* host) { std::memcpy(host, source, bytes); });
}

size_t Gpu::UploadedBytes() const {
  std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [key, weak] : uploads_) {
    if (const SharedDeviceBuffer buffer = weak.lock()) total += buffer->Size();
  }
  return total;
}

Result<std::shared_ptr<Gpu>> OpenSystemGpu(int device) {
  struct System {
    std::unique_ptr<Driver> driver;
    std::unique_ptr<Gpu> gpu;
  };
  auto system = std::make_shared<System>();
  ERGO_ASSIGN_OR_RETURN(system->driver, OpenDriver());
  ERGO_ASSIGN_OR_RETURN(system->gpu, Gpu::Open(*system->driver, device, SystemLibraries()));
  return std::shared_ptr<Gpu>(system, system->gpu.get());
}

Result<std::unique_ptr<Stream>> Stream::Create(Gpu& gpu) {
  ERGO_RETURN_IF_ERROR(gpu.MakeCurrent());
  ERGO_ASSIGN_OR_RETURN(const StreamHandle handle, gpu.GetDriver().NewStream());
  return std::unique_ptr<Stream>(new Stream(gpu, handle));
}

Stream::~Stream() {
  driver_.Delete(handle_);
}

Status Stream::Finish() {
  Note(driver_.Synchronize(handle_));
  return status_;
}

}  // namespace ergo::cuda
