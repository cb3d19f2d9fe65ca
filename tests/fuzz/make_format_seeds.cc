// Writes seeds for fuzz_onnx and fuzz_ergo: small models that together use all of both formats.
//
//   cmake --build build/dev --target make_format_seeds
//   build/dev/tests/fuzz/make_format_seeds tests/fuzz/corpus
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "formats/ergo/ergo_file.h"
#include "tests/formats/ergo/sample_graph.h"
#include "tests/formats/onnx/model_builder.h"

namespace ergo {
namespace {

using Type = onnx::AttributeProto;
using Proto = onnx::TensorProto;

// Weights in every field that may hold them, and as attributes and constants.
onnx::ModelProto TensorsModel() {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  const auto add = [&](int type, int64_t elements) -> Proto& {
    Proto& tensor = *graph.add_initializer();
    tensor.set_name("t" + std::to_string(graph.initializer_size()));
    tensor.set_data_type(type);
    tensor.add_dims(elements);
    AddOutput(graph, tensor.name());
    return tensor;
  };
  add(Proto::FLOAT, 1).add_float_data(1);
  add(Proto::DOUBLE, 1).add_double_data(2);
  add(Proto::INT64, 1).add_int64_data(-3);
  add(Proto::UINT64, 1).add_uint64_data(4);
  add(Proto::UINT32, 1).add_uint64_data(5);
  for (const int type : {Proto::INT32, Proto::INT16, Proto::UINT16, Proto::INT8, Proto::UINT8,
                         Proto::BOOL, Proto::FLOAT16, Proto::BFLOAT16, Proto::FLOAT8E5M2}) {
    add(type, 1).add_int32_data(1);
  }
  add(Proto::INT4, 3).set_raw_data("ab");
  add(Proto::UINT2, 3).add_int32_data(0x1b);
  add(Proto::FLOAT, 0);
  add(Proto::BOOL, 2).set_raw_data("\1\2");
  *AddAttribute(AddNode(graph, "Constant", {}, {"c1"}), "value", Type::TENSOR).mutable_t() =
      FloatTensor("", {1}, {1});
  AddAttribute(AddNode(graph, "Constant", {}, {"c2"}), "value_float", Type::FLOAT).set_f(1);
  AddAttribute(AddNode(graph, "Constant", {}, {"c3"}), "value_ints", Type::INTS).add_ints(1);
  AddNode(graph, "Concat", {"c1", "c2", "c3"}, {"y"});
  AddOutput(graph, "y");
  return model;
}

onnx::ModelProto ControlModel() {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  AddInput(graph, "c", {}, Proto::BOOL);
  AddInput(graph, "x", {-1, 2})
      .mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_param("n");
  *graph.add_initializer() = FloatTensor("w", {2}, {1, 2});
  auto& choice = AddNode(graph, "If", {"c"}, {"y"}, "choice");
  auto& then_graph = AddGraph(choice, "then_branch");
  AddNode(then_graph, "Add", {"late", "w"}, {"r"});
  AddOutput(then_graph, "r");
  auto& otherwise = AddGraph(choice, "else_branch");
  auto& inner = AddNode(otherwise, "If", {"c"}, {"r"});
  AddOutput(otherwise, "r");
  AddOutput(AddGraph(inner, "then_branch"), "late");
  AddOutput(AddGraph(inner, "else_branch"), "x");
  AddNode(graph, "Neg", {"x"}, {"late"});
  AddInput(graph, "trips", {}, Proto::INT64);
  auto& loop = AddNode(graph, "Loop", {"trips", "", "y"}, {"z"});
  auto& body = AddGraph(loop, "body");
  AddInput(body, "i", {}, Proto::INT64);
  AddInput(body, "keep", {}, Proto::BOOL);
  body.add_input()->set_name("state");
  AddNode(body, "Mul", {"state", "w"}, {"next"});
  AddOutput(body, "keep");
  AddOutput(body, "next");
  AddOutput(graph, "z");
  return model;
}

onnx::ModelProto FunctionsModel() {
  onnx::ModelProto model = EmptyModel();
  for (const char* name : {"Inner", "Outer"}) {
    auto& function = *model.add_functions();
    function.set_domain("local");
    function.set_name(name);
    function.add_input("v");
    function.add_input("w");
    function.add_output("r");
    function.add_attribute("alpha");
    function.add_opset_import()->set_version(16);
    const bool outer = function.name() == "Outer";
    auto& node =
        AddNode(*function.mutable_node(), outer ? "Inner" : "LeakyRelu", {"v", "w"}, {"m"});
    if (outer) node.set_domain("local");
    AddAttribute(node, "alpha", Type::FLOAT).set_ref_attr_name("alpha");
    AddNode(*function.mutable_node(), "Neg", {"m"}, {"r"});
  }
  auto& fallback = *model.mutable_functions(1)->add_attribute_proto();
  fallback.set_name("alpha");
  fallback.set_type(Type::FLOAT);
  fallback.set_f(0.5f);
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddNode(graph, "Outer", {"x", ""}, {"y"}, "call").set_domain("local");
  AddNode(graph, "Inner", {"y"}, {"z"}).set_domain("local");
  AddOutput(graph, "z");
  return model;
}

// Before opset 7, with what the importer rewrites, and every other kind of attribute.
onnx::ModelProto LegacyModel() {
  onnx::ModelProto model = EmptyModel(6, 3);
  model.set_producer_name("seed");
  auto& entry = *model.add_metadata_props();
  entry.set_key("k");
  entry.set_value("v");
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1, 2, 3});
  AddInput(graph, "w", {2});
  *graph.add_initializer() = FloatTensor("w", {2}, {1, 2});
  auto& add = AddNode(graph, "Add", {"x", "w"}, {"a"});
  AddAttribute(add, "broadcast", Type::INT).set_i(1);
  AddAttribute(add, "axis", Type::INT).set_i(1);
  auto& other = AddNode(graph, "Other", {"a"}, {"b", "", "d"}, "other");
  other.set_domain("com.example");
  AddAttribute(other, "s", Type::STRING).set_s("text");
  AddAttribute(other, "fs", Type::FLOATS).add_floats(1);
  AddAttribute(other, "ss", Type::STRINGS).add_strings("x");
  AddAttribute(other, "u", Type::UNDEFINED).set_i(3);
  AddOutput(graph, "d");
  return model;
}

