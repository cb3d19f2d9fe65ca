#include <algorithm>
#include <cmath>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"
#include "kernels/qlinear/qlinear.h"

namespace ergo {
namespace {

bool IsByte(DType dtype) {
  return dtype == DType::kU8 || dtype == DType::kI8;
}

int32_t Zero(const KernelArgs& args, size_t input, int64_t index) {
  return static_cast<int32_t>(QNumber(QOperand(args, input), index, 0));
}

int32_t ReadByte(const TensorView& view, int64_t index) {
  return view.dtype == DType::kU8 ? static_cast<const uint8_t*>(view.data)[index]
                                  : static_cast<const int8_t*>(view.data)[index];
}

// Writes element `index` of the result, that of row `row` and column `column` of the operands.
class EpilogueWriter {
 public:
  EpilogueWriter(const QEpilogue& epilogue, const KernelArgs& args)
      : epilogue_(epilogue), args_(args), scalars_(EpilogueScalars::Read(epilogue, args)) {}

  void Write(int64_t index, uint32_t sum, double scale_x, int64_t channel) const {
    if (epilogue_.y == DType::kI32) {
      args_.outputs[0].As<int32_t>()[index] = static_cast<int32_t>(sum);
      return;
    }
    double bias = 0;
    if (epilogue_.bias == DType::kI32) {
      sum += static_cast<uint32_t>(QOperand(args_, kQBias).As<int32_t>()[channel]);
    } else if (epilogue_.bias == DType::kF32) {
      bias = QOperand(args_, kQBias).As<float>()[channel];
    }
    const double scale_w = QNumber(QOperand(args_, kQScaleW), channel, 1);
    const auto multiplier = static_cast<float>(scale_x * scale_w * scalars_.inverse_s);
    float v =
        std::fma(static_cast<float>(static_cast<int32_t>(sum)), multiplier, scalars_.Offset(bias));
    if (epilogue_.residual != DType::kUndefined) {
      const double z = ReadReal(QOperand(args_, kQResidual), index) - scalars_.residual_zero;
      v = std::fma(static_cast<float>(z), scalars_.residual_scale, v);
    }
    v = static_cast<float>(Activate(scalars_.activation, v));
    if (scalars_.rescales) v *= scalars_.rescale;
    v = std::min(std::max(v, scalars_.low), scalars_.high);
    if (epilogue_.y != DType::kF32) v = std::nearbyint(v) + static_cast<float>(scalars_.zero_y);
    WriteReal(args_.outputs[0], index, v);
  }

 private:
  const QEpilogue& epilogue_;
  const KernelArgs& args_;
  const EpilogueScalars scalars_;
};

// The exact sum of one output place of one channel.
uint32_t ConvSum(const QConvProblem& p, const KernelArgs& args, int64_t b, int64_t oc,
                 const Spatial& at) {
  const Window& w = p.window;
  const int64_t per_group = p.in_channels / p.groups;
  const int64_t first = oc / (p.out_channels / p.groups) * per_group;
  const int32_t zero_x = Zero(args, 2, 0), zero_w = Zero(args, 3, oc);
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
  return sum;
}

void RunConvPlane(const QConvProblem& p, const KernelArgs& args, int64_t index) {
  const int64_t b = index / p.out_channels, oc = index % p.out_channels;
  const Spatial& out = p.window.out;
  const int64_t plane = p.window.OutElements();
  const EpilogueWriter writer(p.epilogue, args);
  const double scale_x = QNumber(QOperand(args, kQScaleX), 0, 1);
  for (int64_t i = 0; i < plane; ++i) {
    const Spatial at = {i / (out[1] * out[2]), i / out[2] % out[1], i % out[2]};
    writer.Write(index * plane + i, ConvSum(p, args, b, oc, at), scale_x, oc);
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
  const int32_t zero_a = Zero(args, 2, i);
  const EpilogueWriter writer(p.epilogue, args);
  const double scale_a = QNumber(QOperand(args, kQScaleX), i, 1);
  for (int64_t j = 0; j < n; ++j) {
    const int32_t zero_b = Zero(args, 3, j);
    uint32_t sum = 0;
    for (int64_t e = 0; e < k; ++e) {
      sum += static_cast<uint32_t>((ReadByte(args.inputs[0], a + e) - zero_a) *
                                   (ReadByte(args.inputs[1], b + e * n + j) - zero_b));
    }
    writer.Write(row * n + j, sum, scale_a, j);
  }
}

}  // namespace

MadeKernel MakeQConvReference(const QConvProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckWindow(problem.window));
  ERGO_RETURN_IF_ERROR(CheckEpilogue(problem.epilogue));
  if (!IsByte(problem.x_dtype) || !IsByte(problem.w_dtype)) {
    return Unsupported("{} x {}", DTypeName(problem.x_dtype), DTypeName(problem.w_dtype));
  }
  return MakeFunctionKernel([problem](const KernelArgs& args) {
    args.parallel.Run(problem.batch * problem.out_channels,
                      [&](int64_t index, int) { RunConvPlane(problem, args, index); });
  });
}

MadeKernel MakeQMatMulReference(const QMatMulProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckEpilogue(problem.epilogue));
  if (!IsByte(problem.a_dtype) || !IsByte(problem.b_dtype)) {
    return Unsupported("{} x {}", DTypeName(problem.a_dtype), DTypeName(problem.b_dtype));
  }
  return MakeFunctionKernel([problem](const KernelArgs& args) {
    const int64_t rows = problem.y.Elements(0, problem.y.Rank() - 1);
    args.parallel.Run(rows, [&](int64_t row, int) { RunMatMulRow(problem, args, row); });
  });
}

MadeKernel MakeQAddReference(const QAddProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckQAdd(problem));
  return MakeFunctionKernel([problem](const KernelArgs& args) {
    const EpilogueWriter writer(problem.epilogue, args);
    const double scale = QNumber(QOperand(args, kQScaleX), 0, 1);
    for (int64_t i = 0; i < problem.elements; ++i) {
      const int32_t sum = ReadByte(args.inputs[0], i) - Zero(args, 2, 0);
      writer.Write(i, static_cast<uint32_t>(sum), scale, 0);
    }
  });
}

}  // namespace ergo
