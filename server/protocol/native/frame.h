// The native protocol's frames as data: numbers, and one struct a message. The layout in bytes, and
// what each field means, is in PROTOCOL.md; only codec.h knows both.
#ifndef ERGO_SERVER_PROTOCOL_NATIVE_FRAME_H_
#define ERGO_SERVER_PROTOCOL_NATIVE_FRAME_H_

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "engine/energy/joules.h"
#include "engine/graph/symbolic_shape.h"
#include "kernels/base/tensor_view.h"

namespace ergo::native {

inline constexpr std::array<uint8_t, 4> kMagic = {0xe7, 'E', 'R', 'G'};
inline constexpr uint8_t kVersion = 1;
inline constexpr size_t kHeaderBytes = 32;
// Fixed block at the start of the bodies of INFER and RESULT, and each tensor descriptor.
inline constexpr size_t kBlockBytes = 64;
inline constexpr size_t kDescriptorBytes = 64;
inline constexpr uint16_t kIndexByName = 0xffff;

enum class FrameType : uint8_t {
  kHello = 0x01,
  kHelloAck = 0x02,
  kInfer = 0x10,
  kResult = 0x11,
  kError = 0x12,
  kModelList = 0x20,
  kModelListReply = 0x21,
  kMetadata = 0x22,
  kMetadataReply = 0x23,
  kHealth = 0x24,
  kHealthReply = 0x25,
  kStats = 0x26,
  kStatsReply = 0x27,
  kPing = 0x30,
  kPong = 0x31,
  kGoAway = 0x40,
};
std::string_view FrameTypeName(FrameType type);  // "INFER"; "unknown"

inline constexpr uint16_t kFlagNames = 0x0001;
inline constexpr uint16_t kMustUnderstandFlags = 0x00ff;

enum class ErrorCode : uint16_t {
  kNone = 0,  // never on the wire
  kMalformed = 1,
  kUnsupportedVersion = 2,
  kUnsupported = 3,
  kTooLarge = 4,
  kTimeout = 5,
  kModelNotFound = 6,
  kInvalidInput = 7,
  kOverloaded = 8,
  kDeadlineExceeded = 9,
  kDraining = 10,
  kInternal = 11,
  kResultTooLarge = 12,
};
inline constexpr int kErrorCodes = 13;           // one above the highest
std::string_view ErrorCodeName(ErrorCode code);  // "OVERLOADED"; "UNKNOWN"
bool ClosesConnection(ErrorCode code);           // after this error the server closes
StatusCode ToStatusCode(ErrorCode code);

struct FrameHeader {
  FrameType type = FrameType::kPing;
  uint16_t flags = 0;
  uint64_t request_id = 0;
  uint32_t body_bytes = 0;
};

struct Hello {
  uint16_t version_min = kVersion, version_max = kVersion;
  uint32_t max_body_bytes = 0;
  uint32_t max_in_flight = 0;
  uint32_t idle_timeout_ms = 0;
  uint64_t features = 0;
  uint16_t auth_kind = 0;
};

struct HelloAck {
  uint16_t version = kVersion;
  uint32_t max_body_bytes = 0;
  uint32_t max_in_flight = 0;
  uint32_t idle_timeout_ms = 0;
  uint64_t features = 0;
  std::string name;
};

// A tensor as a descriptor tells it. Decoded, `view.data` and `name` point into the frame's body.
struct WireTensor {
  uint16_t index = 0;  // kIndexByName: by `name`
  std::string_view name;
  TensorView view;
};

struct Infer {
  uint64_t deadline_us = 0;
  uint32_t model_version = 0;
  int8_t priority = 0;
  std::string_view model;  // points into the body, once decoded
  std::vector<WireTensor> tensors;
};

enum class EnergyShare : uint8_t { kNone = 0, kProcessorTime = 1, kWholeWindow = 2 };
std::string_view EnergyShareName(EnergyShare share);  // "processor time"

// The block of a RESULT.
struct ResultBlock {
  uint64_t queue_ns = 0;
  uint64_t compute_ns = 0;
  double joules = std::numeric_limits<double>::quiet_NaN();
  double joules_relative_error = std::numeric_limits<double>::quiet_NaN();
  uint64_t energy_window_ns = 0;
  uint32_t batch_size = 1;
  uint32_t model_version = 0;
  EnergySource energy_source = EnergySource::kUnavailable;
  EnergyShare energy_share = EnergyShare::kNone;
};

struct ResultMessage {
  ResultBlock block;
  std::vector<WireTensor> tensors;
};

struct ErrorMessage {
  ErrorCode code = ErrorCode::kInternal;
  uint32_t retry_after_us = 0;
  uint64_t queue_ns = 0;
  std::string text;
};

enum class HealthState : uint8_t { kReady = 1, kDraining = 2 };

struct Health {
  HealthState state = HealthState::kReady;
  uint32_t models = 0;
  uint32_t connections = 0;
  uint32_t requests_in_flight = 0;
  uint64_t uptime_ns = 0;
};

struct ModelListEntry {
  std::string name;
  uint32_t version = 0;
  uint8_t state = 1;
};

struct MetadataRequest {
  std::string_view model;  // points into the body, once decoded
  uint32_t model_version = 0;
};

struct PortInfo {
  std::string name;
  DType dtype = DType::kUndefined;
  SymbolicShape shape;
};

struct Metadata {
  std::string model;
  uint32_t model_version = 0;
  std::vector<PortInfo> inputs, outputs;
};

enum class FigureKind : uint8_t { kCounter = 1, kGauge = 2, kHistogram = 3 };

struct Figure {
  std::string name;
  FigureKind kind = FigureKind::kCounter;
  // Counter and gauge: one. Histogram: count, sum, then pairs (inclusive upper bound, samples).
  std::vector<uint64_t> values;
};

enum class GoAwayReason : uint16_t { kDraining = 1, kIdle = 2 };

struct GoAway {
  GoAwayReason reason = GoAwayReason::kDraining;
  uint32_t grace_ms = 0;
};

}  // namespace ergo::native

#endif  // ERGO_SERVER_PROTOCOL_NATIVE_FRAME_H_
