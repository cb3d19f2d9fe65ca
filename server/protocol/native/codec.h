// Codec of the native protocol (PROTOCOL.md), for both sides. Sans-IO: bytes in, frames out, and
// the other way round; no socket, no clock, no thread in here.
//
//   Decoder       a stream of bytes, split anywhere -> whole frames, with the rules of a connection
//                 (HELLO first, types of the right side, limits) kept;
//   Parse...      a frame's body -> the message;
//   Append...     a small message -> a whole frame, at the end of a byte vector;
//   LayOutTensors, WriteInferHead, WriteResultHead
//                 the frames with tensors: where each payload goes, and everything before the first
//                 payload. Payloads themselves are sent from where they are (gather-write), or
//                 computed straight into the frame's buffer.
//
// Decoded messages point into the frame's body and live as long as it does.
// Thread safety: a Decoder belongs to one thread at a time; functions have no state.
#ifndef ERGO_SERVER_PROTOCOL_NATIVE_CODEC_H_
#define ERGO_SERVER_PROTOCOL_NATIVE_CODEC_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/base/aligned_buffer.h"
#include "kernels/base/status.h"
#include "server/buffer_pool.h"
#include "server/protocol/native/frame.h"

namespace ergo::native {

// A whole frame. The body's memory is aligned to kTensorAlignment.
struct Frame {
  FrameHeader header;
  AlignedBuffer buffer;  // at least header.body_bytes; give it back to the decoder's pool

  std::span<const std::byte> Body() const { return {buffer.Data(), header.body_bytes}; }
};

// Why a connection cannot go on.
struct Fault {
  ErrorCode code = ErrorCode::kNone;
  uint64_t request_id = 0;  // 0: belongs to no request
  std::string text;
};

enum class Side : uint8_t { kServer, kClient };

class Decoder {
 public:
  enum class Outcome : uint8_t {
    kNeedMore,  // all input was taken
    kFrame,     // TakeFrame has one; call Next again with what is left of the input
    kFault,     // GetFault says why; nothing more can be decoded
  };

  // `side` is who receives. Bodies above `max_body_bytes` are a fault (TOO_LARGE). The pool
  // outlives the decoder.
  Decoder(Side side, uint32_t max_body_bytes, BufferPool& pool)
      : side_(side), max_body_bytes_(max_body_bytes), pool_(pool) {}

  // Takes bytes from the front of `input` up to the end of the next frame.
  Outcome Next(std::span<const std::byte>& input);
  // After kFrame, once.
  Frame TakeFrame();
  const Fault& GetFault() const { return fault_; }

  // The large-body path. When much of a body is still to come, this is where it should be received:
  // straight into the frame. Empty when the rest is short or between frames. After receiving
  // `bytes` bytes there, call ReceivedDirect; bytes of the stream that arrive elsewhere go through
  // Next, which moves the target on.
  std::span<std::byte> DirectTarget();
  Outcome ReceivedDirect(size_t bytes);

  // True when the stream may not end here: part of a frame was received.
  bool MidFrame() const { return header_have_ > 0 || body_missing_ > 0; }
  // Names the header or body that is not whole: another number for each; 0 between frames.
  uint64_t Part() const { return MidFrame() ? 2 * headers_ + (body_missing_ > 0) + 1 : 0; }
  // Of a body that is not whole: its request, its length, and what of it is held in memory.
  uint64_t PartialRequestId() const { return body_missing_ > 0 ? header_.request_id : 0; }
  uint32_t PartialBytes() const { return body_missing_ > 0 ? header_.body_bytes : 0; }
  size_t PartialBodyBytes() const { return in_body_ ? body_have_ : 0; }
  // Frees what was received of the partial body; the rest will be skipped and no frame delivered.
  void DiscardPartialBody();

 private:
  Outcome TakeHeader(std::span<const std::byte>& input);
  Outcome BeginBody();
  Outcome Fail(ErrorCode code, uint64_t request_id, std::string text);

  const Side side_;
  const uint32_t max_body_bytes_;
  BufferPool& pool_;

