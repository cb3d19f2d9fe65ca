// NonZero, Compress, Unique and NonMaxSuppression: kernels/select finds the positions, here they
// become tensors.
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/graph/op_schema.h"
#include "engine/run/evaluation.h"
#include "kernels/select/select.h"

namespace ergo {
namespace {

using Tensors = std::vector<Tensor>;

Tensor IntVector(const std::vector<int64_t>& values) {
  return Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(values.size())},
                                     std::span<const int64_t>(values));
}

// The slices of `input` along `axis` (or its elements for axis < 0) at the given positions.
Tensor Take(const TensorView& input, int axis, const std::vector<int64_t>& positions) {
  Shape shape{static_cast<int64_t>(positions.size())};
  int64_t outer = 1, extent = input.Elements(), inner_elements = 1;
  if (axis >= 0) {
    shape = input.shape;
    shape[axis] = static_cast<int64_t>(positions.size());
    outer = input.shape.Elements(0, axis);
    extent = input.shape[axis];
    inner_elements = input.shape.Elements(axis + 1, input.shape.Rank());
  }
  const auto inner = static_cast<size_t>(DTypeBytes(input.dtype, inner_elements));
  AlignedBuffer buffer =
      AlignedBuffer::AllocateOrDie(static_cast<size_t>(outer) * positions.size() * inner);
  std::byte* to = buffer.Data();
  const auto* from = static_cast<const std::byte*>(input.data);
  for (int64_t o = 0; o < outer && inner > 0; ++o) {
    for (const int64_t position : positions) {
      std::memcpy(to, from + static_cast<size_t>(o * extent + position) * inner, inner);
      to += inner;
    }
  }
  return Tensor(input.dtype, shape, std::move(buffer));
}

// The axis attribute: -1 when absent.
Result<int> OptionalAxis(const Node& node, int rank) {
  if (!node.attributes.contains("axis")) return -1;
  return NormalizeAxis(node.IntAttr("axis", 0), rank);
}

Result<Tensors> NonZero(const Node&, std::span<const TensorView> inputs) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> flat, FindNonZero(inputs[0]));
  const Shape& shape = inputs[0].shape;
  const auto strides = shape.RowMajorStrides();
  const int rank = std::max(shape.Rank(), 1);
  std::vector<int64_t> coordinates;
  for (int axis = 0; axis < rank; ++axis) {
    for (const int64_t position : flat) {
      const int64_t stride = shape.Rank() == 0 ? 1 : strides[static_cast<size_t>(axis)];
      const int64_t extent = shape.Rank() == 0 ? 1 : shape[axis];
      coordinates.push_back(position / stride % extent);
    }
  }
  return Tensors{Tensor::FromValues<int64_t>(Shape{rank, static_cast<int64_t>(flat.size())},
                                             std::span<const int64_t>(coordinates))};
}

Result<Tensors> Compress(const Node& node, std::span<const TensorView> inputs) {
  ERGO_ASSIGN_OR_RETURN(const int axis, OptionalAxis(node, inputs[0].shape.Rank()));
  const int64_t extent = axis < 0 ? inputs[0].Elements() : inputs[0].shape[axis];
  if (inputs[1].dtype != DType::kBool) return InvalidArgument("the condition is not bool");
  const auto* condition = static_cast<const uint8_t*>(inputs[1].data);
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < std::min(extent, inputs[1].Elements()); ++i) {
    if (condition[i] != 0) positions.push_back(i);
  }
  return Tensors{Take(inputs[0], axis, positions)};
}

Result<Tensors> Unique(const Node& node, std::span<const TensorView> inputs) {
  ERGO_ASSIGN_OR_RETURN(const int axis, OptionalAxis(node, inputs[0].shape.Rank()));
  ERGO_ASSIGN_OR_RETURN(const UniqueResult unique,
                        FindUnique(inputs[0], axis, node.IntAttr("sorted", 1) != 0));
  return Tensors{Take(inputs[0], axis, unique.first), IntVector(unique.first),
                 IntVector(unique.inverse), IntVector(unique.counts)};
}

