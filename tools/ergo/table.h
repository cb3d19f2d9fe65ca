// Table: aligned columns for a terminal, and what makes text from outside safe to print there.
#ifndef ERGO_TOOLS_ERGO_TABLE_H_
#define ERGO_TOOLS_ERGO_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

namespace ergo::tool {

// Names come from model files and from servers: control characters, which could steer the terminal,
// become "\x1b" and so on. Everything else, UTF-8 too, stays.
std::string Printable(std::string_view text);

class Table {
 public:
  enum class Align { kLeft, kRight };

  explicit Table(std::string_view indent = "") : indent_(indent) {}

  void Column(std::string header, Align align = Align::kLeft);
  // As many cells as columns. Cells are made Printable.
  void Row(std::vector<std::string> cells);
  bool Empty() const { return rows_.empty(); }

  // The headers, then the rows, a line each; no trailing spaces.
  std::string ToString() const;

 private:
  struct ColumnSpec {
    std::string header;
    Align align;
  };
  std::string indent_;
  std::vector<ColumnSpec> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_TABLE_H_
