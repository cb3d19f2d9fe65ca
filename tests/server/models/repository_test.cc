#include "server/models/repository.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/graph/dim_range.h"
#include "engine/passes/passes.h"
#include "formats/ergo/ergo_file.h"
#include "formats/model_file.h"
#include "kernels/base/status.h"

namespace ergo {
namespace {

// Hands its input on, twice if asked to.
std::unique_ptr<Model> MakeModel(int inputs = 1) {
  Graph graph;
  for (int i = 0; i < inputs; ++i) {
    graph.inputs.push_back(graph.AddValue("x" + std::to_string(i), DType::kF32, Shape{2}));
  }
  Node node;
  node.name = "relu";
  node.op = "Relu";
  node.opset = 13;
  node.inputs = {graph.inputs[0]};
  node.outputs = {graph.AddValue("y")};
  graph.outputs = {node.outputs[0]};
  graph.AddNode(std::move(node));
  return std::move(Model::Create(std::move(graph), {})).value();
}

TEST(RepositoryTest, FindsVersions) {
  Repository models(ModelOptions{});
  for (const uint32_t version : {3u, 1u, 2u}) {
    ASSERT_TRUE(models.Add("b", version, MakeModel()).ok());
  }
  ASSERT_TRUE(models.Add("a", 7, MakeModel()).ok());
  models.Seal();
  EXPECT_EQ(models.Find("b", 0)->version, 3u);
  EXPECT_EQ(models.Find("b", 2)->version, 2u);
  EXPECT_EQ(models.Find("b", 4), nullptr);
  EXPECT_EQ(models.Find("c", 0), nullptr);
  EXPECT_EQ(models.Find("", 0), nullptr);
  ASSERT_EQ(models.Models().size(), 4u);
  EXPECT_EQ(models.Models()[0]->name, "a");
  EXPECT_EQ(models.Models()[3]->version, 3u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(models.Models()[static_cast<size_t>(i)]->id, i);
}

TEST(RepositoryTest, RefusesBadNamesVersionsAndPorts) {
  Repository models(ModelOptions{});
  for (const std::string& name : {std::string(), std::string("a/b"), std::string("a\nb"),
                                  std::string("a\0b", 3), std::string(257, 'a')}) {
    EXPECT_EQ(models.Add(name, 1, MakeModel()).code(), StatusCode::kInvalidArgument) << name;
  }
  EXPECT_FALSE(models.Add("a", 0, MakeModel()).ok());
  EXPECT_TRUE(models.Add("a", 1, MakeModel(32)).ok());
  EXPECT_FALSE(models.Add("a", 1, MakeModel()).ok());
  EXPECT_FALSE(models.Add("many", 1, MakeModel(33)).ok());
  EXPECT_EQ(models.Find("many", 0), nullptr);
}

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("ergo_repository_test_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The bundled model, under another name.
  void PutModel(const std::string& place) {
    const char* source = std::getenv("ERGO_SOURCE_DIR");
    ASSERT_NE(source, nullptr);
    std::filesystem::create_directories((folder_ / place).parent_path());
    std::filesystem::copy_file(std::filesystem::path(source) / "tools/digits/digits.onnx",
                               folder_ / place);
  }

  std::filesystem::path folder_;
};

TEST_F(FolderTest, LoadsFilesAndVersions) {
  PutModel("plain.onnx");
  PutModel("versioned/1/model.onnx");
  PutModel("versioned/12/model.onnx");
  PutModel("versioned/old/model.onnx");
  std::ofstream(folder_ / "README.txt") << "not a model";
  Repository models(ModelOptions{});
  const Status loaded = models.LoadFolder(folder_.string());
  ASSERT_TRUE(loaded.ok()) << loaded.ToString();
  models.Seal();
  EXPECT_EQ(models.Models().size(), 3u);
  ASSERT_NE(models.Find("plain", 1), nullptr);
  EXPECT_EQ(models.Find("versioned", 0)->version, 12u);
  EXPECT_NE(models.Find("versioned", 0)->path.find("versioned/12/model.onnx"), std::string::npos);
  Runner runner(*models.Find("plain", 0)->model);
}

// An .ergo file says whether it was optimized; its name says nothing.
TEST_F(FolderTest, WhatWasConvertedStaysAsItIs) {
  PutModel("source.onnx");
  const Result<Graph> graph = ReadModel((folder_ / "source.onnx").string());
  ASSERT_TRUE(graph.ok());
  const std::string kept = (folder_ / "kept.ergo").string();
  const std::string raw = (folder_ / "raw.ergo").string();
  ASSERT_TRUE(WriteErgo(*graph, kept, {{kPassesMetadata, "none"}}).ok());
  ASSERT_TRUE(WriteErgo(*graph, raw).ok());
  PutModel("named.ergo");  // ONNX by another name
  Repository models(ModelOptions{});
  ASSERT_TRUE(models.LoadFolder(folder_.string()).ok());
  const auto nodes = [&](const char* name) {
    return models.Find(name, 1)->model->GetGraph().NodeCount();
  };
  EXPECT_EQ(nodes("kept"), graph->NodeCount());
  EXPECT_LT(nodes("raw"), graph->NodeCount());
  EXPECT_EQ(nodes("raw"), nodes("source"));
  EXPECT_EQ(nodes("named"), nodes("source"));
}

TEST_F(FolderTest, PlansAheadWhatIsBounded) {
  PutModel("source.onnx");
  Result<Graph> graph = ReadModel((folder_ / "source.onnx").string());
  ASSERT_TRUE(graph.ok());
  SetDimRange(*graph, {"batch", {1, 2, 3}});
  ASSERT_TRUE(WriteErgo(*graph, (folder_ / "bounded.ergo").string()).ok());
  Repository models(ModelOptions{});
  ASSERT_TRUE(models.LoadFolder(folder_.string()).ok());
  models.Seal();
  const Result<std::vector<std::string>> lines = models.PlanAhead();
  ASSERT_TRUE(lines.ok()) << lines.status().ToString();
  ASSERT_EQ(lines->size(), 1u);
  EXPECT_EQ((*lines)[0],
            "source/1: 0 shapes are planned ahead; not planned: dimension 'batch' has no range: "
            "each new shape is planned when it comes");
}

TEST_F(FolderTest, ErrorsNameTheFile) {
  Repository models(ModelOptions{});
  EXPECT_EQ(models.LoadFolder(folder_.string()).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(models.LoadFolder((folder_ / "none").string()).code(), StatusCode::kNotFound);
  std::ofstream(folder_ / "broken.onnx") << "this is no model";
  const Status status = models.LoadFolder(folder_.string());
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("broken.onnx"), std::string::npos) << status.ToString();
}

}  // namespace
}  // namespace ergo
