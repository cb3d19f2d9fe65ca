// AlignedBuffer: owned memory, aligned to kTensorAlignment, that knows the device it lives on.
// Move-only. Thread safety: none needed beyond that of the bytes.
#ifndef ERGO_KERNELS_BASE_ALIGNED_BUFFER_H_
#define ERGO_KERNELS_BASE_ALIGNED_BUFFER_H_

#include <cstddef>
#include <memory>
#include <span>

#include "kernels/base/device.h"
#include "kernels/base/status.h"

namespace ergo {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;  // empty

  // Uninitialized host memory; `bytes` may be 0. ResourceExhausted when there is none. The last
  // cache line is always whole, so SIMD code may read (never rely on) up to 63 bytes past the end.
  static Result<AlignedBuffer> Allocate(size_t bytes);
  // The same, for sizes of our own making: aborts when there is no memory.
  static AlignedBuffer AllocateOrDie(size_t bytes);

  std::byte* Data() { return data_.get(); }
  const std::byte* Data() const { return data_.get(); }
  size_t Size() const { return size_; }
  Device GetDevice() const { return Device::kCpu; }
  std::span<std::byte> Bytes() { return {data_.get(), size_}; }
  std::span<const std::byte> Bytes() const { return {data_.get(), size_}; }
  template <typename T>
  T* As() {
    return reinterpret_cast<T*>(data_.get());
  }
  template <typename T>
  const T* As() const {
    return reinterpret_cast<const T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_ALIGNED_BUFFER_H_
