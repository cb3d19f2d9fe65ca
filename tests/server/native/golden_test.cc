// Every frame type against bytes that were written by hand from PROTOCOL.md.
#include <gtest/gtest.h>

#include <cstring>

#include "server/protocol/native/codec.h"
#include "tests/server/native/hex.h"

namespace ergo::native {
namespace {

// Decodes exactly one frame and returns its body.
Frame DecodeOne(Side side, const Bytes& bytes) {
  static BufferPool pool(1 << 20);
  Decoder decoder(side, 1 << 20, pool);
  Bytes stream;
  const auto type = static_cast<FrameType>(bytes[5]);
  if (side == Side::kServer && type != FrameType::kHello) AppendHello({}, stream);
  if (side == Side::kClient && type != FrameType::kHelloAck && type != FrameType::kError) {
    AppendHelloAck({}, stream);
  }
  const bool greeted = !stream.empty();
  stream.insert(stream.end(), bytes.begin(), bytes.end());
  std::span<const std::byte> input(stream);
  if (greeted) {
    EXPECT_EQ(decoder.Next(input), Decoder::Outcome::kFrame);
    decoder.TakeFrame();
  }
  EXPECT_EQ(decoder.Next(input), Decoder::Outcome::kFrame) << decoder.GetFault().text;
  EXPECT_TRUE(input.empty());
  EXPECT_FALSE(decoder.MidFrame());
  return decoder.TakeFrame();
}

void ExpectBytes(const Bytes& got, const Bytes& want) {
  EXPECT_EQ(got, want) << "got" << ToHex(got) << "\nwant" << ToHex(want);
}

TEST(GoldenTest, Hello) {
  const Bytes want = FromHex(HexHeader(0x01, 0, 0, 64) +
                             "01 00 03 00 | 00 00 10 00 | 20 00 00 00 | e8 03 00 00 |"
                             "05 00 00 00 00 00 00 80 | 00 00 00 00 00*36");
  Bytes got;
  AppendHello({.version_min = 1,
               .version_max = 3,
               .max_body_bytes = 1 << 20,
               .max_in_flight = 32,
               .idle_timeout_ms = 1000,
               .features = 0x8000000000000005},
              got);
  ExpectBytes(got, want);
  const Frame frame = DecodeOne(Side::kServer, want);
  const Result<Hello> hello = ParseHello(frame.Body());
  ASSERT_TRUE(hello.ok());
  EXPECT_EQ(hello->version_min, 1);
  EXPECT_EQ(hello->version_max, 3);
  EXPECT_EQ(hello->max_body_bytes, 1u << 20);
  EXPECT_EQ(hello->max_in_flight, 32u);
  EXPECT_EQ(hello->idle_timeout_ms, 1000u);
  EXPECT_EQ(hello->features, 0x8000000000000005u);
}

TEST(GoldenTest, HelloAck) {
  const Bytes want = FromHex(HexHeader(0x02, 0, 0, 68) +
                             "01 00 00 00 | 00 00 00 04 | 00 04 00 00 | 00 00 00 00 |"
                             "00*8 | 04 00 00*38 | 65 72 67 6f");
  Bytes got;
  AppendHelloAck({.max_body_bytes = 64 << 20, .max_in_flight = 1024, .name = "ergo"}, got);
  ExpectBytes(got, want);
  const Frame frame = DecodeOne(Side::kClient, want);
  const Result<HelloAck> ack = ParseHelloAck(frame.Body());
  ASSERT_TRUE(ack.ok());
  EXPECT_EQ(ack->version, 1);
  EXPECT_EQ(ack->max_body_bytes, 64u << 20);
  EXPECT_EQ(ack->max_in_flight, 1024u);
  EXPECT_EQ(ack->name, "ergo");
}

// The example at the end of PROTOCOL.md.
TEST(GoldenTest, Infer) {
  const Bytes want =
      FromHex(HexHeader(0x10, 0, 7, 200) +
              "88 13 00*6 | 00 00 00 00 | 00 01 01 00 | 00*48 |"
              "01 01 00 00 | 00 00 00 00 | c0 00*7 | 08 00*7 | 02 00*3 00*28 | 00*8 |"
              "6d 00*63 | 00 00 80 3f 00 00 00 40");
  const float values[] = {1.0f, 2.0f};
  Infer infer;
  infer.deadline_us = 5000;
  infer.model = "m";
  infer.tensors = {{.index = 0, .name = "", .view = {values, DType::kF32, Device::kCpu, {2}}}};
  const Result<TensorLayout> layout = LayOutTensors("m", infer.tensors, 1 << 20);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->body_bytes, 200u);
  EXPECT_EQ(layout->head_bytes, 32u + 192u);
  EXPECT_EQ(layout->payload_offsets[0], 192u);
  Bytes got(layout->head_bytes, std::byte{0xee});
  WriteInferHead(7, 0, infer, *layout, got);
  const auto payload = std::as_bytes(std::span(values));
  got.insert(got.end(), payload.begin(), payload.end());
  ExpectBytes(got, want);

