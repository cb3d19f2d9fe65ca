#include "engine/plan/lowering.h"

namespace ergo {
namespace {

using FamilyTable = std::span<const Lowering> (*)();
constexpr FamilyTable kFamilies[] = {
#define ERGO_LOWERING_FAMILY(name) name##Lowerings,
#include "engine/plan/lowering_families.inc"
#undef ERGO_LOWERING_FAMILY
};

}  // namespace

std::vector<const Lowering*> AllLowerings() {
  std::vector<const Lowering*> all;
  for (const FamilyTable family : kFamilies) {
    for (const Lowering& lowering : family()) all.push_back(&lowering);
  }
  return all;
}

const Lowering* FindLowering(std::string_view domain, std::string_view op) {
  static const std::vector<const Lowering*> all = AllLowerings();
  for (const Lowering* lowering : all) {
    if (lowering->domain == domain && lowering->op == op) return lowering;
  }
  return nullptr;
}

Result<std::optional<std::vector<int64_t>>> LowerContext::InputInts(int i) const {
  if (!HasInput(i)) return std::optional<std::vector<int64_t>>();
  const Tensor* constant = InputConstant(i);
  if (constant == nullptr) {
    return Unsupported("input {} must be known before the run: its values decide shapes", i);
  }
  std::vector<int64_t> values;
  if (constant->Type() == DType::kI64) {
    const auto span = constant->Span<int64_t>();
    values.assign(span.begin(), span.end());
  } else if (constant->Type() == DType::kI32) {
    const auto span = constant->Span<int32_t>();
    values.assign(span.begin(), span.end());
  } else {
    return InvalidArgument("input {} is {} where integers are expected", i,
                           DTypeName(constant->Type()));
  }
  return std::optional(std::move(values));
}

Result<std::optional<std::vector<int64_t>>> LowerContext::IntsFromAttrOrInput(
    std::string_view attribute, int i) const {
  if (const auto* ints = GetNode().IntsAttr(attribute)) return std::optional(*ints);
  return InputInts(i);
}

}  // namespace ergo
