#include <algorithm>
#include <cstring>
#include <utility>

#include "server/limits.h"
#include "server/protocol/native/bytes.h"
#include "server/protocol/native/codec.h"

namespace ergo::native {
namespace {

// A rest of a body shorter than this is copied from where it arrived.
constexpr size_t kDirectBytes = 32768;

struct TypeRule {
  Side receiver;
  uint32_t min_body, max_body;
};

constexpr uint32_t kAny = 0xffffffff;

// Null for types that this version does not know.
const TypeRule* FindRule(FrameType type) {
  static constexpr TypeRule kHello = {Side::kServer, 64, 64};
  static constexpr TypeRule kHelloAck = {Side::kClient, 64, 64 + kMaxModelNameBytes};
  static constexpr TypeRule kInfer = {Side::kServer, kBlockBytes, kAny};
  static constexpr TypeRule kResult = {Side::kClient, kBlockBytes, kAny};
  static constexpr TypeRule kError = {Side::kClient, 16, 16 + kMaxErrorTextBytes};
  static constexpr TypeRule kQuestion = {Side::kServer, 0, 0};
  static constexpr TypeRule kMetadata = {Side::kServer, 9, 8 + kMaxModelNameBytes};
  static constexpr TypeRule kList = {Side::kClient, 8, kAny};
  static constexpr TypeRule kHealthReply = {Side::kClient, 32, 32};
  static constexpr TypeRule kPing = {Side::kServer, 0, kMaxPingBytes};
  static constexpr TypeRule kPong = {Side::kClient, 0, kMaxPingBytes};
  static constexpr TypeRule kGoAway = {Side::kClient, 8, 8};
  switch (type) {
    case FrameType::kHello: return &kHello;
    case FrameType::kHelloAck: return &kHelloAck;
    case FrameType::kInfer: return &kInfer;
    case FrameType::kResult: return &kResult;
    case FrameType::kError: return &kError;
    case FrameType::kModelList:
    case FrameType::kHealth:
    case FrameType::kStats: return &kQuestion;
    case FrameType::kMetadata: return &kMetadata;
    case FrameType::kModelListReply:
    case FrameType::kMetadataReply:
    case FrameType::kStatsReply: return &kList;
    case FrameType::kHealthReply: return &kHealthReply;
    case FrameType::kPing: return &kPing;
    case FrameType::kPong: return &kPong;
    case FrameType::kGoAway: return &kGoAway;
  }
  return nullptr;
}

bool IsExtension(FrameType type) {
  return static_cast<uint8_t>(type) >= 0x80;
}

// Frames that belong to the connection, not to a request.
bool HasNoRequest(FrameType type) {
  return type == FrameType::kHello || type == FrameType::kHelloAck || type == FrameType::kGoAway;
}

uint16_t KnownFlags(FrameType type) {
  return type == FrameType::kInfer || type == FrameType::kResult ? kFlagNames : 0;
}

// "" when the header keeps the rules that do not depend on what came before.
std::string WrongInHeader(const FrameHeader& header, Side side) {
  const TypeRule* rule = FindRule(header.type);
  const std::string_view name = FrameTypeName(header.type);
  if ((header.flags & kMustUnderstandFlags & ~KnownFlags(header.type)) != 0) {
    return fmt::format("header of {}: flags 0x{:04x} are not known", name, header.flags);
  }
  if (IsExtension(header.type)) return "";
  if (rule == nullptr) {
    return fmt::format("header: type 0x{:02x} is not known", static_cast<int>(header.type));
  }
  if (rule->receiver != side) {
    return fmt::format("header: {} is never sent to a {}", name,
                       side == Side::kServer ? "server" : "client");
  }
  if (header.body_bytes < rule->min_body || header.body_bytes > rule->max_body) {
    return fmt::format("header of {}: body_bytes is {}, not {} to {}", name, header.body_bytes,
                       rule->min_body, rule->max_body);
  }
  if (HasNoRequest(header.type) != (header.request_id == 0) && header.type != FrameType::kError) {
    return fmt::format("header of {}: request_id is {}", name, header.request_id);
  }
  return "";
}

// An id that an answer to a broken header may carry: only that of a frame from the right side.
uint64_t AnswerableId(const FrameHeader& header) {
  return HasNoRequest(header.type) ? 0 : header.request_id;
}

}  // namespace

Decoder::Outcome Decoder::Fail(ErrorCode code, uint64_t request_id, std::string text) {
  fault_ = {code, request_id, std::move(text)};
  pool_.Give(std::move(body_));
  body_ = AlignedBuffer();
  in_body_ = false;
  return Outcome::kFault;
}

Decoder::Outcome Decoder::TakeHeader(std::span<const std::byte>& input) {
  const size_t take = std::min(input.size(), kHeaderBytes - header_have_);
  std::memcpy(header_bytes_.data() + header_have_, input.data(), take);
  header_have_ += take;
  input = input.subspan(take);
  // Something that is not this protocol is refused at its first byte, without waiting for more.
  const size_t magic_have = std::min(header_have_, kMagic.size());
  if (std::memcmp(header_bytes_.data(), kMagic.data(), magic_have) != 0) {
    return Fail(ErrorCode::kMalformed, 0, "header: magic is not E7 45 52 47");
  }
  if (header_have_ < kHeaderBytes) return Outcome::kNeedMore;
  header_have_ = 0;
  ++headers_;

  const std::span<const std::byte> bytes(header_bytes_);
  header_.type = static_cast<FrameType>(Load<uint8_t>(bytes, 5));
  header_.flags = Load<uint16_t>(bytes, 6);
  header_.request_id = Load<uint64_t>(bytes, 8);
  header_.body_bytes = Load<uint32_t>(bytes, 16);
  if (const auto version = Load<uint8_t>(bytes, 4); version != kVersion) {
    return Fail(ErrorCode::kUnsupportedVersion, 0,
                fmt::format("header: version is {}, only {} is spoken here", version, kVersion));
  }
  if (!AllZero(bytes.subspan(20))) {
    return Fail(ErrorCode::kMalformed, AnswerableId(header_), "header: a reserved field is not 0");
  }
  return BeginBody();
}

Decoder::Outcome Decoder::BeginBody() {
  const uint64_t id = AnswerableId(header_);
  if (std::string wrong = WrongInHeader(header_, side_); !wrong.empty()) {
    return Fail(ErrorCode::kMalformed, id, std::move(wrong));
  }
  const FrameType greeting = side_ == Side::kServer ? FrameType::kHello : FrameType::kHelloAck;
  const bool refusal = side_ == Side::kClient && header_.type == FrameType::kError;
  if (greeted_ == (header_.type == greeting) && !(refusal && !greeted_)) {
    return Fail(ErrorCode::kMalformed, id,
                greeted_ ? fmt::format("a second {}", FrameTypeName(greeting))
                         : fmt::format("the first frame is {}, not {}", FrameTypeName(header_.type),
                                       FrameTypeName(greeting)));
  }
  if (header_.body_bytes > max_body_bytes_) {
    return Fail(ErrorCode::kTooLarge, id,
                fmt::format("body_bytes is {}, at most {} are taken here", header_.body_bytes,
                            max_body_bytes_));
  }
  greeted_ |= header_.type == greeting;
  body_missing_ = header_.body_bytes;
  if (IsExtension(header_.type)) return Outcome::kNeedMore;
  Result<AlignedBuffer> buffer = pool_.Take(header_.body_bytes);
  if (!buffer.ok()) {
    return Fail(ErrorCode::kTooLarge, id,
                fmt::format("no memory for a body of {} bytes", header_.body_bytes));
  }
  body_ = std::move(buffer).value();
  body_have_ = 0;
  in_body_ = true;
  return body_missing_ == 0 ? ReceivedDirect(0) : Outcome::kNeedMore;
}

Decoder::Outcome Decoder::Next(std::span<const std::byte>& input) {
  ERGO_CHECK_MSG(!frame_ready_, "TakeFrame first");
  if (fault_.code != ErrorCode::kNone) return Outcome::kFault;
  while (!input.empty()) {
    if (body_missing_ == 0) {
      if (const Outcome outcome = TakeHeader(input); outcome != Outcome::kNeedMore) return outcome;
      continue;
    }
    const size_t take = std::min(input.size(), body_missing_);
    if (in_body_) std::memcpy(body_.Data() + body_have_, input.data(), take);
    input = input.subspan(take);
    if (in_body_) {
      if (const Outcome outcome = ReceivedDirect(take); outcome != Outcome::kNeedMore) {
        return outcome;
      }
    } else {
      body_missing_ -= take;
    }
  }
  return Outcome::kNeedMore;
}

std::span<std::byte> Decoder::DirectTarget() {
  if (!in_body_ || body_missing_ < kDirectBytes) return {};
  return {body_.Data() + body_have_, body_missing_};
}

Decoder::Outcome Decoder::ReceivedDirect(size_t bytes) {
  ERGO_CHECK(in_body_ && bytes <= body_missing_);
  body_have_ += bytes;
  body_missing_ -= bytes;
  if (body_missing_ > 0) return Outcome::kNeedMore;
  in_body_ = false;
  frame_ready_ = true;
  return Outcome::kFrame;
}

Frame Decoder::TakeFrame() {
  ERGO_CHECK(frame_ready_);
  frame_ready_ = false;
  return {header_, std::exchange(body_, AlignedBuffer())};
}

void Decoder::DiscardPartialBody() {
  ERGO_CHECK(in_body_);
  pool_.Give(std::exchange(body_, AlignedBuffer()));
  in_body_ = false;
}

}  // namespace ergo::native