  const Frame frame = DecodeOne(Side::kServer, want);
  EXPECT_EQ(frame.header.request_id, 7u);
  Infer decoded;
  const Status status = ParseInfer(frame.Body(), decoded);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(decoded.deadline_us, 5000u);
  EXPECT_EQ(decoded.model, "m");
  ASSERT_EQ(decoded.tensors.size(), 1u);
  EXPECT_EQ(decoded.tensors[0].index, 0);
  EXPECT_EQ(decoded.tensors[0].view.Span<float>()[1], 2.0f);
}

TEST(GoldenTest, InferByNameWithPriorityAndVersion) {
  // Two inputs: "ab" int8 [3], and a float64 scalar; NAMES is set. Names end at 64+128+3+3 = 198.
  const Bytes want =
      FromHex(HexHeader(0x10, 1, 9, 256 + 64 + 8) +
              "00*8 | 02 00 00 00 | ff 02 03 00 | 00*48 |"
              "03 01 ff ff | 02 00 00 00 | 00 01 00*6 | 03 00*7 | 03 00*3 00*28 | 00*8 |"
              "0b 00 ff ff | 01 00 00 00 | 40 01 00*6 | 08 00*7 | 00*32 | 00*8 |"
              "6d 6e 6f 61 62 63 00*58 | 01 02 ff 00*61 | 00*6 f0 3f");
  const int8_t bytes[] = {1, 2, -1};
  const double one = 1.0;
  Infer infer;
  infer.model_version = 2;
  infer.priority = -1;
  infer.model = "mno";
  infer.tensors = {{kIndexByName, "ab", {bytes, DType::kI8, Device::kCpu, {3}}},
                   {kIndexByName, "c", {&one, DType::kF64, Device::kCpu, {}}}};
  const Result<TensorLayout> layout = LayOutTensors(infer.model, infer.tensors, 1 << 20);
  ASSERT_TRUE(layout.ok());
  Bytes got(layout->head_bytes);
  WriteInferHead(9, kFlagNames, infer, *layout, got);
  got.resize(kHeaderBytes + layout->body_bytes);
  std::memcpy(got.data() + kHeaderBytes + layout->payload_offsets[0], bytes, 3);
  std::memcpy(got.data() + kHeaderBytes + layout->payload_offsets[1], &one, 8);
  ExpectBytes(got, want);

  const Frame frame = DecodeOne(Side::kServer, want);
  Infer decoded;
  const Status status = ParseInfer(frame.Body(), decoded);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(frame.header.flags, kFlagNames);
  EXPECT_EQ(decoded.model_version, 2u);
  EXPECT_EQ(decoded.priority, -1);
  EXPECT_EQ(decoded.model, "mno");
  EXPECT_EQ(decoded.tensors[0].name, "ab");
  EXPECT_EQ(decoded.tensors[1].name, "c");
  EXPECT_EQ(decoded.tensors[0].view.Span<int8_t>()[2], -1);
  EXPECT_EQ(decoded.tensors[1].view.Span<double>()[0], 1.0);
}

TEST(GoldenTest, Result) {
  const Bytes want =
      FromHex(HexHeader(0x11, 1, 7, 196) +
              "e8 03 00*6 | d0 07 00*6 | 00*6 e0 3f | 00*6 d0 3f | 40 42 0f 00*5 |"
              "04 00 00 00 | 02 00 00 00 | 02 01 01 00*13 |"
              "06 01 00 00 | 01 00 00 00 | c0 00*7 | 04 00*7 | 01 00*3 00*28 | 00*8 |"
              "79 00*63 | 2a 00 00 00");
  ResultBlock block;
  block.queue_ns = 1000;
  block.compute_ns = 2000;
  block.joules = 0.5;
  block.joules_relative_error = 0.25;
  block.energy_window_ns = 1000000;
  block.batch_size = 4;
  block.model_version = 2;
  block.energy_source = EnergySource::kModelled;
  block.energy_share = EnergyShare::kProcessorTime;
  const int32_t answer = 42;
  const WireTensor tensors[] = {{0, "y", {&answer, DType::kI32, Device::kCpu, {1}}}};
  const Result<TensorLayout> layout = LayOutTensors("", tensors, 1 << 20);
  ASSERT_TRUE(layout.ok());
  Bytes got(kHeaderBytes + layout->body_bytes, std::byte{0xee});
  WriteResultHead(7, block, tensors, *layout, got);
  std::memcpy(got.data() + kHeaderBytes + layout->payload_offsets[0], &answer, 4);
  ExpectBytes(got, want);

  const Frame frame = DecodeOne(Side::kClient, want);
  ResultMessage result;
  const Status status = ParseResult(frame.Body(), result);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(result.block.queue_ns, 1000u);
  EXPECT_EQ(result.block.compute_ns, 2000u);
  EXPECT_EQ(result.block.joules, 0.5);
  EXPECT_EQ(result.block.joules_relative_error, 0.25);
  EXPECT_EQ(result.block.energy_window_ns, 1000000u);
  EXPECT_EQ(result.block.batch_size, 4u);
  EXPECT_EQ(result.block.model_version, 2u);
  EXPECT_EQ(result.block.energy_source, EnergySource::kModelled);
  EXPECT_EQ(result.block.energy_share, EnergyShare::kProcessorTime);
  ASSERT_EQ(result.tensors.size(), 1u);
  EXPECT_EQ(result.tensors[0].name, "y");
  EXPECT_EQ(result.tensors[0].view.Span<int32_t>()[0], 42);
}

TEST(GoldenTest, Error) {
  const Bytes want =
      FromHex(HexHeader(0x12, 0, 5, 18) + "08 00 02 00 | 64 00 00 00 | 0a 00*7 | 6e 6f");
  Bytes got;
  AppendError(5, {ErrorCode::kOverloaded, 100, 10, "no"}, got);
  ExpectBytes(got, want);
  const Frame frame = DecodeOne(Side::kClient, want);
  const Result<ErrorMessage> error = ParseError(frame.Body());
  ASSERT_TRUE(error.ok());
  EXPECT_EQ(error->code, ErrorCode::kOverloaded);
  EXPECT_EQ(error->retry_after_us, 100u);
  EXPECT_EQ(error->queue_ns, 10u);
  EXPECT_EQ(error->text, "no");
}

TEST(GoldenTest, PingPong) {
  const Bytes echo = FromHex("01 02 03");
  Bytes ping, pong;
  AppendPing(1, echo, ping);
  AppendPong(1, echo, pong);
  ExpectBytes(ping, FromHex(HexHeader(0x30, 0, 1, 3) + "01 02 03"));
  ExpectBytes(pong, FromHex(HexHeader(0x31, 0, 1, 3) + "01 02 03"));
  const Frame frame = DecodeOne(Side::kServer, ping);
  EXPECT_EQ(Bytes(frame.Body().begin(), frame.Body().end()), echo);
}

TEST(GoldenTest, Questions) {
  Bytes got;
  AppendQuestion(FrameType::kModelList, 1, got);
  AppendQuestion(FrameType::kHealth, 2, got);
  AppendQuestion(FrameType::kStats, 3, got);
  ExpectBytes(
      got, FromHex(HexHeader(0x20, 0, 1, 0) + HexHeader(0x24, 0, 2, 0) + HexHeader(0x26, 0, 3, 0)));
}

TEST(GoldenTest, HealthReply) {
  const Bytes want = FromHex(HexHeader(0x25, 0, 2, 32) +
                             "02 00*3 | 03 00 00 00 | 04 00 00 00 | 05 00 00 00 | 06 00*7 | 00*8");
  Bytes got;
  AppendHealthReply(2, {HealthState::kDraining, 3, 4, 5, 6}, got);
  ExpectBytes(got, want);
  const Frame frame = DecodeOne(Side::kClient, want);
  const Result<Health> health = ParseHealthReply(frame.Body());
  ASSERT_TRUE(health.ok());
  EXPECT_EQ(health->state, HealthState::kDraining);
  EXPECT_EQ(health->models, 3u);
  EXPECT_EQ(health->connections, 4u);
  EXPECT_EQ(health->requests_in_flight, 5u);
  EXPECT_EQ(health->uptime_ns, 6u);
}

TEST(GoldenTest, ModelListReply) {
  const Bytes want = FromHex(HexHeader(0x21, 0, 1, 40) +
                             "02 00 00 00 00 00 00 00 |"
                             "01 00 00 00 | 01 00 01 00 | 61 00*7 |"
                             "07 00 00 00 | 01 00 08 00 | 62*8");
  Bytes got;
  const ModelListEntry entries[] = {{"a", 1, 1}, {"bbbbbbbb", 7, 1}};
  AppendModelListReply(1, entries, got);
  ExpectBytes(got, want);
  const Frame frame = DecodeOne(Side::kClient, want);
  const auto list = ParseModelListReply(frame.Body());
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].name, "a");
  EXPECT_EQ((*list)[1].name, "bbbbbbbb");
  EXPECT_EQ((*list)[1].version, 7u);
}

