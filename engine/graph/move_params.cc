#include "engine/graph/move_params.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "engine/graph/op_schema.h"
#include "kernels/base/checked_math.h"

namespace ergo {
namespace {

using move::AxisPads;
using move::AxisSlice;

// The axes an optional list names; null names all of them in order.
Result<std::vector<int>> AxesOrAll(const std::vector<int64_t>* axes, int rank) {
  if (axes != nullptr) return NormalizeAxes(*axes, rank);
  std::vector<int> all;
  for (int axis = 0; axis < rank; ++axis) all.push_back(axis);
  return all;
}

Result<int64_t> Product(std::span<const Dim> dims) {
  int64_t product = 1;
  for (const Dim& dim : dims) {
    if (!dim.Known()) continue;
    const auto next = CheckedMul(product, dim.value);
    if (!next) return ResourceExhausted("a shape with too many elements");
    product = *next;
  }
  return product;
}

// What -1 stands for in a Reshape whose other result dimensions are `others`.
Result<Dim> RemainingDim(std::span<const Dim> input, std::vector<Dim> others) {
  // A dimension that is unknown but certainly the same on both sides cancels out.
  std::vector<Dim> rest;
  for (const Dim& dim : input) {
    const auto same = std::ranges::find_if(
        others, [&dim](const Dim& other) { return !dim.Known() && dim.SameAs(other); });
    if (same == others.end()) {
      rest.push_back(dim);
    } else {
      others.erase(same);
    }
  }
  const auto unknown = [](const Dim& dim) { return !dim.Known(); };
  const auto unknown_in = std::ranges::count_if(rest, unknown);
  if (unknown_in > 1 || std::ranges::any_of(others, unknown)) return Dim();
  ERGO_ASSIGN_OR_RETURN(const int64_t in, Product(rest));
  ERGO_ASSIGN_OR_RETURN(const int64_t out, Product(others));
  if (unknown_in == 1) return in == out && in != 0 ? *std::ranges::find_if(rest, unknown) : Dim();
  if (out == 0 || in % out != 0) {
    return InvalidArgument("{} elements do not divide into rows of {}", in, out);
  }
  return Dim(in / out);
}

Result<int64_t> IntegerRangeCount(int64_t start, int64_t limit, int64_t delta) {
  if (delta == 0) return InvalidArgument("range from {} to {} by 0", start, limit);
  if (delta > 0 ? limit <= start : limit >= start) return int64_t{0};
  // Both as unsigned distances, which any two int64 have.
  const auto distance = [](int64_t high, int64_t low) {
    return static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  };
  const uint64_t span = delta > 0 ? distance(limit, start) : distance(start, limit);
  const uint64_t step = delta > 0 ? distance(delta, 0) : distance(0, delta);
  const uint64_t count = (span - 1) / step + 1;
  if (count > static_cast<uint64_t>(kMaxTensorElements)) {
    return ResourceExhausted("range from {} to {} by {} is too long", start, limit, delta);
  }
  return static_cast<int64_t>(count);
}

}  // namespace

Result<std::vector<int>> NormalizeAxes(std::span<const int64_t> axes, int rank) {
  std::vector<int> normal;
  for (const int64_t axis : axes) {
    ERGO_ASSIGN_OR_RETURN(const int one, NormalizeAxis(axis, rank));
    if (std::ranges::count(normal, one) != 0) {
      return InvalidArgument("axis {} stands twice in [{}]", axis, fmt::join(axes, ", "));
    }
    normal.push_back(one);
  }
  return normal;
}

Result<std::vector<int>> TransposePermutation(const std::vector<int64_t>* perm, int rank) {
  if (perm == nullptr) {
    std::vector<int> reversed;
    for (int axis = rank - 1; axis >= 0; --axis) reversed.push_back(axis);
    return reversed;
  }
  if (static_cast<int>(perm->size()) != rank) {
    return InvalidArgument("perm [{}] for a tensor of rank {}", fmt::join(*perm, ", "), rank);
  }
  return NormalizeAxes(*perm, rank);
}

AxisSlice ClampSlice(int64_t start, int64_t end, int64_t step, int64_t dim) {
  const auto clamp = [dim](int64_t position, int64_t low, int64_t high) {
    // Below -dim the sum may overflow, and the result is `low` anyway.
    if (position < 0) position = position < -dim ? -1 : position + dim;
    return std::clamp(position, low, high);
  };
  AxisSlice slice;
  slice.step = step;
  if (step > 0) {
    slice.start = clamp(start, 0, dim);
    const int64_t stop = clamp(end, 0, dim);
    slice.count = stop <= slice.start ? 0 : (stop - slice.start - 1) / step + 1;
  } else {
    slice.start = clamp(start, -1, dim - 1);
    const int64_t stop = clamp(end, -1, dim - 1);
    // Dividing the negative distance by the negative step avoids negating the smallest int64.
    slice.count = slice.start <= stop ? 0 : (stop - slice.start + 1) / step + 1;
  }
  if (slice.count <= 1) slice.step = 1;
  if (slice.count == 0) slice.start = 0;
  return slice;
}

Result<std::vector<SliceRequest>> SliceRequests(const std::vector<int64_t>& starts,
                                                const std::vector<int64_t>& ends,
                                                const std::vector<int64_t>* axes,
                                                const std::vector<int64_t>* steps, int rank) {
  const size_t count = starts.size();
  if (ends.size() != count || (axes != nullptr && axes->size() != count) ||
      (steps != nullptr && steps->size() != count)) {
    return InvalidArgument("{} starts, {} ends, {} axes, {} steps", count, ends.size(),
                           axes != nullptr ? axes->size() : count,
                           steps != nullptr ? steps->size() : count);
  }
  if (axes == nullptr && count > static_cast<size_t>(rank)) {
    return InvalidArgument("{} starts for a tensor of rank {}", count, rank);
  }
  std::vector<SliceRequest> requests(count);
  std::vector<int64_t> seen;
  for (size_t i = 0; i < count; ++i) {
    SliceRequest& request = requests[i];
    const int64_t axis = axes != nullptr ? (*axes)[i] : static_cast<int64_t>(i);
    ERGO_ASSIGN_OR_RETURN(request.axis, NormalizeAxis(axis, rank));
    request.start = starts[i];
    request.end = ends[i];
    request.step = steps != nullptr ? (*steps)[i] : 1;
    if (request.step == 0) return InvalidArgument("step 0 on axis {}", axis);
    seen.push_back(request.axis);
  }
  ERGO_RETURN_IF_ERROR(NormalizeAxes(seen, rank).status());
  return requests;
}

Result<SymbolicShape> ReshapeShape(const SymbolicShape& input, std::span<const int64_t> target,
                                   bool allow_zero) {
  std::vector<Dim> dims;
  std::optional<size_t> wildcard;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] < -1) return InvalidArgument("reshape to [{}]", fmt::join(target, ", "));
    if (target[i] == -1) {
      if (wildcard) return InvalidArgument("more than one -1 in [{}]", fmt::join(target, ", "));
      wildcard = i;
    }
    if (target[i] == 0 && !allow_zero) {
      if (!input.RankKnown()) {
        dims.emplace_back();
      } else if (i < static_cast<size_t>(input.Rank())) {
        dims.push_back(input[static_cast<int>(i)]);
      } else {
        return InvalidArgument("0 at position {} of [{}] copies a dimension that {} does not have",
                               i, fmt::join(target, ", "), input.ToString());
      }
    } else {
      dims.push_back(target[i] < 0 ? Dim() : Dim(target[i]));
    }
  }
  if (!input.RankKnown()) return SymbolicShape(std::move(dims));
  if (wildcard) {
    std::vector<Dim> others = dims;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(*wildcard));
    ERGO_ASSIGN_OR_RETURN(dims[*wildcard], RemainingDim(input.Dims(), std::move(others)));
  }
  SymbolicShape shape(std::move(dims));
  const auto from = input.Concrete(), to = shape.Concrete();
  if (from && to && from->Elements() != to->Elements()) {
    return InvalidArgument("{} cannot be reshaped to {}", from->ToString(), to->ToString());
  }
  return shape;
}

