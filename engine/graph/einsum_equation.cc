#include "engine/graph/einsum_equation.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "engine/graph/limits.h"
#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

constexpr char kEllipsis = '.';

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string WithoutBlanks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\n') out += c;
  }
  return out;
}

// "...ij" as ".ij": each character stands for an axis, or for all of the ellipsis.
Result<std::string> ParseTerm(std::string_view term) {
  std::string out;
  for (size_t i = 0; i < term.size();) {
    if (IsLetter(term[i])) {
      out += term[i++];
    } else if (term.substr(i, 3) == "..." && out.find(kEllipsis) == std::string::npos) {
      out += kEllipsis;
      i += 3;
    } else {
      return InvalidArgument("einsum term '{}' at '{}'", term, term.substr(i));
    }
  }
  return out;
}

struct Terms {
  std::vector<std::string> inputs;
  std::optional<std::string> output;
};

Result<Terms> SplitEquation(std::string_view equation) {
  const std::string text = WithoutBlanks(equation);
  const size_t arrow = text.find("->");
  std::string_view left = std::string_view(text).substr(0, arrow);
  Terms terms;
  if (arrow != std::string::npos) {
    ERGO_ASSIGN_OR_RETURN(terms.output, ParseTerm(std::string_view(text).substr(arrow + 2)));
  }
  while (true) {
    const size_t comma = left.find(',');
    ERGO_ASSIGN_OR_RETURN(std::string term, ParseTerm(left.substr(0, comma)));
    terms.inputs.push_back(std::move(term));
    if (comma == std::string_view::npos) return terms;
    left.remove_prefix(comma + 1);
  }
}

std::string ImplicitOutput(const Terms& terms) {
  std::map<char, int> counts;
  for (const std::string& term : terms.inputs) {
    for (const char c : term) ++counts[c];
  }
  std::string out(counts.contains(kEllipsis) ? 1 : 0, kEllipsis);
  for (const auto& [c, count] : counts) {
    if (c != kEllipsis && count == 1) out += c;
  }
  return out;
}

// Gives labels to the axes of terms.
class Labeller {
 public:
  explicit Labeller(int ellipsis_axes) : ellipsis_axes_(ellipsis_axes), next_(ellipsis_axes) {}

  std::vector<int> Input(const std::string& term, int rank) {
    std::vector<int> labels;
    const int covered = rank - static_cast<int>(term.size()) + 1;
    for (const char c : term) {
      if (c == kEllipsis) {
        AppendEllipsis(labels, covered);
      } else {
        const auto [entry, is_new] = letters_.try_emplace(c, next_);
        if (is_new) ++next_;
        labels.push_back(entry->second);
      }
    }
    return labels;
  }

  Result<std::vector<int>> Output(const std::string& term) const {
    std::vector<int> labels;
    for (const char c : term) {
      if (c == kEllipsis) {
        AppendEllipsis(labels, ellipsis_axes_);
        continue;
      }
      const auto found = letters_.find(c);
      if (found == letters_.end()) {
        return InvalidArgument("einsum output label '{}' is in no input", c);
      }
      if (std::ranges::count(labels, found->second) != 0) {
        return InvalidArgument("einsum output label '{}' stands there twice", c);
      }
      labels.push_back(found->second);
    }
    return labels;
  }

  int Count() const { return next_; }

 private:
  void AppendEllipsis(std::vector<int>& labels, int covered) const {
    for (int i = ellipsis_axes_ - covered; i < ellipsis_axes_; ++i) labels.push_back(i);
  }

  int ellipsis_axes_;
  int next_;
  std::map<char, int> letters_;
};

// How many axes the widest ellipsis covers.
Result<int> EllipsisAxes(const Terms& terms, std::span<const int> ranks) {
  int axes = 0;
  for (size_t i = 0; i < terms.inputs.size(); ++i) {
    const std::string& term = terms.inputs[i];
    const bool has_ellipsis = term.find(kEllipsis) != std::string::npos;
    const int letters = static_cast<int>(term.size()) - (has_ellipsis ? 1 : 0);
    if (has_ellipsis ? ranks[i] < letters : ranks[i] != letters) {
      return InvalidArgument("einsum operand {} of rank {} has {} labels", i, ranks[i], letters);
    }
    if (has_ellipsis) axes = std::max(axes, ranks[i] - letters);
  }
  return axes;
}

}  // namespace

Result<EinsumEquation> ParseEinsum(std::string_view equation, std::span<const int> ranks) {
  ERGO_ASSIGN_OR_RETURN(const Terms terms, SplitEquation(equation));
  if (terms.inputs.size() != ranks.size()) {
    return InvalidArgument("einsum equation '{}' for {} operands", equation, ranks.size());
  }
  ERGO_ASSIGN_OR_RETURN(const int ellipsis_axes, EllipsisAxes(terms, ranks));
  EinsumEquation parsed;
  Labeller labeller(ellipsis_axes);
  for (size_t i = 0; i < ranks.size(); ++i) {
    parsed.operands.push_back(labeller.Input(terms.inputs[i], ranks[i]));
  }
  const std::string output = terms.output ? *terms.output : ImplicitOutput(terms);
  ERGO_ASSIGN_OR_RETURN(parsed.output, labeller.Output(output));
  parsed.labels = labeller.Count();
  if (parsed.labels > kMaxEinsumLabels) {
    return ResourceExhausted("einsum equation '{}' has more than {} labels", equation,
                             kMaxEinsumLabels);
  }
  return parsed;
}

Result<std::vector<Dim>> EinsumLabelDims(const EinsumEquation& equation,
                                         std::span<const SymbolicShape> shapes) {
  std::vector<Dim> dims(static_cast<size_t>(equation.labels), Dim(1));
  for (size_t i = 0; i < shapes.size(); ++i) {
    for (int axis = 0; axis < shapes[i].Rank(); ++axis) {
      Dim& known = dims[static_cast<size_t>(equation.operands[i][static_cast<size_t>(axis)])];
      const SymbolicShape before(std::vector<Dim>{known});
      Result<SymbolicShape> both =
          BroadcastSymbolic(before, SymbolicShape(std::vector<Dim>{shapes[i][axis]}));
      if (!both.ok()) {
        return std::move(both).status().WithContext(
            fmt::format("einsum operand {}, axis {}", i, axis));
      }
      known = (*both)[0];
    }
  }
  return dims;
}

}  // namespace ergo
