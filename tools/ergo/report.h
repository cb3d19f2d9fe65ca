// Where reports go: standard output, as text or as one JSON document.
#ifndef ERGO_TOOLS_ERGO_REPORT_H_
#define ERGO_TOOLS_ERGO_REPORT_H_

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "engine/energy/joules.h"
#include "kernels/base/shape.h"
#include "kernels/base/status.h"

namespace ergo::tool {

// Keeps the order in which a command adds the keys.
using Json = nlohmann::ordered_json;

void PrintText(std::string_view text);
template <typename... Args>
void Print(fmt::format_string<Args...> format, Args&&... args) {
  PrintText(fmt::format(format, std::forward<Args>(args)...));
}
// Indented, with invalid UTF-8 replaced and NaN and infinities as null.
void PrintJson(const Json& document);
// What was printed is written out. DeviceError when standard output takes no more.
Status FlushReport();

// {"joules": 0.01, "source": "measured", ...}: without "joules" where there is none.
Json JoulesJson(const Joules& joules);
Json ShapeJson(const Shape& shape);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_REPORT_H_
