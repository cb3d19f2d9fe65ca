#include "tools/ergo/report.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace ergo::tool {

void PrintText(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void PrintJson(const Json& document) {
  PrintText(document.dump(2, ' ', false, Json::error_handler_t::replace));
  PrintText("\n");
}

Status FlushReport() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return Error(StatusCode::kDeviceError, "cannot write to standard output: {}",
                 std::strerror(errno));
  }
  return {};
}

Json JoulesJson(const Joules& joules) {
  Json document;
  document["source"] = EnergySourceName(joules.source);
  if (joules.source == EnergySource::kUnavailable) {
    document["reason"] = joules.reason;
    return document;
  }
  document["joules"] = joules.value;
  document["domains"] = joules.domains;
  document["window_s"] = joules.window_s;
  document["relative_error"] = joules.relative_error;
  return document;
}

Json ShapeJson(const Shape& shape) {
  Json dims = Json::array();
  for (const int64_t dim : shape.Dims()) dims.push_back(dim);
  return dims;
}

}  // namespace ergo::tool
