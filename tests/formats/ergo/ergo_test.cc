#include "formats/ergo/ergo_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>

#include "formats/ergo/ergo_generated.h"
#include "formats/ergo/preamble.h"
#include "kernels/base/checked_math.h"
#include "tests/formats/ergo/sample_graph.h"
#include "tests/formats/graph_equal.h"
#include "tests/formats/temp_folder.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

Result<Graph> Parse(std::string_view text, const ErgoReadOptions& options = {}) {
  auto buffer = std::make_shared<AlignedBuffer>(AlignedBuffer::AllocateOrDie(text.size()));
  if (!text.empty()) std::memcpy(buffer->Data(), text.data(), text.size());
  return ParseErgo(buffer->Bytes(), buffer, options);
}

std::string FileOf(const Graph& graph) {
  TempFolder folder;
  const Status status = WriteErgo(graph, folder.Path("model.ergo"));
  EXPECT_TRUE(status.ok()) << status.ToString();
  return folder.Read("model.ergo");
}

TEST(Ergo, RoundTripKeepsEverything) {
  TempFolder folder;
  const Graph graph = SampleGraph();
  ASSERT_TRUE(WriteErgo(graph, folder.Path("a.ergo")).ok());
  auto read = ReadErgo(folder.Path("a.ergo"));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ExpectEqual(graph, *read);
}

TEST(Ergo, EveryElementTypeRoundTrips) {
  Graph graph;
  for (int number = 0; number < 256; ++number) {
    const auto dtype = static_cast<DType>(number);
    if (!IsTensorDType(dtype)) continue;
    const Shape shape({3, 5});
    const int64_t bytes = DTypeBytes(dtype, shape.Elements());
    AlignedBuffer buffer = AlignedBuffer::AllocateOrDie(static_cast<size_t>(bytes));
    for (int64_t i = 0; i < bytes; ++i) {
      buffer.As<uint8_t>()[i] =
          static_cast<uint8_t>(dtype == DType::kBool ? i % 2 : i * 37 + number);
    }
    graph.outputs.push_back(
        graph.AddConstant(std::string(DTypeName(dtype)), Tensor(dtype, shape, std::move(buffer))));
  }
  EXPECT_EQ(graph.outputs.size(), 23u);
  auto read = Parse(FileOf(graph));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ExpectEqual(graph, *read);
}

TEST(Ergo, WeightsAreAlignedViewsSharedWhereEqual) {
  TempFolder folder;
  const Graph graph = SampleGraph();
  ASSERT_TRUE(WriteErgo(graph, folder.Path("a.ergo")).ok());
  auto file = MappedFile::Open(folder.Path("a.ergo"), 1 << 20);
  ASSERT_TRUE(file.ok());
  const std::span<const std::byte> bytes = (*file)->Bytes();
  auto read = ParseErgo(*file);
  ASSERT_TRUE(read.ok());
  const auto data = [&](const Graph& in, const char* name) {
    return static_cast<const std::byte*>(in.Constant(in.FindValue(name))->Data());
  };
  const std::byte* w = data(*read, "w");
  EXPECT_GE(w, bytes.data());
  EXPECT_LT(w, bytes.data() + bytes.size());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(w) % kTensorAlignment, 0u);
  EXPECT_EQ(data(*read, "same"), w);
  EXPECT_NE(data(*read, "flags"), w);
  // The views keep the mapping alive.
  file->reset();
  EXPECT_THAT(read->Constant(read->FindValue("w"))->Span<float>(), ::testing::ElementsAre(1, 2));
}

TEST(Ergo, SameGraphSameBytes) {
  EXPECT_EQ(FileOf(SampleGraph()), FileOf(SampleGraph()));
  auto read = Parse(FileOf(SampleGraph()));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(FileOf(*read), FileOf(SampleGraph()));
}

TEST(Ergo, MetadataIsAdded) {
  TempFolder folder;
  const std::string path = folder.Path("a.ergo");
  ASSERT_TRUE(WriteErgo(SampleGraph(), path, {{"producer", "me"}, {"passes", "x, y"}}).ok());
  auto read = ReadErgo(path);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->metadata.at("producer"), "me");
  EXPECT_EQ(read->metadata.at("passes"), "x, y");
}

