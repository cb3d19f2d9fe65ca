#include "engine/graph/dim_range.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "engine/graph/limits.h"

namespace ergo {
namespace {

constexpr std::string_view kPrefix = "ergo.dims.";
constexpr std::string_view kVersionKey = "ergo.dims.version";
constexpr std::string_view kVersion = "1";
// A dimension may be called "version" too; its key then has the prefix once more.
constexpr std::string_view kEscape = "ergo.dims.ergo.dims.";

std::string KeyOf(std::string_view symbol) {
  const bool clashes = symbol == "version" || symbol.starts_with(kPrefix);
  return fmt::format("{}{}", clashes ? kEscape : kPrefix, symbol);
}

std::optional<int64_t> ParseNumber(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// Appends the numbers of "16", "1..32" or "64..512:64".
Status ParseItem(std::string_view item, std::vector<int64_t>& values) {
  const size_t dots = item.find("..");
  const std::string_view first_text = item.substr(0, dots);
  std::string_view last_text = first_text, step_text = "1";
  if (dots != std::string_view::npos) {
    last_text = item.substr(dots + 2);
    if (const size_t colon = last_text.find(':'); colon != std::string_view::npos) {
      step_text = last_text.substr(colon + 1);
      last_text = last_text.substr(0, colon);
    }
  }
  const auto first = ParseNumber(first_text), last = ParseNumber(last_text),
             step = ParseNumber(step_text);
  if (!first || !last || !step || *step == 0 || *last < *first) {
    return InvalidArgument("'{}' is neither a number nor FIRST..LAST nor FIRST..LAST:STEP", item);
  }
  const int64_t steps = (*last - *first) / *step;
  if (steps >= kMaxDimValues - static_cast<int64_t>(values.size())) {
    return ResourceExhausted("'{}': more than {} numbers", item, kMaxDimValues);
  }
  for (int64_t i = 0; i <= steps; ++i) values.push_back(*first + i * *step);
  return {};
}

}  // namespace

bool DimRange::Contains(int64_t value) const {
  return std::ranges::binary_search(values, value);
}

Result<std::vector<int64_t>> ParseDimValues(std::string_view text) {
  std::vector<int64_t> values;
  while (true) {
    const size_t comma = text.find(',');
    ERGO_RETURN_IF_ERROR(ParseItem(text.substr(0, comma), values));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

std::string DimValuesText(const std::vector<int64_t>& values) {
  std::string text;
  for (size_t i = 0; i < values.size();) {
    size_t end = i + 1;
    const int64_t step = end < values.size() ? values[end] - values[i] : 0;
    while (end < values.size() && values[end] - values[end - 1] == step) ++end;
    // Two numbers are no range.
    if (end - i < 3) end = i + 1;
    text += fmt::format("{}{}", text.empty() ? "" : ",", values[i]);
    if (end - i >= 3) {
      text += fmt::format("..{}", values[end - 1]);
      if (step != 1) text += fmt::format(":{}", step);
    }
    i = end;
  }
  return text;
}

void SetDimRange(Graph& graph, const DimRange& range) {
  graph.metadata[std::string(kVersionKey)] = kVersion;
  graph.metadata[KeyOf(range.symbol)] = DimValuesText(range.values);
}

Result<std::vector<DimRange>> DimRangesOf(const Graph& graph) {
  std::vector<DimRange> ranges;
  const auto version = graph.metadata.find(kVersionKey);
  if (version == graph.metadata.end()) return ranges;
  if (version->second != kVersion) {
    return Unsupported("ranges of dimensions of version '{}', this is {}: convert the model again",
                       version->second, kVersion);
  }
  for (const auto& [key, text] : graph.metadata) {
    if (!key.starts_with(kPrefix) || key == kVersionKey) continue;
    const std::string_view prefix = key.starts_with(kEscape) ? kEscape : kPrefix;
    Result<std::vector<int64_t>> values = ParseDimValues(text);
    if (!values.ok()) return CorruptData("metadata '{}': {}", key, values.status().message());
    ranges.push_back({key.substr(prefix.size()), std::move(values).value()});
  }
  std::ranges::sort(ranges, {}, &DimRange::symbol);
  return ranges;
}

void FixDim(Graph& graph, std::string_view symbol, int64_t value) {
  for (ValueId id = 0; id < graph.ValueCount(); ++id) {
    SymbolicShape& shape = graph.GetValue(id).shape;
    for (int axis = 0; shape.RankKnown() && axis < shape.Rank(); ++axis) {
      if (!shape[axis].Known() && shape[axis].symbol == symbol) shape[axis] = Dim(value);
    }
  }
  for (Node& node : graph.Nodes()) {
    for (Subgraph& subgraph : node.subgraphs) FixDim(*subgraph.graph, symbol, value);
  }
}

}  // namespace ergo
