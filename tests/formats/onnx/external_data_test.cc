// Weights in files of their own: read where they belong, and never from anywhere else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/formats/onnx/model_builder.h"
#include "tests/formats/temp_folder.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OnnxExternalData : public ::testing::Test {
 protected:
  // A model whose one output is a tensor of two floats, in `location`.
  std::string WriteModel(const std::string& location, const std::string& offset = "",
                         const std::string& length = "") {
    onnx::ModelProto model = EmptyModel();
    auto& graph = *model.mutable_graph();
    auto& tensor = *graph.add_initializer();
    tensor.set_name("w");
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.add_dims(2);
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    const auto entry = [&](const std::string& key, const std::string& value) {
      if (value.empty()) return;
      auto& added = *tensor.add_external_data();
      added.set_key(key);
      added.set_value(value);
    };
    entry("location", location);
    entry("offset", offset);
    entry("length", length);
    entry("checksum", "unread");
    AddOutput(graph, "w");
    bytes_ = model.SerializeAsString();
    std::filesystem::create_directories(folder_.Path("model"));
    return folder_.Write("model/model.onnx", bytes_);
  }

  std::string ErrorOf(const std::string& location, const std::string& offset = "",
                      const std::string& length = "") {
    return ReadOnnx(WriteModel(location, offset, length)).status().ToString();
  }

  // Two floats, `offset` bytes into a file.
  void WriteData(const std::string& file, int offset = 0) {
    const float values[] = {1.5f, -2};
    std::filesystem::create_directories(folder_.Path("model/sub"));
    folder_.Write(file, std::string(static_cast<size_t>(offset), 'x') +
                            std::string(reinterpret_cast<const char*>(values), sizeof(values)));
  }

  TempFolder folder_;
  std::string bytes_;
};

TEST_F(OnnxExternalData, ReadsBesideAndBelowTheModel) {
  WriteData("model/w.bin", 64);
  WriteData("model/sub/w.bin", 3);
  for (const auto& [location, offset] :
       {std::pair("w.bin", "64"), std::pair("./w.bin", "64"), std::pair("sub/w.bin", "3"),
        std::pair("sub/.//w.bin", "3")}) {
    auto graph = ReadOnnx(WriteModel(location, offset, "8"));
    ASSERT_TRUE(graph.ok()) << graph.status().ToString();
    const Tensor* w = graph->Constant(graph->FindValue("w"));
    EXPECT_THAT(w->Span<float>(), ElementsAre(1.5f, -2));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(w->Data()) % kTensorAlignment, 0u);
  }
  EXPECT_EQ(ErrorOf("w.bin", "64"), "OK");
}

TEST_F(OnnxExternalData, StaysInsideTheFolder) {
  WriteData("outside.bin");
  WriteData("model/w.bin");
  EXPECT_THAT(ErrorOf("../outside.bin"), HasSubstr("'..' may lead out"));
  EXPECT_THAT(ErrorOf("sub/../../outside.bin"), HasSubstr("'..' may lead out"));
  EXPECT_THAT(ErrorOf("sub/../w.bin"), HasSubstr("'..' may lead out"));
  EXPECT_THAT(ErrorOf(".."), HasSubstr("'..' may lead out"));
  EXPECT_THAT(ErrorOf(folder_.Path("outside.bin")), HasSubstr("not a path relative"));
  EXPECT_THAT(ErrorOf(folder_.Path("model/w.bin")), HasSubstr("not a path relative"));
  EXPECT_THAT(ErrorOf(std::string("w.bin\0x", 7)), HasSubstr("not a path relative"));

  std::filesystem::create_symlink("../outside.bin", folder_.Path("model/link.bin"));
  std::filesystem::create_symlink("w.bin", folder_.Path("model/near.bin"));
  std::filesystem::create_directory_symlink("..", folder_.Path("model/up"));
  EXPECT_THAT(ErrorOf("link.bin"), HasSubstr("'link.bin' is a symbolic link"));
  EXPECT_THAT(ErrorOf("near.bin"), HasSubstr("'near.bin' is a symbolic link"));
  EXPECT_THAT(ErrorOf("up/outside.bin"), HasSubstr("'up' is a symbolic link"));
  EXPECT_THAT(ErrorOf("sub"), HasSubstr("not a regular file"));
  EXPECT_THAT(ErrorOf("."), HasSubstr("not a regular file"));
  EXPECT_THAT(ErrorOf("nowhere.bin"), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(ErrorOf("w.bin/x"), HasSubstr("cannot open"));
}

TEST_F(OnnxExternalData, ChecksOffsetAndLength) {
  WriteData("model/w.bin");
  EXPECT_THAT(ErrorOf("w.bin", "1"), HasSubstr("ends behind 'w.bin', which has 8"));
  EXPECT_THAT(ErrorOf("w.bin", "9223372036854775807"), HasSubstr("ends behind"));
  EXPECT_THAT(ErrorOf("w.bin", "99999999999999999999"), HasSubstr("no size in bytes"));
  EXPECT_THAT(ErrorOf("w.bin", "-1"), HasSubstr("no size in bytes"));
  EXPECT_THAT(ErrorOf("w.bin", "0x0"), HasSubstr("no size in bytes"));
  EXPECT_THAT(ErrorOf("w.bin", "0", "7"), HasSubstr("7 bytes where float32[2] takes 8"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("without a location"));
}

TEST_F(OnnxExternalData, NeedsAFolder) {
  WriteData("model/w.bin");
  WriteModel("w.bin");
  EXPECT_THAT(ParseOnnx(BytesOf(bytes_)).status().ToString(),
              HasSubstr("initializer[0] 'w': external data in 'w.bin'"));
  OnnxReadOptions options;
  options.external_folder = folder_.Path("model");
  EXPECT_TRUE(ParseOnnx(BytesOf(bytes_), options).ok());
}

TEST_F(OnnxExternalData, OutlivesTheFile) {
  WriteData("model/w.bin", 64);
  auto graph = ReadOnnx(WriteModel("w.bin", "64"));
  ASSERT_TRUE(graph.ok());
  std::filesystem::remove(folder_.Path("model/w.bin"));
  EXPECT_THAT(graph->Constant(graph->FindValue("w"))->Span<float>(), ElementsAre(1.5f, -2));
}

}  // namespace
}  // namespace ergo
