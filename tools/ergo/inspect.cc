// ergo inspect.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph/op_schema.h"
#include "formats/model_file.h"
#include "kernels/base/simd_targets.h"
#include "kernels/registry.h"
#include "tools/ergo/command.h"
#include "tools/ergo/input_shapes.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/number_text.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

std::string KernelText(const Step& step) {
  return fmt::format("{}/{}", step.info.family, step.info.variant);
}

std::string ShapesText(const Plan& plan, const std::vector<int>& tensors) {
  std::string text;
  for (const int index : tensors) {
    const PlanTensor& tensor = plan.tensors[static_cast<size_t>(index)];
    if (tensor.storage == PlanTensor::Storage::kAbsent) continue;
    text += (text.empty() ? "" : " ") + tensor.shape.ToString();
  }
  return text;
}

class Inspect final : public Command {
 public:
  void Define(CLI::App& app) override {
    app.add_option("model", path_, "An ONNX or .ergo model")->type_name("MODEL");
    DefineShapeFlags(app, shapes_);
    app.add_flag("--kernels", kernels_, "List every kernel variant and SIMD target there is");
    app.add_flag("--operators", operators_,
                 "List every operator there is, with the opset from which each form of it holds");
    app.add_flag("--steps", steps_, "List every step of the plan");
    app.add_flag("--explain", explain_,
                 "List for every step why other kernel variants were not chosen");
    DefineModelFlags(app, flags_);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    if (kernels_) return ShowKernels();
    if (operators_) return ShowOperators();
    if (path_.empty()) {
      return InvalidArgument("which model? Give a file, --kernels or --operators");
    }
    ERGO_ASSIGN_OR_RETURN(const LoadedModel loaded, LoadModel(path_, flags_));
    const Model& model = *loaded.model;
    tool::Json document = {{"model", path_}, {"file_bytes", loaded.file_bytes}};
    std::string text = fmt::format("{} ({})\n", Printable(path_), BytesText(loaded.file_bytes));
    AddMetadata(model.GetGraph(), document, text);
    AddPorts(model, document, text);
    AddOperators(model.GetGraph(), document, text);
    ERGO_RETURN_IF_ERROR(AddPlan(*loaded.model, document, text));
    if (Json()) {
      PrintJson(document);
    } else {
      PrintText(text);
    }
    return kExitOk;
  }

 private:
  Result<ExitCode> ShowKernels() const {
    tool::Json document = {{"kernels", tool::Json::array()}, {"simd", tool::Json::array()}};
    Table table;
    for (const char* header : {"family", "variant", "device", "dtypes", "layout", "needs"}) {
      table.Column(header);
    }
    for (const KernelInfo& info : AllKernels()) {
      table.Row({std::string(info.family), std::string(info.variant),
                 std::string(DeviceName(info.device)), std::string(info.dtypes),
                 std::string(info.layout), std::string(info.requires_)});
      document["kernels"].push_back({{"family", info.family},
                                     {"variant", info.variant},
                                     {"device", DeviceName(info.device)},
                                     {"dtypes", info.dtypes},
                                     {"layout", info.layout},
                                     {"needs", info.requires_}});
    }
    std::string targets;
    for (const SimdTarget& target : RunnableSimdTargets()) {
      targets += " " + target.name;
      document["simd"].push_back(target.name);
    }
    if (Json()) {
      PrintJson(document);
    } else {
      Print("{}SIMD targets of this machine, best first:{}\n", table.ToString(), targets);
    }
    return kExitOk;
  }

