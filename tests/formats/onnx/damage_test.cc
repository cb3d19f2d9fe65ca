// Bytes that are no model: an error with its place, whatever they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "formats/onnx/wire_scan.h"
#include "tests/formats/onnx/model_builder.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

onnx::ModelProto SmallModel() {
  onnx::ModelProto model = EmptyModel();
  auto& function = *model.add_functions();
  function.set_domain("local");
  function.set_name("F");
  function.add_input("v");
  function.add_output("r");
  AddNode(*function.mutable_node(), "Neg", {"v"}, {"r"});
  auto& graph = *model.mutable_graph();
  AddInput(graph, "c", {}, onnx::TensorProto::BOOL);
  AddInput(graph, "x", {-1, 2});
  *graph.add_initializer() = FloatTensor("w", {2}, {1, 2});
  auto& raw = *graph.add_initializer();
  raw.set_name("raw");
  raw.set_data_type(onnx::TensorProto::INT8);
  raw.add_dims(3);
  raw.set_raw_data("abc");
  AddNode(graph, "F", {"x"}, {"n"}).set_domain("local");
  auto& choice = AddNode(graph, "If", {"c"}, {"y"}, "choice");
  AddOutput(AddGraph(choice, "then_branch"), "n");
  auto& otherwise = AddGraph(choice, "else_branch");
  auto& add = AddNode(otherwise, "Gemm", {"n", "w"}, {"sum"});
  AddAttribute(add, "alpha", onnx::AttributeProto::FLOAT).set_f(2);
  AddAttribute(add, "pads", onnx::AttributeProto::INTS).add_ints(300);
  AddOutput(otherwise, "sum");
  AddOutput(graph, "y");
  AddOutput(graph, "raw");
  return model;
}

TEST(OnnxDamage, EveryTruncationGivesAnErrorOrAGraph) {
  const std::string text = SmallModel().SerializeAsString();
  ASSERT_TRUE(ParseOnnx(BytesOf(text)).ok());
  int graphs = 0;
  for (size_t size = 0; size < text.size(); ++size) {
    auto graph = ParseOnnx(BytesOf(text.substr(0, size)));
    if (graph.ok()) {
      ++graphs;
      EXPECT_TRUE(graph->Verify().ok());
    } else {
      EXPECT_FALSE(graph.status().message().empty());
    }
  }
  EXPECT_LT(graphs, 3);  // where the cut falls between top-level fields
}

TEST(OnnxDamage, RandomDamageNeverCrashes) {
  const std::string text = SmallModel().SerializeAsString();
  std::mt19937 random(2024);
  int graphs = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string changed = text;
    const auto flips = 1 + random() % 3;
    for (uint32_t flip = 0; flip < flips; ++flip) {
      changed[random() % text.size()] ^= static_cast<char>(1 << (random() % 8));
    }
    auto graph = ParseOnnx(BytesOf(changed));
    if (!graph.ok()) continue;
    ++graphs;
    ASSERT_TRUE(graph->Verify().ok());
    ASSERT_FALSE(graph->ToString().empty());
  }
  EXPECT_GT(graphs, 0);
  EXPECT_LT(graphs, 2000);
}

TEST(OnnxDamage, NamesTheByteAndTheField) {
  onnx::ModelProto model = EmptyModel();
  AddNode(*model.mutable_graph(), "Neg", {"first", "second"}, {"y"});
  std::string text = model.SerializeAsString();
  const size_t at = text.find("second");
  text[at] = '\xff';
  EXPECT_THAT(
      ParseOnnx(BytesOf(text)).status().ToString(),
      HasSubstr(fmt::format(
          "CORRUPT_DATA: not an ONNX model: byte {}: graph.node[0].input[1]: text is not UTF-8",
          at)));
  text[at - 1] = 100;  // the length of the name
  EXPECT_THAT(ParseOnnx(BytesOf(text)).status().ToString(),
              HasSubstr("graph.node[0].input[1]: 100 bytes long where"));
}

