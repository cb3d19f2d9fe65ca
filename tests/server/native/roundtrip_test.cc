// What is encoded is decoded: tensors of every type, random shapes, names and alignment.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "server/protocol/native/codec.h"

namespace ergo::native {
namespace {

struct RandomTensors {
  std::vector<std::string> names;
  std::vector<Bytes> payloads;
  std::vector<WireTensor> tensors;
};

constexpr DType kTypes[] = {DType::kF32, DType::kU8,  DType::kI8,   DType::kU16,      DType::kI16,
                            DType::kI32, DType::kI64, DType::kBool, DType::kF16,      DType::kF64,
                            DType::kU32, DType::kU64, DType::kBF16, DType::kF8E4M3FN, DType::kU4,
                            DType::kI4,  DType::kU2,  DType::kI2};

RandomTensors MakeTensors(std::mt19937& random, bool by_name) {
  RandomTensors made;
  const size_t count = random() % 6;
  for (size_t i = 0; i < count; ++i) {
    Shape shape;
    const size_t rank = random() % 5;
    for (size_t axis = 0; axis < rank; ++axis) shape.Append(static_cast<int64_t>(random() % 7));
    const DType dtype = kTypes[random() % std::size(kTypes)];
    Bytes payload(static_cast<size_t>(DTypeBytes(dtype, shape.Elements())));
    for (std::byte& byte : payload) byte = static_cast<std::byte>(random());
    made.payloads.push_back(std::move(payload));
    made.names.push_back(by_name ? std::string(1 + random() % 256, 'a') : "");
    made.tensors.push_back({by_name ? kIndexByName : static_cast<uint16_t>(i),
                            "",
                            {nullptr, dtype, Device::kCpu, shape}});
  }
  for (size_t i = 0; i < count; ++i) {
    made.tensors[i].name = made.names[i];
    made.tensors[i].view.data = made.payloads[i].data();
  }
  return made;
}

void ExpectSameTensors(const RandomTensors& want, std::span<const WireTensor> got) {
  ASSERT_EQ(got.size(), want.tensors.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].index, want.tensors[i].index);
    EXPECT_EQ(got[i].name, want.names[i]);
    EXPECT_EQ(got[i].view.dtype, want.tensors[i].view.dtype);
    EXPECT_EQ(got[i].view.shape, want.tensors[i].view.shape);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(got[i].view.data) % kTensorAlignment, 0u);
    ASSERT_EQ(static_cast<size_t>(got[i].view.Bytes()), want.payloads[i].size());
    if (want.payloads[i].empty()) continue;
    EXPECT_EQ(std::memcmp(got[i].view.data, want.payloads[i].data(), want.payloads[i].size()), 0);
  }
}

void CopyPayloads(const RandomTensors& made, const TensorLayout& layout, Bytes& frame) {
  for (size_t i = 0; i < made.payloads.size(); ++i) {
    if (made.payloads[i].empty()) continue;
    std::memcpy(frame.data() + kHeaderBytes + layout.payload_offsets[i], made.payloads[i].data(),
                made.payloads[i].size());
  }
}

Frame Decode(Side side, const Bytes& frame, BufferPool& pool) {
  Decoder decoder(side, 1 << 24, pool);
  Bytes stream;
  if (side == Side::kServer) AppendHello({}, stream);
  if (side == Side::kClient) AppendHelloAck({}, stream);
  stream.insert(stream.end(), frame.begin(), frame.end());
  std::span<const std::byte> input(stream);
  EXPECT_EQ(decoder.Next(input), Decoder::Outcome::kFrame);
  decoder.TakeFrame();
  EXPECT_EQ(decoder.Next(input), Decoder::Outcome::kFrame) << decoder.GetFault().text;
  return decoder.TakeFrame();
}

TEST(RoundTripTest, Infer) {
  BufferPool pool(1 << 24);
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const RandomTensors made = MakeTensors(random, seed % 2 == 0);
    const std::string model(1 + random() % 256, 'm');
    Infer infer{.deadline_us = random(),
                .model_version = static_cast<uint32_t>(random()),
                .priority = static_cast<int8_t>(random()),
                .model = model,
                .tensors = made.tensors};
    const Result<TensorLayout> layout = LayOutTensors(model, made.tensors, 1 << 24);
    ASSERT_TRUE(layout.ok());
    Bytes frame(kHeaderBytes + layout->body_bytes);
    WriteInferHead(seed + 1, kFlagNames, infer, *layout, frame);
    CopyPayloads(made, *layout, frame);

    Frame decoded_frame = Decode(Side::kServer, frame, pool);
    Infer decoded;
    const Status status = ParseInfer(decoded_frame.Body(), decoded);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(decoded_frame.header.request_id, seed + 1);
    EXPECT_EQ(decoded.deadline_us, infer.deadline_us);
    EXPECT_EQ(decoded.model_version, infer.model_version);
    EXPECT_EQ(decoded.priority, infer.priority);
    EXPECT_EQ(decoded.model, model);
    ExpectSameTensors(made, decoded.tensors);
    pool.Give(std::move(decoded_frame.buffer));
  }
}

TEST(RoundTripTest, Result) {
  BufferPool pool(1 << 24);
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    RandomTensors made = MakeTensors(random, seed % 2 == 0);
    for (size_t i = 0; i < made.tensors.size(); ++i) {
      made.tensors[i].index = static_cast<uint16_t>(i);
    }
    const ResultBlock block{.queue_ns = random(), .compute_ns = random(), .joules = 1.5};
    const Result<TensorLayout> layout = LayOutTensors("", made.tensors, 1 << 24);
    ASSERT_TRUE(layout.ok());
    // Gaps must come out as zeros whatever the buffer held before.
    Bytes frame(kHeaderBytes + layout->body_bytes, std::byte{0xee});
    CopyPayloads(made, *layout, frame);
    WriteResultHead(seed + 1, block, made.tensors, *layout, frame);
    for (size_t i = 0; i + 1 < made.tensors.size(); ++i) {
      const size_t end = layout->payload_offsets[i] + made.payloads[i].size();
      for (size_t at = end; at < layout->payload_offsets[i + 1]; ++at) {
        ASSERT_EQ(frame[kHeaderBytes + at], std::byte{0}) << at;
      }
    }

    Frame decoded_frame = Decode(Side::kClient, frame, pool);
    ResultMessage decoded;
    const Status status = ParseResult(decoded_frame.Body(), decoded);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(decoded.block.queue_ns, block.queue_ns);
    EXPECT_EQ(decoded.block.compute_ns, block.compute_ns);
    EXPECT_EQ(decoded.block.joules, 1.5);
    EXPECT_TRUE(std::isnan(decoded.block.joules_relative_error));
    EXPECT_EQ(decoded.block.energy_source, EnergySource::kUnavailable);
    ExpectSameTensors(made, decoded.tensors);
    pool.Give(std::move(decoded_frame.buffer));
  }
}

}  // namespace
}  // namespace ergo::native
