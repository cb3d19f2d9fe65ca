#include "engine/graph/resize_params.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "engine/graph/move_params.h"

namespace ergo {
namespace {

template <typename Enum>
struct Named {
  std::string_view name;
  Enum value;
};

constexpr Named<ResizeMode> kModes[] = {
    {"nearest", ResizeMode::kNearest},
    {"linear", ResizeMode::kLinear},
    {"cubic", ResizeMode::kCubic},
};
constexpr Named<CoordinateMode> kCoordinateModes[] = {
    {"half_pixel", CoordinateMode::kHalfPixel},
    {"half_pixel_symmetric", CoordinateMode::kHalfPixelSymmetric},
    {"pytorch_half_pixel", CoordinateMode::kPytorchHalfPixel},
    {"align_corners", CoordinateMode::kAlignCorners},
    {"asymmetric", CoordinateMode::kAsymmetric},
    {"tf_half_pixel_for_nn", CoordinateMode::kTfHalfPixelForNn},
    {"tf_crop_and_resize", CoordinateMode::kTfCropAndResize},
};
constexpr Named<NearestMode> kNearestModes[] = {
    {"round_prefer_floor", NearestMode::kRoundPreferFloor},
    {"round_prefer_ceil", NearestMode::kRoundPreferCeil},
    {"floor", NearestMode::kFloor},
    {"ceil", NearestMode::kCeil},
};

template <typename Enum>
Result<Enum> EnumAttr(const Node& node, std::string_view attribute,
                      std::span<const Named<Enum>> names, std::string_view fallback) {
  const std::string given = node.StringAttr(attribute, fallback);
  for (const Named<Enum>& named : names) {
    if (named.name == given) return named.value;
  }
  return InvalidArgument("{} '{}'", attribute, given);
}

bool LegacyCoordinates(const Node& node) {
  return node.op == "Upsample" || node.opset < 11;
}

Status ReadValues(const Tensor& constant, std::optional<std::vector<double>>& values) {
  if (constant.Elements() == 0) return {};
  ERGO_ASSIGN_OR_RETURN(values, FloatsAsDoubles(constant));
  return {};
}

Status ReadValues(const Tensor& constant, std::optional<std::vector<int64_t>>& values) {
  if (constant.Elements() == 0) return {};
  if (constant.Type() != DType::kI64) {
    return InvalidArgument("sizes are {}, not int64", DTypeName(constant.Type()));
  }
  const auto sizes = constant.Span<int64_t>();
  values.emplace(sizes.begin(), sizes.end());
  return {};
}

Status ReadAttributes(const Node& node, ResizeProblem& problem) {
  ERGO_ASSIGN_OR_RETURN(problem.mode, EnumAttr<ResizeMode>(node, "mode", kModes, "nearest"));
  if (LegacyCoordinates(node)) {
    problem.coordinates = CoordinateMode::kAsymmetric;
    problem.nearest = NearestMode::kSimple;
    return {};
  }
  ERGO_ASSIGN_OR_RETURN(problem.coordinates,
                        EnumAttr<CoordinateMode>(node, "coordinate_transformation_mode",
                                                 kCoordinateModes, "half_pixel"));
  ERGO_ASSIGN_OR_RETURN(problem.nearest, EnumAttr<NearestMode>(node, "nearest_mode", kNearestModes,
                                                               "round_prefer_floor"));
  problem.cubic_a = double{node.FloatAttr("cubic_coeff_a", -0.75f)};
  problem.exclude_outside = node.IntAttr("exclude_outside", 0) != 0;
  problem.antialias = node.IntAttr("antialias", 0) != 0;
  problem.extrapolation_value = double{node.FloatAttr("extrapolation_value", 0)};
  if (problem.antialias && problem.mode == ResizeMode::kNearest) {
    return InvalidArgument("antialias needs a mode that interpolates");
  }
  return {};
}

Status ApplyScales(std::span<const int> axes, std::span<const double> scales,
                   ResizeProblem& problem) {
  if (scales.size() != axes.size()) {
    return InvalidArgument("{} scales for {} axes", scales.size(), axes.size());
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    problem.axes[static_cast<size_t>(axes[i])].scale = scales[i];
    ERGO_ASSIGN_OR_RETURN(problem.output[axes[i]], ScaledDim(problem.input[axes[i]], scales[i]));
  }
  return {};
}

Status ApplySizes(const Node& node, std::span<const int> axes, std::span<const int64_t> sizes,
                  ResizeProblem& problem) {
  if (sizes.size() != axes.size()) {
    return InvalidArgument("{} sizes for {} axes", sizes.size(), axes.size());
  }
  std::vector<double> scales;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (sizes[i] < 0 || sizes[i] > kMaxTensorElements) return InvalidArgument("size {}", sizes[i]);
    scales.push_back(static_cast<double>(sizes[i]) / static_cast<double>(problem.input[axes[i]]));
  }
  const std::string policy = node.StringAttr("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller") {
    return InvalidArgument("keep_aspect_ratio_policy '{}'", policy);
  }
  const bool stretch = policy == "stretch" || axes.empty();
  if (!stretch) {
    const double common = policy == "not_larger" ? *std::ranges::min_element(scales)
                                                 : *std::ranges::max_element(scales);
    std::ranges::fill(scales, common);
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    problem.axes[static_cast<size_t>(axes[i])].scale = scales[i];
    // A scale of a size over an empty axis is not a number; such an axis stays empty or fails
    // later.
    const double scaled = std::floor(scales[i] * static_cast<double>(problem.input[axes[i]]) + 0.5);
    problem.output[axes[i]] =
        stretch || !std::isfinite(scaled) ? sizes[i] : static_cast<int64_t>(scaled);
  }
  return {};
}

}  // namespace