TEST(Ergo, RefusesToWriteABrokenGraphAndLeavesNoFile) {
  TempFolder folder;
  Graph graph;
  graph.outputs = {graph.AddValue("nobody computes it")};
  EXPECT_FALSE(WriteErgo(graph, folder.Path("a.ergo")).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder.Path()));
}

TEST(Ergo, EveryTruncationIsDetected) {
  const std::string text = FileOf(SampleGraph());
  for (size_t size = 0; size < text.size(); ++size) {
    const auto read = Parse(text.substr(0, size));
    ASSERT_FALSE(read.ok()) << size;
    ASSERT_EQ(read.status().code(), StatusCode::kCorruptData) << size;
  }
}

TEST(Ergo, EveryChangedBitIsDetectedOrHarmless) {
  const Graph graph = SampleGraph();
  const std::string text = FileOf(graph);
  auto original = Parse(text);
  ASSERT_TRUE(original.ok());
  int harmless = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      const auto read = Parse(changed);
      if (!read.ok()) continue;
      ++harmless;
      ExpectEqual(*read, *original);
      ASSERT_FALSE(::testing::Test::HasFailure()) << "byte " << i;
    }
  }
  // Padding between the parts is nobody's, and all that may change unseen.
  EXPECT_LT(harmless, static_cast<int>(text.size()) * 8 / 2);
}

TEST(Ergo, DamagedHeadersWithoutChecksumsNeverCrash) {
  const std::string text = FileOf(SampleGraph());
  ErgoReadOptions options;
  options.verify_checksums = false;
  options.verify_header_checksums = false;
  std::mt19937 random(20240611);
  int read_count = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string changed = text;
    const auto flips = 1 + random() % 4;
    for (uint32_t flip = 0; flip < flips; ++flip) {
      changed[16 + random() % (text.size() - 16)] = static_cast<char>(random());
    }
    auto read = Parse(changed, options);
    if (read.ok()) {
      ++read_count;
      ASSERT_TRUE(read->Verify().ok());
      ASSERT_FALSE(read->ToString().empty());
    }
  }
  EXPECT_GT(read_count, 0);
  EXPECT_LT(read_count, 20000);
}

TEST(Ergo, NamesWhatIsWrongWithAPreamble) {
  const std::string text = FileOf(SampleGraph());
  ErgoPreamble preamble;
  std::memcpy(&preamble, text.data(), sizeof(preamble));
  const auto error = [&](ErgoPreamble changed) {
    changed.preamble_xxh3 = PreambleXxh3(changed);
    std::string file = text;
    std::memcpy(file.data(), &changed, sizeof(changed));
    return Parse(file).status().ToString();
  };
  EXPECT_EQ(error(preamble), "OK");
  const auto with = [&](auto field, auto value) {
    ErgoPreamble changed = preamble;
    changed.*field = value;
    return error(changed);
  };
  EXPECT_THAT(with(&ErgoPreamble::version, 2u), HasSubstr("UNSUPPORTED: byte 8: version 2"));
  EXPECT_THAT(with(&ErgoPreamble::flags, 1u), HasSubstr("byte 12: flags 0x1"));
  EXPECT_THAT(with(&ErgoPreamble::file_bytes, uint64_t{77}), HasSubstr("byte 16"));
  EXPECT_THAT(with(&ErgoPreamble::header_offset, uint64_t{128}), HasSubstr("byte 24"));
  EXPECT_THAT(with(&ErgoPreamble::header_bytes, preamble.file_bytes), HasSubstr("byte 24"));
  EXPECT_THAT(with(&ErgoPreamble::header_bytes, UINT64_MAX), HasSubstr("RESOURCE_EXHAUSTED"));
  EXPECT_THAT(with(&ErgoPreamble::header_xxh3, uint64_t{1}), HasSubstr("checksum of the header"));
  EXPECT_THAT(with(&ErgoPreamble::weights_offset, uint64_t{64}), HasSubstr("byte 48"));
  EXPECT_THAT(with(&ErgoPreamble::weights_offset, UINT64_MAX - 63), HasSubstr("byte 48"));
  std::string file = text;
  file[57] = static_cast<char>(file[57] ^ 1);
  EXPECT_THAT(Parse(file).status().ToString(), HasSubstr("byte 56"));
  EXPECT_FALSE(IsErgo({}));
  EXPECT_THAT(Parse("\x89"
                    "ERGO\n")
                  .status()
                  .ToString(),
              HasSubstr("not an .ergo file"));
}

