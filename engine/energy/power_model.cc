#include "engine/energy/power_model.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace ergo {
namespace {

// Rows of the Cloud Carbon Footprint coefficients, by what CPUID says. Generations that they lack
// borrow the row before and say so.
struct Row {
  std::string_view vendor;
  int family, first_model, last_model;
  double busy_watts, idle_watts;
  double relative_error;
  std::string_view origin;
};
constexpr double kOwnRowError = 0.3;
constexpr double kBorrowedRowError = 0.5;
constexpr std::string_view kIntel = "GenuineIntel", kAmd = "AuthenticAMD";
constexpr Row kRows[] = {
    {kAmd, 23, 0x00, 0x2f, 2.55, 0.82, kOwnRowError, "EPYC 1st gen, SPECpower"},
    {kAmd, 23, 0x30, 0xff, 1.69, 0.47, kOwnRowError, "EPYC 2nd gen, SPECpower"},
    {kAmd, 25, 0x00, 0x0f, 2.02, 0.45, kOwnRowError, "EPYC 3rd gen, SPECpower"},
    {kAmd, 25, 0x10, 0xff, 2.02, 0.45, kBorrowedRowError, "EPYC 4th gen by the 3rd, SPECpower"},
    {kAmd, 26, 0x00, 0xff, 2.02, 0.45, kBorrowedRowError, "EPYC 5th gen by the 3rd, SPECpower"},
    {kIntel, 6, 0x3f, 0x3f, 4.74, 1.00, kOwnRowError, "Haswell, SPECpower"},
    {kIntel, 6, 0x4f, 0x4f, 3.69, 0.71, kOwnRowError, "Broadwell, SPECpower"},
    {kIntel, 6, 0x56, 0x56, 3.69, 0.71, kOwnRowError, "Broadwell, SPECpower"},
    {kIntel, 6, 0x55, 0x55, 3.97, 0.64, kOwnRowError, "Skylake and Cascade Lake, SPECpower"},
    {kIntel, 6, 0x6a, 0x6c, 3.97, 0.64, kBorrowedRowError, "Ice Lake by Cascade Lake, SPECpower"},
    {kIntel, 6, 0x8f, 0xcf, 3.97, 0.64, kBorrowedRowError,
     "Sapphire Rapids and later by Cascade Lake, SPECpower"},
};

// The value of the first "key : value" line; empty where there is none.
std::string_view CpuinfoValue(std::string_view cpuinfo, std::string_view key) {
  for (size_t begin = 0; begin < cpuinfo.size();) {
    const size_t end = std::min(cpuinfo.find('\n', begin), cpuinfo.size());
    const std::string_view line = cpuinfo.substr(begin, end - begin);
    begin = end + 1;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.substr(0, key.size()) != key) continue;
    // "model name" begins with "model": only blanks may stand before the colon.
    const std::string_view between = line.substr(key.size(), colon - key.size());
    if (between.find_first_not_of(" \t") != std::string_view::npos) continue;
    const size_t value = line.find_first_not_of(' ', colon + 1);
    return value == std::string_view::npos ? std::string_view() : line.substr(value);
  }
  return {};
}

int CpuinfoNumber(std::string_view cpuinfo, std::string_view key) {
  const std::string_view text = CpuinfoValue(cpuinfo, key);
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool ParseWatts(std::string_view text, double* watts) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *watts);
  return error == std::errc() && stop == end && *watts >= 0 &&
         *watts < std::numeric_limits<double>::infinity();
}

}  // namespace

std::string PowerModel::ToString() const {
  return fmt::format("{:.2f} W busy, {:.2f} W idle a processor, +-{:.0f} % ({})", busy_watts,
                     idle_watts, relative_error * 100, origin);
}

PowerModel PowerModelFor(std::string_view cpuinfo) {
  const std::string_view vendor = CpuinfoValue(cpuinfo, "vendor_id");
  const int family = CpuinfoNumber(cpuinfo, "cpu family");
  const int model = CpuinfoNumber(cpuinfo, "model");
  for (const Row& row : kRows) {
    if (row.vendor == vendor && row.family == family && row.first_model <= model &&
        model <= row.last_model) {
      return {row.busy_watts, row.idle_watts, row.relative_error, std::string(row.origin)};
    }
  }
  return {};
}

Result<PowerModel> ParsePowerModel(std::string_view text) {
  const size_t colon = text.find(':');
  PowerModel model;
  if (colon == std::string_view::npos || !ParseWatts(text.substr(0, colon), &model.busy_watts) ||
      !ParseWatts(text.substr(colon + 1), &model.idle_watts) || model.busy_watts <= 0 ||
      model.idle_watts > model.busy_watts) {
    return InvalidArgument(
        "'{}' is not BUSY:IDLE, in watts of one processor with 0 <= IDLE <= BUSY, as 3.5:0.74",
        text);
  }
  model.relative_error = kOwnRowError;
  model.origin = "given by the user";
  return model;
}

}  // namespace ergo
