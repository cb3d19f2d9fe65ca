// The decoder under every split of the bytes, and frames broken in each way.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include "server/limits.h"
#include "server/protocol/native/codec.h"
#include "tests/server/native/hex.h"

namespace ergo::native {
namespace {

using Outcome = Decoder::Outcome;

struct Received {
  FrameType type;
  uint64_t request_id;
  Bytes body;
  bool operator==(const Received&) const = default;
};

Bytes InferFrame(uint64_t id, std::span<const WireTensor> tensors, std::string_view model = "m") {
  Infer infer;
  infer.model = model;
  infer.tensors.assign(tensors.begin(), tensors.end());
  const TensorLayout layout = LayOutTensors(model, tensors, 1u << 30).value();
  Bytes bytes(kHeaderBytes + layout.body_bytes);
  WriteInferHead(id, 0, infer, layout, bytes);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].view.Bytes() == 0) continue;
    std::memcpy(bytes.data() + kHeaderBytes + layout.payload_offsets[i], tensors[i].view.data,
                static_cast<size_t>(tensors[i].view.Bytes()));
  }
  return bytes;
}

void Append(Bytes& stream, const Bytes& more) {
  stream.insert(stream.end(), more.begin(), more.end());
}

// A stream with frames of every type a client sends; `large` floats in one INFER.
Bytes ClientStream(size_t large) {
  std::vector<float> values(large);
  for (size_t i = 0; i < large; ++i) values[i] = static_cast<float>(i);
  const auto length = static_cast<int64_t>(large);
  const WireTensor tensors[] = {{0, "", {values.data(), DType::kF32, Device::kCpu, {length}}},
                                {kIndexByName, "e", {nullptr, DType::kI8, Device::kCpu, {0, 3}}}};
  Bytes stream;
  AppendHello({}, stream);
  Append(stream, InferFrame(1, tensors));
  AppendQuestion(FrameType::kHealth, 2, stream);
  Append(stream, FromHex(HexHeader(0x90, 0, 0, 5) + "01 02 03 04 05"));  // skipped
  AppendPing(3, FromHex("aa bb"), stream);
  AppendMetadata(4, {.model = "m"}, stream);
  Append(stream, InferFrame(5, {}));
  AppendQuestion(FrameType::kStats, 6, stream);
  return stream;
}

// Feeds `stream` in pieces that end at `cuts`; large rests of bodies take the direct path.
std::vector<Received> DecodeInPieces(const Bytes& stream, std::span<const size_t> cuts,
                                     bool direct = false) {
  BufferPool pool(1 << 20);
  Decoder decoder(Side::kServer, 1 << 20, pool);
  std::vector<Received> received;
  const auto take = [&] {
    Frame frame = decoder.TakeFrame();
    const auto body = frame.Body();
    received.push_back({frame.header.type, frame.header.request_id, {body.begin(), body.end()}});
    pool.Give(std::move(frame.buffer));
  };
  size_t begin = 0;
  for (size_t cut = 0; cut <= cuts.size(); ++cut) {
    const size_t end = cut < cuts.size() ? cuts[cut] : stream.size();
    std::span<const std::byte> piece(stream.data() + begin, end - begin);
    begin = end;
    while (!piece.empty()) {
      if (const std::span<std::byte> target = decoder.DirectTarget(); direct && !target.empty()) {
        const size_t bytes = std::min(target.size(), piece.size());
        std::memcpy(target.data(), piece.data(), bytes);
        piece = piece.subspan(bytes);
        if (decoder.ReceivedDirect(bytes) == Outcome::kFrame) take();
        continue;
      }
      const Outcome outcome = decoder.Next(piece);
      EXPECT_NE(outcome, Outcome::kFault) << decoder.GetFault().text;
      if (outcome == Outcome::kFault) return received;
      if (outcome == Outcome::kFrame) take();
    }
  }
  EXPECT_FALSE(decoder.MidFrame());
  return received;
}

TEST(DecoderTest, TwoPiecesAtEveryPosition) {
  const Bytes stream = ClientStream(10);
  const std::vector<Received> want = DecodeInPieces(stream, {});
  ASSERT_EQ(want.size(), 7u);
  EXPECT_EQ(want[0].type, FrameType::kHello);
  EXPECT_EQ(want[1].type, FrameType::kInfer);
  EXPECT_EQ(want[2].type, FrameType::kHealth);
  EXPECT_EQ(want[6].request_id, 6u);
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    const size_t cuts[] = {cut};
    ASSERT_EQ(DecodeInPieces(stream, cuts), want) << "cut at " << cut;
  }
}

