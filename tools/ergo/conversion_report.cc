#include "tools/ergo/conversion_report.h"

#include <memory>
#include <optional>
#include <utility>

#include "formats/file.h"
#include "tools/ergo/bisect.h"
#include "tools/ergo/html_report.h"
#include "tools/ergo/model_source.h"
#include "tools/ergo/node_profile.h"

namespace ergo::tool {
namespace {

Json PassesJson(const std::vector<PassReport>& passes) {
  Json list = Json::array();
  for (const PassReport& report : passes) {
    std::string_view description;
    for (const Pass& pass : AllPasses()) {
      if (pass.name == report.pass) description = pass.description;
    }
    list.push_back(
        {{"pass", report.pass}, {"changes", report.changes}, {"description", description}});
  }
  return list;
}

std::string InputsText(const Model& model, const std::vector<Tensor>& inputs) {
  std::string text;
  for (size_t i = 0; i < inputs.size(); ++i) {
    text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", model.Inputs()[i].name,
                        DTypeName(inputs[i].Type()), inputs[i].GetShape().ToString());
  }
  return text;
}

}  // namespace

Status WriteConversionReport(const std::string& path, const Graph& graph, const Graph& original,
                             const ConversionFacts& facts, const ModelOptions& options,
                             const CheckFlags& flags, Progress& progress) {
  ERGO_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, Model::Create(graph, options));
  std::vector<Tensor> inputs = facts.inputs;
  if (inputs.empty()) {
    ERGO_ASSIGN_OR_RETURN(ExpectedRun run, RandomRun(*model, {}, flags.seed));
    inputs = std::move(run.inputs);
  }
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) views.push_back(input.View());
  ModelOptions reference = options;
  reference.kernels.reference = true;
  reference.kernels.forced.clear();
  const Graph& profiled = model->GetGraph();
  const Way chosen{profiled, options, "the chosen kernels"};
  const Way trusted{original, reference, "the graph as it was read, on reference kernels"};
  ERGO_ASSIGN_OR_RETURN(const std::vector<std::optional<Comparison>> errors,
                        CompareNodes(chosen, trusted, views, flags, progress));
  ERGO_ASSIGN_OR_RETURN(const ModelProfile profile, ProfileModel(*model, views, progress));

  HtmlReport report;
  report.input = facts.input;
  report.output = facts.output;
  report.precision = facts.precision;
  report.nodes_before = facts.nodes_before;
  ERGO_ASSIGN_OR_RETURN(report.bytes_before, FileBytes(facts.input));
  ERGO_ASSIGN_OR_RETURN(report.bytes_after, FileBytes(facts.output));
  report.graph = &profiled;
  report.profile = &profile;
  report.inputs = InputsText(*model, inputs);
  report.errors = errors;
  report.passes = PassesJson(facts.passes);
  report.check = facts.check;
  ERGO_ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(path));
  ERGO_RETURN_IF_ERROR(writer.Write(RenderHtmlReport(report)));
  return writer.Commit();
}

}  // namespace ergo::tool