Result<ResizeOperands> ReadResizeOperands(const Node& node,
                                          FunctionRef<const Tensor*(int)> constant_at,
                                          FunctionRef<bool(int)> present, bool& unknown) {
  ResizeOperands operands;
  const auto read = [&](int input, auto& values) -> Status {
    if (!present(input)) return {};
    const Tensor* constant = constant_at(input);
    unknown = unknown || constant == nullptr;
    return constant == nullptr ? Status() : ReadValues(*constant, values);
  };
  if (LegacyCoordinates(node)) {
    const auto* attribute = node.FloatsAttr("scales");
    if (attribute != nullptr) operands.scales.emplace(attribute->begin(), attribute->end());
    ERGO_RETURN_IF_ERROR(read(1, operands.scales));
    return operands;
  }
  // Other modes ignore the region, which exporters may leave to be computed.
  if (node.StringAttr("coordinate_transformation_mode", "") == "tf_crop_and_resize") {
    ERGO_RETURN_IF_ERROR(read(1, operands.roi));
  }
  ERGO_RETURN_IF_ERROR(read(2, operands.scales));
  ERGO_RETURN_IF_ERROR(read(3, operands.sizes));
  return operands;
}

Result<std::vector<int>> ResizeAxes(const Node& node, int rank) {
  if (const auto* axes = node.IntsAttr("axes")) return NormalizeAxes(*axes, rank);
  std::vector<int> all;
  for (int axis = 0; axis < rank; ++axis) all.push_back(axis);
  return all;
}

Result<int64_t> ScaledDim(int64_t in, double scale) {
  const float scaled = std::floor(static_cast<float>(in) * static_cast<float>(scale));
  if (!(scale > 0) || !(scaled <= static_cast<float>(kMaxTensorElements))) {
    return InvalidArgument("{} elements scaled by {}", in, scale);
  }
  return static_cast<int64_t>(scaled);
}

Result<ResizeProblem> MakeResizeProblem(const Node& node, DType dtype, const Shape& input,
                                        const ResizeOperands& operands) {
  ResizeProblem problem;
  problem.dtype = dtype;
  problem.input = problem.output = input;
  ERGO_RETURN_IF_ERROR(ReadAttributes(node, problem));
  ERGO_ASSIGN_OR_RETURN(const std::vector<int> axes, ResizeAxes(node, input.Rank()));
  if (operands.scales && operands.sizes) return InvalidArgument("both scales and sizes are given");
  if (operands.scales) {
    ERGO_RETURN_IF_ERROR(ApplyScales(axes, *operands.scales, problem));
  } else if (operands.sizes) {
    ERGO_RETURN_IF_ERROR(ApplySizes(node, axes, *operands.sizes, problem));
  } else {
    return InvalidArgument("neither scales nor sizes are given");
  }
  if (problem.coordinates == CoordinateMode::kTfCropAndResize) {
    if (!operands.roi || operands.roi->size() != 2 * axes.size()) {
      return InvalidArgument("tf_crop_and_resize needs a roi of {} numbers", 2 * axes.size());
    }
    for (size_t i = 0; i < axes.size(); ++i) {
      ResizeAxis& axis = problem.axes[static_cast<size_t>(axes[i])];
      axis.roi_start = (*operands.roi)[i];
      axis.roi_end = (*operands.roi)[i + axes.size()];
    }
  }
  return problem;
}

}  // namespace ergo
