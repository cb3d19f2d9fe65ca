#include "tools/ergo/dim_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "tools/ergo/input_shapes.h"

namespace ergo::tool {
namespace {

std::set<std::string> InputSymbols(const Graph& graph) {
  std::set<std::string> symbols;
  for (const ValueId id : graph.inputs) {
    const SymbolicShape& shape = graph.GetValue(id).shape;
    if (!shape.RankKnown()) continue;
    for (const Dim& dim : shape.Dims()) {
      if (!dim.Known() && !dim.symbol.empty()) symbols.insert(dim.symbol);
    }
  }
  return symbols;
}

void Bind(Graph& graph, const std::string& symbol, std::vector<int64_t> values) {
  if (values.size() == 1) {
    FixDim(graph, symbol, values.front());
  } else {
    SetDimRange(graph, {symbol, std::move(values)});
  }
}

Status ApplyDim(Graph& graph, const std::set<std::string>& symbols, const std::string& text) {
  ERGO_ASSIGN_OR_RETURN(const auto assignment, SplitAssignment("--dim", text));
  Result<std::vector<int64_t>> values = ParseDimValues(assignment.second);
  if (!values.ok()) return std::move(values).status().WithContext("--dim");
  if (!symbols.contains(assignment.first)) {
    if (symbols.empty()) {
      return InvalidArgument("--dim {}: no input has a free dimension with a name", text);
    }
    return InvalidArgument("--dim: no input has a dimension '{}': there are {}", assignment.first,
                           fmt::join(symbols, ", "));
  }
  Bind(graph, assignment.first, std::move(values).value());
  return {};
}

Status ApplyBatch(Graph& graph, const std::string& text) {
  Result<std::vector<int64_t>> values = ParseDimValues(text);
  if (!values.ok()) return std::move(values).status().WithContext("--batch");
  // Leading dimensions without a name get one, so that all of them are the same number.
  std::string made_up = "batch";
  while (InputSymbols(graph).contains(made_up)) made_up += "_";
  std::set<std::string> symbols;
  const Value* fixed = nullptr;
  for (const ValueId id : graph.inputs) {
    Value& input = graph.GetValue(id);
    if (!input.shape.RankKnown() || input.shape.Rank() == 0) continue;
    Dim& leading = input.shape[0];
    if (leading.Known()) {
      fixed = &input;
      continue;
    }
    if (leading.symbol.empty()) leading = Dim::Symbol(made_up);
    symbols.insert(leading.symbol);
  }
  if (symbols.empty()) {
    return InvalidArgument("--batch: no input has a free leading dimension{}",
                           fixed == nullptr ? ""
                                            : fmt::format(": '{}' is {}; export the model with one",
                                                          fixed->name, fixed->shape.ToString()));
  }
  for (const std::string& symbol : symbols) Bind(graph, symbol, *values);
  return {};
}

}  // namespace

void DefineDimFlags(CLI::App& app, DimFlags& flags) {
  app.add_option("--dim", flags.dims,
                 "Fix a free dimension, or bound it to what it will be: batch=4, batch=1..32, "
                 "seq=16,32,64..512:64; a server plans for all of that before the first request")
      ->type_name("SYMBOL=NUMBERS")
      ->allow_extra_args(false);
  app.add_option("--batch", flags.batch, "The same for the leading dimension of every input")
      ->type_name("NUMBERS");
}

Status ApplyDims(Graph& graph, const DimFlags& flags) {
  const std::set<std::string> symbols = InputSymbols(graph);
  std::set<std::string> given;
  for (const std::string& text : flags.dims) {
    const std::string symbol = text.substr(0, text.find('='));
    if (!given.insert(symbol).second) {
      return InvalidArgument("--dim: '{}' is given twice; join its numbers with commas", symbol);
    }
    ERGO_RETURN_IF_ERROR(ApplyDim(graph, symbols, text));
  }
  return flags.batch.empty() ? Status() : ApplyBatch(graph, flags.batch);
}

Status CheckDimRanges(const Graph& graph, const ModelOptions& options) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<DimRange> ranges, DimRangesOf(graph));
  if (ranges.empty()) return {};
  ERGO_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, Model::Create(graph, options));
  for (const bool largest : {false, true}) {
    std::vector<DimRange> ends = ranges;
    std::string said;
    for (DimRange& end : ends) {
      end.values = {largest ? end.values.back() : end.values.front()};
      said += fmt::format("{}{}={}", said.empty() ? "" : ", ", end.symbol, end.values.front());
    }
    ShapeRequest request;
    request.ranges = ends;
    ERGO_ASSIGN_OR_RETURN(const BoundShapes bound, BindShapes(model->Inputs(), request));
    // Other dimensions may be free still; nothing can be said of the model then.
    if (bound.assumed.size() > ranges.size()) return {};
    ERGO_RETURN_IF_ERROR(model->PlanFor(bound.shapes).status().WithContext(said));
  }
  return {};
}

}  // namespace ergo::tool
