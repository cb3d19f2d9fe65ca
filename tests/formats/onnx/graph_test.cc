// Graphs, names, order of nodes and subgraphs of imported models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/formats/onnx/model_builder.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

Graph MustImport(const onnx::ModelProto& model) {
  auto graph = Import(model);
  EXPECT_TRUE(graph.ok()) << graph.status().ToString();
  return graph.ok() ? std::move(graph).value() : Graph();
}

TEST(OnnxGraph, KeepsInputsOutputsNodesAndMetadata) {
  onnx::ModelProto model = EmptyModel(13);
  model.set_producer_name("maker");
  model.set_producer_version("1.2");
  auto& entry = *model.add_metadata_props();
  entry.set_key("task");
  entry.set_value("adding");
  auto& graph = *model.mutable_graph();
  auto& input = AddInput(graph, "x", {-1, 3});
  input.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("n");
  *graph.add_initializer() = FloatTensor("w", {3}, {1, 2, 3});
  AddNode(graph, "Add", {"x", "w"}, {"y"}, "sum");
  auto& output = *graph.add_output();
  output.set_name("y");
  output.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);

  const Graph imported = MustImport(model);
  EXPECT_EQ(imported.ToString(), "graph(x)\n  y = Add(x, w)\n  return y\n");
  EXPECT_EQ(imported.GetNode(0).name, "sum");
  EXPECT_EQ(imported.GetNode(0).opset, 13);
  const Value& x = imported.GetValue(imported.inputs[0]);
  EXPECT_EQ(x.dtype, DType::kF32);
  EXPECT_EQ(x.shape.ToString(), "[n, 3]");
  EXPECT_EQ(imported.GetValue(imported.outputs[0]).dtype, DType::kF32);
  const Tensor* w = imported.Constant(imported.FindValue("w"));
  ASSERT_NE(w, nullptr);
  EXPECT_THAT(w->Span<float>(), ::testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(w->Data()) % kTensorAlignment, 0u);
  EXPECT_EQ(imported.metadata.at("producer"), "maker 1.2");
  EXPECT_EQ(imported.metadata.at("opset_import"), "ai.onnx 13");
  EXPECT_EQ(imported.metadata.at("ir_version"), "8");
  EXPECT_EQ(imported.metadata.at("task"), "adding");
}

TEST(OnnxGraph, InitializerListedAsInputIsAConstant) {
  onnx::ModelProto model = EmptyModel(8, 3);
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddInput(graph, "w", {1});
  *graph.add_initializer() = FloatTensor("w", {1}, {2});
  AddNode(graph, "Mul", {"x", "w"}, {"y"});
  AddOutput(graph, "y");
  EXPECT_EQ(MustImport(model).ToString(), "graph(x)\n  y = Mul(x, w)\n  return y\n");
}

TEST(OnnxGraph, SortsNodes) {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddNode(graph, "Exp", {"b"}, {"c"});
  AddNode(graph, "Abs", {"a"}, {"b"});
  AddNode(graph, "Neg", {"x"}, {"a"});
  AddOutput(graph, "c");
  EXPECT_EQ(MustImport(model).ToString(),
            "graph(x)\n  a = Neg(x)\n  b = Abs(a)\n  c = Exp(b)\n  return c\n");
}