// A file around a header made by hand, all checksums right.
std::string FileAround(flatbuffers::FlatBufferBuilder& builder,
                       flatbuffers::Offset<fb::Graph> graph, const std::string& weights = "",
                       const std::vector<fb::Weight>& entries = {}) {
  const auto table = builder.CreateVectorOfStructs(entries);
  builder.Finish(fb::CreateHeader(builder, graph, table), fb::HeaderIdentifier());
  const std::string header(reinterpret_cast<const char*>(builder.GetBufferPointer()),
                           builder.GetSize());
  ErgoPreamble preamble;
  preamble.header_offset = 64;
  preamble.header_bytes = header.size();
  preamble.header_xxh3 = Xxh3(std::as_bytes(std::span(header)));
  preamble.weights_offset = RoundUp<uint64_t>(64 + header.size(), 64);
  preamble.file_bytes = preamble.weights_offset + weights.size();
  preamble.preamble_xxh3 = PreambleXxh3(preamble);
  std::string file(reinterpret_cast<const char*>(&preamble), sizeof(preamble));
  file += header;
  file.resize(preamble.weights_offset, '\0');
  return file + weights;
}

fb::Weight WeightOf(const std::string& bytes, uint64_t offset = 0) {
  return fb::Weight(offset, bytes.size(), Xxh3(std::as_bytes(std::span(bytes))));
}

// What reading one constant of this type, shape and weight says.
std::string ConstantError(DType dtype, const std::vector<int64_t>& dims, uint32_t weight,
                          const std::vector<fb::Weight>& entries, const std::string& weights) {
  flatbuffers::FlatBufferBuilder builder;
  const auto number = static_cast<uint8_t>(dtype);
  const auto tensor = fb::CreateTensorDirect(builder, number, &dims, weight);
  std::vector values = {
      fb::CreateValueDirect(builder, "c", number, true, nullptr, nullptr, tensor)};
  std::vector<int32_t> outputs = {0};
  const auto graph = fb::CreateGraphDirect(builder, "g", &values, nullptr, nullptr, &outputs);
  return Parse(FileAround(builder, graph, weights, entries)).status().ToString();
}

TEST(Ergo, ChecksWeights) {
  const std::string bytes("\1\0\1\0", 4);
  const std::vector<fb::Weight> entries = {WeightOf(bytes)};
  EXPECT_EQ(ConstantError(DType::kI8, {4}, 0, entries, bytes), "OK");
  EXPECT_EQ(ConstantError(DType::kF32, {1}, 0, entries, bytes), "OK");
  EXPECT_THAT(ConstantError(DType::kI8, {5}, 0, entries, bytes),
              HasSubstr("value 0: constant 'c': int8[5] takes 5 bytes, weight 0 has 4"));
  EXPECT_THAT(ConstantError(DType::kI8, {4}, 1, entries, bytes), HasSubstr("weight 1 of 1"));
  EXPECT_THAT(ConstantError(DType::kI8, {-4}, 0, entries, bytes), HasSubstr("negative dimension"));
  EXPECT_THAT(ConstantError(DType::kI8, {1LL << 40, 1LL << 40}, 0, entries, bytes),
              HasSubstr("RESOURCE_EXHAUSTED"));
  EXPECT_THAT(ConstantError(DType::kI8, std::vector<int64_t>(9, 1), 0, entries, bytes),
              HasSubstr("rank 9"));
  EXPECT_THAT(ConstantError(DType::kString, {4}, 0, entries, bytes), HasSubstr("element type 8"));
  EXPECT_THAT(ConstantError(static_cast<DType>(99), {4}, 0, entries, bytes),
              HasSubstr("element type 99"));
  EXPECT_EQ(ConstantError(DType::kBool, {4}, 0, entries, bytes), "OK");
  const std::string no_bools("\1\0\2\0", 4);
  EXPECT_THAT(ConstantError(DType::kBool, {4}, 0, {WeightOf(no_bools)}, no_bools),
              HasSubstr("a bool is neither 0 nor 1"));

  for (const fb::Weight& bad : {fb::Weight(0, 5, 0), fb::Weight(64, 1, 0), fb::Weight(1, 1, 0),
                                fb::Weight(0, UINT64_MAX, 0), fb::Weight(UINT64_MAX - 63, 128, 0),
                                fb::Weight(64, UINT64_MAX - 63, 0)}) {
    EXPECT_THAT(ConstantError(DType::kI8, {4}, 0, {bad}, bytes), HasSubstr("weight 0"));
  }
  EXPECT_THAT(ConstantError(DType::kI8, {4}, 0, {fb::Weight(0, 4, 1)}, bytes),
              HasSubstr("weight 0: wrong checksum"));
}

