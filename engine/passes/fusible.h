// The operators that later passes fuse into: ergo.FusedConv and ergo.FusedGemm (see passes.h).
#ifndef ERGO_ENGINE_PASSES_FUSIBLE_H_
#define ERGO_ENGINE_PASSES_FUSIBLE_H_

#include <string_view>

#include "engine/graph/graph.h"

namespace ergo {

// Input number of the residual Z of both fused operators.
inline constexpr size_t kFusedResidual = 3;

// True for an operator of ours.
inline bool IsErgo(const Node& node, std::string_view op) {
  return node.domain == "ergo" && node.op == op;
}

// True for a fused operator that has no activation yet (and so may still take a residual too, if it
// has none).
inline bool AcceptsActivation(const Node& node) {
  return (IsErgo(node, "FusedConv") || IsErgo(node, "FusedGemm")) &&
         node.StringAttr("activation", "none") == "none";
}

// True for a quantized operator whose result is float32 and has no activation yet.
inline bool AcceptsBehindSums(const Node& node) {
  constexpr size_t kScaleY = 6;
  return (IsErgo(node, "QuantizedConv") || IsErgo(node, "QuantizedGemm")) &&
         !node.HasInput(kScaleY) && node.StringAttr("activation", "none") == "none";
}

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_FUSIBLE_H_
