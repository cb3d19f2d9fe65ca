#include "kernels/recurrent/recurrent.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "kernels/base/checked_math.h"
#include "kernels/recurrent/recurrent_shape.h"

namespace ergo {
namespace {

constexpr std::pair<std::string_view, GateFunction> kFunctions[] = {
    {"sigmoid", {GateActivation::kSigmoid, 0, 0}},
    {"tanh", {GateActivation::kTanh, 0, 0}},
    {"relu", {GateActivation::kRelu, 0, 0}},
    {"affine", {GateActivation::kAffine, 1, 0}},
    {"leakyrelu", {GateActivation::kLeakyRelu, 0.01f, 0}},
    {"thresholdedrelu", {GateActivation::kThresholdedRelu, 1, 0}},
    {"scaledtanh", {GateActivation::kScaledTanh, 1, 1}},
    {"hardsigmoid", {GateActivation::kHardSigmoid, 0.2f, 0.5f}},
    {"elu", {GateActivation::kElu, 1, 0}},
    {"softsign", {GateActivation::kSoftsign, 0, 0}},
    {"softplus", {GateActivation::kSoftplus, 0, 0}},
};

}  // namespace

std::optional<GateFunction> GateFunctionFromName(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto& [known, function] : kFunctions) {
    if (known == lower) return function;
  }
  return std::nullopt;
}

int GateParameters(GateActivation kind) {
  switch (kind) {
    case GateActivation::kAffine:
    case GateActivation::kScaledTanh:
    case GateActivation::kHardSigmoid: return 2;
    case GateActivation::kLeakyRelu:
    case GateActivation::kThresholdedRelu:
    case GateActivation::kElu: return 1;
    case GateActivation::kSigmoid:
    case GateActivation::kTanh:
    case GateActivation::kRelu:
    case GateActivation::kSoftsign:
    case GateActivation::kSoftplus: return 0;
  }
  return 0;
}

Status CheckRecurrent(const RecurrentProblem& p) {
  if (p.seq < 0 || p.batch < 0 || p.input < 0 || p.hidden < 0 || p.directions < 1 ||
      p.directions > kMaxDirections) {
    return InvalidArgument("{} steps of {} samples, {} inputs, {} hidden units, {} directions",
                           p.seq, p.batch, p.input, p.hidden, p.directions);
  }
  const int64_t gates = p.Gates();
  const int64_t directions = p.directions;
  const std::initializer_list<int64_t> sizes[] = {{p.seq, p.batch, p.input},
                                                  {directions, gates, p.hidden, p.input},
                                                  {directions, gates, p.hidden, p.hidden},
                                                  {p.seq, directions, p.batch, p.hidden}};
  for (const auto& size : sizes) ERGO_RETURN_IF_ERROR(Shape::Make(std::span(size)).status());
  return {};
}

KernelCost CostOf(const RecurrentProblem& p) {
  const int64_t rows = p.directions * p.Gates() * p.hidden;
  const int64_t weights = rows * (p.input + p.hidden);
  const int64_t x = p.seq * p.batch * p.input;
  const int64_t y = p.seq * p.batch * p.directions * p.hidden;
  // The matrix products dominate; the gates' arithmetic counts eight operations each.
  return {p.seq * p.batch * (2 * weights + 8 * rows), DTypeBytes(p.dtype, weights + x),
          DTypeBytes(p.dtype, y)};
}

double RecurrentErrorBound(const RecurrentProblem& p, double magnitude) {
  const auto terms = static_cast<double>(p.input + p.hidden + 16);
  return terms * 0x1p-23 * (magnitude + 1) * static_cast<double>(std::max<int64_t>(p.seq, 1));
}

std::span<const KernelVariant<RecurrentProblem>> RecurrentVariants() {
  static constexpr KernelVariant<RecurrentProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"recurrent", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/recurrent/recurrent_variants.inc"
#undef ERGO_KERNEL_VARIANT
  };
  return kVariants;
}

}  // namespace ergo