Result<SymbolicShape> SqueezeShape(const SymbolicShape& input, const std::vector<int64_t>* axes) {
  if (!input.RankKnown()) return SymbolicShape();
  std::vector<bool> drop(static_cast<size_t>(input.Rank()), false);
  if (axes == nullptr) {
    for (int axis = 0; axis < input.Rank(); ++axis) {
      if (!input[axis].Known()) return SymbolicShape();
      drop[static_cast<size_t>(axis)] = input[axis].value == 1;
    }
  } else {
    ERGO_ASSIGN_OR_RETURN(const std::vector<int> normal, NormalizeAxes(*axes, input.Rank()));
    for (const int axis : normal) {
      if (input[axis].Known() && input[axis].value != 1) {
        return InvalidArgument("axis {} of {} is not 1 and cannot be squeezed", axis,
                               input.ToString());
      }
      drop[static_cast<size_t>(axis)] = true;
    }
  }
  std::vector<Dim> dims;
  for (int axis = 0; axis < input.Rank(); ++axis) {
    if (!drop[static_cast<size_t>(axis)]) dims.push_back(input[axis]);
  }
  return SymbolicShape(std::move(dims));
}

Result<SymbolicShape> UnsqueezeShape(const SymbolicShape& input, std::span<const int64_t> axes) {
  if (!input.RankKnown()) return SymbolicShape();
  const int rank = input.Rank() + static_cast<int>(axes.size());
  if (rank > kMaxRank) return ResourceExhausted("rank {} is above the limit of {}", rank, kMaxRank);
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> normal, NormalizeAxes(axes, rank));
  std::vector<Dim> dims;
  int from = 0;
  for (int axis = 0; axis < rank; ++axis) {
    dims.push_back(std::ranges::count(normal, axis) != 0 ? Dim(1) : input[from++]);
  }
  return SymbolicShape(std::move(dims));
}

