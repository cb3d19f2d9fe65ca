// Local functions, expanded into the graphs that call them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/formats/onnx/model_builder.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

onnx::FunctionProto& AddFunction(onnx::ModelProto& model, const std::string& name,
                                 const Strings& inputs, const Strings& outputs) {
  onnx::FunctionProto& function = *model.add_functions();
  function.set_domain("local");
  function.set_name(name);
  for (const std::string& input : inputs) function.add_input(input);
  for (const std::string& output : outputs) function.add_output(output);
  return function;
}

onnx::NodeProto& AddCall(onnx::GraphProto& graph, const std::string& function,
                         const Strings& inputs, const Strings& outputs,
                         const std::string& name = "") {
  onnx::NodeProto& node = AddNode(graph, function, inputs, outputs, name);
  node.set_domain("local");
  return node;
}

std::string TextOf(const onnx::ModelProto& model) {
  auto graph = Import(model);
  return graph.ok() ? graph->ToString() : graph.status().ToString();
}

TEST(OnnxFunction, IsExpandedWithNamesOfItsOwn) {
  onnx::ModelProto model = EmptyModel();
  auto& function = AddFunction(model, "Twice", {"v"}, {"r"});
  function.add_opset_import()->set_version(14);
  AddNode(*function.mutable_node(), "Add", {"half", "half"}, {"r"});
  AddNode(*function.mutable_node(), "Neg", {"v"}, {"half"}, "negate");
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddCall(graph, "Twice", {"x"}, {"y"}, "first");
  AddCall(graph, "Twice", {"y"}, {"z"}, "second");
  AddOutput(graph, "z");
  auto imported = Import(model);
  ASSERT_TRUE(imported.ok()) << imported.status().ToString();
  EXPECT_EQ(imported->ToString(),
            "graph(x)\n"
            "  first/half = Neg(x)\n"
            "  y = Add(first/half, first/half)\n"
            "  second/half = Neg(y)\n"
            "  z = Add(second/half, second/half)\n"
            "  return z\n");
  EXPECT_EQ(imported->GetNode(0).name, "first/negate");
  EXPECT_EQ(imported->GetNode(0).opset, 14);
}

TEST(OnnxFunction, ResolvesAttributesThroughNestedCalls) {
  onnx::ModelProto model = EmptyModel();
  auto& inner = AddFunction(model, "Inner", {"v"}, {"r"});
  inner.add_attribute("slope");
  auto& leaky = AddNode(*inner.mutable_node(), "LeakyRelu", {"v"}, {"r"});
  AddAttribute(leaky, "alpha", onnx::AttributeProto::FLOAT).set_ref_attr_name("slope");
  auto& outer = AddFunction(model, "Outer", {"v"}, {"r"});
  auto& fallback = *outer.add_attribute_proto();
  fallback.set_name("gradient");
  fallback.set_type(onnx::AttributeProto::FLOAT);
  fallback.set_f(0.25f);
  auto& call = AddNode(*outer.mutable_node(), "Inner", {"v"}, {"r"});
  call.set_domain("local");
  AddAttribute(call, "slope", onnx::AttributeProto::FLOAT).set_ref_attr_name("gradient");

  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  auto& first = AddCall(graph, "Outer", {"x"}, {"y"});
  AddAttribute(first, "gradient", onnx::AttributeProto::FLOAT).set_f(0.5f);
  AddCall(graph, "Outer", {"y"}, {"z"});
  AddCall(graph, "Inner", {"z"}, {"w"});  // no slope: LeakyRelu's own default
  AddOutput(graph, "w");
  EXPECT_EQ(TextOf(model),
            "graph(x)\n"
            "  y = LeakyRelu(x) {alpha=0.5}\n"
            "  z = LeakyRelu(y) {alpha=0.25}\n"
            "  w = LeakyRelu(z)\n"
            "  return w\n");
}

