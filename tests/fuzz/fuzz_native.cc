// Fuzz target: the native protocol's decoders and parsers, server's and client's side.
//
// Input: byte 0 picks the side (bit 0), the direct path (bit 1), discarding (bit 2) and whether a
// greeting goes before the stream (bit 3); byte 1 seeds the split; the rest is the stream.
#include <cstdint>
#include <cstring>
#include <utility>

#include "server/protocol/native/codec.h"

namespace ergo::native {
namespace {

// What was decoded, encoded again, must be the same bytes: nothing is accepted that we would not
// send.
void CheckInfer(const Frame& frame) {
  Infer infer;
  if (!ParseInfer(frame.Body(), infer).ok()) return;
  const Result<TensorLayout> layout = LayOutTensors(infer.model, infer.tensors, 1 << 20);
  ERGO_CHECK(layout.ok() && layout->body_bytes == frame.header.body_bytes);
  Bytes head(layout->head_bytes);
  WriteInferHead(frame.header.request_id, frame.header.flags, infer, *layout, head);
  const size_t named = kBlockBytes + infer.tensors.size() * kDescriptorBytes;
  ERGO_CHECK(std::memcmp(head.data() + kHeaderBytes, frame.Body().data(), named) == 0);
  uint64_t sum = 0;
  for (const WireTensor& tensor : infer.tensors) {
    const auto* bytes = static_cast<const uint8_t*>(tensor.view.data);
    for (int64_t i = 0; i < tensor.view.Bytes(); ++i) sum += bytes[i];
    for (char c : tensor.name) sum += static_cast<uint8_t>(c);
  }
  volatile uint64_t sink = sum;
  (void)sink;
}

template <typename Parse, typename Append>
void CheckSmall(const Frame& frame, Parse parse, Append append) {
  auto message = parse(frame.Body());
  if (!message.ok()) return;
  Bytes again;
  append(*message, again);
  auto reparsed = parse(std::span<const std::byte>(again).subspan(kHeaderBytes));
  ERGO_CHECK(reparsed.ok());
}

void ParseReply(const Frame& frame) {
  ResultMessage result;
  switch (frame.header.type) {
    case FrameType::kResult: (void)ParseResult(frame.Body(), result).ok(); break;
    case FrameType::kHelloAck: (void)ParseHelloAck(frame.Body()).ok(); break;
    case FrameType::kError:
      CheckSmall(frame, ParseError,
                 [](const ErrorMessage& error, Bytes& out) { AppendError(1, error, out); });
      break;
    case FrameType::kHealthReply:
      CheckSmall(frame, ParseHealthReply,
                 [](const Health& health, Bytes& out) { AppendHealthReply(1, health, out); });
      break;
    case FrameType::kModelListReply: (void)ParseModelListReply(frame.Body()).ok(); break;
    case FrameType::kMetadataReply: (void)ParseMetadataReply(frame.Body()).ok(); break;
    case FrameType::kStatsReply:
      CheckSmall(frame, ParseStatsReply, [](const std::vector<Figure>& figures, Bytes& out) {
        AppendStatsReply(1, figures, out);
      });
      break;
    case FrameType::kGoAway: (void)ParseGoAway(frame.Body()).ok(); break;
    default: break;
  }
}

void ParseFrame(const Frame& frame) {
  switch (frame.header.type) {
    case FrameType::kInfer: CheckInfer(frame); break;
    case FrameType::kHello:
      CheckSmall(frame, ParseHello,
                 [](const Hello& hello, Bytes& out) { AppendHello(hello, out); });
      break;
    case FrameType::kMetadata: (void)ParseMetadata(frame.Body()).ok(); break;
    default: ParseReply(frame);
  }
}

void Feed(Decoder& decoder, BufferPool& pool, std::span<const std::byte> piece, bool direct) {
  while (!piece.empty()) {
    Decoder::Outcome outcome;
    const std::span<std::byte> target = decoder.DirectTarget();
    if (direct && !target.empty()) {
      const size_t bytes = std::min(target.size(), piece.size());
      std::memcpy(target.data(), piece.data(), bytes);
      piece = piece.subspan(bytes);
      outcome = decoder.ReceivedDirect(bytes);
    } else {
      outcome = decoder.Next(piece);
    }
    if (outcome == Decoder::Outcome::kFault) {
      ERGO_CHECK(!decoder.GetFault().text.empty());
      return;
    }
    if (outcome != Decoder::Outcome::kFrame) continue;
    Frame frame = decoder.TakeFrame();
    ParseFrame(frame);
    pool.Give(std::move(frame.buffer));
  }
}

void FuzzOne(std::span<const std::byte> input) {
  if (input.size() < 2) return;
  const auto choice = static_cast<uint8_t>(input[0]);
  auto split = static_cast<uint32_t>(input[1]);
  const Side side = (choice & 1) != 0 ? Side::kClient : Side::kServer;
  BufferPool pool(1 << 20);
  Decoder decoder(side, 1 << 20, pool);
  Bytes greeting;
  if ((choice & 8) != 0) {
    side == Side::kServer ? AppendHello({}, greeting) : AppendHelloAck({}, greeting);
    Feed(decoder, pool, greeting, false);
  }
  std::span<const std::byte> stream = input.subspan(2);
  while (!stream.empty()) {
    split = split * 1664525 + 1013904223;
    const size_t bytes = std::min<size_t>(stream.size(), 1 + (split >> 24));
    Feed(decoder, pool, stream.first(bytes), (choice & 2) != 0);
    stream = stream.subspan(bytes);
    if ((choice & 4) != 0 && (split >> 20) % 8 == 0 && decoder.PartialBodyBytes() > 0) {
      decoder.DiscardPartialBody();
    }
  }
}

}  // namespace
}  // namespace ergo::native

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ergo::native::FuzzOne(std::as_bytes(std::span(data, size)));
  return 0;
}