Result<std::vector<int64_t>> SplitSizes(int64_t dim, const std::vector<int64_t>* sizes,
                                        size_t outputs, bool even) {
  std::vector<int64_t> parts;
  if (sizes != nullptr) {
    int64_t left = dim;
    for (const int64_t size : *sizes) {
      if (size < 0 || size > left) left = -1;
      if (left < 0) break;
      left -= size;
    }
    if (left != 0 || sizes->size() != outputs) {
      return InvalidArgument("{} elements split into [{}] for {} outputs", dim,
                             fmt::join(*sizes, ", "), outputs);
    }
    return *sizes;
  }
  const int64_t count = static_cast<int64_t>(outputs);
  if (count == 0 || (even && dim % count != 0)) {
    return InvalidArgument("{} elements do not split into {} equal parts", dim, count);
  }
  const int64_t part = CeilDiv(dim, count);
  for (int64_t i = 0; i < count; ++i) {
    parts.push_back(std::clamp<int64_t>(dim - i * part, 0, part));
  }
  return parts;
}

Result<std::vector<AxisPads>> PadsPerAxis(const std::vector<int64_t>& pads,
                                          const std::vector<int64_t>* axes, int rank) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> normal, AxesOrAll(axes, rank));
  if (pads.size() != 2 * normal.size()) {
    return InvalidArgument("{} pads for {} axes", pads.size(), normal.size());
  }
  std::vector<AxisPads> per_axis(static_cast<size_t>(rank));
  for (size_t i = 0; i < normal.size(); ++i) {
    per_axis[static_cast<size_t>(normal[i])] = {pads[i], pads[i + normal.size()]};
  }
  return per_axis;
}

Result<int64_t> PaddedDim(int64_t dim, const AxisPads& pads) {
  const auto first = CheckedAdd(dim, pads.before);
  const auto sum = first ? CheckedAdd(*first, pads.after) : std::nullopt;
  if (!sum || *sum < 0 || *sum > kMaxTensorElements) {
    return InvalidArgument("{} elements cannot be padded by {} and {}", dim, pads.before,
                           pads.after);
  }
  return *sum;
}

