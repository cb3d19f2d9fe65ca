// Limits on what a client may ask of the server. Each is the default of a command line option or a
// constant of the protocol.
#ifndef ERGO_SERVER_LIMITS_H_
#define ERGO_SERVER_LIMITS_H_

#include <cstdint>

namespace ergo {

inline constexpr int kMaxConnections = 4096;
inline constexpr uint32_t kMaxFrameBodyBytes = uint32_t{64} << 20;
inline constexpr int kMaxTensorsPerFrame = 32;
inline constexpr int kMaxInFlightPerConnection = 1024;
inline constexpr int kMaxModelNameBytes = 256;

}  // namespace ergo

#endif  // ERGO_SERVER_LIMITS_H_