TEST(OnnxFunction, ConstantsFromAttributesAndSharedTensors) {
  onnx::ModelProto model = EmptyModel();
  auto& function = AddFunction(model, "Shift", {"v"}, {"r"});
  auto& by = AddNode(*function.mutable_node(), "Constant", {}, {"by"});
  AddAttribute(by, "value_float", onnx::AttributeProto::FLOAT).set_ref_attr_name("by");
  auto& scale = AddNode(*function.mutable_node(), "Constant", {}, {"scale"});
  *AddAttribute(scale, "value", onnx::AttributeProto::TENSOR).mutable_t() =
      FloatTensor("", {1}, {3});
  AddNode(*function.mutable_node(), "Mul", {"v", "scale"}, {"scaled"});
  AddNode(*function.mutable_node(), "Add", {"scaled", "by"}, {"r"});
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  for (const auto& [from, to] : {std::pair("x", "y"), std::pair("y", "z")}) {
    AddAttribute(AddCall(graph, "Shift", {from}, {to}, to), "by", onnx::AttributeProto::FLOAT)
        .set_f(*to == 'y' ? 1.0f : 2.0f);
  }
  AddOutput(graph, "z");
  auto imported = Import(model);
  ASSERT_TRUE(imported.ok()) << imported.status().ToString();
  const auto constant = [&](const char* name) {
    return imported->Constant(imported->FindValue(name));
  };
  ASSERT_NE(constant("y/by"), nullptr);
  EXPECT_EQ(constant("y/by")->Span<float>()[0], 1);
  EXPECT_EQ(constant("z/by")->Span<float>()[0], 2);
  EXPECT_EQ(constant("y/scale")->Data(), constant("z/scale")->Data());
}

TEST(OnnxFunction, OptionalInputsAndInputsHandedThrough) {
  onnx::ModelProto model = EmptyModel();
  auto& function = AddFunction(model, "Clamp", {"v", "low", "high"}, {"r", "v", "r"});
  AddNode(*function.mutable_node(), "Clip", {"v", "low", "high"}, {"r"});
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddCall(graph, "Clamp", {"x", "", "x"}, {"y", "same", "again"});
  AddCall(graph, "Clamp", {"y"}, {"z"});
  for (const char* name : {"y", "same", "again", "z"}) AddOutput(graph, name);
  EXPECT_EQ(TextOf(model),
            "graph(x)\n"
            "  y = Clip(x, -, x)\n"
            "  same = Identity(x)\n"
            "  again = Identity(y)\n"
            "  z = Clip(y)\n"
            "  return y, same, again, z\n");
}

TEST(OnnxFunction, SubgraphsOfABodyCaptureFromIt) {
  onnx::ModelProto model = EmptyModel();
  auto& function = AddFunction(model, "Choose", {"c", "v"}, {"r"});
  AddNode(*function.mutable_node(), "Neg", {"v"}, {"n"});
  auto& choice = AddNode(*function.mutable_node(), "If", {"c"}, {"r"});
  AddOutput(AddGraph(choice, "then_branch"), "n");
  auto& otherwise = AddGraph(choice, "else_branch");
  AddCall(otherwise, "Plain", {"v"}, {"inner"}, "call");
  AddOutput(otherwise, "inner");
  AddNode(*AddFunction(model, "Plain", {"v"}, {"r"}).mutable_node(), "Abs", {"v"}, {"r"});
  auto& graph = *model.mutable_graph();
  AddInput(graph, "cond", {}, onnx::TensorProto::BOOL);
  AddInput(graph, "x", {1});
  AddInput(graph, "v", {1});  // not the body's v
  AddCall(graph, "Choose", {"cond", "x"}, {"y"}, "f");
  AddOutput(graph, "y");
  EXPECT_EQ(TextOf(model),
            "graph(cond, x, v)\n"
            "  f/n = Neg(x)\n"
            "  y = If(cond)\n"
            "  then_branch[f/n]: graph(f/n)\n"
            "  return f/n\n"
            "  else_branch[x]: graph(x)\n"
            "  inner = Abs(x)\n"
            "  return inner\n"
            "  return y\n");
}

