// Layered drawing of a directed acyclic graph, top to bottom: every edge points down, crossings are
// few, and chains are straight. For the picture in the report of `ergo convert`.
//
// After Sugiyama, Tagawa and Toda, Methods for Visual Understanding of Hierarchical System
// Structures (1981): layers by longest path, long edges split by bends, order within layers by
// barycenters; then positions within a layer as the least squares fit to the neighbours' that keeps
// the order and the distances (isotonic regression by pooling adjacent violators). Time and memory
// grow with nodes plus bends.
#ifndef ERGO_TOOLS_ERGO_GRAPH_LAYOUT_H_
#define ERGO_TOOLS_ERGO_GRAPH_LAYOUT_H_

#include <cstddef>
#include <vector>

namespace ergo::tool {

struct LayoutEdge {
  size_t from, to;  // from < to: nodes are given in topological order
};

struct LayoutOptions {
  double node_gap = 24;    // between neighbours within a layer
  double layer_step = 84;  // from the centre of a layer to that of the next
  // Bends of all edges together; edges beyond that are drawn straight.
  size_t max_bends = 100'000;
};

struct Point {
  double x = 0, y = 0;
};

struct Layout {
  std::vector<Point> nodes;               // centres, parallel to the widths given
  std::vector<std::vector<Point>> edges;  // parallel to the edges given: bends between the two ends
  double width = 0, height = 0;           // everything lies in [0, width] x [0, height]
};

// The same input gives the same drawing. Boxes of one layer do not overlap.
Layout LayOutGraph(const std::vector<double>& node_widths, const std::vector<LayoutEdge>& edges,
                   const LayoutOptions& options = {});

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_GRAPH_LAYOUT_H_