onnx::ModelProto ExternalModel() {
  onnx::ModelProto model = EmptyModel();
  auto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name("w");
  tensor.set_data_type(Proto::FLOAT);
  tensor.set_data_location(Proto::EXTERNAL);
  for (const auto& [key, value] :
       {std::pair("location", "w.bin"), std::pair("offset", "64"), std::pair("length", "4")}) {
    auto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  AddOutput(*model.mutable_graph(), "w");
  return model;
}

bool Write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  return file.good();
}

bool WriteSeeds(const std::filesystem::path& corpus) {
  std::filesystem::create_directories(corpus / "onnx");
  std::filesystem::create_directories(corpus / "ergo");
  bool written = WriteErgo(SampleGraph(), corpus / "ergo/sample").ok();
  for (const auto& [name, model] :
       {std::pair("tensors", TensorsModel()), std::pair("control", ControlModel()),
        std::pair("functions", FunctionsModel()), std::pair("legacy", LegacyModel()),
        std::pair("external", ExternalModel())}) {
    written = written && Write(corpus / "onnx" / name, model.SerializeAsString());
    if (name == std::string_view("external")) continue;
    auto graph = Import(model);
    if (!graph.ok()) std::printf("%s: %s\n", name, graph.status().ToString().c_str());
    written = written && graph.ok() && WriteErgo(*graph, corpus / "ergo" / name).ok();
  }
  const Proto tensor = FloatTensor("t", {2}, {1, 2});
  return written && Write(corpus / "onnx/tensor_proto", tensor.SerializeAsString());
}

}  // namespace
}  // namespace ergo

int main(int argc, char** argv) {
  if (argc != 2) {
    std::printf("usage: make_format_seeds CORPUS\n");
    return 2;
  }
  return ergo::WriteSeeds(argv[1]) ? 0 : 1;
}