TEST(Ergo, ChecksGraphs) {
  const auto error = [](const std::vector<int32_t>& inputs, const std::vector<int32_t>& node_inputs,
                        const std::vector<int32_t>& node_outputs, const std::string& name = "x",
                        int opset = 1) {
    flatbuffers::FlatBufferBuilder builder;
    std::vector values = {fb::CreateValueDirect(builder, name.c_str(), 1),
                          fb::CreateValueDirect(builder, "y", 1)};
    std::vector nodes = {
        fb::CreateNodeDirect(builder, "n", "", "Neg", opset, &node_inputs, &node_outputs)};
    std::vector<int32_t> outputs = {1};
    const auto graph = fb::CreateGraphDirect(builder, "g", &values, &nodes, &inputs, &outputs);
    return Parse(FileAround(builder, graph)).status().ToString();
  };
  EXPECT_EQ(error({0}, {0}, {1}), "OK");
  EXPECT_EQ(error({0}, {0, -1}, {1}), "OK");
  EXPECT_THAT(error({2}, {0}, {1}), HasSubstr("graph inputs: value 2 of 2"));
  EXPECT_THAT(error({-1}, {0}, {1}), HasSubstr("graph inputs: value -1 of 2"));
  EXPECT_THAT(error({0}, {-2}, {1}), HasSubstr("node 0: Neg 'n': value -2 of 2"));
  EXPECT_THAT(error({0}, {1}, {1}), HasSubstr("CORRUPT_DATA: Neg 'n': 'y' is used before"));
  EXPECT_THAT(error({0, 0}, {0}, {1}), HasSubstr("'x' is defined twice"));
  EXPECT_THAT(error({0}, {0}, {1}, "y"), HasSubstr("stands twice"));
  EXPECT_THAT(error({0}, {0}, {1}, "\xff"), HasSubstr("value 0: a name is not UTF-8"));
  EXPECT_THAT(error({0}, {0}, {1}, std::string(5000, 'a')), HasSubstr("a name of 5000 bytes"));
  EXPECT_THAT(error({0}, {0}, {1}, "x", -1), HasSubstr("opset -1"));
  EXPECT_THAT(error({0}, std::vector<int32_t>(5000, 0), {1}), HasSubstr("longer than 4096"));
}

// Each graph holds the next one twice, but it is stored once: 2^20 graphs in a kilobyte.
TEST(Ergo, SharedObjectsCannotExplode) {
  flatbuffers::FlatBufferBuilder builder;
  auto graph = fb::CreateGraphDirect(builder, "leaf");
  for (int depth = 0; depth < 20; ++depth) {
    std::vector<flatbuffers::Offset<fb::Subgraph>> subgraphs;
    for (int i = 0; i < 2; ++i) {
      subgraphs.push_back(fb::CreateSubgraphDirect(builder, "body", graph));
    }
    std::vector nodes = {
        fb::CreateNodeDirect(builder, "n", "", "If", 1, nullptr, nullptr, nullptr, &subgraphs)};
    graph = fb::CreateGraphDirect(builder, "g", nullptr, &nodes);
  }
  EXPECT_FALSE(Parse(FileAround(builder, graph)).ok());

  // One long text, referred to from everywhere.
  flatbuffers::FlatBufferBuilder wide;
  const auto text = wide.CreateString(std::string(4000, 'a'));
  std::vector<flatbuffers::Offset<fb::Entry>> entries;
  for (int i = 0; i < 1000; ++i) entries.push_back(fb::CreateEntry(wide, text, text));
  const auto root = fb::CreateGraphDirect(wide, "g", nullptr, nullptr, nullptr, nullptr, &entries);
  EXPECT_THAT(Parse(FileAround(wide, root)).status().ToString(),
              HasSubstr("RESOURCE_EXHAUSTED: the header stands for more than 4 times its bytes"));
}

}  // namespace
}  // namespace ergo