TEST(DecoderTest, OneByteAtATime) {
  const Bytes stream = ClientStream(10);
  std::vector<size_t> cuts(stream.size());
  for (size_t i = 0; i < cuts.size(); ++i) cuts[i] = i;
  EXPECT_EQ(DecodeInPieces(stream, cuts), DecodeInPieces(stream, {}));
}

TEST(DecoderTest, RandomPiecesWithTheDirectPath) {
  const Bytes stream = ClientStream(50000);
  const std::vector<Received> want = DecodeInPieces(stream, {});
  ASSERT_EQ(want.size(), 7u);
  for (uint32_t seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    std::vector<size_t> cuts(random() % 40);
    for (size_t& cut : cuts) cut = random() % stream.size();
    std::sort(cuts.begin(), cuts.end());
    ASSERT_EQ(DecodeInPieces(stream, cuts, true), want) << "seed " << seed;
  }
}

TEST(DecoderTest, BodiesAreAlignedAndReused) {
  BufferPool pool(1 << 20);
  Decoder decoder(Side::kServer, 1 << 20, pool);
  const Bytes stream = ClientStream(100);
  std::span<const std::byte> input(stream);
  const std::byte* memory = nullptr;
  int frames = 0;
  while (decoder.Next(input) == Outcome::kFrame) {
    Frame frame = decoder.TakeFrame();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(frame.buffer.Data()) % kTensorAlignment, 0u);
    if (frames > 0) {
      EXPECT_EQ(frame.buffer.Data(), memory);
    }
    ++frames;
    memory = frame.buffer.Data();
    pool.Give(std::move(frame.buffer));
  }
  EXPECT_EQ(frames, 7);
}

TEST(DecoderTest, DiscardedBodyIsSkipped) {
  BufferPool pool(1 << 20);
  Decoder decoder(Side::kServer, 1 << 20, pool);
  const Bytes stream = ClientStream(50000);
  std::span<const std::byte> input = std::span(stream).first(5000);
  ASSERT_EQ(decoder.Next(input), Outcome::kFrame);
  decoder.TakeFrame();
  ASSERT_EQ(decoder.Next(input), Outcome::kNeedMore);
  EXPECT_TRUE(decoder.MidFrame());
  EXPECT_EQ(decoder.PartialRequestId(), 1u);
  EXPECT_EQ(decoder.PartialBytes(), 200256u);
  EXPECT_EQ(decoder.PartialBodyBytes(), 5000u - 96u - 32u);
  decoder.DiscardPartialBody();
  EXPECT_EQ(decoder.PartialBodyBytes(), 0u);
  EXPECT_TRUE(decoder.DirectTarget().empty());
  input = std::span(stream).subspan(5000);
  ASSERT_EQ(decoder.Next(input), Outcome::kFrame);
  EXPECT_EQ(decoder.TakeFrame().header.request_id, 2u);
}

// A stream that the decoder refuses, why, and the id that the answer carries.
struct Broken {
  const char* what;
  Bytes bytes;
  ErrorCode code;
  uint64_t request_id;
  const char* text;  // part of the fault's text
};

Bytes AfterHello(const std::string& hex) {
  Bytes stream;
  AppendHello({}, stream);
  Append(stream, FromHex(hex));
  return stream;
}