TEST(OnnxFunction, RefusesWhatMakesNoSense) {
  onnx::ModelProto model = EmptyModel();
  auto& function = AddFunction(model, "F", {"v"}, {"r"});
  AddNode(*function.mutable_node(), "Neg", {"outside"}, {"r"}, "n");
  auto& graph = *model.mutable_graph();
  AddInput(graph, "outside", {1});
  AddCall(graph, "F", {"outside"}, {"y"}, "call");
  AddOutput(graph, "y");
  EXPECT_THAT(TextOf(model), HasSubstr("node[0] local.F 'call': function 'F': node[0] Neg 'n': "
                                       "nothing computes 'outside'"));
  function.mutable_node(0)->set_input(0, "v");
  function.set_output(0, "nothing");
  EXPECT_THAT(TextOf(model), HasSubstr("nothing computes 'nothing'"));
  function.set_output(0, "r");
  graph.mutable_node(0)->add_input("outside");
  EXPECT_THAT(TextOf(model), HasSubstr("2 inputs and 1 outputs for a function of 1 and 1"));
  graph.mutable_node(0)->mutable_input()->RemoveLast();
  EXPECT_THAT(TextOf(model), HasSubstr("y = Neg(outside)"));
  AddAttribute(*graph.mutable_node(0), "a", onnx::AttributeProto::INT).set_ref_attr_name("b");
  EXPECT_THAT(TextOf(model), HasSubstr("refers to attribute 'b' of a function, but is in none"));
  graph.mutable_node(0)->clear_attribute();
  *model.add_functions() = function;
  EXPECT_THAT(TextOf(model), HasSubstr("functions[1] 'F': defined twice"));
}

TEST(OnnxFunction, RecursionAndExplosionEnd) {
  onnx::ModelProto model = EmptyModel();
  auto& graph = *model.mutable_graph();
  AddInput(graph, "x", {1});
  AddCall(graph, "F0", {"x"}, {"y"});
  AddOutput(graph, "y");
  auto& function = AddFunction(model, "F0", {"v"}, {"r"});
  AddNode(*function.mutable_node(), "F0", {"v"}, {"r"}).set_domain("local");
  EXPECT_THAT(TextOf(model), HasSubstr("recursion?"));

  // 60^10 calls.
  model.clear_functions();
  for (int level = 0; level < 10; ++level) {
    auto& each = AddFunction(model, "F" + std::to_string(level), {"v"}, {"r"});
    const std::string next = "F" + std::to_string(level + 1);
    for (int i = 0; i < 60; ++i) {
      AddNode(*each.mutable_node(), next, {"v"}, {i == 0 ? "r" : "r" + std::to_string(i)})
          .set_domain("local");
    }
  }
  AddNode(*AddFunction(model, "F10", {"v"}, {"r"}).mutable_node(), "Neg", {"v"}, {"r"});
  EXPECT_THAT(TextOf(model), HasSubstr("RESOURCE_EXHAUSTED"));

  // A megabyte of attribute, copied by each of ten thousand calls.
  model.clear_functions();
  auto& big = AddFunction(model, "F0", {"v"}, {"r"});
  auto& ints = AddAttribute(AddNode(*big.mutable_node(), "Op", {"v"}, {"r"}), "big",
                            onnx::AttributeProto::INTS);
  for (int i = 0; i < 1 << 17; ++i) ints.add_ints(1);
  for (int i = 0; i < 10000; ++i) AddCall(graph, "F0", {"x"}, {"y" + std::to_string(i)});
  EXPECT_THAT(TextOf(model), HasSubstr("expanding functions takes more than"));
}

}  // namespace
}  // namespace ergo
