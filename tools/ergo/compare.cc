#include "tools/ergo/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace ergo::tool {
namespace {

template <typename T>
std::vector<double> Convert(TensorView tensor) {
  std::vector<double> values;
  values.reserve(static_cast<size_t>(tensor.Elements()));
  for (const T& value : tensor.Span<T>()) {
    if constexpr (std::is_arithmetic_v<T>) {
      values.push_back(static_cast<double>(value));
    } else {
      values.push_back(static_cast<double>(static_cast<float>(value)));
    }
  }
  return values;
}

bool SameBytes(TensorView a, TensorView b, int64_t element, int64_t element_bytes) {
  const auto offset = static_cast<size_t>(element * element_bytes);
  return std::memcmp(static_cast<const std::byte*>(a.data) + offset,
                     static_cast<const std::byte*>(b.data) + offset,
                     static_cast<size_t>(element_bytes)) == 0;
}

bool Close(double actual, double expected, double rtol, double atol) {
  if (std::isnan(expected) || std::isnan(actual)) return std::isnan(expected) == std::isnan(actual);
  if (std::isinf(expected) || std::isinf(actual)) return actual == expected;
  return std::abs(actual - expected) <= atol + rtol * std::abs(expected);
}

// For dtypes without numbers: whole bytes, which hold one or more elements.
void CompareBytes(TensorView actual, TensorView expected, Comparison& result) {
  for (int64_t byte = 0; byte < expected.Bytes(); ++byte) {
    if (SameBytes(actual, expected, byte, 1)) continue;
    if (result.mismatches++ == 0) result.first_mismatch = fmt::format("byte {}", byte);
  }
}

double Cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  if (aa == 0 && bb == 0) return 1;
  return dot / std::sqrt(aa * bb);
}

double Percentile99(std::vector<double>& errors) {
  if (errors.empty()) return 0;
  const auto rank = errors.begin() + static_cast<std::ptrdiff_t>((errors.size() - 1) * 99 / 100);
  std::nth_element(errors.begin(), rank, errors.end());
  return *rank;
}

}  // namespace

double DefaultRtol(DType dtype) {
  if (dtype == DType::kF16) return 2e-3;
  if (dtype == DType::kBF16) return 2e-2;
  return 1e-3;
}

std::vector<double> ToDoubles(TensorView tensor) {
  switch (tensor.dtype) {
    case DType::kF32: return Convert<float>(tensor);
    case DType::kF64: return Convert<double>(tensor);
    case DType::kF16: return Convert<Float16>(tensor);
    case DType::kBF16: return Convert<BFloat16>(tensor);
    case DType::kU8: return Convert<uint8_t>(tensor);
    case DType::kI8: return Convert<int8_t>(tensor);
    case DType::kU16: return Convert<uint16_t>(tensor);
    case DType::kI16: return Convert<int16_t>(tensor);
    case DType::kU32: return Convert<uint32_t>(tensor);
    case DType::kI32: return Convert<int32_t>(tensor);
    case DType::kU64: return Convert<uint64_t>(tensor);
    case DType::kI64: return Convert<int64_t>(tensor);
    case DType::kBool: return Convert<bool>(tensor);
    default: return {};
  }
}

std::string ElementText(double value, DType dtype) {
  if (dtype == DType::kBool) return value != 0 ? "true" : "false";
  if (IsInteger(dtype)) return fmt::format("{:.0f}", value);
  return fmt::format("{:.6g}", value);
}

std::string Coordinates(const Shape& shape, int64_t element) {
  std::string text;
  for (int axis = shape.Rank() - 1; axis >= 0; --axis) {
    text = fmt::format("{}{}{}", element % shape[axis], text.empty() ? "" : ", ", text);
    element /= shape[axis];
  }
  return "[" + text + "]";
}

Comparison Compare(TensorView actual, TensorView expected, const Tolerance& tolerance) {
  Comparison result;
  if (actual.dtype != expected.dtype || !(actual.shape == expected.shape)) {
    result.problem =
        fmt::format("is {} {}, expected {} {}", DTypeName(actual.dtype), actual.shape.ToString(),
                    DTypeName(expected.dtype), expected.shape.ToString());
    return result;
  }
  result.elements = expected.Elements();
  const std::vector<double> a = ToDoubles(actual), e = ToDoubles(expected);
  if (a.empty()) {
    CompareBytes(actual, expected, result);
    return result;
  }
  const double rtol = tolerance.rtol.value_or(DefaultRtol(expected.dtype));
  const bool exact = !IsFloatingPoint(expected.dtype);
  const int64_t element_bytes = DTypeBytes(expected.dtype, 1);
  std::vector<double> errors;
  errors.reserve(e.size());
  int64_t abs_at = 0, rel_at = 0;
  for (size_t i = 0; i < e.size(); ++i) {
    const auto element = static_cast<int64_t>(i);
    const bool match = exact ? SameBytes(actual, expected, element, element_bytes)
                             : Close(a[i], e[i], rtol, tolerance.atol);
    if (!match && result.mismatches++ == 0) {
      result.first_mismatch =
          fmt::format("{}: {}, expected {}", Coordinates(expected.shape, element),
                      ElementText(a[i], expected.dtype), ElementText(e[i], expected.dtype));
    }
    if (!std::isfinite(a[i]) || !std::isfinite(e[i])) continue;
    const double error = std::abs(a[i] - e[i]);
    errors.push_back(error);
    if (error > result.max_abs) {
      result.max_abs = error;
      abs_at = element;
    }
    const double relative = error == 0  ? 0
                            : e[i] == 0 ? std::numeric_limits<double>::infinity()
                                        : error / std::abs(e[i]);
    if (relative > result.max_rel) {
      result.max_rel = relative;
      rel_at = element;
    }
  }
  result.max_abs_at = Coordinates(expected.shape, abs_at);
  result.max_rel_at = Coordinates(expected.shape, rel_at);
  result.cosine = Cosine(a, e);
  result.abs_p99 = Percentile99(errors);
  return result;
}

}  // namespace ergo::tool
