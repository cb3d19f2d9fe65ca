// Layout: where the channels of images lie. Graphs have them outside (NCHW), and so does every
// operator of a graph. Convolutions run faster with channels innermost (NHWC): vectors are full
// whatever the size of the planes, and a 1x1 convolution is a product of matrices as they lie. What
// stands between convolutions works in either layout, so that whole regions of a graph change over
// and only their edges are converted.
//
// ChooseLayout finds such regions in a graph with concrete shapes, keeps those whose convolutions
// gain more than the conversions at their edges cost, and rewrites them:
//   ergo.NhwcConv  as ergo.FusedConv, of X, Z and Y [N, H, W, C]; `planar_input`: X is [N, C, H, W]
//   ergo.NhwcMaxPool, ergo.NhwcAveragePool  as MaxPool and AveragePool, likewise
//   all other operators as they are, their axes and constants moved.
// Such an operator's attribute kStandsFor is the label of the node that it stands for.
// Values outside the regions keep their names, shapes and layout; the graph's inputs and outputs
// are among them.
//
// Thread safety: as the graph's.
#ifndef ERGO_ENGINE_PLAN_CHOOSE_LAYOUT_H_
#define ERGO_ENGINE_PLAN_CHOOSE_LAYOUT_H_

#include <string_view>

#include "engine/graph/graph.h"

namespace ergo {

inline constexpr std::string_view kStandsFor = "stands_for";

struct LayoutChoice {
  int nodes = 0;        // that work with channels innermost now
  int conversions = 0;  // from one layout to the other that move memory
};

LayoutChoice ChooseLayout(Graph& graph);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_CHOOSE_LAYOUT_H_
