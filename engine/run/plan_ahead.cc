// Model::PlanAhead.
#include <algorithm>
#include <map>
#include <utility>

#include "engine/run/model.h"

namespace ergo {
namespace {

// A number for each symbol of the inputs, like a counter whose first digit runs fastest.
class Combinations {
 public:
  // `what` is set where the inputs have a dimension without a range.
  Combinations(const std::vector<Model::Port>& inputs, const std::vector<DimRange>& ranges,
               std::string& what)
      : inputs_(inputs) {
    for (const Model::Port& input : inputs) {
      if (!input.shape.RankKnown()) what = fmt::format("the rank of input '{}'", input.name);
      for (int axis = 0; input.shape.RankKnown() && axis < input.shape.Rank(); ++axis) {
        const Dim& dim = input.shape[axis];
        if (dim.Known() || digits_.contains(dim.symbol)) continue;
        const auto range = std::ranges::find(ranges, dim.symbol, &DimRange::symbol);
        if (dim.symbol.empty() || range == ranges.end()) {
          what = dim.symbol.empty() ? fmt::format("axis {} of input '{}'", axis, input.name)
                                    : fmt::format("dimension '{}'", dim.symbol);
          continue;
        }
        digits_[dim.symbol] = {&*range, 0};
      }
    }
  }

  // Of the current numbers.
  Result<std::vector<Shape>> Shapes() const {
    std::vector<Shape> shapes;
    for (const Model::Port& input : inputs_) {
      std::vector<int64_t> dims;
      for (const Dim& dim : input.shape.Dims()) {
        dims.push_back(dim.Known() ? dim.value : Number(digits_.at(dim.symbol)));
      }
      ERGO_ASSIGN_OR_RETURN(const Shape shape, Shape::Make(dims));
      shapes.push_back(shape);
    }
    return shapes;
  }

  // False after the last combination.
  bool Next() {
    for (auto& [symbol, digit] : digits_) {
      if (++digit.position < digit.range->values.size()) return true;
      digit.position = 0;
    }
    return false;
  }

  // "batch=33, seq=16"
  std::string ToString() const {
    std::string text;
    for (const auto& [symbol, digit] : digits_) {
      text += fmt::format("{}{}={}", text.empty() ? "" : ", ", symbol, Number(digit));
    }
    return text;
  }

 private:
  struct Digit {
    const DimRange* range;
    size_t position;
  };
  static int64_t Number(const Digit& digit) { return digit.range->values[digit.position]; }

  const std::vector<Model::Port>& inputs_;
  std::map<std::string, Digit> digits_;
};

}  // namespace

Result<Model::PlannedAhead> Model::PlanAhead() {
  PlannedAhead ahead;
  std::string unknown;
  Combinations combinations(inputs_, dim_ranges_, unknown);
  if (!unknown.empty()) {
    ahead.missing =
        fmt::format("{} has no range: each new shape is planned when it comes", unknown);
    return ahead;
  }
  do {
    if (ahead.planned == options_.max_plans) {
      ahead.missing = fmt::format("from {} on: only {} plans are kept", combinations.ToString(),
                                  options_.max_plans);
      return ahead;
    }
    ERGO_ASSIGN_OR_RETURN(const std::vector<Shape> shapes, combinations.Shapes());
    Result<std::shared_ptr<const Plan>> plan = PlanFor(shapes);
    if (!plan.ok()) return std::move(plan).status().WithContext(combinations.ToString());
    ++ahead.planned;
    if ((*plan)->late) {
      ahead.missing = "what has a shape that only a run knows, and what depends on it";
    }
  } while (combinations.Next());
  return ahead;
}

}  // namespace ergo
