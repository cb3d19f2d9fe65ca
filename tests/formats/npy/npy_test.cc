#include "formats/npy/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/formats/graph_equal.h"
#include "tests/formats/temp_folder.h"

namespace ergo {
namespace {

#include "tests/formats/npy/numpy_samples.inc"

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <size_t kSize>
Result<Tensor> Parse(const unsigned char (&bytes)[kSize]) {
  return ParseNpy(std::as_bytes(std::span(bytes)));
}

std::string ErrorOf(std::string_view text) {
  return ParseNpy(std::as_bytes(std::span(text))).status().ToString();
}

template <size_t kSize>
std::string TextOf(const unsigned char (&bytes)[kSize]) {
  return std::string(reinterpret_cast<const char*>(bytes), kSize);
}

TEST(Npy, ReadsWhatNumPyWrites) {
  auto tensor = Parse(kF32Matrix);
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_EQ(tensor->GetShape(), Shape({2, 3}));
  EXPECT_THAT(tensor->Span<float>(), ElementsAre(0, 1, 2, 3, 4, 5));

  tensor = Parse(kBoolVector);
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_THAT(tensor->Span<bool>(), ElementsAre(true, false, true));

  tensor = Parse(kI64Scalar);
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_EQ(tensor->GetShape(), Shape());
  EXPECT_THAT(tensor->Span<int64_t>(), ElementsAre(-7));

  tensor = Parse(kU16Empty);
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_EQ(tensor->GetShape(), Shape({0, 3}));
  EXPECT_EQ(tensor->Type(), DType::kU16);

  tensor = Parse(kF16Version2);
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_EQ(static_cast<float>(tensor->Span<Float16>()[1]), -2);

  tensor = Parse(kI8Version3);
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_EQ(tensor->GetShape(), Shape({2, 1}));
  EXPECT_THAT(tensor->Span<int8_t>(), ElementsAre(1, -1));
}

TEST(Npy, TransposesFortranOrder) {
  auto tensor = Parse(kF64Fortran);
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_EQ(tensor->GetShape(), Shape({2, 3, 4}));
  for (int i = 0; i < 24; ++i) EXPECT_EQ(tensor->Span<double>()[static_cast<size_t>(i)], i);

  tensor = Parse(kBoolFortran);
  ASSERT_TRUE(tensor.ok()) << tensor.status().ToString();
  EXPECT_THAT(tensor->Span<bool>(), ElementsAre(true, false, true, false, false, true));
}

TEST(Npy, RefusesOtherTypesByName) {
  EXPECT_THAT(Parse(kBigEndian).status().ToString(), HasSubstr("UNSUPPORTED"));
  EXPECT_THAT(Parse(kBigEndian).status().ToString(), HasSubstr("big-endian"));
  EXPECT_THAT(Parse(kText).status().ToString(), HasSubstr("strings"));
  EXPECT_THAT(Parse(kRecord).status().ToString(), HasSubstr("records"));
  EXPECT_THAT(Parse(kComplex).status().ToString(), HasSubstr("complex"));
  EXPECT_THAT(Parse(kVoid).status().ToString(), HasSubstr("bfloat16"));
  std::string object = TextOf(kF32Matrix);
  object.replace(object.find("<f4"), 3, "|O'");
  EXPECT_FALSE(ParseNpy(std::as_bytes(std::span(object))).ok());
}

TEST(Npy, WritesWhatNumPyWrites) {
  TempFolder folder;
  ASSERT_TRUE(WriteNpy(folder.Path("a.npy"), *Parse(kF32Matrix)).ok());
  EXPECT_EQ(folder.Read("a.npy"), TextOf(kF32Matrix));
  ASSERT_TRUE(WriteNpy(folder.Path("a.npy"), *Parse(kBoolVector)).ok());
  EXPECT_EQ(folder.Read("a.npy"), TextOf(kBoolVector));
  ASSERT_TRUE(WriteNpy(folder.Path("a.npy"), *Parse(kI64Scalar)).ok());
  EXPECT_EQ(folder.Read("a.npy"), TextOf(kI64Scalar));
  ASSERT_TRUE(WriteNpy(folder.Path("a.npy"), *Parse(kU16Empty)).ok());
  EXPECT_EQ(folder.Read("a.npy"), TextOf(kU16Empty));
}

TEST(Npy, RoundTripsEveryTypeItHasAndRefusesTheOthers) {
  TempFolder folder;
  std::mt19937 random(5);
  int written = 0, refused = 0;
  for (int number = 0; number < 256; ++number) {
    const auto dtype = static_cast<DType>(number);
    if (!IsTensorDType(dtype)) continue;
    for (const Shape& shape : {Shape(), Shape({7}), Shape({3, 1, 5}), Shape({2, 0})}) {
      const int64_t bytes = DTypeBytes(dtype, shape.Elements());
      AlignedBuffer buffer = AlignedBuffer::AllocateOrDie(static_cast<size_t>(bytes));
      for (int64_t i = 0; i < bytes; ++i) {
        buffer.As<uint8_t>()[i] =
            static_cast<uint8_t>(dtype == DType::kBool ? random() % 2 : random());
      }
      const Tensor tensor(dtype, shape, std::move(buffer));
      const Status status = WriteNpy(folder.Path("t.npy"), tensor);
      if (status.code() == StatusCode::kUnsupported) {
        ++refused;
        continue;
      }
      ASSERT_TRUE(status.ok()) << status.ToString();
      auto read = ReadNpy(folder.Path("t.npy"));
      ASSERT_TRUE(read.ok()) << read.status().ToString();
      ExpectEqual(tensor, *read);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(read->Data()) % kTensorAlignment, 0u);
      ++written;
    }
  }
  EXPECT_EQ(written, 12 * 4);
  EXPECT_EQ(refused, 11 * 4);
}

TEST(Npy, CleansBools) {
  std::string text = TextOf(kBoolVector);
  text.back() = 7;
  auto tensor = ParseNpy(std::as_bytes(std::span(text)));
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(static_cast<const uint8_t*>(tensor->Data())[2], 1);
}

TEST(Npy, DamagedFilesGiveErrorsWithPlaces) {
  const std::string text = TextOf(kF32Matrix);
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_THAT(ErrorOf(text.substr(0, size)), HasSubstr("CORRUPT_DATA: byte")) << size;
  }
  EXPECT_THAT(ErrorOf(text + "x"), HasSubstr("byte 128: 25 bytes of data where float32[2, 3]"));
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return ErrorOf(changed);
  };
  EXPECT_THAT(with("(2, 3)", "(2,-3)"), HasSubstr("byte 63: the header should have a dimension"));
  EXPECT_THAT(with("False", "Maybe"), HasSubstr("True or False"));
  EXPECT_THAT(with("shape", "shabe"), HasSubstr("each of three keys once"));
  EXPECT_THAT(with("'shape': (2, 3)", "'descr': '<f4'"), HasSubstr("each of three keys once"));
  EXPECT_THAT(with(", }", "}x "), HasSubstr("nothing behind '}'"));
  EXPECT_THAT(with("(2, 3), }        ", "(999999999999), }"), HasSubstr("RESOURCE_EXHAUSTED"));
  EXPECT_THAT(with("\x01", "\x09"), HasSubstr("UNSUPPORTED: byte 6: version 9.0"));
}

TEST(Npy, RandomDamageNeverCrashes) {
  const std::string text = TextOf(kF64Fortran);
  std::mt19937 random(77);
  for (int round = 0; round < 5000; ++round) {
    std::string changed = text;
    for (int flip = 0; flip < 3; ++flip) changed[random() % 128] = static_cast<char>(random());
    const auto tensor = ParseNpy(std::as_bytes(std::span(changed)));
    if (!tensor.ok()) continue;
    EXPECT_LE(tensor->Bytes(), static_cast<int64_t>(text.size()));
  }
}

}  // namespace
}  // namespace ergo