std::vector<Broken> BrokenStreams() {
  const auto malformed = ErrorCode::kMalformed;
  return {
      {"http", FromHex("47"), malformed, 0, "magic"},
      {"fourth byte of magic", FromHex("e7 45 52 48"), malformed, 0, "magic"},
      {"version 2", FromHex("e7 45 52 47 02 01 00*26"), ErrorCode::kUnsupportedVersion, 0,
       "version is 2"},
      {"no hello", FromHex(HexHeader(0x24, 0, 3, 0)), malformed, 3, "first frame is HEALTH"},
      {"extension before hello", FromHex(HexHeader(0x90, 0, 0, 0)), malformed, 0, "first frame"},
      {"two hellos", AfterHello(HexHeader(0x01, 0, 0, 64)), malformed, 0, "second HELLO"},
      {"short hello", FromHex(HexHeader(0x01, 0, 0, 63)), malformed, 0, "body_bytes is 63"},
      {"hello with an id", FromHex(HexHeader(0x01, 0, 5, 64)), malformed, 0, "request_id is 5"},
      {"unknown type", AfterHello(HexHeader(0x7f, 0, 4, 0)), malformed, 4, "type 0x7f"},
      {"a server's type", AfterHello(HexHeader(0x11, 0, 4, 64)), malformed, 4, "RESULT is never"},
      {"unknown flag", AfterHello(HexHeader(0x10, 2, 4, 64)), malformed, 4, "flags 0x0002"},
      {"flag of another type", AfterHello(HexHeader(0x30, 1, 4, 0)), malformed, 4, "flags 0x0001"},
      {"id 0", AfterHello(HexHeader(0x10, 0, 0, 64)), malformed, 0, "request_id is 0"},
      {"infer without block", AfterHello(HexHeader(0x10, 0, 4, 63)), malformed, 4, "body_bytes"},
      {"long ping", AfterHello(HexHeader(0x30, 0, 4, 1025)), malformed, 4, "body_bytes is 1025"},
      {"health with body", AfterHello(HexHeader(0x24, 0, 4, 1)), malformed, 4, "body_bytes is 1"},
      {"header reserved u32", AfterHello("e7 45 52 47 01 24 00 00 04 00*7 00*4 01 00*11"),
       malformed, 4, "reserved"},
      {"header reserved u64", AfterHello("e7 45 52 47 01 24 00 00 04 00*7 00*15 01"), malformed, 4,
       "reserved"},
      {"too large", AfterHello("e7 45 52 47 01 10 00 00 04 00*7 01 00 10 00 00*12"),
       ErrorCode::kTooLarge, 4, "body_bytes is 1048577"},
      {"4 GiB", AfterHello("e7 45 52 47 01 10 00 00 04 00*7 ff*4 00*12"), ErrorCode::kTooLarge, 4,
       "at most 1048576"},
      {"4 GiB extension", AfterHello("e7 45 52 47 01 90 00 00 04 00*7 ff*4 00*12"),
       ErrorCode::kTooLarge, 4, "at most 1048576"},
  };
}

TEST(DecoderTest, BrokenStreamsAreRefusedHoweverTheyArrive) {
  for (const Broken& broken : BrokenStreams()) {
    for (const size_t piece_bytes : {size_t{1}, size_t{7}, broken.bytes.size()}) {
      BufferPool pool(1 << 20);
      Decoder decoder(Side::kServer, 1 << 20, pool);
      Outcome outcome = Outcome::kNeedMore;
      for (size_t at = 0; at < broken.bytes.size() && outcome != Outcome::kFault;) {
        const size_t bytes = std::min(piece_bytes, broken.bytes.size() - at);
        std::span<const std::byte> piece(broken.bytes.data() + at, bytes);
        at += bytes;
        while (!piece.empty() && outcome != Outcome::kFault) {
          outcome = decoder.Next(piece);
          if (outcome == Outcome::kFrame) decoder.TakeFrame();
        }
      }
      ASSERT_EQ(outcome, Outcome::kFault) << broken.what;
      EXPECT_EQ(decoder.GetFault().code, broken.code) << broken.what;
      EXPECT_EQ(decoder.GetFault().request_id, broken.request_id) << broken.what;
      EXPECT_NE(decoder.GetFault().text.find(broken.text), std::string::npos)
          << broken.what << ": " << decoder.GetFault().text;
      // It stays broken.
      std::span<const std::byte> more(broken.bytes);
      EXPECT_EQ(decoder.Next(more), Outcome::kFault);
    }
  }
}

TEST(DecoderTest, ClientAcceptsARefusalInsteadOfHelloAck) {
  BufferPool pool(1 << 20);
  Decoder decoder(Side::kClient, 1 << 20, pool);
  Bytes stream;
  AppendError(0, {ErrorCode::kOverloaded, 0, 0, "too many connections"}, stream);
  std::span<const std::byte> input(stream);
  EXPECT_EQ(decoder.Next(input), Outcome::kFrame);
}

