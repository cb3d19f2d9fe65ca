#include "kernels/base/kernel.h"

namespace ergo {

std::string_view SelectOptions::ForcedVariant(std::string_view family) const {
  std::string_view rest = forced;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view entry = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    const size_t equals = entry.find('=');
    if (equals != std::string_view::npos && entry.substr(0, equals) == family) {
      return entry.substr(equals + 1);
    }
  }
  return "";
}

std::string SelectOptions::Excludes(const KernelInfo& info) const {
  if (info.device != device) return fmt::format("runs on {}", DeviceName(info.device));
  if (reference && info.variant != "reference") return "only reference kernels were asked for";
  const std::string_view wanted = ForcedVariant(info.family);
  if (!wanted.empty() && info.variant != wanted) {
    return fmt::format("{}={} was asked for", info.family, wanted);
  }
  return "";
}

}  // namespace ergo
