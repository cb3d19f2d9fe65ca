// Names for dimensions that have none, while passes run: a dimension of a computed value is one
// number in each run, whatever it is, and with a name inference carries it along.
#ifndef ERGO_ENGINE_PASSES_PLACEHOLDER_SYMBOLS_H_
#define ERGO_ENGINE_PASSES_PLACEHOLDER_SYMBOLS_H_

#include <string_view>

#include "engine/graph/graph.h"

namespace ergo {

// What a placeholder's name begins with; no exporter's names do, which are identifiers or
// expressions.
inline constexpr std::string_view kPlaceholderPrefix = "?#";

class PlaceholderSymbols {
 public:
  // Names from here on are none that the graph has.
  explicit PlaceholderSymbols(const Graph& graph);

  // Names what has no name.
  void Name(SymbolicShape& shape);

  // Takes all placeholders out of the graph and its subgraphs.
  static void Remove(Graph& graph);

 private:
  int next_ = 0;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_PLACEHOLDER_SYMBOLS_H_
