#include "kernels/select/select.h"

#include <algorithm>
#include <numeric>

namespace ergo {
namespace {

// Calls visit with a typed pointer to the elements, for every dtype that has a C++ element type.
template <typename Visit>
Status VisitElements(const TensorView& view, Visit visit) {
  switch (view.dtype) {
    case DType::kF32: visit(view.As<float>()); return {};
    case DType::kF64: visit(view.As<double>()); return {};
    case DType::kF16: visit(view.As<Float16>()); return {};
    case DType::kBF16: visit(view.As<BFloat16>()); return {};
    case DType::kU8: visit(view.As<uint8_t>()); return {};
    case DType::kI8: visit(view.As<int8_t>()); return {};
    case DType::kU16: visit(view.As<uint16_t>()); return {};
    case DType::kI16: visit(view.As<int16_t>()); return {};
    case DType::kU32: visit(view.As<uint32_t>()); return {};
    case DType::kI32: visit(view.As<int32_t>()); return {};
    case DType::kU64: visit(view.As<uint64_t>()); return {};
    case DType::kI64: visit(view.As<int64_t>()); return {};
    case DType::kBool: visit(static_cast<const uint8_t*>(view.data)); return {};
    default: return Unsupported("elements of type {}", DTypeName(view.dtype));
  }
}

float Comparable(Float16 value) {
  return static_cast<float>(value);
}
float Comparable(BFloat16 value) {
  return static_cast<float>(value);
}
template <typename T>
T Comparable(T value) {
  return value;
}

struct Slices {
  int64_t count, outer, inner;  // element (o, slice, i) lies at (o * count + slice) * inner + i
};

// -1, 0, 1 as slice a is below, equal to, above slice b in lexicographic order.
template <typename T>
int Compare(const T* data, const Slices& slices, int64_t a, int64_t b) {
  for (int64_t o = 0; o < slices.outer; ++o) {
    for (int64_t i = 0; i < slices.inner; ++i) {
      const auto x = Comparable(data[(o * slices.count + a) * slices.inner + i]);
      const auto y = Comparable(data[(o * slices.count + b) * slices.inner + i]);
      if (x < y) return -1;
      if (y < x) return 1;
    }
  }
  return 0;
}

template <typename T>
UniqueResult UniqueSlices(const T* data, const Slices& slices, bool sorted) {
  std::vector<int64_t> order(static_cast<size_t>(slices.count));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::ranges::stable_sort(order,
                           [&](int64_t a, int64_t b) { return Compare(data, slices, a, b) < 0; });

  UniqueResult result;
  result.inverse.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || Compare(data, slices, order[i - 1], order[i]) != 0) {
      result.first.push_back(order[i]);  // stable: the first of its equals
      result.counts.push_back(0);
    }
    ++result.counts.back();
    result.inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(result.first.size()) - 1;
  }
  if (sorted) return result;

  // Renumber by first occurrence.
  std::vector<int64_t> by_occurrence(result.first.size());
  std::iota(by_occurrence.begin(), by_occurrence.end(), int64_t{0});
  std::ranges::sort(by_occurrence, {},
                    [&](int64_t u) { return result.first[static_cast<size_t>(u)]; });
  UniqueResult renumbered;
  std::vector<int64_t> number(result.first.size());
  for (size_t i = 0; i < by_occurrence.size(); ++i) {
    const auto old = static_cast<size_t>(by_occurrence[i]);
    number[old] = static_cast<int64_t>(i);
    renumbered.first.push_back(result.first[old]);
    renumbered.counts.push_back(result.counts[old]);
  }
  for (const int64_t u : result.inverse) {
    renumbered.inverse.push_back(number[static_cast<size_t>(u)]);
  }
  return renumbered;
}

struct Box {
  float y_low, x_low, y_high, x_high;
  float Area() const { return (y_high - y_low) * (x_high - x_low); }
};

