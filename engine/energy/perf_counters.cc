#include "engine/energy/perf_counters.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ergo {
namespace {

class KernelPerfCounters final : public PerfCounters {
 public:
  Result<int> Open(uint32_t type, uint64_t config, int cpu) override {
    perf_event_attr attributes{};
    attributes.type = type;
    attributes.size = sizeof(attributes);
    attributes.config = config;
    const long descriptor = syscall(SYS_perf_event_open, &attributes, /*pid=*/-1, cpu,
                                    /*group_fd=*/-1, PERF_FLAG_FD_CLOEXEC);
    if (descriptor >= 0) return static_cast<int>(descriptor);
    const int error = errno;
    if (error == EACCES || error == EPERM) {
      return Error(StatusCode::kDeviceError,
                   "perf_event_open: {}: grant it by `setcap cap_perfmon+ep` on the program or by "
                   "`sysctl kernel.perf_event_paranoid=0`",
                   std::strerror(error));
    }
    return Error(StatusCode::kDeviceError, "perf_event_open on processor {}: {}", cpu,
                 std::strerror(error));
  }

  Result<uint64_t> Read(int handle) override {
    uint64_t count = 0;
    const ssize_t got = read(handle, &count, sizeof(count));
    if (got == static_cast<ssize_t>(sizeof(count))) return count;
    // End of file: the event is in error state, as after its processor went offline.
    return Error(StatusCode::kDeviceError, "reading a perf counter: {}",
                 got < 0 ? std::strerror(errno) : "the counter is gone");
  }

  void Close(int handle) override { close(handle); }
};

}  // namespace

PerfCounters& SystemPerfCounters() {
  static KernelPerfCounters counters;
  return counters;
}

}  // namespace ergo
