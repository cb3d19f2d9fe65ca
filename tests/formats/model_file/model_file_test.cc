#include "formats/model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/ergo/ergo_file.h"
#include "formats/npy/npy.h"
#include "formats/onnx/onnx.pb.h"
#include "tests/formats/graph_equal.h"
#include "tests/formats/temp_folder.h"

namespace ergo {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Through tar; false when that fails.
bool Unpack(std::string archive, std::string folder) {
  std::string tar = "tar", extract = "-xJf", into = "-C";
  std::array<char*, 6> arguments = {tar.data(),  extract.data(), archive.data(),
                                    into.data(), folder.data(),  nullptr};
  pid_t child = 0;
  if (posix_spawnp(&child, "tar", nullptr, nullptr, arguments.data(), environ) != 0) return false;
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0;
}

TEST(ModelFile, TellsFormatsApartByContent) {
  TempFolder folder;
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  auto& constant = *model.mutable_graph()->add_initializer();
  constant.set_name("c");
  constant.set_data_type(onnx::TensorProto::INT8);
  constant.set_raw_data("x");
  model.mutable_graph()->add_output()->set_name("c");
  folder.Write("onnx.ergo", model.SerializeAsString());
  auto graph = ReadModel(folder.Path("onnx.ergo"));
  ASSERT_TRUE(graph.ok()) << graph.status().ToString();
  ASSERT_TRUE(WriteErgo(*graph, folder.Path("ergo.onnx")).ok());
  auto again = ReadModel(folder.Path("ergo.onnx"));
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  ExpectEqual(*graph, *again);

  folder.Write("neither", "neither of the two");
  EXPECT_THAT(ReadModel(folder.Path("neither")).status().ToString(),
              HasSubstr("neither: not an ONNX model"));
  EXPECT_EQ(ReadModel(folder.Path("nothing")).status().code(), StatusCode::kNotFound);
  folder.Write("empty", "");
  EXPECT_FALSE(ReadModel(folder.Path("empty")).ok());
}

TEST(ModelFile, TensorsByExtension) {
  TempFolder folder;
  const Tensor tensor = Tensor::FromValues<int32_t>({2}, {3, 4});
  ASSERT_TRUE(WriteNpy(folder.Path("t.npy"), tensor).ok());
  ASSERT_TRUE(WriteTensorProto(folder.Path("t.pb"), "name", tensor).ok());
  auto npy = ReadTensorFile(folder.Path("t.npy"));
  auto proto = ReadTensorFile(folder.Path("t.pb"));
  ASSERT_TRUE(npy.ok() && proto.ok());
  ExpectEqual(npy->tensor, tensor);
  ExpectEqual(proto->tensor, tensor);
  EXPECT_EQ(npy->name, "");
  EXPECT_EQ(proto->name, "name");
  EXPECT_THAT(ReadTensorFile("t.txt").status().ToString(), HasSubstr("INVALID_ARGUMENT: t.txt"));
}

// Seeds that the readers refuse at the door teach a fuzzer nothing: after a change of a format they
// are made anew by tests/fuzz/make_format_seeds.cc.
TEST(ModelFile, FuzzSeedsAreModels) {
  const char* source = std::getenv("ERGO_SOURCE_DIR");
  if (source == nullptr) GTEST_SKIP() << "ERGO_SOURCE_DIR is not set: run through ctest";
  const fs::path corpus = fs::path(source) / "tests/fuzz/corpus";
  for (const char* seed :
       {"onnx/tensors", "onnx/control", "onnx/functions", "onnx/legacy", "ergo/sample",
        "ergo/tensors", "ergo/control", "ergo/functions", "ergo/legacy"}) {
    const auto graph = ReadModel((corpus / seed).string());
    EXPECT_TRUE(graph.ok()) << graph.status().ToString();
  }
}

// The models of ../shared/models, where the machine has them.
TEST(ModelFile, RealModelsRoundTripThroughErgo) {
  const char* source = std::getenv("ERGO_SOURCE_DIR");
  if (source == nullptr) GTEST_SKIP() << "ERGO_SOURCE_DIR is not set: run through ctest";
  const fs::path archive = fs::path(source) / "../shared/models/models.tar.xz";
  if (!fs::exists(archive)) GTEST_SKIP() << "there is no " << archive;
  TempFolder folder;
  ASSERT_TRUE(Unpack(archive.string(), folder.Path()));
  int models = 0, tensors = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder.Path())) {
    SCOPED_TRACE(entry.path().string());
    if (entry.path().extension() == ".pb") {
      auto tensor = ReadTensorFile(entry.path());
      EXPECT_TRUE(tensor.ok()) << tensor.status().ToString();
      ++tensors;
    }
    if (entry.path().extension() != ".onnx") continue;
    ++models;
    auto graph = ReadModel(entry.path());
    ASSERT_TRUE(graph.ok()) << graph.status().ToString();
    EXPECT_GT(graph->NodeCount(), 0);
    EXPECT_FALSE(graph->inputs.empty());
    ASSERT_TRUE(WriteErgo(*graph, folder.Path("model.ergo")).ok());
    auto read = ReadModel(folder.Path("model.ergo"));
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    ExpectEqual(*graph, *read);
  }
  EXPECT_EQ(models, 8);
  EXPECT_GT(tensors, 16);
}

}  // namespace
}  // namespace ergo
