// ergo verify.
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/model_file.h"
#include "tools/ergo/bisect.h"
#include "tools/ergo/command.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/output_check.h"
#include "tools/ergo/progress.h"
#include "tools/ergo/report.h"

namespace ergo::tool {
namespace {

class Verify final : public Command {
 public:
  void Define(CLI::App& app) override {
    app.add_option("model", model_, "An ONNX or .ergo model")->type_name("MODEL")->required();
    DefineCheckFlags(app, "--data", flags_);
    app.get_option("--data")->required();
    DefineShapeFlags(app, shapes_);
    DefineModelFlags(app, model_flags_);
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    ERGO_ASSIGN_OR_RETURN(const LoadedModel loaded, LoadModel(model_, model_flags_));
    Progress progress(Json());
    ERGO_ASSIGN_OR_RETURN(const std::vector<ExpectedRun> runs, Expected(*loaded.model, progress));
    ERGO_ASSIGN_OR_RETURN(const OutputCheck check,
                          CheckOutputs(*loaded.model, runs, flags_, progress));
    std::optional<Divergence> divergence;
    if (flags_.bisect && !check.Passed()) {
      ERGO_ASSIGN_OR_RETURN(divergence, FindFirst(*loaded.model, runs, progress));
    }
    if (Json()) {
      tool::Json document = check.ToJson();
      if (flags_.bisect && !check.Passed()) {
        document["bisect"] = divergence ? divergence->ToJson() : tool::Json();
      }
      PrintJson(document);
    } else {
      PrintText(check.ToString());
      if (flags_.bisect && !check.Passed()) PrintText(DivergenceText(divergence));
    }
    return check.Passed() ? kExitOk : kExitFailed;
  }

 private:
  Result<std::vector<ExpectedRun>> Expected(const Model& model, Progress& progress) const {
    if (!flags_.Random()) return RecordedRuns(flags_.source, model);
    progress.Show("running the reference kernels", 0, 1);
    ModelOptions options = model.Options();
    options.kernels.reference = true;
    options.kernels.forced.clear();
    ERGO_ASSIGN_OR_RETURN(Graph graph, ReadModel(model_, Budget(options.limits)));
    ERGO_ASSIGN_OR_RETURN(const std::unique_ptr<Model> reference,
                          Model::Create(std::move(graph), options));
    ERGO_ASSIGN_OR_RETURN(ExpectedRun run, RandomRun(*reference, shapes_, flags_.seed));
    std::vector<ExpectedRun> runs;
    runs.push_back(std::move(run));
    return runs;
  }

  Result<std::optional<Divergence>> FindFirst(const Model& model,
                                              const std::vector<ExpectedRun>& runs,
                                              Progress& progress) const {
    ERGO_ASSIGN_OR_RETURN(const Graph original, ReadModel(model_, Budget(model.Options().limits)));
    for (const ExpectedRun& run : runs) {
      ERGO_ASSIGN_OR_RETURN(std::optional<Divergence> found,
                            BisectModel(model.GetGraph(), &original, model.Options(),
                                        run.InputViews(), flags_, progress));
      if (found) return found;
    }
    return std::optional<Divergence>();
  }

  std::string model_;
  CheckFlags flags_;
  ShapeFlags shapes_;
  ModelFlags model_flags_;
};

}  // namespace

std::unique_ptr<Command> MakeVerify() {
  return std::make_unique<Verify>();
}

}  // namespace ergo::tool
