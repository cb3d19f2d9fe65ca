// Limits on what a client may ask of the server. Each is the default of a command line option or a
// constant of the protocol.
#ifndef ERGO_SERVER_LIMITS_H_
#define ERGO_SERVER_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace ergo {

// Constants of the native protocol (server/protocol/native/PROTOCOL.md, Limits).
inline constexpr int kMaxTensorsPerFrame = 32;
inline constexpr int kMaxModelNameBytes = 256;
inline constexpr int kMaxTensorNameBytes = 256;
inline constexpr int kMaxErrorTextBytes = 1024;
inline constexpr int kMaxPingBytes = 1024;
inline constexpr uint32_t kMinGrantedBodyBytes = uint32_t{1} << 20;
inline constexpr int kMinGrantedInFlight = 32;

// Defaults of server options.
inline constexpr int kMaxConnections = 4096;
inline constexpr uint32_t kMaxFrameBodyBytes = uint32_t{64} << 20;
inline constexpr int kMaxInFlightPerConnection = 1024;
// Request bodies held by one connection, and by all of them: received and not yet answered.
inline constexpr int64_t kMaxHeldBytesPerConnection = int64_t{256} << 20;
inline constexpr int64_t kMaxHeldBytes = int64_t{2} << 30;
// Answers that wait for a slow reader; above this nothing more is read from it.
inline constexpr int64_t kMaxSendQueueBytes = int64_t{16} << 20;
inline constexpr int kMaxQueuedRequests = 8192;
inline constexpr int kHelloTimeoutMs = 5000;
inline constexpr int kFrameTimeoutMs = 10000;       // plus a second for each MiB of the body
inline constexpr int kWriteStallTimeoutMs = 10000;  // no byte taken by the client for so long
inline constexpr int kIdleTimeoutMs = 300000;
inline constexpr int kDrainGraceMs = 1000;
// Models whose run takes less than this are run by the thread that received the request.
inline constexpr int kInlineComputeUs = 200;
// Working memory of one run; a request whose shapes need more is refused.
inline constexpr int64_t kMaxArenaBytes = int64_t{8} << 30;

// Files in a model folder.
inline constexpr int kMaxModels = 1024;

}  // namespace ergo

#endif  // ERGO_SERVER_LIMITS_H_
