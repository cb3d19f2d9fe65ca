// Where a kernel runs and where a buffer lives.
#ifndef ERGO_KERNELS_BASE_DEVICE_H_
#define ERGO_KERNELS_BASE_DEVICE_H_

#include <cstdint>
#include <string_view>

namespace ergo {

enum class Device : uint8_t { kCpu = 0, kCuda = 1 };

constexpr std::string_view DeviceName(Device device) {
  return device == Device::kCpu ? "cpu" : "cuda";
}

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_DEVICE_H_
