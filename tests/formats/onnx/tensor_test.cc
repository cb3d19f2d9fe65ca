// Encodings of TensorProto, every element type in every way that it may be written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "formats/onnx/tensor_proto.h"
#include "tests/formats/graph_equal.h"
#include "tests/formats/onnx/model_builder.h"
#include "tests/formats/temp_folder.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Proto = onnx::TensorProto;

Proto MakeProto(int data_type, const std::vector<int64_t>& dims) {
  Proto proto;
  proto.set_name("t");
  proto.set_data_type(data_type);
  for (const int64_t dim : dims) proto.add_dims(dim);
  return proto;
}

Result<NamedTensor> Parse(const Proto& proto) {
  return ParseTensorProto(BytesOf(proto.SerializeAsString()));
}

std::string ErrorOf(const Proto& proto) {
  return Parse(proto).status().ToString();
}

Tensor MustParse(const Proto& proto) {
  auto parsed = Parse(proto);
  EXPECT_TRUE(parsed.ok()) << parsed.status().ToString();
  if (!parsed.ok()) return Tensor();
  EXPECT_EQ(parsed->name, proto.name());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(parsed->tensor.Data()) % kTensorAlignment, 0u);
  return parsed->tensor;
}

std::vector<int> RawOf(const Tensor& tensor) {
  std::vector<int> bytes;
  for (const std::byte byte : RawBytes(tensor)) bytes.push_back(static_cast<int>(byte));
  return bytes;
}

TEST(OnnxTensor, TypedFields) {
  Proto proto = MakeProto(Proto::FLOAT, {2});
  proto.add_float_data(0.5f);
  proto.add_float_data(-3);
  EXPECT_THAT(MustParse(proto).Span<float>(), ElementsAre(0.5f, -3));

  proto = MakeProto(Proto::DOUBLE, {1, 1});
  proto.add_double_data(1e300);
  EXPECT_THAT(MustParse(proto).Span<double>(), ElementsAre(1e300));

  proto = MakeProto(Proto::INT64, {2});
  proto.add_int64_data(INT64_MIN);
  proto.add_int64_data(7);
  EXPECT_THAT(MustParse(proto).Span<int64_t>(), ElementsAre(INT64_MIN, 7));

  proto = MakeProto(Proto::UINT64, {1});
  proto.add_uint64_data(UINT64_MAX);
  EXPECT_THAT(MustParse(proto).Span<uint64_t>(), ElementsAre(UINT64_MAX));

  proto = MakeProto(Proto::UINT32, {1});
  proto.add_uint64_data(UINT32_MAX);
  EXPECT_THAT(MustParse(proto).Span<uint32_t>(), ElementsAre(UINT32_MAX));
  proto.set_uint64_data(0, uint64_t{UINT32_MAX} + 1);
  EXPECT_THAT(ErrorOf(proto), HasSubstr("tensor 't': uint64_data[0] is 4294967296"));
}

TEST(OnnxTensor, Int32DataHoldsTheSmallTypes) {
  const auto parse = [](int data_type, const std::vector<int32_t>& values) {
    Proto proto = MakeProto(data_type, {static_cast<int64_t>(values.size())});
    for (const int32_t value : values) proto.add_int32_data(value);
    return proto;
  };
  EXPECT_THAT(MustParse(parse(Proto::INT32, {INT32_MIN, 1})).Span<int32_t>(),
              ElementsAre(INT32_MIN, 1));
  EXPECT_THAT(MustParse(parse(Proto::INT16, {-32768, 32767})).Span<int16_t>(),
              ElementsAre(-32768, 32767));
  EXPECT_THAT(MustParse(parse(Proto::UINT16, {65535})).Span<uint16_t>(), ElementsAre(65535));
  EXPECT_THAT(MustParse(parse(Proto::INT8, {-128, 127})).Span<int8_t>(), ElementsAre(-128, 127));
  EXPECT_THAT(MustParse(parse(Proto::UINT8, {255})).Span<uint8_t>(), ElementsAre(255));
  EXPECT_THAT(MustParse(parse(Proto::BOOL, {1, 0})).Span<bool>(), ElementsAre(true, false));
  EXPECT_EQ(static_cast<float>(MustParse(parse(Proto::FLOAT16, {0xc000})).Span<Float16>()[0]), -2);
  EXPECT_EQ(static_cast<float>(MustParse(parse(Proto::BFLOAT16, {0x3f80})).Span<BFloat16>()[0]), 1);
  for (const int type : {Proto::FLOAT8E4M3FN, Proto::FLOAT8E4M3FNUZ, Proto::FLOAT8E5M2,
                         Proto::FLOAT8E5M2FNUZ, Proto::FLOAT8E8M0}) {
    EXPECT_THAT(RawOf(MustParse(parse(type, {0x81, 2}))), ElementsAre(0x81, 2));
  }
  EXPECT_THAT(ErrorOf(parse(Proto::INT8, {0, 128})),
              HasSubstr("int32_data[1] is 128, which is no int8"));
  EXPECT_THAT(ErrorOf(parse(Proto::UINT8, {-1})), HasSubstr("int32_data[0] is -1"));
  EXPECT_THAT(ErrorOf(parse(Proto::BOOL, {2})), HasSubstr("which is no bool"));
  EXPECT_THAT(ErrorOf(parse(Proto::UINT16, {65536})), HasSubstr("which is no uint16"));
}

