#include "tools/ergo/input_shapes.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

namespace ergo::tool {
namespace {

Result<int64_t> ParseDim(std::string_view option, std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    return InvalidArgument("{}: '{}' is not a dimension: use a whole number, 0 or more", option,
                           text);
  }
  return value;
}

Result<Shape> ParseShape(std::string_view text) {
  std::vector<int64_t> dims;
  if (text.empty()) return Shape();
  while (true) {
    const size_t comma = text.find(',');
    ERGO_ASSIGN_OR_RETURN(const int64_t dim, ParseDim("--shape", text.substr(0, comma)));
    dims.push_back(dim);
    if (comma == std::string_view::npos) return Shape::Make(dims);
    text.remove_prefix(comma + 1);
  }
}

std::string PortNames(std::span<const Model::Port> ports) {
  std::string names;
  for (const Model::Port& port : ports) {
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", port.name);
  }
  return names;
}

class Binder {
 public:
  Binder(std::span<const Model::Port> inputs, std::span<const DimRange> ranges)
      : inputs_(inputs), ranges_(ranges), shapes_(inputs.size()) {
    for (const Model::Port& input : inputs) {
      if (!input.shape.RankKnown()) continue;
      for (const Dim& dim : input.shape.Dims()) {
        if (!dim.Known() && !dim.symbol.empty()) symbols_.insert(dim.symbol);
      }
    }
  }

  Status BindSymbol(const std::string& symbol, int64_t value) {
    if (!symbols_.contains(symbol)) {
      if (symbols_.empty()) {
        return InvalidArgument(
            "no input has a free dimension with a name, so --dim {}={} binds "
            "nothing: use --shape INPUT=DIMS",
            symbol, value);
      }
      return InvalidArgument("no input has a dimension '{}': there are {}", symbol,
                             fmt::join(symbols_, ", "));
    }
    const auto [known, inserted] = bound_.emplace(symbol, value);
    if (!inserted && known->second != value) {
      return InvalidArgument("dimension '{}' is both {} and {}", symbol, known->second, value);
    }
    return {};
  }

  Status BindShape(size_t input, const Shape& shape) {
    const SymbolicShape& declared = inputs_[input].shape;
    shapes_[input] = shape;
    if (!declared.RankKnown()) return {};
    if (declared.Rank() != shape.Rank()) return Misfit(input, shape);
    for (int axis = 0; axis < shape.Rank(); ++axis) {
      const Dim& dim = declared[axis];
      if (dim.Known() && dim.value != shape[axis]) return Misfit(input, shape);
      if (!dim.Known() && !dim.symbol.empty()) {
        ERGO_RETURN_IF_ERROR(BindSymbol(dim.symbol, shape[axis])
                                 .WithContext(fmt::format("input '{}'", inputs_[input].name)));
      }
    }
    return {};
  }

  Status BindBatch(int64_t batch) {
    bool free = false;
    const Model::Port* fixed = nullptr;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const SymbolicShape& shape = inputs_[i].shape;
      if (shapes_[i] || !shape.RankKnown() || shape.Rank() == 0) continue;
      if (shape[0].Known()) {
        if (shape[0].value != batch) fixed = &inputs_[i];
        continue;
      }
      free = true;
      if (shape[0].symbol.empty()) {
        leading_[i] = batch;
      } else {
        ERGO_RETURN_IF_ERROR(BindSymbol(shape[0].symbol, batch));
      }
    }
    if (!free && fixed != nullptr) {
      return InvalidArgument(
          "the model has a fixed batch: input '{}' is {}; --batch {} needs a "
          "model exported with a free leading dimension",
          fixed->name, fixed->shape.ToString(), batch);
    }
    return {};
  }