TEST(OnnxDamage, MalformedFields) {
  const auto error = [](std::string_view text) {
    return onnx::ScanWire(BytesOf(std::string(text)), *onnx::ModelProto::descriptor())
        .status()
        .ToString();
  };
  EXPECT_EQ(error({"\x08\x07", 2}), "OK");
  EXPECT_EQ(error({"\xf8\x07\x05", 3}), "OK");  // a field that nobody knows
  EXPECT_THAT(error({"\x00\x07", 2}), HasSubstr("byte 0: no field tag"));
  EXPECT_THAT(error({"\x08", 1}), HasSubstr("byte 0: ir_version: truncated"));
  EXPECT_THAT(error({"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11}), HasSubstr("oversized"));
  EXPECT_THAT(error({"\x0d\x01\x02\x03\x04", 5}),
              HasSubstr("byte 0: ir_version: wire type 5 for a int64"));
  EXPECT_THAT(error({"\xfd\x07\x01\x02", 4}), HasSubstr("byte 0: field 127: truncated number"));
  EXPECT_THAT(error({"\x0b", 1}), HasSubstr("wire type 3"));
  EXPECT_THAT(error({"\xfb\x07", 2}), HasSubstr("unknown wire type 3"));
  EXPECT_THAT(error({"\x3a\x05", 2}), HasSubstr("byte 0: graph: 5 bytes long where 0 are left"));
  // graph.initializer[0].float_data of five bytes, and int64_data of half a number.
  EXPECT_THAT(
      error({"\x3a\x09\x2a\x07\x22\x05"
             "abcde",
             11}),
      HasSubstr("graph.initializer[0].float_data[0]: 5 bytes are no whole number of floats"));
  EXPECT_THAT(error({"\x3a\x05\x2a\x03\x3a\x01\x80", 7}), HasSubstr("int64_data[0]: truncated"));
}

TEST(OnnxDamage, BoundsWhatAParseAllocates) {
  // Empty nodes: two bytes each here, more than a hundred once parsed.
  std::string nodes;
  for (int64_t i = 0; i <= kMaxOnnxObjects; ++i) nodes += std::string("\x0a\x00", 2);
  std::string text = "\x3a";
  for (size_t length = nodes.size(); length > 0; length >>= 7) {
    text += static_cast<char>((length & 0x7f) | (length >= 0x80 ? 0x80 : 0));
  }
  EXPECT_THAT(ParseOnnx(BytesOf(text + nodes)).status().ToString(),
              HasSubstr("RESOURCE_EXHAUSTED: not an ONNX model: byte"));

  // Graphs within graphs within graphs.
  std::string deep;
  for (int level = 0; level < 3 * kMaxOnnxNesting; ++level) {
    std::string length;
    for (size_t rest = deep.size();; rest >>= 7) {
      length += static_cast<char>((rest & 0x7f) | (rest >= 0x80 ? 0x80 : 0));
      if (rest < 0x80) break;
    }
    // AttributeProto.g, NodeProto.attribute and GraphProto.node in turn.
    deep = std::string(level % 3 == 0 ? "\x32" : level % 3 == 1 ? "\x2a" : "\x0a") + length + deep;
  }
  EXPECT_THAT(onnx::ScanWire(BytesOf(deep), *onnx::GraphProto::descriptor()).status().ToString(),
              HasSubstr("nested deeper than 64"));
}

TEST(OnnxDamage, NotAModelAtAll) {
  EXPECT_THAT(ParseOnnx({}).status().ToString(), HasSubstr("no IR version: not an ONNX model"));
  EXPECT_THAT(ParseOnnx(BytesOf("<html>hello</html>")).status().ToString(),
              HasSubstr("not an ONNX model"));
  onnx::ModelProto model;
  model.set_ir_version(8);
  EXPECT_THAT(ImportError(model), HasSubstr("no graph"));
  model.set_ir_version(99);
  EXPECT_THAT(ImportError(model), HasSubstr("UNSUPPORTED: IR version 99"));
  OnnxReadOptions options;
  options.max_bytes = 10;
  EXPECT_THAT(ImportError(SmallModel(), options), HasSubstr("above the limit of 10"));
}

TEST(OnnxDamage, RefusesNodesThatMakeNoSense) {
  const auto error = [](auto change) {
    onnx::ModelProto model = EmptyModel();
    auto& graph = *model.mutable_graph();
    AddInput(graph, "x", {1});
    AddOutput(graph, "y");
    change(AddNode(graph, "Op", {"x"}, {"y"}, "n"));
    return ImportError(model);
  };
  using Node = onnx::NodeProto;
  using Type = onnx::AttributeProto;
  EXPECT_EQ(error([](Node&) {}), "OK");
  EXPECT_THAT(error([](Node& node) { node.clear_op_type(); }), HasSubstr("no operator"));
  EXPECT_THAT(error([](Node& node) { node.set_name(std::string(5000, 'n')); }),
              HasSubstr("a name of 5000 bytes"));
  EXPECT_THAT(error([](Node& node) {
                for (int i = 0; i < 5000; ++i) node.add_input("x");
              }),
              HasSubstr("more than 4096"));
  EXPECT_THAT(error([](Node& node) {
                for (int i = 0; i < 300; ++i) AddAttribute(node, std::to_string(i), Type::INT);
              }),
              HasSubstr("300 attributes"));
  EXPECT_THAT(error([](Node& node) {
                AddAttribute(node, "a", Type::INT);
                AddAttribute(node, "a", Type::FLOAT);
              }),
              HasSubstr("node[0] Op 'n': attribute 'a': stands twice"));
  EXPECT_THAT(error([](Node& node) { AddAttribute(node, "", Type::INT); }), HasSubstr("no name"));
  EXPECT_THAT(error([](Node& node) { AddAttribute(node, "a", Type::UNDEFINED); }),
              HasSubstr("neither type nor value"));
  EXPECT_THAT(error([](Node& node) { AddAttribute(node, "a", Type::TENSOR); }),
              HasSubstr("without a tensor"));
  EXPECT_THAT(error([](Node& node) { AddAttribute(node, "a", Type::GRAPH); }),
              HasSubstr("without a graph"));
  EXPECT_THAT(
      error([](Node& node) { AddAttribute(node, "a", static_cast<Type::AttributeType>(77)); }),
      HasSubstr("values of type number 77"));
  EXPECT_THAT(error([](Node& node) {
                AddAttribute(node, "a", Type::TENSOR).mutable_t()->set_data_type(1);
              }),
              HasSubstr("attribute 'a': float_data has 0 entries"));
}

}  // namespace
}  // namespace ergo
