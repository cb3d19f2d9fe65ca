// ergo convert.
#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/passes/passes.h"
#include "formats/ergo/ergo_file.h"
#include "formats/model_file.h"
#include "tools/ergo/command.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/number_text.h"
#include "tools/ergo/precision.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

int CountNodes(const Graph& graph) {
  int count = graph.NodeCount();
  for (const Node& node : graph.Nodes()) {
    for (const Subgraph& subgraph : node.subgraphs) count += CountNodes(*subgraph.graph);
  }
  return count;
}

class Convert final : public Command {
 public:
  void Define(CLI::App& app) override {
    app.add_option("model", input_, "The ONNX model")->type_name("MODEL.onnx")->required();
    app.add_option("-o,--output", output_, "Where the compiled model goes")
        ->type_name("MODEL.ergo")
        ->required();
    app.add_flag("--no-optimize", no_optimize_, "Keep the graph as it is");
    DefinePrecisionFlags(app, precision_flags_);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(Graph graph, ReadModel(input_));
    const std::vector<UnsupportedNode> unsupported = FindUnsupported(graph);
    if (!unsupported.empty()) return ReportUnsupported(unsupported);
    const int nodes_before = CountNodes(graph);
    std::vector<PassReport> reports;
    std::string passes = "none";
    if (!no_optimize_) {
      Result<std::vector<PassReport>> optimized = Optimize(graph);
      if (!optimized.ok()) return std::move(optimized).status().WithContext(input_);
      reports = std::move(optimized).value();
      passes.clear();
      for (const PassReport& report : reports) {
        passes += fmt::format("{}{}", passes.empty() ? "" : " ", report.pass);
      }
    }
    ERGO_ASSIGN_OR_RETURN(precision_, ApplyPrecision(graph, precision_flags_));
    ERGO_RETURN_IF_ERROR(WriteErgo(graph, output_, {{kPassesMetadata, passes}}));
    return ReportDone(graph, nodes_before, reports);
  }

 private:
  Result<ExitCode> ReportUnsupported(const std::vector<UnsupportedNode>& nodes) const {
    if (Json()) {
      tool::Json document = {{"converted", false}, {"unsupported", tool::Json::array()}};
      for (const UnsupportedNode& node : nodes) {
        document["unsupported"].push_back(
            {{"node", node.node}, {"op", node.op}, {"opset", node.opset}, {"reason", node.reason}});
      }
      PrintJson(document);
      return kExitFailed;
    }
    Table table("  ");
    table.Column("node");
    table.Column("operator");
    table.Column("opset", Table::Align::kRight);
    table.Column("reason");
    for (const UnsupportedNode& node : nodes) {
      table.Row({node.node, node.op, std::to_string(node.opset), node.reason});
    }
    Print("{}: {} nodes are not supported, nothing was written\n{}", Printable(input_),
          nodes.size(), table.ToString());
    return kExitFailed;
  }

  Result<ExitCode> ReportDone(const Graph& graph, int nodes_before,
                              const std::vector<PassReport>& reports) const {
    ERGO_ASSIGN_OR_RETURN(const int64_t input_bytes, FileBytes(input_));
    ERGO_ASSIGN_OR_RETURN(const int64_t output_bytes, FileBytes(output_));
    const int nodes_after = CountNodes(graph);
    if (Json()) {
      tool::Json document = {{"converted", true},
                             {"input", input_},
                             {"output", output_},
                             {"input_bytes", input_bytes},
                             {"output_bytes", output_bytes},
                             {"nodes_before", nodes_before},
                             {"nodes_after", nodes_after}};
      for (const PassReport& report : reports) {
        document["passes"].push_back({{"pass", report.pass}, {"changes", report.changes}});
      }
      if (!precision_.json.empty()) document["precision"] = precision_.json;
      PrintJson(document);
      return kExitOk;
    }
    Table table("  ");
    table.Column("pass");
    table.Column("changes", Table::Align::kRight);
    table.Column("");
    const auto all = AllPasses();
    for (size_t i = 0; i < reports.size(); ++i) {
      table.Row({std::string(reports[i].pass), std::to_string(reports[i].changes),
                 std::string(all[i].description)});
    }
    Print("{} ({}) -> {} ({})\n{} nodes -> {}\n{}", Printable(input_), BytesText(input_bytes),
          Printable(output_), BytesText(output_bytes), nodes_before, nodes_after,
          table.Empty() ? "" : table.ToString());
    PrintText(precision_.text);
    return kExitOk;
  }

  std::string input_, output_;
  bool no_optimize_ = false;
  PrecisionFlags precision_flags_;
  PrecisionReport precision_;
};

}  // namespace

std::unique_ptr<Command> MakeConvert() {
  return std::make_unique<Convert>();
}

}  // namespace ergo::tool