  Result<BoundShapes> Finish() {
    BoundShapes result;
    std::set<std::string> said;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!shapes_[i]) {
        ERGO_ASSIGN_OR_RETURN(shapes_[i], Complete(i, result.assumed, said));
      }
      result.shapes.push_back(*shapes_[i]);
    }
    return result;
  }

 private:
  Status Misfit(size_t input, const Shape& shape) const {
    return InvalidArgument("input '{}' is {}, which {} does not fit", inputs_[input].name,
                           inputs_[input].shape.ToString(), shape.ToString());
  }

  Result<Shape> Complete(size_t input, std::vector<std::string>& assumed,
                         std::set<std::string>& said) const {
    const SymbolicShape& declared = inputs_[input].shape;
    if (!declared.RankKnown()) {
      return InvalidArgument("the model does not say the rank of input '{}': give --shape {}=DIMS",
                             inputs_[input].name, inputs_[input].name);
    }
    std::vector<int64_t> dims;
    for (int axis = 0; axis < declared.Rank(); ++axis) {
      const Dim& dim = declared[axis];
      if (dim.Known()) {
        dims.push_back(dim.value);
        continue;
      }
      if (const auto bound = bound_.find(dim.symbol); bound != bound_.end()) {
        dims.push_back(bound->second);
      } else if (const auto batch = leading_.find(input); axis == 0 && batch != leading_.end()) {
        dims.push_back(batch->second);
      } else {
        const auto range = std::ranges::find(ranges_, dim.symbol, &DimRange::symbol);
        dims.push_back(range == ranges_.end() ? 1 : range->values.front());
        if (dim.symbol.empty()) {
          assumed.push_back(fmt::format("axis {} of '{}' = 1", axis, inputs_[input].name));
        } else if (said.insert(dim.symbol).second) {
          assumed.push_back(fmt::format("{} = {}", dim.symbol, dims.back()));
        }
      }
    }
    return Shape::Make(dims);
  }

  std::span<const Model::Port> inputs_;
  std::span<const DimRange> ranges_;
  std::vector<std::optional<Shape>> shapes_;
  std::set<std::string> symbols_;
  std::map<std::string, int64_t> bound_;
  std::map<size_t, int64_t> leading_;  // for leading dimensions without a name, by input
};

}  // namespace

void DefineShapeFlags(CLI::App& app, ShapeFlags& flags) {
  app.add_option("--dim", flags.dims, "Number of a named free dimension, 1 where not given")
      ->type_name("SYMBOL=N")
      ->allow_extra_args(false);
  app.add_option("--shape", flags.shapes, "Whole shape of an input")
      ->type_name("INPUT=N,N,...")
      ->allow_extra_args(false);
}

Result<std::pair<std::string, std::string>> SplitAssignment(std::string_view option,
                                                            std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return InvalidArgument("{}: '{}' has no NAME before a '='", option, text);
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

Result<BoundShapes> BindShapes(std::span<const Model::Port> inputs, const ShapeRequest& request) {
  Binder binder(inputs, request.ranges);
  for (size_t i = 0; i < request.given.size(); ++i) {
    if (request.given[i]) ERGO_RETURN_IF_ERROR(binder.BindShape(i, *request.given[i]));
  }
  for (const std::string& text : request.flags.shapes) {
    ERGO_ASSIGN_OR_RETURN(const auto assignment, SplitAssignment("--shape", text));
    ERGO_ASSIGN_OR_RETURN(const Shape shape, ParseShape(assignment.second));
    size_t input = 0;
    while (input < inputs.size() && inputs[input].name != assignment.first) ++input;
    if (input == inputs.size()) {
      return InvalidArgument("--shape: the model has no input '{}': its inputs are {}",
                             assignment.first, PortNames(inputs));
    }
    ERGO_RETURN_IF_ERROR(binder.BindShape(input, shape));
  }
  for (const std::string& text : request.flags.dims) {
    ERGO_ASSIGN_OR_RETURN(const auto assignment, SplitAssignment("--dim", text));
    ERGO_ASSIGN_OR_RETURN(const int64_t value, ParseDim("--dim", assignment.second));
    ERGO_RETURN_IF_ERROR(binder.BindSymbol(assignment.first, value));
  }
  if (request.batch) ERGO_RETURN_IF_ERROR(binder.BindBatch(*request.batch));
  return binder.Finish();
}

}  // namespace ergo::tool