TEST(OnnxGraph, NamesANodeOfACycle) {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddNode(graph, "Exp", {"b"}, {"after"}, "behind_it");
  AddNode(graph, "Add", {"x", "b"}, {"a"}, "first");
  AddNode(graph, "Abs", {"a"}, {"b"}, "second");
  AddOutput(graph, "after");
  const std::string error = ImportError(model);
  EXPECT_THAT(error, HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(error, ::testing::AnyOf(HasSubstr("'first'"), HasSubstr("'second'")));
}

TEST(OnnxGraph, RefusesNamesThatNobodyOrTwoDefine) {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddNode(graph, "Add", {"x", "missing"}, {"y"}, "sum");
  AddOutput(graph, "y");
  EXPECT_THAT(ImportError(model), HasSubstr("node[0] Add 'sum': nothing computes 'missing'"));

  graph.mutable_node(0)->set_input(1, "x");
  AddNode(graph, "Neg", {"x"}, {"y"}, "again");
  EXPECT_THAT(ImportError(model),
              HasSubstr("'y' is computed twice, by node[0] Add 'sum' and node[1] Neg 'again'"));

  *graph.add_initializer() = FloatTensor("w", {1}, {1});
  graph.mutable_node(1)->set_output(0, "w");
  EXPECT_THAT(ImportError(model), HasSubstr("node[1] Neg 'again': 'w' is defined twice"));

  graph.mutable_node(1)->set_output(0, "z");
  graph.mutable_output(0)->set_name("nowhere");
  EXPECT_THAT(ImportError(model), HasSubstr("output[0] 'nowhere'"));
}

TEST(OnnxGraph, AbsentOperandsAndMadeUpNodeNames) {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddNode(graph, "Clip", {"x", "", "x"}, {"a"});
  AddNode(graph, "Clip", {"a", "x", ""}, {"b"}, "Clip_0");
  AddNode(graph, "Dropout", {"b"}, {"c", ""}, "Clip_0");
  AddOutput(graph, "c");
  const Graph imported = MustImport(model);
  EXPECT_EQ(imported.GetNode(0).inputs.size(), 3u);
  EXPECT_FALSE(imported.GetNode(0).HasInput(1));
  EXPECT_EQ(imported.GetNode(1).inputs.size(), 2u);
  EXPECT_EQ(imported.GetNode(2).outputs.size(), 1u);
  EXPECT_NE(imported.GetNode(0).name, imported.GetNode(1).name);
  EXPECT_NE(imported.GetNode(1).name, imported.GetNode(2).name);
  EXPECT_NE(imported.GetNode(0).name, "");
}

TEST(OnnxGraph, ConstantNodesBecomeConstants) {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  const auto constant = [&](const std::string& output, const std::string& attribute,
                            onnx::AttributeProto::AttributeType type) -> onnx::AttributeProto& {
    AddOutput(graph, output);
    return AddAttribute(AddNode(graph, "Constant", {}, {output}), attribute, type);
  };
  *constant("t", "value", onnx::AttributeProto::TENSOR).mutable_t() = FloatTensor("", {2}, {1, 2});
  constant("f", "value_float", onnx::AttributeProto::FLOAT).set_f(0.5f);
  constant("i", "value_int", onnx::AttributeProto::INT).set_i(-7);
  constant("fs", "value_floats", onnx::AttributeProto::FLOATS).add_floats(3);
  constant("is", "value_ints", onnx::AttributeProto::INTS).add_ints(9);
  const Graph imported = MustImport(model);
  EXPECT_EQ(imported.NodeCount(), 0);
  const auto tensor = [&](const char* name) {
    return *imported.Constant(imported.FindValue(name));
  };
  EXPECT_THAT(tensor("t").Span<float>(), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(tensor("f").Span<float>(), ::testing::ElementsAre(0.5f));
  EXPECT_EQ(tensor("f").GetShape(), Shape());
  EXPECT_THAT(tensor("i").Span<int64_t>(), ::testing::ElementsAre(-7));
  EXPECT_THAT(tensor("fs").Span<float>(), ::testing::ElementsAre(3));
  EXPECT_EQ(tensor("is").GetShape(), Shape({1}));
}

TEST(OnnxGraph, OpsetsByDomain) {
  onnx::ModelProto model = EmptyModel(13);
  model.mutable_opset_import(0)->set_domain("ai.onnx");
  auto& other = *model.add_opset_import();
  other.set_domain("com.example");
  other.set_version(3);
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddNode(graph, "Unheard", {"x"}, {"y"}).set_domain("com.example");
  AddNode(graph, "Neg", {"y"}, {"z"}).set_domain("ai.onnx");
  AddOutput(graph, "z");
  const Graph imported = MustImport(model);
  EXPECT_EQ(imported.GetNode(0).domain, "com.example");
  EXPECT_EQ(imported.GetNode(0).opset, 3);
  EXPECT_TRUE(imported.GetNode(1).Is("Neg"));
  EXPECT_EQ(imported.GetNode(1).opset, 13);

  other.set_domain("");
  EXPECT_THAT(ImportError(model), HasSubstr("in versions 13 and 3"));
  model.clear_opset_import();
  EXPECT_THAT(ImportError(model), HasSubstr("which version of ONNX's operators"));
  model.set_ir_version(2);
  EXPECT_EQ(MustImport(model).GetNode(1).opset, 1);
}

TEST(OnnxGraph, SubgraphsCaptureExplicitly) {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  AddInput(graph, "cond", {}, onnx::TensorProto::BOOL);
  AddInput(graph, "x", {2});
  *graph.add_initializer() = FloatTensor("w", {2}, {1, 2});
  onnx::NodeProto& outer_if = AddNode(graph, "If", {"cond"}, {"y"}, "choose");
  // Listed behind its user: captured names count when nodes are sorted.
  AddNode(graph, "Neg", {"x"}, {"n"});
  AddOutput(graph, "y");
  auto& then_graph = AddGraph(outer_if, "then_branch");
  auto& inner_if = AddNode(then_graph, "If", {"cond"}, {"r"}, "inner");
  AddOutput(then_graph, "r");
  for (const char* branch : {"then_branch", "else_branch"}) {
    auto& inner = AddGraph(inner_if, branch);
    AddNode(inner, "Add", {"n", "w"}, {"sum"});
    AddNode(inner, "Mul", {"sum", "n"}, {"product"});
    AddOutput(inner, "product");
  }
  auto& else_graph = AddGraph(outer_if, "else_branch");
  *else_graph.add_initializer() = FloatTensor("x", {2}, {3, 4});  // hides the input
  AddNode(else_graph, "Abs", {"x"}, {"r"});
  AddOutput(else_graph, "r");

  const Graph imported = MustImport(model);
  ASSERT_EQ(imported.NodeCount(), 2);
  const Node& node = imported.GetNode(1);
  EXPECT_EQ(node.op, "If");
  ASSERT_EQ(node.subgraphs.size(), 2u);
  const Subgraph& then_branch = node.subgraphs[0];
  EXPECT_EQ(then_branch.attribute, "then_branch");
  EXPECT_THAT(then_branch.captures,
              ::testing::UnorderedElementsAre(imported.FindValue("cond"), imported.FindValue("n")));
  EXPECT_EQ(then_branch.graph->inputs.size(), 2u);
  const Subgraph& nested = then_branch.graph->GetNode(0).subgraphs[1];
  EXPECT_THAT(nested.captures, ::testing::ElementsAre(then_branch.graph->FindValue("n")));
  // The weight is a constant in there, with the same bytes, and no capture.
  const Tensor* weight = nested.graph->Constant(nested.graph->FindValue("w"));
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->Data(), then_branch.graph->GetNode(0)
                                .subgraphs[0]
                                .graph->Constant(nested.graph->FindValue("w"))
                                ->Data());
  const Subgraph& else_branch = node.subgraphs[1];
  EXPECT_TRUE(else_branch.captures.empty());
  EXPECT_EQ(else_branch.graph->ToString(), "graph()\n  r = Abs(x)\n  return r\n");
}

TEST(OnnxGraph, LoopBodyKeepsFormalInputsBeforeCaptures) {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  AddInput(graph, "trips", {}, onnx::TensorProto::INT64);
  AddInput(graph, "x", {2});
  auto& loop = AddNode(graph, "Loop", {"trips", "", "x"}, {"y"});
  AddOutput(graph, "y");
  auto& body = AddGraph(loop, "body");
  AddInput(body, "i", {}, onnx::TensorProto::INT64);
  AddInput(body, "c", {}, onnx::TensorProto::BOOL);
  body.add_input()->set_name("state");  // without a type
  AddNode(body, "Add", {"state", "x"}, {"next"});
  AddOutput(body, "c");
  AddOutput(body, "next");
  const Graph imported = MustImport(model);
  const Subgraph& subgraph = imported.GetNode(0).subgraphs[0];
  EXPECT_EQ(subgraph.graph->ToString(),
            "graph(i, c, state, x)\n  next = Add(state, x)\n  return c, next\n");
  EXPECT_EQ(subgraph.captures, std::vector<ValueId>{imported.FindValue("x")});
}

TEST(OnnxGraph, RefusesDeepSubgraphs) {
  onnx::ModelProto model = EmptyModel();
  onnx::GraphProto* graph = model.mutable_graph();
  AddInput(*graph, "c", {}, onnx::TensorProto::BOOL);
  for (int depth = 0; depth < 9; ++depth) {
    AddOutput(*graph, "y");
    graph = &AddGraph(AddNode(*graph, "If", {"c"}, {"y"}), "then_branch");
  }
  AddOutput(*graph, "c");
  EXPECT_THAT(ImportError(model), HasSubstr("nested deeper than 8"));
}

TEST(OnnxGraph, ListsEverythingItCannotRepresentAtOnce) {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  AddInput(graph, "text", {1}, onnx::TensorProto::STRING);
  graph.add_input()->set_name("list");
  graph.mutable_input(1)->mutable_type()->mutable_sequence_type();
  auto& strings = *graph.add_initializer();
  strings.set_name("words");
  strings.set_data_type(onnx::TensorProto::STRING);
  auto& complex = *graph.add_initializer();
  complex.set_name("waves");
  complex.set_data_type(onnx::TensorProto::COMPLEX64);
  auto& node = AddNode(graph, "Optional", {"list"}, {"maybe"}, "wrap");
  AddAttribute(node, "type", onnx::AttributeProto::TYPE_PROTO);
  AddAttribute(AddNode(graph, "Constant", {}, {"sparse"}), "sparse_value",
               onnx::AttributeProto::SPARSE_TENSOR);
  graph.add_sparse_initializer();
  graph.add_output()->set_name("maybe");
  graph.mutable_output(0)->mutable_type()->mutable_optional_type();
  const std::string error = ImportError(model);
  EXPECT_THAT(error, HasSubstr("UNSUPPORTED"));
  for (const char* line :
       {"input[0] 'text': elements of type STRING", "input[1] 'list': a sequence",
        "initializer[0] 'words': elements of type STRING",
        "initializer[1] 'waves': elements of type COMPLEX64",
        "Optional 'wrap': attribute 'type': values of type TYPE_PROTO",
        "Constant 'sparse': attribute 'sparse_value'", "1 sparse tensors",
        "output[0] 'maybe': an optional value"}) {
    EXPECT_THAT(error, HasSubstr(line));
  }
}

}  // namespace
}  // namespace ergo