Box ReadBox(const float* box, bool center_point) {
  if (center_point) {
    const float half_width = box[2] / 2, half_height = box[3] / 2;
    return {box[1] - half_height, box[0] - half_width, box[1] + half_height, box[0] + half_width};
  }
  return {std::min(box[0], box[2]), std::min(box[1], box[3]), std::max(box[0], box[2]),
          std::max(box[1], box[3])};
}

float IntersectionOverUnion(const Box& a, const Box& b) {
  const float height = std::min(a.y_high, b.y_high) - std::max(a.y_low, b.y_low);
  const float width = std::min(a.x_high, b.x_high) - std::max(a.x_low, b.x_low);
  if (height <= 0 || width <= 0) return 0;
  const float intersection = height * width;
  const float joined = a.Area() + b.Area() - intersection;
  return joined > 0 ? intersection / joined : 0;
}

std::vector<int64_t> SuppressOneClass(std::span<const Box> boxes, const float* scores,
                                      const NonMaxSuppressionParams& params) {
  std::vector<int64_t> candidates;
  for (int64_t i = 0; i < static_cast<int64_t>(boxes.size()); ++i) {
    if (!params.has_score_threshold || scores[i] > params.score_threshold) candidates.push_back(i);
  }
  std::ranges::stable_sort(candidates, [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::vector<int64_t> chosen;
  for (const int64_t candidate : candidates) {
    if (static_cast<int64_t>(chosen.size()) >= params.max_output_boxes_per_class) break;
    const bool suppressed = std::ranges::any_of(chosen, [&](int64_t other) {
      return IntersectionOverUnion(boxes[static_cast<size_t>(candidate)],
                                   boxes[static_cast<size_t>(other)]) > params.iou_threshold;
    });
    if (!suppressed) chosen.push_back(candidate);
  }
  return chosen;
}

}  // namespace

Result<std::vector<int64_t>> FindNonZero(const TensorView& input) {
  std::vector<int64_t> found;
  ERGO_RETURN_IF_ERROR(VisitElements(input, [&](const auto* data) {
    for (int64_t i = 0; i < input.Elements(); ++i) {
      if (Comparable(data[i]) != 0) found.push_back(i);
    }
  }));
  return found;
}

Result<UniqueResult> FindUnique(const TensorView& input, int axis, bool sorted) {
  Slices slices{input.Elements(), 1, 1};
  if (axis >= 0) {
    slices = {input.shape[axis], input.shape.Elements(0, axis),
              input.shape.Elements(axis + 1, input.shape.Rank())};
  }
  UniqueResult result;
  ERGO_RETURN_IF_ERROR(
      VisitElements(input, [&](const auto* data) { result = UniqueSlices(data, slices, sorted); }));
  return result;
}

Result<std::vector<int64_t>> NonMaxSuppression(const TensorView& boxes, const TensorView& scores,
                                               const NonMaxSuppressionParams& params) {
  if (boxes.dtype != DType::kF32 || scores.dtype != DType::kF32 || boxes.shape.Rank() != 3 ||
      scores.shape.Rank() != 3 || boxes.shape[2] != 4 || boxes.shape[0] != scores.shape[0] ||
      boxes.shape[1] != scores.shape[2]) {
    return InvalidArgument("boxes {} and scores {} do not fit", boxes.shape.ToString(),
                           scores.shape.ToString());
  }
  const int64_t batches = scores.shape[0], classes = scores.shape[1], count = scores.shape[2];
  std::vector<int64_t> triples;
  std::vector<Box> decoded(static_cast<size_t>(count));
  for (int64_t batch = 0; batch < batches; ++batch) {
    for (int64_t i = 0; i < count; ++i) {
      decoded[static_cast<size_t>(i)] =
          ReadBox(boxes.As<float>() + (batch * count + i) * 4, params.center_point_box);
    }
    for (int64_t cls = 0; cls < classes; ++cls) {
      const float* class_scores = scores.As<float>() + (batch * classes + cls) * count;
      for (const int64_t box : SuppressOneClass(decoded, class_scores, params)) {
        triples.insert(triples.end(), {batch, cls, box});
      }
    }
  }
  return triples;
}

}  // namespace ergo
