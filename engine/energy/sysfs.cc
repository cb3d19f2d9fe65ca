#include "engine/energy/sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace ergo {
namespace {

Status SystemError(const std::string& path, int error) {
  const bool absent = error == ENOENT || error == ENOTDIR || error == ENODEV;
  return Error(absent ? StatusCode::kNotFound : StatusCode::kDeviceError, "{}: {}", path,
               std::strerror(error));
}

}  // namespace

Result<std::string> ReadAttribute(const std::string& path, size_t max_bytes) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return SystemError(path, errno);
  std::string text;
  std::array<char, 4096> chunk;
  for (;;) {
    const ssize_t got = read(descriptor, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      close(descriptor);
      return SystemError(path, error);
    }
    if (got == 0) break;
    text.append(chunk.data(), static_cast<size_t>(got));
    if (text.size() > max_bytes) {
      close(descriptor);
      return ResourceExhausted("{}: more than {} bytes", path, max_bytes);
    }
  }
  close(descriptor);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

Result<uint64_t> ParseUnsigned(std::string_view text) {
  std::string_view digits = text;
  const bool hexadecimal = digits.substr(0, 2) == "0x";
  if (hexadecimal) digits.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return CorruptData("'{}' is not a number", text);
  }
  return value;
}

Result<std::vector<int>> ParseCpuList(std::string_view text) {
  std::vector<int> cpus;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view range = text.substr(begin, end - begin);
    const size_t dash = range.find('-');
    ERGO_ASSIGN_OR_RETURN(const uint64_t first, ParseUnsigned(range.substr(0, dash)));
    uint64_t last = first;
    if (dash != std::string_view::npos) {
      ERGO_ASSIGN_OR_RETURN(last, ParseUnsigned(range.substr(dash + 1)));
    }
    if (last < first || last > static_cast<uint64_t>(kMaxCpuNumber)) {
      return CorruptData("'{}' is not a list of processors", text);
    }
    for (uint64_t cpu = first; cpu <= last; ++cpu) cpus.push_back(static_cast<int>(cpu));
    begin = end + 1;
  }
  if (cpus.empty()) return CorruptData("an empty list of processors");
  return cpus;
}

Result<std::vector<std::string>> ListDirectory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (!directory) return SystemError(path, errno);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory.get())) names.emplace_back(entry->d_name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<int64_t> MachineBusyNs(const std::string& proc_root) {
  const std::string path = proc_root + "/stat";
  ERGO_ASSIGN_OR_RETURN(const std::string text, ReadAttribute(path, kMaxProcBytes));
  // "cpu  user nice system idle iowait irq softirq steal ...", in ticks.
  constexpr std::array<bool, 7> kBusy = {true, true, true, false, false, true, true};
  if (text.substr(0, 4) != "cpu ") return CorruptData("{}: does not begin with 'cpu '", path);
  const std::string_view line = std::string_view(text).substr(4, text.find('\n') - 4);
  uint64_t ticks = 0;
  size_t at = 0;
  for (const bool busy : kBusy) {
    at = std::min(line.find_first_not_of(' ', at), line.size());
    const size_t end = std::min(line.find(' ', at), line.size());
    ERGO_ASSIGN_OR_RETURN(const uint64_t value, ParseUnsigned(line.substr(at, end - at)));
    if (busy) ticks += value;
    at = end;
  }
  const long ticks_per_s = sysconf(_SC_CLK_TCK);
  return static_cast<int64_t>(ticks) * (1'000'000'000 / (ticks_per_s > 0 ? ticks_per_s : 100));
}

}  // namespace ergo
