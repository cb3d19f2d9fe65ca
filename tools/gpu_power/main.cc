// gpu_power COMMAND...: runs a command, over and over for at least 5 seconds, and prints what the
// GPU used meanwhile, as NVML says, and how often the command ran.
#include <spawn.h>
#include <sys/wait.h>

#include <cstdio>

#include "engine/energy/gpu_power.h"

extern char** environ;

namespace ergo {
namespace {

// The command's exit status; -1 where it cannot be started.
int RunOnce(char** command) {
  pid_t child = 0;
  if (posix_spawnp(&child, command[0], nullptr, nullptr, command, environ) != 0) return -1;
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

int Measure(char** command) {
  const Result<std::unique_ptr<GpuPower>> opened = GpuPower::Open({});
  if (!opened.ok()) {
    std::fprintf(stderr, "no GPU energy: %s\n", opened.status().ToString().c_str());
    return 1;
  }
  const GpuPower& power = **opened;
  const Result<GpuPower::Reading> begin = power.Read();
  Result<GpuPower::Reading> end = begin;
  int runs = 0;
  while (end.ok() &&
         static_cast<double>(end->wall_ns - begin->wall_ns) * 1e-9 < kMinimumGpuWindow_s) {
    if (RunOnce(command) != 0) {
      std::fprintf(stderr, "%s failed\n", command[0]);
      return 1;
    }
    ++runs;
    end = power.Read();
  }
  if (!begin.ok() || !end.ok()) {
    std::fprintf(stderr, "%s\n", (begin.ok() ? end : begin).status().ToString().c_str());
    return 1;
  }
  std::printf("%s: %s in %d runs of %s\n", power.Name().c_str(),
              power.Between(*begin, *end).ToString().c_str(), runs, command[0]);
  return 0;
}

}  // namespace
}  // namespace ergo

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: gpu_power COMMAND...\n");
    return 2;
  }
  return ergo::Measure(argv + 1);
}
