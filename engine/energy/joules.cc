#include "engine/energy/joules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ergo {
namespace {

// Three digits with the prefix that keeps them readable: requests cost microjoules, runs
// kilojoules.
std::string WithPrefix(double joules) {
  const double size = std::abs(joules);
  if (size >= 1e3) return fmt::format("{:.3g} kJ", joules * 1e-3);
  if (size >= 1 || size == 0) return fmt::format("{:.3g} J", joules);
  if (size >= 1e-3) return fmt::format("{:.3g} mJ", joules * 1e3);
  return fmt::format("{:.3g} uJ", joules * 1e6);
}

std::string UnionOfWords(const std::string& a, const std::string& b) {
  std::string result = a;
  for (size_t begin = 0; begin < b.size();) {
    const size_t end = std::min(b.find(' ', begin), b.size());
    const std::string word = b.substr(begin, end - begin);
    if ((" " + result + " ").find(" " + word + " ") == std::string::npos) {
      if (!result.empty()) result += ' ';
      result += word;
    }
    begin = end + 1;
  }
  return result;
}

}  // namespace

std::string_view EnergySourceName(EnergySource source) {
  switch (source) {
    case EnergySource::kUnavailable: return "unavailable";
    case EnergySource::kMeasured: return "measured";
    case EnergySource::kModelled: return "modelled";
  }
  return "unavailable";
}

std::string Joules::ToString() const {
  if (source == EnergySource::kUnavailable) {
    return reason.empty() ? "unavailable" : fmt::format("unavailable ({})", reason);
  }
  return fmt::format("{} +-{:.2g} % ({}, {})", WithPrefix(value), relative_error * 100,
                     EnergySourceName(source), domains);
}

Joules operator+(const Joules& a, const Joules& b) {
  if (a.source == EnergySource::kUnavailable) return a;
  if (b.source == EnergySource::kUnavailable) return b;
  Joules sum;
  sum.value = a.value + b.value;
  sum.source = a.source == EnergySource::kMeasured && b.source == EnergySource::kMeasured
                   ? EnergySource::kMeasured
                   : EnergySource::kModelled;
  const bool same_domains = a.domains == b.domains;
  sum.domains = same_domains ? a.domains : UnionOfWords(a.domains, b.domains);
  sum.window_s = same_domains ? a.window_s + b.window_s : std::max(a.window_s, b.window_s);
  const double error = std::abs(a.value) * a.relative_error + std::abs(b.value) * b.relative_error;
  sum.relative_error =
      sum.value != 0 ? error / std::abs(sum.value) : std::max(a.relative_error, b.relative_error);
  return sum;
}

}  // namespace ergo