  // Those that only passes make are not for models.
  Result<ExitCode> ShowOperators() const {
    std::map<std::string, std::vector<const OpSchema*>> operators;
    for (const OpSchema* schema : AllSchemas()) {
      if (schema->domain == "ergo") continue;
      const std::string domain(schema->domain.empty() ? "ai.onnx" : schema->domain);
      operators[fmt::format("{}.{}", domain, schema->op)].push_back(schema);
    }
    tool::Json document = {{"operators", tool::Json::array()}};
    Table table;
    for (const char* header : {"operator", "since opset"}) table.Column(header);
    for (auto& [name, schemas] : operators) {
      std::ranges::sort(schemas, {}, &OpSchema::since_version);
      std::vector<int> versions;
      for (const OpSchema* schema : schemas) {
        versions.push_back(schema->since_version);
        document["operators"].push_back({{"domain", schema->domain},
                                         {"op", schema->op},
                                         {"since", schema->since_version},
                                         {"inputs", {schema->min_inputs, schema->max_inputs}},
                                         {"outputs", {schema->min_outputs, schema->max_outputs}},
                                         {"runs", Runs(*schema)}});
      }
      table.Row({name, fmt::format("{}", fmt::join(versions, ", "))});
    }
    if (Json()) {
      PrintJson(document);
    } else {
      Print("{}", table.ToString());
    }
    return kExitOk;
  }

  static bool Runs(const OpSchema& schema) {
    Graph graph;
    Node node;
    node.domain = schema.domain;
    node.op = schema.op;
    node.opset = schema.since_version;
    graph.AddNode(std::move(node));
    return FindUnsupported(graph).empty();
  }

  static void AddMetadata(const Graph& graph, tool::Json& document, std::string& text) {
    document["metadata"] = tool::Json::object();
    for (const auto& [key, value] : graph.metadata) {
      document["metadata"][key] = value;
      text += fmt::format("  {}: {}\n", Printable(key), Printable(value));
    }
  }

  static void AddPorts(const Model& model, tool::Json& document, std::string& text) {
    Table table;
    for (const char* header : {"", "name", "dtype", "shape"}) table.Column(header);
    const auto add = [&](const char* kind, const std::vector<Model::Port>& ports) {
      for (const Model::Port& port : ports) {
        table.Row({kind, port.name, std::string(DTypeName(port.dtype)), port.shape.ToString()});
        document[kind].push_back({{"name", port.name},
                                  {"dtype", DTypeName(port.dtype)},
                                  {"shape", port.shape.ToString()}});
      }
    };
    add("inputs", model.Inputs());
    add("outputs", model.Outputs());
    text += table.ToString();
  }

  static void Count(const Graph& graph, std::map<std::string, int>& counts) {
    for (const Node& node : graph.Nodes()) {
      ++counts[fmt::format("{}{}{}", node.domain, node.domain.empty() ? "" : ".", node.op)];
      for (const Subgraph& subgraph : node.subgraphs) Count(*subgraph.graph, counts);
    }
  }

  static void AddOperators(const Graph& graph, tool::Json& document, std::string& text) {
    std::map<std::string, int> counts;
    Count(graph, counts);
    int total = 0;
    std::string list;
    for (const auto& [op, count] : counts) {
      total += count;
      list += fmt::format("{}{} {}", list.empty() ? "" : ", ", count, Printable(op));
    }
    document["nodes"] = total;
    document["operators"] = counts;
    text += fmt::format("{} nodes: {}\n", total, list);
  }

