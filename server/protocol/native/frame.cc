#include "server/protocol/native/frame.h"

namespace ergo::native {

std::string_view FrameTypeName(FrameType type) {
  switch (type) {
    case FrameType::kHello: return "HELLO";
    case FrameType::kHelloAck: return "HELLO_ACK";
    case FrameType::kInfer: return "INFER";
    case FrameType::kResult: return "RESULT";
    case FrameType::kError: return "ERROR";
    case FrameType::kModelList: return "MODEL_LIST";
    case FrameType::kModelListReply: return "MODEL_LIST_REPLY";
    case FrameType::kMetadata: return "METADATA";
    case FrameType::kMetadataReply: return "METADATA_REPLY";
    case FrameType::kHealth: return "HEALTH";
    case FrameType::kHealthReply: return "HEALTH_REPLY";
    case FrameType::kStats: return "STATS";
    case FrameType::kStatsReply: return "STATS_REPLY";
    case FrameType::kPing: return "PING";
    case FrameType::kPong: return "PONG";
    case FrameType::kGoAway: return "GOAWAY";
  }
  return "unknown";
}

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNone: return "NONE";
    case ErrorCode::kMalformed: return "MALFORMED";
    case ErrorCode::kUnsupportedVersion: return "UNSUPPORTED_VERSION";
    case ErrorCode::kUnsupported: return "UNSUPPORTED";
    case ErrorCode::kTooLarge: return "TOO_LARGE";
    case ErrorCode::kTimeout: return "TIMEOUT";
    case ErrorCode::kModelNotFound: return "MODEL_NOT_FOUND";
    case ErrorCode::kInvalidInput: return "INVALID_INPUT";
    case ErrorCode::kOverloaded: return "OVERLOADED";
    case ErrorCode::kDeadlineExceeded: return "DEADLINE_EXCEEDED";
    case ErrorCode::kDraining: return "DRAINING";
    case ErrorCode::kInternal: return "INTERNAL";
    case ErrorCode::kResultTooLarge: return "RESULT_TOO_LARGE";
  }
  return "UNKNOWN";
}

bool ClosesConnection(ErrorCode code) {
  return code == ErrorCode::kMalformed || code == ErrorCode::kUnsupportedVersion ||
         code == ErrorCode::kTooLarge || code == ErrorCode::kTimeout;
}

StatusCode ToStatusCode(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNone: return StatusCode::kOk;
    case ErrorCode::kMalformed:
    case ErrorCode::kInvalidInput: return StatusCode::kInvalidArgument;
    case ErrorCode::kUnsupportedVersion:
    case ErrorCode::kUnsupported: return StatusCode::kUnsupported;
    case ErrorCode::kTooLarge:
    case ErrorCode::kResultTooLarge:
    case ErrorCode::kOverloaded: return StatusCode::kResourceExhausted;
    case ErrorCode::kTimeout:
    case ErrorCode::kDeadlineExceeded: return StatusCode::kDeadlineExceeded;
    case ErrorCode::kModelNotFound: return StatusCode::kNotFound;
    case ErrorCode::kDraining: return StatusCode::kUnavailable;
    case ErrorCode::kInternal: return StatusCode::kInternal;
  }
  return StatusCode::kInternal;
}

std::string_view EnergyShareName(EnergyShare share) {
  switch (share) {
    case EnergyShare::kNone: return "none";
    case EnergyShare::kProcessorTime: return "processor time";
    case EnergyShare::kWholeWindow: return "whole window";
  }
  return "unknown";
}

}  // namespace ergo::native
