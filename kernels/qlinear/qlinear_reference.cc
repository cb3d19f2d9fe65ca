#include <algorithm>
#include <cmath>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"
#include "kernels/qlinear/qlinear_variants.h"

namespace ergo {
namespace {

bool IsByte(DType dtype) {
  return dtype == DType::kU8 || dtype == DType::kI8;
}

const TensorView& InputOf(const KernelArgs& args, size_t i) {
  static const TensorView absent;
  return i < args.inputs.size() ? args.inputs[i] : absent;
}

// Element `index` of an operand with one element for all or one each; the default when absent.
double Each(const TensorView& view, int64_t index, double absent) {
  if (!view.Present() || view.Elements() == 0) return absent;
  return ReadReal(view, view.Elements() == 1 ? 0 : index);
}

int32_t EachInt(const TensorView& view, int64_t index) {
  return static_cast<int32_t>(Each(view, index, 0));
}

int32_t ReadByte(const TensorView& view, int64_t index) {
  return view.dtype == DType::kU8 ? static_cast<const uint8_t*>(view.data)[index]
                                  : static_cast<const int8_t*>(view.data)[index];
}

void WriteQuantized(const MutableTensorView& y, int64_t index, double value, double zero) {
  const double low = y.dtype == DType::kU8 ? 0 : -128, high = y.dtype == DType::kU8 ? 255 : 127;
  WriteReal(y, index, std::min(std::max(std::nearbyint(value) + zero, low), high));
}

// The exact sum of one output place of one channel.
int32_t ConvSum(const QConvProblem& p, const KernelArgs& args, int64_t b, int64_t oc,
                const Spatial& at) {
  const Window& w = p.window;
  const int64_t per_group = p.in_channels / p.groups;
  const int64_t first = oc / (p.out_channels / p.groups) * per_group;
  const int32_t zero_x = EachInt(InputOf(args, 2), 0), zero_w = EachInt(InputOf(args, 3), oc);
  uint32_t sum = 0;  // unsigned, since wrapping around is defined for it
  for (int64_t tap = 0; tap < w.KernelElements(); ++tap) {
    int64_t rest = tap, flat = 0, stride = 1;
    bool inside = true;
    for (size_t axis = kSpatialAxes; axis-- > 0 && inside;) {
      const int64_t i = w.Start(axis, at[axis]) + rest % w.kernel[axis] * w.dilations[axis];
      rest /= w.kernel[axis];
      inside = i >= 0 && i < w.in[axis];
      flat += i * stride;
      stride *= w.in[axis];
    }
    if (!inside) continue;  // padding is zero_x, which contributes nothing
    for (int64_t c = 0; c < per_group; ++c) {
      const int64_t x = (b * p.in_channels + first + c) * w.InElements() + flat;
      const int64_t k = (oc * per_group + c) * w.KernelElements() + tap;
      sum += static_cast<uint32_t>((ReadByte(args.inputs[0], x) - zero_x) *
                                   (ReadByte(args.inputs[1], k) - zero_w));
    }
  }
  return static_cast<int32_t>(sum);
}

void RunConvPlane(const QConvProblem& p, const KernelArgs& args, int64_t index) {
  const int64_t b = index / p.out_channels, oc = index % p.out_channels;
  const Spatial& out = p.window.out;
  const int64_t plane = p.window.OutElements();
  const double scale =
      Each(InputOf(args, 4), 0, 1) * Each(InputOf(args, 5), oc, 1) / Each(InputOf(args, 6), 0, 1);
  for (int64_t i = 0; i < plane; ++i) {
    const Spatial at = {i / (out[1] * out[2]), i / out[2] % out[1], i % out[2]};
    const int32_t sum = ConvSum(p, args, b, oc, at);
    if (!p.requantize) {
      args.outputs[0].As<int32_t>()[index * plane + i] = sum;
      continue;
    }
    const double biased = sum + Each(InputOf(args, 8), oc, 0);
    WriteQuantized(args.outputs[0], index * plane + i, biased * scale,
                   Each(InputOf(args, 7), 0, 0));
  }
}

// Matrix number of an operand for matrix number `index` of the result.
int64_t OperandMatrix(const Shape& result, const Shape& operand, int64_t index) {
  int64_t matrix = 0, stride = 1;
  for (int axis = result.Rank() - 3, own = operand.Rank() - 3; axis >= 0; --axis, --own) {
    const int64_t at = index % result[axis];
    index /= result[axis];
    if (own < 0) continue;
    if (operand[own] != 1) matrix += at * stride;
    stride *= operand[own];
  }
  return matrix;
}

void RunMatMulRow(const QMatMulProblem& p, const KernelArgs& args, int64_t row) {
  const int64_t m = p.y[p.y.Rank() - 2], n = p.y[p.y.Rank() - 1], k = p.a[p.a.Rank() - 1];
  const int64_t matrix = row / m, i = row % m;
  const int64_t a = (OperandMatrix(p.y, p.a, matrix) * m + i) * k;
  const int64_t b = OperandMatrix(p.y, p.b, matrix) * k * n;
  const int32_t zero_a = EachInt(InputOf(args, 2), i);
  for (int64_t j = 0; j < n; ++j) {
    const int32_t zero_b = EachInt(InputOf(args, 3), j);
    uint32_t sum = 0;
    for (int64_t e = 0; e < k; ++e) {
      sum += static_cast<uint32_t>((ReadByte(args.inputs[0], a + e) - zero_a) *
                                   (ReadByte(args.inputs[1], b + e * n + j) - zero_b));
    }
    const double scale =
        Each(InputOf(args, 4), i, 1) * Each(InputOf(args, 5), j, 1) / Each(InputOf(args, 6), 0, 1);
    WriteQuantized(args.outputs[0], row * n + j, static_cast<int32_t>(sum) * scale,
                   Each(InputOf(args, 7), 0, 0));
  }
}

}  // namespace

MadeKernel MakeQLinearReference(const QConvProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckWindow(problem.window));
  const bool output = problem.requantize ? IsByte(problem.y_dtype) : problem.y_dtype == DType::kI32;
  if (!IsByte(problem.x_dtype) || !IsByte(problem.w_dtype) || !output) {
    return Unsupported("{} x {} -> {}", DTypeName(problem.x_dtype), DTypeName(problem.w_dtype),
                       DTypeName(problem.y_dtype));
  }
  return MakeFunctionKernel([problem](const KernelArgs& args) {
    args.parallel.Run(problem.batch * problem.out_channels,
                      [&](int64_t index, int) { RunConvPlane(problem, args, index); });
  });
}

MadeKernel MakeQLinearReference(const QMatMulProblem& problem, const MakeContext&) {
  if (!IsByte(problem.a_dtype) || !IsByte(problem.b_dtype) || !IsByte(problem.y_dtype)) {
    return Unsupported("{} x {} -> {}", DTypeName(problem.a_dtype), DTypeName(problem.b_dtype),
                       DTypeName(problem.y_dtype));
  }
  return MakeFunctionKernel([problem](const KernelArgs& args) {
    const int64_t rows = problem.y.Elements(0, problem.y.Rank() - 1);
    args.parallel.Run(rows, [&](int64_t row, int) { RunMatMulRow(problem, args, row); });
  });
}

}  // namespace ergo