template <typename T>
Result<T> ScalarInput(std::span<const TensorView> inputs, size_t i, T fallback) {
  if (i >= inputs.size() || inputs[i].dtype == DType::kUndefined) return fallback;
  if (inputs[i].dtype != DTypeOf<T>::value || inputs[i].Elements() != 1) {
    return InvalidArgument("input {} is {}{}, not one {}", i, DTypeName(inputs[i].dtype),
                           inputs[i].shape.ToString(), DTypeName(DTypeOf<T>::value));
  }
  return *inputs[i].As<T>();
}

Result<Tensors> SuppressNonMaxima(const Node& node, std::span<const TensorView> inputs) {
  NonMaxSuppressionParams params;
  ERGO_ASSIGN_OR_RETURN(params.max_output_boxes_per_class, ScalarInput<int64_t>(inputs, 2, 0));
  ERGO_ASSIGN_OR_RETURN(params.iou_threshold, ScalarInput<float>(inputs, 3, 0.0f));
  ERGO_ASSIGN_OR_RETURN(params.score_threshold, ScalarInput<float>(inputs, 4, 0.0f));
  params.has_score_threshold = node.HasInput(4);
  params.center_point_box = node.IntAttr("center_point_box", 0) != 0;
  ERGO_ASSIGN_OR_RETURN(const std::vector<int64_t> triples,
                        NonMaxSuppression(inputs[0], inputs[1], params));
  return Tensors{Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(triples.size()) / 3, 3},
                                             std::span<const int64_t>(triples))};
}

// Positions of every element may be found, and coordinates of each; boxes are compared with boxes.
Status CheckBudget(const Node& node, std::span<const TensorView> inputs, const Budget& budget) {
  constexpr int64_t kPositionBytes = sizeof(int64_t);
  const Shape& shape = inputs[0].shape;
  const int64_t positions = shape.Elements() * (shape.Rank() + 3);
  ERGO_RETURN_IF_ERROR(
      budget.CheckBytes(2 * inputs[0].Bytes() + positions * kPositionBytes, node.Label()));
  if (!node.Is("NonMaxSuppression")) return {};
  constexpr int64_t kOperationsPerPair = 16;
  const int64_t scores = inputs[1].Elements(), boxes = std::max<int64_t>(shape.Elements() / 4, 1);
  if (scores > std::numeric_limits<int64_t>::max() / kOperationsPerPair / boxes) {
    return ResourceExhausted("{}: {} scores", node.Label(), scores);
  }
  return budget.CheckWork(scores * boxes * kOperationsPerPair, 1, node.Label());
}

using EvaluateFn = Result<Tensors> (*)(const Node&, std::span<const TensorView>);

class SelectionEvaluator final : public Evaluator {
 public:
  SelectionEvaluator(const Node& node, const PlanOptions& options, EvaluateFn evaluate)
      : node_(node), options_(options), evaluate_(evaluate) {}

  Result<Tensors> Run(std::span<const TensorView> inputs, Trace*) override {
    ERGO_RETURN_IF_ERROR(CheckBudget(node_, inputs, Budget(options_.limits)));
    ERGO_ASSIGN_OR_RETURN(Tensors results, evaluate_(node_, inputs));
    results.resize(node_.outputs.size());
    return results;
  }

 private:
  const Node& node_;
  const PlanOptions options_;
  EvaluateFn evaluate_;
};

}  // namespace

std::unique_ptr<Evaluator> MakeSelectionEvaluator(const Node& node, const PlanOptions& options) {
  const auto make = [&](EvaluateFn evaluate) {
    return std::make_unique<SelectionEvaluator>(node, options, evaluate);
  };
  if (node.Is("NonZero")) return make(NonZero);
  if (node.Is("Compress")) return make(Compress);
  if (node.Is("Unique")) return make(Unique);
  if (node.Is("NonMaxSuppression")) return make(SuppressNonMaxima);
  return nullptr;
}

}  // namespace ergo
