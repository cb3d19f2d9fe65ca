// DimRange: which numbers a symbolic dimension takes, known ahead of time, so that whoever serves a
// model can plan for all of them before the first request, and refuse others.
//
// Text: numbers and ranges, FIRST..LAST or FIRST..LAST:STEP, joined by commas:
// "16,32,64..512:64".
//
// A graph keeps its ranges in its metadata, and so does an .ergo file (formats/ergo/FORMAT.md):
// "ergo.dims.version" is "1", and "ergo.dims.NAME" the text for the dimension NAME.
//
// Thread safety: pure functions.
#ifndef ERGO_ENGINE_GRAPH_DIM_RANGE_H_
#define ERGO_ENGINE_GRAPH_DIM_RANGE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"

namespace ergo {

struct DimRange {
  std::string symbol;
  std::vector<int64_t> values;  // ascending, each once, at least one

  bool Contains(int64_t value) const;
};

// InvalidArgument for what is no such text, ResourceExhausted above kMaxDimValues numbers. The
// numbers may come in any order and overlap.
Result<std::vector<int64_t>> ParseDimValues(std::string_view text);
// The shortest text for ascending numbers: runs of equal steps as ranges.
std::string DimValuesText(const std::vector<int64_t>& values);

// Replaces the range of the symbol, if it had one.
void SetDimRange(Graph& graph, const DimRange& range);
// By symbol. CorruptData for metadata that makes no sense, Unsupported for another version of it.
Result<std::vector<DimRange>> DimRangesOf(const Graph& graph);

// The number `value` wherever `symbol` stands in the graph and its subgraphs.
void FixDim(Graph& graph, std::string_view symbol, int64_t value);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_DIM_RANGE_H_
