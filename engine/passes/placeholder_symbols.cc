#include "engine/passes/placeholder_symbols.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace ergo {
namespace {

template <typename Visit>
void ForEachDim(Graph& graph, const Visit& visit) {
  for (ValueId id = 0; id < graph.ValueCount(); ++id) {
    SymbolicShape& shape = graph.GetValue(id).shape;
    for (int axis = 0; shape.RankKnown() && axis < shape.Rank(); ++axis) visit(shape[axis]);
  }
}

}  // namespace

PlaceholderSymbols::PlaceholderSymbols(const Graph& graph) {
  for (ValueId id = 0; id < graph.ValueCount(); ++id) {
    const SymbolicShape& shape = graph.GetValue(id).shape;
    for (int axis = 0; shape.RankKnown() && axis < shape.Rank(); ++axis) {
      const std::string& symbol = shape[axis].symbol;
      if (!symbol.starts_with(kPlaceholderPrefix)) continue;
      int number = 0;
      std::from_chars(symbol.data() + kPlaceholderPrefix.size(), symbol.data() + symbol.size(),
                      number);
      next_ = std::max(next_, number + 1);
    }
  }
}

void PlaceholderSymbols::Name(SymbolicShape& shape) {
  for (int axis = 0; shape.RankKnown() && axis < shape.Rank(); ++axis) {
    Dim& dim = shape[axis];
    if (!dim.Known() && dim.symbol.empty())
      dim.symbol = fmt::format("{}{}", kPlaceholderPrefix, next_++);
  }
}

void PlaceholderSymbols::Remove(Graph& graph) {
  ForEachDim(graph, [](Dim& dim) {
    if (dim.symbol.starts_with(kPlaceholderPrefix)) dim.symbol.clear();
  });
  for (Node& node : graph.Nodes()) {
    for (Subgraph& subgraph : node.subgraphs) Remove(*subgraph.graph);
  }
}

}  // namespace ergo