// INFER bodies, broken one field at a time. Offsets are those of PROTOCOL.md.
struct BrokenField {
  const char* what;
  size_t offset;  // in the body
  Bytes bytes;
  const char* text;
};

TEST(ParseInferTest, EachBrokenFieldIsNamed) {
  // One tensor "ab" float32 [2, 3] of 24 bytes at 192; model "m" at 128.
  const float values[6] = {};
  const WireTensor tensors[] = {{kIndexByName, "ab", {values, DType::kF32, Device::kCpu, {2, 3}}}};
  const Bytes frame = InferFrame(1, tensors);
  const Bytes body(frame.begin() + kHeaderBytes, frame.end());
  ASSERT_EQ(body.size(), 216u);
  Infer infer;
  ASSERT_TRUE(ParseInfer(body, infer).ok());
  const BrokenField fields[] = {
      {"count above limit", 13, FromHex("21"), "tensor_count is 33"},
      {"count above body", 13, FromHex("03"), "before its descriptors"},
      {"no model name", 14, FromHex("00 00"), "model_name_bytes is 0"},
      {"model name above limit", 14, FromHex("01 01"), "model_name_bytes is 257"},
      {"model name behind body", 14, FromHex("ff 00"), "before its descriptors"},
      {"block reserved", 16, FromHex("01"), "reserved"},
      {"block reserved end", 63, FromHex("01"), "reserved"},
      {"dtype 0", 64, FromHex("00"), "dtype is 0"},
      {"dtype string", 64, FromHex("08"), "dtype is 8"},
      {"dtype unknown", 64, FromHex("c8"), "dtype is 200"},
      {"another dtype", 64, FromHex("0b"), "payload_bytes is 24"},
      {"rank 9", 65, FromHex("09"), "rank is 9"},
      {"rank below dims", 65, FromHex("01"), "unused dim"},
      {"index with name", 66, FromHex("00 00"), "name_bytes is 2"},
      {"no index, no name", 68, FromHex("00 00"), "name_bytes is 0"},
      {"name above limit", 68, FromHex("01 01"), "name_bytes is 257"},
      {"name behind body", 68, FromHex("64 00"), "name ends behind"},
      {"placement", 70, FromHex("01 00"), "placement is 1"},
      {"offset too small", 72, FromHex("80"), "payload_offset is 128"},
      {"offset unaligned", 72, FromHex("c1"), "payload_offset is 193"},
      {"offset huge", 72, FromHex("c0 ff ff ff ff ff ff ff"), "payload_offset"},
      {"bytes too many", 80, FromHex("20"), "payload_bytes is 32"},
      {"bytes huge", 80, FromHex("18 00 00 00 00 00 00 80"), "payload_bytes"},
      {"dims differ", 88, FromHex("03"), "payload_bytes is 24"},
      {"dims overflow", 88, FromHex("ff*8"), "too large"},
      {"dims unused", 116, FromHex("01"), "unused dim"},
      {"descriptor reserved", 120, FromHex("01"), "reserved"},
  };
  for (const BrokenField& field : fields) {
    Bytes broken = body;
    std::copy(field.bytes.begin(), field.bytes.end(),
              broken.begin() + static_cast<ptrdiff_t>(field.offset));
    const Status status = ParseInfer(broken, infer);
    EXPECT_EQ(status.code(), StatusCode::kCorruptData) << field.what;
    EXPECT_NE(status.message().find(field.text), std::string::npos)
        << field.what << ": " << status.message();
  }
  for (size_t length = 0; length < body.size(); ++length) {
    EXPECT_FALSE(ParseInfer(std::span(body).first(length), infer).ok()) << length;
  }
  Bytes longer = body;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(ParseInfer(longer, infer).ok());
}

TEST(ParseInferTest, ZeroElementsDoNotExcuseHugeDims) {
  const WireTensor tensors[] = {{0, "", {nullptr, DType::kF32, Device::kCpu, {0, 2, 3}}}};
  const Bytes frame = InferFrame(1, tensors);
  Bytes body(frame.begin() + kHeaderBytes, frame.end());
  Infer infer;
  ASSERT_TRUE(ParseInfer(body, infer).ok());
  std::fill_n(body.begin() + 92, 8, std::byte{0xff});
  EXPECT_FALSE(ParseInfer(body, infer).ok());
}

