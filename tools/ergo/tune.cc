// ergo tune.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/tune/tuner.h"
#include "formats/ergo/ergo_file.h"
#include "formats/model_file.h"
#include "kernels/base/processor.h"
#include "tools/ergo/command.h"
#include "tools/ergo/input_tensors.h"
#include "tools/ergo/limits.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/number_text.h"
#include "tools/ergo/progress.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

class TuneCommand final : public Command {
 public:
  void Define(CLI::App& app) override {
    app.add_option("model", path_, "An ONNX or .ergo model")->type_name("MODEL")->required();
    app.add_option("-o,--output", output_, "Where the tuned model goes; may be the same file")
        ->type_name("MODEL.ergo")
        ->required();
    app.add_option("--threads", options_.threads, "Threads that one run will use")
        ->check(CLI::Range(1, kMaxThreads))
        ->capture_default_str();
    app.add_option("--rounds", options_.rounds, "Runs of each plan that count")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    app.add_option("--min-gain", options_.min_gain,
                   "Part of a node's time that a variant has to save")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    DefineInputFlags(app, inputs_);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(Graph graph, ReadModel(path_));
    std::string passes;
    if (!graph.metadata.contains(kPassesMetadata)) {
      Result<std::vector<PassReport>> optimized = Optimize(graph);
      if (!optimized.ok()) return std::move(optimized).status().WithContext(path_);
      for (const PassReport& report : *optimized) {
        passes += fmt::format("{}{}", passes.empty() ? "" : " ", report.pass);
      }
      graph.metadata[kPassesMetadata] = passes;
    }
    // What was tuned before must not steer what is measured now.
    graph.metadata.erase(ChoicesKey(options_.threads));
    ModelOptions model_options;
    model_options.threads = options_.threads;
    ERGO_ASSIGN_OR_RETURN(const auto model, Model::Create(graph, model_options));
    if (!inputs_.random && inputs_.inputs.empty()) inputs_.random = 1;
    ERGO_ASSIGN_OR_RETURN(const GatheredInputs gathered, GatherInputs(model->Inputs(), inputs_));
    Progress progress(Json());
    options_.progress = [&progress](int round, int rounds) {
      progress.Show("tuning", round, rounds);
    };
    ERGO_ASSIGN_OR_RETURN(const TuneReport report,
                          Tune(model->GetGraph(), gathered.Views(), options_));
    graph.metadata[ChoicesKey(options_.threads)] = report.choices.ToText();
    ERGO_RETURN_IF_ERROR(WriteErgo(graph, output_));
    Show(report, gathered);
    return kExitOk;
  }

 private:
  void Show(const TuneReport& report, const GatheredInputs& gathered) const {
    const auto changed = std::ranges::count_if(
        report.nodes, [](const TunedNode& node) { return node.chosen != node.usual; });
    if (Json()) {
      tool::Json document = {{"model", path_},
                             {"output", output_},
                             {"processor", ProcessorKind()},
                             {"threads", options_.threads},
                             {"usual_us", report.usual_us},
                             {"tuned_us", report.tuned_us},
                             {"kept", !report.choices.Empty()},
                             {"nodes", tool::Json::array()}};
      for (const TunedNode& node : report.nodes) {
        document["nodes"].push_back({{"node", node.label},
                                     {"candidates", node.candidates},
                                     {"usual", node.usual},
                                     {"usual_us", node.usual_us},
                                     {"chosen", node.chosen},
                                     {"chosen_us", node.chosen_us}});
      }
      PrintJson(document);
      return;
    }
    for (const std::string& assumed : gathered.assumed) Print("assumed {}\n", Printable(assumed));
    Table table("  ");
    table.Column("node");
    table.Column("usual");
    table.Column("", Table::Align::kRight);
    table.Column("chosen");
    table.Column("", Table::Align::kRight);
    for (const TunedNode& node : report.nodes) {
      if (node.chosen == node.usual) continue;
      table.Row({Printable(node.label), node.usual, DurationText(node.usual_us), node.chosen,
                 DurationText(node.chosen_us)});
    }
    Print("{} of {} nodes with a choice do better with another variant, on {}, {} threads\n{}",
          changed, report.nodes.size(), ProcessorKind(), options_.threads,
          table.Empty() ? "" : table.ToString());
    Print("the model: {} -> {}{}\n", DurationText(report.usual_us), DurationText(report.tuned_us),
          report.choices.Empty() ? ": nothing was kept" : "");
  }

  std::string path_, output_;
  InputFlags inputs_;
  TuneOptions options_;
};

}  // namespace

std::unique_ptr<Command> MakeTune() {
  return std::make_unique<TuneCommand>();
}

}  // namespace ergo::tool
