#include "tools/ergo/number_text.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <span>
#include <string_view>

namespace ergo::tool {
namespace {

std::string ThreeDigits(double value) {
  const double magnitude = std::abs(value);
  if (magnitude >= 99.95) return fmt::format("{:.0f}", value);
  if (magnitude >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

// The last unit also takes what lies above it.
std::string Scaled(double value, double base, std::span<const std::string_view> units) {
  size_t unit = 0;
  // 999.5 would be written as 1000: it belongs to the next unit.
  while (unit + 1 < units.size() && std::abs(value) >= base - 0.5) {
    value /= base;
    ++unit;
  }
  return fmt::format("{}{}", ThreeDigits(value), units[unit]);
}

}  // namespace

std::string BytesText(int64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {" B", " KiB", " MiB", " GiB", " TiB"};
  if (std::abs(bytes) < 1024) return fmt::format("{} B", bytes);
  return Scaled(static_cast<double>(bytes), 1024, kUnits);
}

std::string CountText(double count) {
  constexpr std::array<std::string_view, 5> kUnits = {"", " k", " M", " G", " T"};
  if (std::abs(count) < 999.5 && count == std::floor(count)) return fmt::format("{:.0f}", count);
  return Scaled(count, 1000, kUnits);
}

std::string DurationText(double duration_us) {
  constexpr std::array<std::string_view, 3> kUnits = {" us", " ms", " s"};
  if (!std::isfinite(duration_us)) return "-";
  return Scaled(duration_us, 1000, kUnits);
}

}  // namespace ergo::tool