// Small bodies: cut anywhere, or longer than they say, they are refused; parsing reads no further
// than the bytes it was given (which the sanitizer checks).
TEST(ParseTest, TruncatedSmallBodies) {
  Bytes frame;
  const auto body_of = [&frame](auto append) {
    frame.clear();
    append(frame);
    return std::span<const std::byte>(frame).subspan(kHeaderBytes);
  };
  const auto check = [](std::span<const std::byte> body, auto parse, size_t shortest) {
    for (size_t length = 0; length <= body.size(); ++length) {
      const Bytes exact(body.begin(), body.begin() + static_cast<ptrdiff_t>(length));
      EXPECT_EQ(parse(std::span<const std::byte>(exact)).ok(), length >= shortest) << length;
    }
    Bytes longer(body.begin(), body.end());
    longer.resize(longer.size() + 8);
    EXPECT_FALSE(parse(std::span<const std::byte>(longer)).ok());
  };
  Metadata metadata;
  metadata.model = "m";
  metadata.inputs = {{"x", DType::kF32, SymbolicShape({Dim::Symbol("n"), Dim(4)})}};
  const ModelListEntry entry{"model", 1, 1};
  const Figure figure{"figure", FigureKind::kHistogram, {1, 2, 3, 1}};
  std::span<const std::byte> body = body_of([](Bytes& out) { AppendHello({}, out); });
  check(body, ParseHello, body.size());
  body = body_of([](Bytes& out) { AppendHelloAck({.name = "ergo"}, out); });
  check(body, ParseHelloAck, body.size());
  body = body_of([](Bytes& out) { AppendError(1, {.text = "no"}, out); });
  check(body, ParseError, body.size());
  body = body_of([](Bytes& out) { AppendHealthReply(1, {}, out); });
  check(body, ParseHealthReply, body.size());
  body = body_of([](Bytes& out) { AppendGoAway({}, out); });
  check(body, ParseGoAway, body.size());
  body = body_of([](Bytes& out) { AppendMetadata(1, {.model = "m"}, out); });
  check(body, ParseMetadata, body.size());
  body = body_of([&](Bytes& out) { AppendMetadataReply(1, metadata, out); });
  check(body, ParseMetadataReply, body.size());
  body = body_of([&](Bytes& out) { AppendModelListReply(1, {&entry, 1}, out); });
  check(body, ParseModelListReply, body.size());
  body = body_of([&](Bytes& out) { AppendStatsReply(1, {&figure, 1}, out); });
  check(body, ParseStatsReply, body.size());
}

TEST(AppendTest, LongErrorTextsAreCutBetweenCharacters) {
  std::string text(static_cast<size_t>(kMaxErrorTextBytes) - 1, 'x');
  text += "\xc3\xa4";  // would end one byte behind the limit
  Bytes frame;
  AppendError(1, {.text = text}, frame);
  const Result<ErrorMessage> error =
      ParseError(std::span<const std::byte>(frame).subspan(kHeaderBytes));
  ASSERT_TRUE(error.ok());
  EXPECT_EQ(error->text, std::string(static_cast<size_t>(kMaxErrorTextBytes) - 1, 'x'));
}

TEST(LayOutTest, Limits) {
  std::vector<WireTensor> tensors(33, {0, "", {nullptr, DType::kF32, Device::kCpu, {0}}});
  EXPECT_EQ(LayOutTensors("m", tensors, 1 << 20).status().code(), StatusCode::kResourceExhausted);
  tensors.resize(32);
  EXPECT_TRUE(LayOutTensors("m", tensors, 1 << 20).ok());
  EXPECT_EQ(LayOutTensors("m", tensors, 1000).status().code(), StatusCode::kResourceExhausted);
  tensors.resize(1);
  tensors[0].view.shape = {int64_t{1} << 32, 0};
  EXPECT_EQ(LayOutTensors("m", tensors, 1 << 20).status().code(), StatusCode::kInvalidArgument);
  tensors[0].view.shape = {4};
  const std::string name(257, 'n');
  tensors[0].name = name;
  EXPECT_FALSE(LayOutTensors("m", tensors, 1 << 20).ok());
  tensors[0].name = "";
  EXPECT_FALSE(LayOutTensors(name, tensors, 1 << 20).ok());
}

}  // namespace
}  // namespace ergo::native
