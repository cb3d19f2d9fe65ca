#include "tools/ergo/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "tools/ergo/model_source.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

constexpr int64_t kRedrawNs = 100'000'000;
constexpr int kDefaultColumns = 80;
constexpr int kMaxBarWidth = 40;

int Columns(std::FILE* stream) {
  winsize size{};
  const bool known = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kDefaultColumns;
}

}  // namespace

std::string ProgressLine(std::string_view what, int64_t done, int64_t total, int columns) {
  const std::string count = fmt::format(" {} of {}", done, total);
  std::string line = Printable(what);
  const int width =
      std::min(columns - 1 - static_cast<int>(line.size() + count.size()) - 4, kMaxBarWidth);
  if (width > 0) {
    const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
    const auto filled = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
    line += fmt::format("  [{:#<{}}{:.<{}}]", "", filled, "", width - filled);
  }
  line += count;
  return line.substr(0, static_cast<size_t>(std::max(columns - 1, 0)));
}

Progress::Progress(bool quiet, std::FILE* stream)
    : stream_(!quiet && isatty(fileno(stream)) != 0 ? stream : nullptr) {}

Progress::~Progress() {
  if (!visible_) return;
  std::fputs("\r\033[K", stream_);
  std::fflush(stream_);
}

void Progress::Show(std::string_view what, int64_t done, int64_t total) {
  if (stream_ == nullptr) return;
  const int64_t now_ns = MonotonicNs();
  if (visible_ && now_ns - drawn_ns_ < kRedrawNs) return;
  drawn_ns_ = now_ns;
  visible_ = true;
  std::fputs(("\r\033[K" + ProgressLine(what, done, total, Columns(stream_))).c_str(), stream_);
  std::fflush(stream_);
}

}  // namespace ergo::tool
