#include "engine/quantize/narrow_weights.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "engine/plan/widen.h"

namespace ergo {
namespace {

constexpr float kLargestFloat16 = 65504;

template <typename Half>
Tensor Rounded(const Tensor& wide) {
  const auto from = wide.Span<float>();
  std::vector<Half> to(from.size());
  std::ranges::transform(from, to.begin(), [](float value) { return Half(value); });
  return Tensor::FromValues<Half>(wide.GetShape(), std::span<const Half>(to));
}

bool FitsFloat16(const Tensor& tensor) {
  return std::ranges::all_of(tensor.Span<float>(), [](float value) {
    return !std::isfinite(value) || std::abs(value) <= kLargestFloat16;
  });
}

// The Cast that gives back what nodes read under the constant's own id.
Node MakeCast(Graph& graph, ValueId id, Tensor narrow) {
  Value& value = graph.GetValue(id);
  value.constant.reset();
  const std::string name = value.name;
  Node cast;
  cast.name = name + "/widen";
  cast.op = "Cast";
  cast.opset = 13;
  cast.attributes["to"] = static_cast<int64_t>(DType::kF32);
  cast.inputs = {graph.AddConstant(graph.UniqueName(name + "/narrow"), std::move(narrow))};
  cast.outputs = {id};
  return cast;
}

void NarrowGraph(Graph& graph, DType to, NarrowedWeights& report) {
  std::vector<Node> casts;
  const std::vector<int> uses = graph.UseCounts();
  for (ValueId id = 0; id < static_cast<ValueId>(uses.size()); ++id) {
    const Tensor* constant = graph.Constant(id);
    if (constant == nullptr || constant->Type() != DType::kF32 ||
        constant->Elements() < kMinNarrowElements || uses[static_cast<size_t>(id)] == 0 ||
        std::ranges::find(graph.outputs, id) != graph.outputs.end()) {
      continue;
    }
    if (to == DType::kF16 && !FitsFloat16(*constant)) {
      ++report.out_of_range;
      continue;
    }
    Tensor narrow = to == DType::kF16 ? Rounded<Float16>(*constant) : Rounded<BFloat16>(*constant);
    report.bytes_before += constant->Bytes();
    report.bytes_after += narrow.Bytes();
    ++report.narrowed;
    casts.push_back(MakeCast(graph, id, std::move(narrow)));
  }
  for (Node& node : graph.Nodes()) {
    for (Subgraph& subgraph : node.subgraphs) NarrowGraph(*subgraph.graph, to, report);
  }
  std::vector<Node>& nodes = graph.Nodes();
  nodes.insert(nodes.begin(), std::make_move_iterator(casts.begin()),
               std::make_move_iterator(casts.end()));
}

}  // namespace

Result<NarrowedWeights> NarrowWeights(Graph& graph, DType to) {
  if (to != DType::kF16 && to != DType::kBF16) {
    return InvalidArgument("weights cannot be narrowed to {}", DTypeName(to));
  }
  NarrowedWeights report;
  NarrowGraph(graph, to, report);
  ERGO_RETURN_IF_ERROR(graph.Verify());
  return report;
}

}  // namespace ergo
