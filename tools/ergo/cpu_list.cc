#include "tools/ergo/cpu_list.h"

#include <sched.h>

#include <charconv>

namespace ergo::tool {
namespace {

// Takes a number off the front of the text; -1 where there is none.
int TakeNumber(std::string_view& text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return -1;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

bool Take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Result<std::vector<int>> ParseCpuList(std::string_view text) {
  cpu_set_t ours;
  CPU_ZERO(&ours);
  if (sched_getaffinity(0, sizeof(ours), &ours) != 0) {
    return Error(StatusCode::kDeviceError, "the processors of this process cannot be read");
  }
  const std::string_view whole = text;
  std::vector<int> cpus;
  do {
    const int first = TakeNumber(text);
    const int last = Take(text, '-') ? TakeNumber(text) : first;
    if (first < 0 || last < first) {
      return InvalidArgument("'{}' is not a list of processors like 0,2-3", whole);
    }
    for (int cpu = first; cpu <= last; ++cpu) {
      if (cpu >= CPU_SETSIZE || !CPU_ISSET(static_cast<size_t>(cpu), &ours)) {
        return InvalidArgument("processor {} is not there, or not for this process", cpu);
      }
      cpus.push_back(cpu);
    }
  } while (Take(text, ','));
  if (!text.empty()) return InvalidArgument("'{}' is not a list of processors like 0,2-3", whole);
  return cpus;
}

}  // namespace ergo::tool