TEST(GoldenTest, Metadata) {
  const Bytes want = FromHex(HexHeader(0x22, 0, 1, 9) + "03 00 00 00 | 01 00 | 00 00 | 6d");
  Bytes got;
  AppendMetadata(1, {.model = "m", .model_version = 3}, got);
  ExpectBytes(got, want);
  const Frame frame = DecodeOne(Side::kServer, want);
  const Result<MetadataRequest> request = ParseMetadata(frame.Body());
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->model, "m");
  EXPECT_EQ(request->model_version, 3u);
}

TEST(GoldenTest, MetadataReply) {
  // Input "x" float32 [n, 4]: 8 + 16 + 4 + 1 + 1 = 30 -> 32. Output "yy" int64 of unknown rank:
  // 8 + 2 = 10 -> 16.
  const Bytes want = FromHex(HexHeader(0x23, 0, 1, 16 + 32 + 16) +
                             "03 00 00 00 | 01 00 01 01 | 6d 00*7 |"
                             "01 02 01 00 | 00*4 | ff*8 | 04 00*7 | 01 00 00 00 | 78 6e 00 00 |"
                             "07 ff 02 00 | 00*4 | 79 79 00*6");
  Metadata metadata;
  metadata.model = "m";
  metadata.model_version = 3;
  metadata.inputs = {{"x", DType::kF32, SymbolicShape({Dim::Symbol("n"), Dim(4)})}};
  metadata.outputs = {{"yy", DType::kI64, SymbolicShape()}};
  Bytes got;
  AppendMetadataReply(1, metadata, got);
  ExpectBytes(got, want);
  const Frame frame = DecodeOne(Side::kClient, want);
  const Result<Metadata> decoded = ParseMetadataReply(frame.Body());
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(decoded->model, "m");
  EXPECT_EQ(decoded->inputs.at(0).name, "x");
  EXPECT_EQ(decoded->inputs.at(0).shape.ToString(), "[n, 4]");
  EXPECT_EQ(decoded->outputs.at(0).dtype, DType::kI64);
  EXPECT_FALSE(decoded->outputs.at(0).shape.RankKnown());
}