TEST(OnnxTensor, PackedTypes) {
  for (const int type : {Proto::INT4, Proto::UINT4, Proto::FLOAT4E2M1}) {
    Proto proto = MakeProto(type, {3});
    proto.add_int32_data(0x21);
    proto.add_int32_data(0x0f);
    EXPECT_THAT(RawOf(MustParse(proto)), ElementsAre(0x21, 0x0f));
    proto.add_int32_data(1);
    EXPECT_THAT(ErrorOf(proto), HasSubstr("int32_data has 3 entries where"));
    proto.clear_int32_data();
    proto.set_raw_data("\x21\x0f");
    EXPECT_THAT(RawOf(MustParse(proto)), ElementsAre(0x21, 0x0f));
  }
  for (const int type : {Proto::INT2, Proto::UINT2}) {
    Proto proto = MakeProto(type, {5});
    proto.add_int32_data(0xe4);
    proto.add_int32_data(-1);  // the same bits as 255
    EXPECT_THAT(RawOf(MustParse(proto)), ElementsAre(0xe4, 0xff));
  }
}

TEST(OnnxTensor, RawDataOfEveryTypeRoundTrips) {
  TempFolder folder;
  for (int number = 0; number < 64; ++number) {
    const auto dtype = static_cast<DType>(number);
    if (!IsTensorDType(dtype)) continue;
    for (const Shape& shape : {Shape(), Shape({3, 3}), Shape({0, 2})}) {
      const int64_t bytes = DTypeBytes(dtype, shape.Elements());
      AlignedBuffer buffer = AlignedBuffer::AllocateOrDie(static_cast<size_t>(bytes));
      for (int64_t i = 0; i < bytes; ++i) {
        buffer.As<uint8_t>()[i] = static_cast<uint8_t>(dtype == DType::kBool ? i % 2 : i * 31 + 7);
      }
      const Tensor tensor(dtype, shape, std::move(buffer));
      ASSERT_TRUE(WriteTensorProto(folder.Path("t.pb"), "the name", tensor).ok());
      auto read = ReadTensorProto(folder.Path("t.pb"));
      ASSERT_TRUE(read.ok()) << read.status().ToString();
      EXPECT_EQ(read->name, "the name");
      ExpectEqual(tensor, read->tensor);
    }
  }
}

TEST(OnnxTensor, CleansBools) {
  Proto proto = MakeProto(Proto::BOOL, {3});
  proto.set_raw_data(std::string("\x00\x01\xff", 3));
  EXPECT_THAT(RawOf(MustParse(proto)), ElementsAre(0, 1, 1));
}

TEST(OnnxTensor, SizesMustFit) {
  Proto proto = MakeProto(Proto::FLOAT, {2, 2});
  proto.set_raw_data(std::string(15, 'x'));
  EXPECT_THAT(ErrorOf(proto), HasSubstr("raw_data has 15 bytes where float32[2, 2] takes 16"));
  proto.clear_raw_data();
  proto.add_float_data(1);
  EXPECT_THAT(ErrorOf(proto), HasSubstr("float_data has 1 entries where float32[2, 2] takes 4"));
  proto.set_dims(0, int64_t{1} << 40);
  EXPECT_THAT(ErrorOf(proto), HasSubstr("RESOURCE_EXHAUSTED: tensor 't': dims"));
  proto.set_dims(0, -2);
  EXPECT_THAT(ErrorOf(proto), HasSubstr("negative dimension"));
  // As large as the limits allow, but without the bytes: refused before anything is allocated.
  proto.set_dims(0, int64_t{1} << 36);
  EXPECT_THAT(ErrorOf(proto), HasSubstr("float_data has 1 entries"));
}

TEST(OnnxTensor, DataInTheWrongPlace) {
  Proto proto = MakeProto(Proto::FLOAT, {1});
  proto.add_float_data(1);
  proto.set_raw_data("abcd");
  EXPECT_THAT(ErrorOf(proto), HasSubstr("float_data beside raw_data"));
  proto.clear_raw_data();
  proto.add_int32_data(1);
  EXPECT_THAT(ErrorOf(proto), HasSubstr("int32_data in a float32 tensor"));
  proto.clear_int32_data();
  proto.add_string_data("x");
  EXPECT_THAT(ErrorOf(proto), HasSubstr("string_data in a float32 tensor"));
  proto.clear_string_data();
  proto.mutable_segment()->set_end(1);
  EXPECT_THAT(ErrorOf(proto), HasSubstr("UNSUPPORTED: tensor 't': a segmented tensor"));
  proto.clear_segment();
  proto.set_data_location(Proto::EXTERNAL);
  EXPECT_THAT(ErrorOf(proto), HasSubstr("float_data beside raw_data or external data"));
  proto.set_data_location(static_cast<Proto::DataLocation>(3));
  EXPECT_THAT(ErrorOf(proto), HasSubstr("data_location 3"));
}

TEST(OnnxTensor, RefusesTypesByName) {
  EXPECT_THAT(ErrorOf(MakeProto(Proto::STRING, {})), HasSubstr("UNSUPPORTED"));
  EXPECT_THAT(ErrorOf(MakeProto(Proto::STRING, {})), HasSubstr("STRING"));
  EXPECT_THAT(ErrorOf(MakeProto(Proto::COMPLEX128, {})), HasSubstr("COMPLEX128"));
  EXPECT_THAT(ErrorOf(MakeProto(27, {})), HasSubstr("unknown number 27"));
  EXPECT_THAT(ErrorOf(MakeProto(-1, {})), HasSubstr("unknown number -1"));
  EXPECT_THAT(ErrorOf(MakeProto(257, {})), HasSubstr("unknown number 257"));
  EXPECT_THAT(ErrorOf(MakeProto(0, {})), HasSubstr("CORRUPT_DATA"));
}

}  // namespace
}  // namespace ergo