Result<std::vector<AxisPads>> CenterCropPads(const Shape& input, const std::vector<int64_t>& target,
                                             const std::vector<int64_t>* axes) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> normal, AxesOrAll(axes, input.Rank()));
  if (target.size() != normal.size()) {
    return InvalidArgument("{} sizes for {} axes", target.size(), normal.size());
  }
  std::vector<AxisPads> pads(static_cast<size_t>(input.Rank()));
  for (size_t i = 0; i < normal.size(); ++i) {
    if (target[i] < 0 || target[i] > kMaxTensorElements) {
      return InvalidArgument("size {} for axis {}", target[i], normal[i]);
    }
    // An odd element is cropped from, or padded to, the end.
    const int64_t extra = target[i] - input[normal[i]];
    pads[static_cast<size_t>(normal[i])] = {extra / 2, extra - extra / 2};
  }
  return pads;
}

AxisRange ShapeRange(int64_t start, std::optional<int64_t> end, int rank) {
  const auto clamp = [rank](int64_t axis) {
    if (axis < 0) axis = axis < -rank ? 0 : axis + rank;
    return static_cast<int>(std::min<int64_t>(axis, rank));
  };
  const int first = clamp(start);
  return {first, std::max(first, clamp(end.value_or(rank)))};
}

Result<int64_t> RangeCount(const Tensor& start, const Tensor& limit, const Tensor& delta) {
  for (const Tensor* bound : {&start, &limit, &delta}) {
    if (bound->Type() != start.Type() || bound->Elements() != 1) {
      return InvalidArgument("start, limit and delta must be scalars of one type");
    }
  }
  if (start.Type() == DType::kI64) {
    return IntegerRangeCount(start.Span<int64_t>()[0], limit.Span<int64_t>()[0],
                             delta.Span<int64_t>()[0]);
  }
  ERGO_ASSIGN_OR_RETURN(const double from, ScalarAsDouble(start));
  ERGO_ASSIGN_OR_RETURN(const double to, ScalarAsDouble(limit));
  ERGO_ASSIGN_OR_RETURN(const double by, ScalarAsDouble(delta));
  const double count = std::ceil((to - from) / by);
  if (by == 0 || std::isnan(count) || count > static_cast<double>(kMaxTensorElements)) {
    return InvalidArgument("range from {} to {} by {}", from, to, by);
  }
  return count <= 0 ? 0 : static_cast<int64_t>(count);
}

Result<double> ScalarAsDouble(const Tensor& tensor) {
  if (tensor.Elements() != 1) {
    return InvalidArgument("{} where one value is expected", tensor.GetShape().ToString());
  }
  switch (tensor.Type()) {
    case DType::kF64: return tensor.Span<double>()[0];
    case DType::kF32: return double{tensor.Span<float>()[0]};
    case DType::kF16: return double{static_cast<float>(tensor.Span<Float16>()[0])};
    case DType::kBF16: return double{static_cast<float>(tensor.Span<BFloat16>()[0])};
    case DType::kI64: return static_cast<double>(tensor.Span<int64_t>()[0]);
    case DType::kU64: return static_cast<double>(tensor.Span<uint64_t>()[0]);
    case DType::kI32: return static_cast<double>(tensor.Span<int32_t>()[0]);
    case DType::kU32: return static_cast<double>(tensor.Span<uint32_t>()[0]);
    case DType::kI16: return static_cast<double>(tensor.Span<int16_t>()[0]);
    case DType::kU16: return static_cast<double>(tensor.Span<uint16_t>()[0]);
    case DType::kI8: return static_cast<double>(tensor.Span<int8_t>()[0]);
    case DType::kU8: return static_cast<double>(tensor.Span<uint8_t>()[0]);
    case DType::kBool: return tensor.Span<bool>()[0] ? 1.0 : 0.0;
    default: return Unsupported("a value of type {}", DTypeName(tensor.Type()));
  }
}

Result<std::vector<double>> FloatsAsDoubles(const Tensor& tensor) {
  std::vector<double> values;
  if (tensor.Type() == DType::kF32) {
    for (const float value : tensor.Span<float>()) values.push_back(double{value});
  } else if (tensor.Type() == DType::kF64) {
    for (const double value : tensor.Span<double>()) values.push_back(value);
  } else if (tensor.Type() == DType::kF16) {
    for (const Float16 value : tensor.Span<Float16>()) {
      values.push_back(double{static_cast<float>(value)});
    }
  } else {
    return InvalidArgument("{} where floating point is expected", DTypeName(tensor.Type()));
  }
  return values;
}

}  // namespace ergo
