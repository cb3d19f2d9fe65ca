// Progress: a bar on standard error while something takes long. Only on a terminal, and never under
// --json.
//
// Thread safety: one thread at a time.
#ifndef ERGO_TOOLS_ERGO_PROGRESS_H_
#define ERGO_TOOLS_ERGO_PROGRESS_H_

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace ergo::tool {

// "verify  [#########.........] 12 of 25", of at most `columns` characters.
std::string ProgressLine(std::string_view what, int64_t done, int64_t total, int columns);

class Progress {
 public:
  // `stream` is a terminal, or nothing is shown.
  explicit Progress(bool quiet, std::FILE* stream = stderr);
  ~Progress();  // takes the bar away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap enough to be called for every node: draws at most ten times a second.
  void Show(std::string_view what, int64_t done, int64_t total);

 private:
  std::FILE* stream_;  // null: quiet
  int64_t drawn_ns_ = 0;
  bool visible_ = false;
};

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_PROGRESS_H_
