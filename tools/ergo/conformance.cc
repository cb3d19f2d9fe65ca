// ergo conformance: a folder of cases in the layout of the ONNX project's backend tests.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/ergo/ergo_file.h"
#include "formats/model_file.h"
#include "tools/ergo/command.h"
#include "tools/ergo/compare.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/report.h"
#include "tools/ergo/table.h"
#include "tools/ergo/test_data.h"

namespace ergo::tool {
namespace {

namespace fs = std::filesystem;

// What became of one case: passed, or why not.
struct Outcome {
  std::string name;
  Status status;         // of what could not be read, converted or run
  std::string mismatch;  // of what ran and was wrong
  bool Passed() const { return status.ok() && mismatch.empty(); }
  std::string Reason() const { return status.ok() ? mismatch : status.ToString(); }
};

// Folders below `root` that hold model.onnx, sorted.
Result<std::vector<fs::path>> FindCases(const fs::path& root) {
  std::vector<fs::path> cases;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(root, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (it->path().filename() == "model.onnx") cases.push_back(it->path().parent_path());
  }
  if (error) return NotFound("{}: {}", root.string(), error.message());
  if (cases.empty()) return NotFound("{}: no model.onnx below it", root.string());
  std::ranges::sort(cases);
  return cases;
}

// "case: reason" a line; what begins with '#' is a comment.
Result<std::map<std::string, std::string>> ReadKnownFailures(const std::string& path) {
  std::map<std::string, std::string> known;
  if (path.empty()) return known;
  std::ifstream file(path);
  if (!file) return NotFound("{}: cannot be read", path);
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(':');
    if (line.empty() || line[0] == '#') continue;
    if (colon == std::string::npos || colon + 2 >= line.size()) {
      return InvalidArgument("{}: '{}' is not 'case: reason'", path, line);
    }
    known[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return known;
}

class Conformance final : public Command {
 public:
  void Define(CLI::App& app) override {
    app.add_option("folder", folder_,
                   "Holds CASE/model.onnx and CASE/test_data_set_*, at any depth")
        ->type_name("DIR")
        ->required();
    app.add_flag("--ergo", through_ergo_, "Run each case through an .ergo file");
    app.add_flag("--no-optimize", no_optimize_, "Without the passes");
    app.add_option("--known-failures", known_path_,
                   "Cases that are known to fail, 'case: reason' a line: the command succeeds when "
                   "exactly these fail")
        ->type_name("FILE");
    app.add_option("--rtol", tolerance_.rtol, "Relative tolerance (default 1e-3, by dtype)");
    app.add_option("--atol", tolerance_.atol, "Absolute tolerance")->capture_default_str();
    DefineModelFlags(app, flags_);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(const ModelOptions options, ApplyModelFlags(flags_));
    ERGO_ASSIGN_OR_RETURN(const std::vector<fs::path> cases, FindCases(folder_));
    ERGO_ASSIGN_OR_RETURN(const auto known, ReadKnownFailures(known_path_));
    const bool show_progress = isatty(STDERR_FILENO) != 0 && !Json();
    std::vector<Outcome> outcomes;
    for (const fs::path& path : cases) {
      outcomes.push_back(RunCase(path, options));
      if (show_progress && outcomes.size() % 20 == 0) {
        std::fprintf(stderr, "\r%zu of %zu cases", outcomes.size(), cases.size());
      }
    }
    if (show_progress) std::fprintf(stderr, "\r\033[K");
    return Show(outcomes, known);
  }

 private:
  Outcome RunCase(const fs::path& path, const ModelOptions& options) const {
    Outcome outcome{path.filename().string(), {}, ""};
    Result<std::string> ran = Try(path, options);
    if (ran.ok()) {
      outcome.mismatch = std::move(ran).value();
    } else {
      outcome.status = std::move(ran).status();
    }
    return outcome;
  }

  // "" when every output of every data set matches, else the first that does not.
  Result<std::string> Try(const fs::path& path, const ModelOptions& options) const {
    ERGO_ASSIGN_OR_RETURN(Graph graph,
                          ReadModel((path / "model.onnx").string(), Budget(options.limits)));
    if (!no_optimize_ && FindUnsupported(graph).empty()) {
      ERGO_RETURN_IF_ERROR(Optimize(graph).status());
    }
    if (through_ergo_) {
      ERGO_ASSIGN_OR_RETURN(graph, ThroughErgo(graph));
    }
    ERGO_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model,
                          Model::Create(std::move(graph), options));
    ERGO_ASSIGN_OR_RETURN(const std::vector<TestDataSet> sets, ReadTestData(path.string()));
    Runner runner(*model);
    for (const TestDataSet& set : sets) {
      ERGO_ASSIGN_OR_RETURN(const auto inputs, MatchToPorts(set.inputs, model->Inputs()));
      std::vector<TensorView> views;
      for (const Tensor* input : inputs) views.push_back(input->View());
      ERGO_ASSIGN_OR_RETURN(const std::vector<Tensor> actual, runner.Run(views));
      ERGO_ASSIGN_OR_RETURN(const auto expected, MatchToPorts(set.outputs, model->Outputs()));
      for (size_t i = 0; i < actual.size(); ++i) {
        const Comparison c = Compare(actual[i].View(), expected[i]->View(), tolerance_);
        if (c.Matches()) continue;
        return fmt::format("{} output {}: {}", set.name, i,
                           c.problem.empty() ? c.first_mismatch : c.problem);
      }
    }
    return std::string();
  }

  static Result<Graph> ThroughErgo(const Graph& graph) {
    const fs::path file =
        fs::temp_directory_path() / fmt::format("ergo-conformance-{}.ergo", getpid());
    ERGO_RETURN_IF_ERROR(WriteErgo(graph, file.string()));
    Result<Graph> read = ReadErgo(file.string());
    std::error_code ignored;
    fs::remove(file, ignored);  // what is mapped stays readable
    return read;
  }

  Result<ExitCode> Show(const std::vector<Outcome>& outcomes,
                        const std::map<std::string, std::string>& known) const {
    int passed = 0, surprises = 0;
    tool::Json failures = tool::Json::array();
    std::string text;
    for (const Outcome& outcome : outcomes) {
      const auto expected = known.find(outcome.name);
      passed += outcome.Passed() ? 1 : 0;
      if (outcome.Passed() && expected != known.end()) {
        ++surprises;
        text += fmt::format("passes, but is listed as failing: {}\n", outcome.name);
      }
      if (outcome.Passed()) continue;
      surprises += expected == known.end() ? 1 : 0;
      text += fmt::format("{} {}: {}\n", expected == known.end() ? "FAIL" : "known", outcome.name,
                          expected == known.end() ? Printable(outcome.Reason()) : expected->second);
      failures.push_back({{"case", outcome.name},
                          {"known", expected != known.end()},
                          {"reason", outcome.Reason()}});
    }
    const auto failed = static_cast<int>(outcomes.size()) - passed;
    if (Json()) {
      PrintJson({{"cases", outcomes.size()},
                 {"passed", passed},
                 {"failed", failed},
                 {"failures", failures}});
    } else {
      Print("{}{} of {} cases pass, {} fail, {} of them known\n", text, passed, outcomes.size(),
            failed, known.size());
    }
    return surprises == 0 ? kExitOk : kExitFailed;
  }

  std::string folder_, known_path_;
  bool through_ergo_ = false, no_optimize_ = false;
  Tolerance tolerance_;
  ModelFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeConformance() {
  return std::make_unique<Conformance>();
}

}  // namespace ergo::tool