TEST(GoldenTest, StatsReply) {
  const Bytes want = FromHex(HexHeader(0x27, 0, 1, 8 + 24 + 48) +
                             "02 00*7 |"
                             "01 00 01 00 | 01 00 00 00 | 09 00*7 | 61 00*7 |"
                             "03 00 02 00 | 04 00 00 00 | 03 00*7 | 1e 00*7 | 0f 00*7 | 03 00*7 |"
                             "68 68 00*6");
  const Figure figures[] = {{"a", FigureKind::kCounter, {9}},
                            {"hh", FigureKind::kHistogram, {3, 30, 15, 3}}};
  Bytes got;
  AppendStatsReply(1, figures, got);
  ExpectBytes(got, want);
  const Frame frame = DecodeOne(Side::kClient, want);
  const auto decoded = ParseStatsReply(frame.Body());
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  ASSERT_EQ(decoded->size(), 2u);
  EXPECT_EQ((*decoded)[0].name, "a");
  EXPECT_EQ((*decoded)[0].values, std::vector<uint64_t>{9});
  EXPECT_EQ((*decoded)[1].kind, FigureKind::kHistogram);
  EXPECT_EQ((*decoded)[1].values, (std::vector<uint64_t>{3, 30, 15, 3}));
}

TEST(GoldenTest, GoAway) {
  const Bytes want = FromHex(HexHeader(0x40, 0, 0, 8) + "01 00 00 00 | e8 03 00 00");
  Bytes got;
  AppendGoAway({GoAwayReason::kDraining, 1000}, got);
  ExpectBytes(got, want);
  const Frame frame = DecodeOne(Side::kClient, want);
  const Result<GoAway> go_away = ParseGoAway(frame.Body());
  ASSERT_TRUE(go_away.ok());
  EXPECT_EQ(go_away->grace_ms, 1000u);
}

}  // namespace
}  // namespace ergo::native
