// ergo verify.
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/ergo/command.h"
#include "tools/ergo/compare.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"
#include "tools/ergo/test_data.h"

namespace ergo::tool {
namespace {

class Verify final : public Command {
 public:
  void Define(CLI::App& app) override {
    app.add_option("model", model_, "An ONNX or .ergo model")->type_name("MODEL")->required();
    app.add_option("--data", data_, "Holds test_data_set_*/{input,output}_*.pb")
        ->type_name("DIR")
        ->required();
    app.add_option("--rtol", tolerance_.rtol,
                   "Relative tolerance (default 1e-3; float16 2e-3, bfloat16 2e-2)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--atol", tolerance_.atol, "Absolute tolerance")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option(
           "--cosine", cosine_,
           "For quantized models, where rounding flips a few quanta: an output matches when "
           "its cosine with the expected one is at least this")
        ->check(CLI::Range(0.0, 1.0));
    DefineModelFlags(app, flags_);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(const LoadedModel loaded, LoadModel(model_, flags_));
    ERGO_ASSIGN_OR_RETURN(const std::vector<TestDataSet> sets, ReadTestData(data_));
    Runner runner(*loaded.model);
    for (const TestDataSet& set : sets) {
      ERGO_RETURN_IF_ERROR(RunSet(*loaded.model, runner, set).WithContext(set.name));
    }
    Show();
    return failed_ == 0 && compared_ > 0 ? kExitOk : kExitFailed;
  }

 private:
  struct Line {
    std::string set, output;
    Comparison comparison;
    bool matches;
  };

  Status RunSet(const Model& model, Runner& runner, const TestDataSet& set) {
    ERGO_ASSIGN_OR_RETURN(const auto inputs, MatchToPorts(set.inputs, model.Inputs()));
    std::vector<TensorView> views;
    for (const Tensor* input : inputs) views.push_back(input->View());
    ERGO_ASSIGN_OR_RETURN(const std::vector<Tensor> actual, runner.Run(views));
    if (set.outputs.size() > model.Outputs().size()) {
      return InvalidArgument("there are {} outputs to compare with, the model has {}",
                             set.outputs.size(), model.Outputs().size());
    }
    ERGO_ASSIGN_OR_RETURN(const auto expected, MatchToPorts(set.outputs, model.Outputs()));
    for (size_t i = 0; i < actual.size(); ++i) {
      Line line{set.name, model.Outputs()[i].name,
                Compare(actual[i].View(), expected[i]->View(), tolerance_), false};
      line.matches = cosine_ ? line.comparison.problem.empty() && line.comparison.cosine >= *cosine_
                             : line.comparison.Matches();
      ++compared_;
      failed_ += line.matches ? 0 : 1;
      lines_.push_back(std::move(line));
    }
    return {};
  }

  void Show() const {
    if (Json()) {
      tool::Json document = {
          {"matches", failed_ == 0}, {"outputs", compared_}, {"failed", failed_}};
      for (const Line& line : lines_) {
        const Comparison& c = line.comparison;
        document["comparisons"].push_back({{"set", line.set},
                                           {"output", line.output},
                                           {"matches", line.matches},
                                           {"problem", c.problem},
                                           {"elements", c.elements},
                                           {"mismatches", c.mismatches},
                                           {"max_abs", c.max_abs},
                                           {"max_rel", c.max_rel},
                                           {"abs_p99", c.abs_p99},
                                           {"cosine", c.cosine}});
      }
      PrintJson(document);
      return;
    }
    Table table;
    for (const char* header : {"", "set", "output"}) table.Column(header);
    for (const char* header : {"elements", "max abs", "max rel", "cosine"}) {
      table.Column(header, Table::Align::kRight);
    }
    table.Column("");
    for (const Line& line : lines_) {
      const Comparison& c = line.comparison;
      std::string note = c.problem;
      if (note.empty() && c.mismatches > 0) {
        note = fmt::format("{} beyond tolerance, first {}", c.mismatches, c.first_mismatch);
      }
      table.Row({line.matches ? "ok" : "FAIL", line.set, line.output, std::to_string(c.elements),
                 fmt::format("{:.3g}", c.max_abs), fmt::format("{:.3g}", c.max_rel),
                 fmt::format("{:.6f}", c.cosine), note});
    }
    PrintText(table.ToString());
    Print("{} of {} outputs match\n", compared_ - failed_, compared_);
  }

  std::string model_, data_;
  Tolerance tolerance_;
  std::optional<double> cosine_;
  ModelFlags flags_;
  std::vector<Line> lines_;
  int compared_ = 0, failed_ = 0;
};

}  // namespace

std::unique_ptr<Command> MakeVerify() {
  return std::make_unique<Verify>();
}

}  // namespace ergo::tool
