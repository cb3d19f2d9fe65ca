#include "bench/micro/family.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace ergo::micro {

#define ERGO_MICRO_FAMILY(function) const Family& function();
#include "bench/micro/families.inc"
#undef ERGO_MICRO_FAMILY

const float* Case::AddInput(int64_t elements, float low, float high) {
  const size_t bytes = static_cast<size_t>(elements) * sizeof(float);
  AlignedBuffer& buffer = memory_.emplace_back(AlignedBuffer::AllocateOrDie(bytes));
  std::uniform_real_distribution<float> draw(low, high);
  std::generate_n(buffer.As<float>(), elements, [&] { return draw(random_); });
  inputs.push_back({buffer.Data(), DType::kF32, Device::kCpu, Shape{elements}});
  return buffer.As<float>();
}

const void* Case::AddIntegers(DType dtype, int64_t elements, int low, int high) {
  const auto bytes = static_cast<size_t>(DTypeBytes(dtype, elements));
  AlignedBuffer& buffer = memory_.emplace_back(AlignedBuffer::AllocateOrDie(bytes));
  std::uniform_int_distribution<int32_t> draw(low, high);
  for (int64_t i = 0; i < elements; ++i) {
    const int32_t value = draw(random_);
    if (dtype == DType::kI32) {
      buffer.As<int32_t>()[i] = value;
    } else {
      buffer.Data()[i] = static_cast<std::byte>(value);
    }
  }
  inputs.push_back({buffer.Data(), dtype, Device::kCpu, Shape{elements}});
  return buffer.Data();
}

void Case::AddOutput(DType dtype, int64_t elements) {
  const auto bytes = static_cast<size_t>(DTypeBytes(dtype, elements));
  AlignedBuffer& buffer = memory_.emplace_back(AlignedBuffer::AllocateOrDie(bytes));
  std::fill_n(buffer.Data(), bytes, std::byte{0});
  outputs.push_back({buffer.Data(), dtype, Device::kCpu, Shape{elements}});
}

std::span<const Family* const> AllFamilies() {
  static const auto families = std::to_array<const Family*>({
#define ERGO_MICRO_FAMILY(function) &function(),
#include "bench/micro/families.inc"
#undef ERGO_MICRO_FAMILY
  });
  return families;
}

const Family* FindFamily(std::string_view name) {
  for (const Family* family : AllFamilies()) {
    if (family->name == name) return family;
  }
  return nullptr;
}

MadeCase MakeCase(const Family& family, std::string_view text) {
  Result<ShapeText> shape = ShapeText::Parse(text);
  if (!shape.ok()) return std::move(shape).status().WithContext(family.name);
  MadeCase made = family.make(*shape);
  if (!made.ok()) {
    return std::move(made).status().WithContext(fmt::format("{} {}", family.name, text));
  }
  if (Status status = shape->Finish(); !status.ok()) {
    return std::move(status).WithContext(fmt::format("{} {}", family.name, text));
  }
  made.value()->label = text;
  return made;
}

double ProductMagnitude(int64_t terms) {
  // The mean of |x y| is 1/4 and its deviation 0.22: the second summand is 18 deviations.
  const auto n = static_cast<double>(terms);
  return std::min(n, n / 4 + 4 * std::sqrt(n)) + 2;
}

}  // namespace ergo::micro
