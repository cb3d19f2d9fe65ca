// ergo convert.
#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/passes/passes.h"
#include "formats/ergo/ergo_file.h"
#include "formats/model_file.h"
#include "tools/ergo/bisect.h"
#include "tools/ergo/command.h"
#include "tools/ergo/conversion_report.h"
#include "tools/ergo/dim_flags.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/number_text.h"
#include "tools/ergo/output_check.h"
#include "tools/ergo/precision.h"
#include "tools/ergo/progress.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"
#include "tools/ergo/unsupported_report.h"

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
    bool* const no_optimize = &no_optimize_;
    app.add_flag(
        "--optimize,!--no-optimize", [no_optimize](int64_t count) { *no_optimize = count < 0; },
        "Rewrite the graph so that it takes less (the default), or keep it as it is");
    DefineDimFlags(app, dims_);
    DefinePrecisionFlags(app, precision_flags_);
    DefineCheckFlags(app, "--verify", check_flags_);
    app.add_option("--report", report_path_,
                   "Write a page about the model: its graph, and time, kernel, error and energy of "
                   "each node")
        ->type_name("FILE.html");
    DefineModelFlags(app, flags_);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(options_, ApplyModelFlags(flags_));
    Progress progress(Json());
    const Budget budget(options_.limits);
    ERGO_ASSIGN_OR_RETURN(Graph graph, ReadModel(input_, budget));
    const std::vector<UnsupportedNode> unsupported = FindUnsupported(graph);
    if (!unsupported.empty()) return ReportUnsupported(unsupported);
    ERGO_RETURN_IF_ERROR(ApplyDims(graph, dims_));
    nodes_before_ = CountNodes(graph);
    original_ = graph;
    ERGO_RETURN_IF_ERROR(Rewrite(graph, budget));
    ERGO_RETURN_IF_ERROR(CheckDimRanges(graph, options_));
    if (!check_flags_.source.empty()) {
      ERGO_ASSIGN_OR_RETURN(const bool passed, Verify(graph, progress));
      if (!passed) return ReportWrong();
    }
    graph.metadata[kPassesMetadata] = passes_;
    ERGO_RETURN_IF_ERROR(WriteErgo(graph, output_));
    if (!report_path_.empty()) ERGO_RETURN_IF_ERROR(WriteReport(graph, progress));
    return ReportDone(graph);
  }

 private:
  Status Rewrite(Graph& graph, const Budget& budget) {
    if (!no_optimize_) {
      Result<std::vector<PassReport>> optimized = Optimize(graph, budget);
      if (!optimized.ok()) return std::move(optimized).status().WithContext(input_);
      reports_ = std::move(optimized).value();
      passes_.clear();
      for (const PassReport& report : reports_) {
        passes_ += fmt::format("{}{}", passes_.empty() ? "" : " ", report.pass);
      }
    }
    ERGO_ASSIGN_OR_RETURN(precision_, ApplyPrecision(graph, precision_flags_));
    return {};
  }

  // False when an output is wrong. What is right is what was recorded, or what the reference
  // kernels make of the graph as it was read.
  Result<bool> Verify(const Graph& graph, Progress& progress) {
    ERGO_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, Model::Create(graph, options_));
    ERGO_ASSIGN_OR_RETURN(runs_, Expected(*model, progress));
    ERGO_ASSIGN_OR_RETURN(check_, CheckOutputs(*model, runs_, check_flags_, progress));
    if (check_->Passed() || !check_flags_.bisect) return check_->Passed();
    for (const ExpectedRun& run : runs_) {
      ERGO_ASSIGN_OR_RETURN(divergence_, BisectModel(graph, &original_, options_, run.InputViews(),
                                                     check_flags_, progress));
      if (divergence_) break;
    }
    return false;
  }

  Result<std::vector<ExpectedRun>> Expected(const Model& model, Progress& progress) const {
    if (!check_flags_.Random()) return RecordedRuns(check_flags_.source, model);
    progress.Show("running the reference kernels", 0, 1);
    ModelOptions options = options_;
    options.kernels.reference = true;
    options.kernels.forced.clear();
    ERGO_ASSIGN_OR_RETURN(const std::unique_ptr<Model> reference,
                          Model::Create(original_, options));
    ERGO_ASSIGN_OR_RETURN(ExpectedRun run, RandomRun(*reference, {}, check_flags_.seed));
    std::vector<ExpectedRun> runs;
    runs.push_back(std::move(run));
    return runs;
  }

  Status WriteReport(const Graph& graph, Progress& progress) const {
    ConversionFacts facts;
    facts.input = input_;
    facts.output = output_;
    facts.precision = precision_flags_.precision;
    facts.nodes_before = nodes_before_;
    facts.passes = reports_;
    if (check_) facts.check = check_->ToJson();
    if (!runs_.empty()) facts.inputs = runs_.front().inputs;
    return WriteConversionReport(report_path_, graph, original_, facts, options_, check_flags_,
                                 progress);
  }

  Result<ExitCode> ReportUnsupported(const std::vector<UnsupportedNode>& nodes) const {
    if (Json()) {
      PrintJson({{"converted", false}, {"unsupported", UnsupportedJson(nodes)}});
    } else {
      Print("{}: {} nodes are not supported, nothing was written\n{}", Printable(input_),
            nodes.size(), UnsupportedText(nodes));
    }
    return kExitFailed;
  }

  Result<ExitCode> ReportWrong() const {
    if (Json()) {
      tool::Json document = {{"converted", false}, {"verify", check_->ToJson()}};
      if (check_flags_.bisect) document["bisect"] = BisectJson();
      PrintJson(document);
      return kExitFailed;
    }
    Print("{}: outputs are wrong, nothing was written\n{}{}", Printable(input_), check_->ToString(),
          check_flags_.bisect ? DivergenceText(divergence_) : "");
    return kExitFailed;
  }

  tool::Json BisectJson() const { return divergence_ ? divergence_->ToJson() : tool::Json(); }

  Result<ExitCode> ReportDone(const Graph& graph) const {
    ERGO_ASSIGN_OR_RETURN(const int64_t input_bytes, FileBytes(input_));
    ERGO_ASSIGN_OR_RETURN(const int64_t output_bytes, FileBytes(output_));
    const int nodes_after = CountNodes(graph);
    if (Json()) {
      tool::Json document = {{"converted", true},
                             {"input", input_},
                             {"output", output_},
                             {"input_bytes", input_bytes},
                             {"output_bytes", output_bytes},
                             {"nodes_before", nodes_before_},
                             {"nodes_after", nodes_after}};
      for (const PassReport& report : reports_) {
        document["passes"].push_back({{"pass", report.pass}, {"changes", report.changes}});
      }
      if (!precision_.json.empty()) document["precision"] = precision_.json;
      if (check_) document["verify"] = check_->ToJson();
      PrintJson(document);
      return kExitOk;
    }
    Print("{} ({}) -> {} ({})\n{} nodes -> {}\n{}{}{}", Printable(input_), BytesText(input_bytes),
          Printable(output_), BytesText(output_bytes), nodes_before_, nodes_after, PassesText(),
          precision_.text, check_ ? check_->ToString() : "");
    return kExitOk;
  }

  std::string PassesText() const {
    Table table("  ");
    table.Column("pass");
    table.Column("changes", Table::Align::kRight);
    table.Column("");
    const auto all = AllPasses();
    for (size_t i = 0; i < reports_.size(); ++i) {
      table.Row({std::string(reports_[i].pass), std::to_string(reports_[i].changes),
                 std::string(all[i].description)});
    }
    return table.Empty() ? "" : table.ToString();
  }

  std::string input_, output_, report_path_;
  bool no_optimize_ = false;
  DimFlags dims_;
  PrecisionFlags precision_flags_;
  CheckFlags check_flags_;
  ModelFlags flags_;

  ModelOptions options_;
  Graph original_;  // with its dimensions fixed and bounded, and else as it was read
  int nodes_before_ = 0;
  std::vector<PassReport> reports_;
  std::string passes_ = "none";
  PrecisionReport precision_;
  std::vector<ExpectedRun> runs_;  // that were verified
  std::optional<OutputCheck> check_;
  std::optional<Divergence> divergence_;
};

}  // namespace

std::unique_ptr<Command> MakeConvert() {
  return std::make_unique<Convert>();
}

}  // namespace ergo::tool
