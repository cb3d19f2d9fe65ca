// Joules: an energy figure that says where it comes from. Never a bare number: a modelled joule is
// not a measured one, and no joule is not zero.
#ifndef ERGO_ENGINE_ENERGY_JOULES_H_
#define ERGO_ENGINE_ENERGY_JOULES_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace ergo {

// The numbers stand on the wire (server/protocol/native/PROTOCOL.md).
enum class EnergySource : uint8_t {
  kUnavailable = 0,  // no meter; `reason` says why, value means nothing
  kMeasured = 1,     // a hardware counter
  kModelled = 2,     // computed from a power model whose parameters are known
};

std::string_view EnergySourceName(EnergySource source);  // "measured", ...

struct Joules {
  double value = 0;  // J, over the window; meaningful only when source is not kUnavailable
  EnergySource source = EnergySource::kUnavailable;
  std::string domains;        // what was counted: "package-0 dram-0", "cpu-model"
  std::string reason;         // why unavailable, and what to do
  double window_s = 0;        // how long was counted
  double relative_error = 0;  // one sigma, as far as known

  // "12.3 mJ +-5 % (measured, package-0 dram-0)", "unavailable (reason)".
  std::string ToString() const;
};

// measured + measured = measured; as soon as one is modelled, so is the sum; unavailable swallows
// all. Windows of the same domains are taken as one after the other (window_s adds up), of
// different domains as side by side (the longer counts). Errors add up as if they had one cause.
Joules operator+(const Joules& a, const Joules& b);

}  // namespace ergo

#endif  // ERGO_ENGINE_ENERGY_JOULES_H_
