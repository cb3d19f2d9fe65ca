// The equations of Einsum: "bij,bjk->bik", "...ii->...i", "ij" (implicit output).
//
// Thread safety: pure.
#ifndef ERGO_ENGINE_GRAPH_EINSUM_EQUATION_H_
#define ERGO_ENGINE_GRAPH_EINSUM_EQUATION_H_

#include <span>
#include <string_view>
#include <vector>

#include "engine/graph/symbolic_shape.h"
#include "kernels/base/status.h"

namespace ergo {

// Labels are numbered from 0: first the axes of the ellipsis (outermost first; operands with fewer
// have the last ones), then letters as they come.
struct EinsumEquation {
  std::vector<std::vector<int>> operands;  // the label of each axis of each operand
  std::vector<int> output;                 // of each axis of the result; each label once
  int labels = 0;
};

// Letters are case-sensitive, blanks are ignored. Without "->" the output is the ellipsis, then
// the letters that occur once, in alphabetical order. InvalidArgument for an equation that does not
// parse or fit the ranks, ResourceExhausted for more labels than kMaxEinsumLabels.
Result<EinsumEquation> ParseEinsum(std::string_view equation, std::span<const int> ranks);

// The size of each label; axes of size 1 broadcast, as in NumPy. InvalidArgument when known sizes
// contradict each other.
Result<std::vector<Dim>> EinsumLabelDims(const EinsumEquation& equation,
                                         std::span<const SymbolicShape> shapes);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_EINSUM_EQUATION_H_