  bool greeted_ = false;  // HELLO (server) or HELLO_ACK (client) was seen
  bool in_body_ = false;  // the body goes to frame_
  uint64_t headers_ = 0;  // whole ones
  size_t header_have_ = 0;
  std::array<std::byte, kHeaderBytes> header_bytes_;
  FrameHeader header_;
  size_t body_have_ = 0;
  size_t body_missing_ = 0;  // also of a body that is skipped
  AlignedBuffer body_;
  bool frame_ready_ = false;
  Fault fault_;
};

// Bodies. Errors are CorruptData naming the field (MALFORMED on the wire).
Status ParseInfer(std::span<const std::byte> body, Infer& infer);
Status ParseResult(std::span<const std::byte> body, ResultMessage& result);
Result<Hello> ParseHello(std::span<const std::byte> body);
Result<HelloAck> ParseHelloAck(std::span<const std::byte> body);
Result<ErrorMessage> ParseError(std::span<const std::byte> body);
Result<Health> ParseHealthReply(std::span<const std::byte> body);
Result<std::vector<ModelListEntry>> ParseModelListReply(std::span<const std::byte> body);
Result<MetadataRequest> ParseMetadata(std::span<const std::byte> body);
Result<Metadata> ParseMetadataReply(std::span<const std::byte> body);
Result<std::vector<Figure>> ParseStatsReply(std::span<const std::byte> body);
Result<GoAway> ParseGoAway(std::span<const std::byte> body);

// Whole small frames, appended. Texts and names above the protocol's limits are cut (error texts)
// or a bug (names).
using Bytes = std::vector<std::byte>;
void AppendHello(const Hello& hello, Bytes& out);
void AppendHelloAck(const HelloAck& ack, Bytes& out);
void AppendError(uint64_t request_id, const ErrorMessage& error, Bytes& out);
void AppendPing(uint64_t request_id, std::span<const std::byte> echo, Bytes& out);
void AppendPong(uint64_t request_id, std::span<const std::byte> echo, Bytes& out);
// HEALTH, MODEL_LIST or STATS: requests without a body.
void AppendQuestion(FrameType type, uint64_t request_id, Bytes& out);
void AppendHealthReply(uint64_t request_id, const Health& health, Bytes& out);
void AppendModelListReply(uint64_t request_id, std::span<const ModelListEntry> entries, Bytes& out);
void AppendMetadata(uint64_t request_id, const MetadataRequest& request, Bytes& out);
void AppendMetadataReply(uint64_t request_id, const Metadata& metadata, Bytes& out);
void AppendStatsReply(uint64_t request_id, std::span<const Figure> figures, Bytes& out);
void AppendGoAway(const GoAway& go_away, Bytes& out);

// Where everything of a frame with tensors is.
struct TensorLayout {
  size_t head_bytes = 0;  // header, block, descriptors, names, padding up to the first payload
  uint64_t body_bytes = 0;
  // From the start of the body, one a tensor; the first is at head_bytes - kHeaderBytes.
  std::array<uint64_t, 32> payload_offsets{};
};

// Of INFER (`model` is the model's name) or RESULT (`model` is ""). Uses dtypes, shapes and names
// of the tensors, not their data. ResourceExhausted when the body would exceed `max_body_bytes` or
// there are too many tensors; InvalidArgument for names or dimensions the protocol cannot carry.
Result<TensorLayout> LayOutTensors(std::string_view model, std::span<const WireTensor> tensors,
                                   uint32_t max_body_bytes);

// The first head_bytes of the frame, to `out`, which has at least as many. WriteResultHead also
// zeroes the gaps between payloads if `out` is the whole frame. NAMES is set when tensors have
// names.
void WriteInferHead(uint64_t request_id, uint16_t flags, const Infer& infer,
                    const TensorLayout& layout, std::span<std::byte> out);
void WriteResultHead(uint64_t request_id, const ResultBlock& block,
                     std::span<const WireTensor> tensors, const TensorLayout& layout,
                     std::span<std::byte> out);

}  // namespace ergo::native

#endif  // ERGO_SERVER_PROTOCOL_NATIVE_CODEC_H_