  Status AddPlan(Model& model, tool::Json& document, std::string& text) const {
    ShapeRequest request;
    request.flags = shapes_;
    request.ranges = model.DimRanges();
    ERGO_ASSIGN_OR_RETURN(const BoundShapes bound, BindShapes(model.Inputs(), request));
    for (const std::string& assumed : bound.assumed) {
      text += fmt::format("assumed {}\n", Printable(assumed));
      document["assumed"].push_back(assumed);
    }
    ERGO_ASSIGN_OR_RETURN(const std::shared_ptr<const Plan> plan, model.PlanFor(bound.shapes));
    KernelCost cost;
    std::map<std::string, int> kernels;
    for (const Step& step : plan->steps) {
      cost.flops += step.cost.flops;
      ++kernels[KernelText(step)];
    }
    const size_t packed = model.PackedWeightBytes();
    document["plan"] = {{"steps", plan->steps.size()},
                        {"folded_nodes", plan->folded_nodes},
                        {"layout_conversions", plan->layout_conversions},
                        {"flops", cost.flops},
                        {"arena_bytes", plan->arena_bytes},
                        {"tensor_bytes", plan->tensor_bytes},
                        {"constant_bytes", plan->constant_bytes},
                        {"packed_bytes", packed},
                        {"late", plan->late != nullptr},
                        {"kernels", kernels}};
    text += fmt::format(
        "plan: {} steps, {} nodes folded, {} conversions of layout, {}FLOP\n"
        "memory: arena {} for tensors of {}, constants {}, packed weights {}\n",
        plan->steps.size(), plan->folded_nodes, plan->layout_conversions,
        CountText(static_cast<double>(cost.flops)),
        BytesText(static_cast<int64_t>(plan->arena_bytes)),
        BytesText(static_cast<int64_t>(plan->tensor_bytes)),
        BytesText(static_cast<int64_t>(plan->constant_bytes)),
        BytesText(static_cast<int64_t>(packed)));
    if (plan->late) {
      text += fmt::format(
          "  {} nodes wait for values that only a run knows\n",
          plan->late->rest.NodeCount() + static_cast<int>(plan->late->evaluations.size()));
    }
    std::string list;
    for (const auto& [kernel, count] : kernels) {
      list += fmt::format("{}{} {}", list.empty() ? "" : ", ", count, kernel);
    }
    text += fmt::format("kernels: {}\n", list);
    if (steps_) AddSteps(*plan, document, text);
    if (!explain_) return {};
    PlanOptions options = plan->options;
    options.packs = nullptr;
    options.explain = true;
    ERGO_ASSIGN_OR_RETURN(const std::unique_ptr<Plan> explained,
                          BuildPlan(model.GetGraph(), bound.shapes, options));
    AddExplanations(*explained, document, text);
    return {};
  }

  // What became of one variant, seen from the one that was chosen.
  static std::string Verdict(const Step& step, const Candidate& candidate) {
    if (candidate.info.variant == step.info.variant) return "chosen";
    return candidate.accepted ? "would do; stands behind the one chosen" : candidate.reason;
  }

  static void AddExplanations(const Plan& plan, tool::Json& document, std::string& text) {
    document["plan"]["explanations"] = tool::Json::array();
    for (const Step& step : plan.steps) {
      tool::Json candidates = tool::Json::array();
      Table table("  ");
      for (const char* header : {"variant", "why"}) table.Column(header);
      for (const Candidate& candidate : step.candidates) {
        const std::string verdict = Verdict(step, candidate);
        table.Row({std::string(candidate.info.variant), verdict});
        candidates.push_back({{"variant", candidate.info.variant},
                              {"accepted", candidate.accepted},
                              {"why", verdict}});
      }
      document["plan"]["explanations"].push_back(
          {{"label", step.label}, {"kernel", KernelText(step)}, {"candidates", candidates}});
      text += fmt::format("{}: {}\n{}", Printable(step.label), KernelText(step),
                          table.Empty() ? "  the only one there is\n" : table.ToString());
    }
  }

  static void AddSteps(const Plan& plan, tool::Json& document, std::string& text) {
    Table table;
    for (const char* header : {"step", "kernel", "inputs", "outputs"}) table.Column(header);
    table.Column("FLOP", Table::Align::kRight);
    table.Column("bytes", Table::Align::kRight);
    for (const Step& step : plan.steps) {
      const int64_t bytes = step.cost.bytes_read + step.cost.bytes_written;
      table.Row({step.label, KernelText(step), ShapesText(plan, step.inputs),
                 ShapesText(plan, step.outputs), CountText(static_cast<double>(step.cost.flops)),
                 BytesText(bytes)});
      document["plan"]["step_list"].push_back({{"label", step.label},
                                               {"op", step.op},
                                               {"kernel", KernelText(step)},
                                               {"flops", step.cost.flops},
                                               {"bytes", bytes},
                                               {"workspace_bytes", step.workspace_bytes}});
    }
    text += table.ToString();
  }

  std::string path_;
  ShapeFlags shapes_;
  ModelFlags flags_;
  bool kernels_ = false, operators_ = false, steps_ = false, explain_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeInspect() {
  return std::make_unique<Inspect>();
}

}  // namespace ergo::tool
