// Reading /sys and /proc: small text attributes, with errors that name the path and the cause.
#ifndef ERGO_ENGINE_ENERGY_SYSFS_H_
#define ERGO_ENGINE_ENERGY_SYSFS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/energy/limits.h"
#include "kernels/base/status.h"

namespace ergo {

// The file's text without the line's end. NotFound where there is no such file, DeviceError where
// it cannot be read ("...: Permission denied"), ResourceExhausted above `max_bytes`.
Result<std::string> ReadAttribute(const std::string& path, size_t max_bytes = kMaxSysfsBytes);

// Decimal, or hexadecimal after 0x; the whole text. CorruptData otherwise.
Result<uint64_t> ParseUnsigned(std::string_view text);

// "0-3,8" as the kernel writes lists of processors. CorruptData otherwise.
Result<std::vector<int>> ParseCpuList(std::string_view text);

// Names in a directory, sorted; NotFound or DeviceError.
Result<std::vector<std::string>> ListDirectory(const std::string& path);

// Processor time that the whole machine spent busy since boot, from PROC/stat; stolen and waiting
// time is not busy. Resolution: a clock tick (10 ms).
Result<int64_t> MachineBusyNs(const std::string& proc_root);

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_SYSFS_H_
