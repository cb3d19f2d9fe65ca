// norm on a GPU: a warp or a block for each row.
#include "kernels/norm/norm_cuda.h"

#include "kernels/base/checked_math.h"
#include "kernels/base/function_kernel.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/row.h"
#include "kernels/norm/norm.h"

namespace ergo {
namespace {

using cuda::kRowThreads;

constexpr int64_t kMostElements = int64_t{1} << 31;

Status CheckSize(int64_t a, int64_t b, int64_t c) {
  if (SaturatingProduct({a, b, c}) < kMostElements) return {};
  return Unsupported("{} x {} x {} elements need 64-bit indices", a, b, c);
}

std::string_view Suffix(DType dtype) {
  return dtype == DType::kF32 ? "f32" : dtype == DType::kF16 ? "f16" : "bf16";
}

// How rows of this length are dealt to blocks.
struct RowLaunch {
  cuda::FunctionHandle function;
  uint32_t blocks = 0, shared_bytes = 0;
};

Result<RowLaunch> PlanRows(const MakeContext& context, std::string_view name, DType dtype,
                           int64_t rows, int64_t length) {
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  if (!cuda::IsDeviceFloat(dtype)) return Unsupported("norm of {}", DTypeName(dtype));
  const bool warp = length <= int64_t{cuda::kWarpRowElements};
  const std::string function =
      fmt::format("ergo_{}_{}_{}", name, warp ? "warp" : "block", Suffix(dtype));
  RowLaunch launch;
  ERGO_ASSIGN_OR_RETURN(launch.function, context.gpu->Find("norm", function.c_str()));
  const int64_t per_block = warp ? cuda::WarpRow::kRowsPerBlock : cuda::BlockRow::kRowsPerBlock;
  launch.blocks = static_cast<uint32_t>(CeilDiv(rows, per_block));
  launch.shared_bytes = warp ? 0 : cuda::BlockRow::kSharedBytes;
  return launch;
}

// Runs one function with a parameter whose pointers `bind` sets; nothing where there is no work.
template <typename Parameter, typename Bind>
class NormKernel final : public Kernel {
 public:
  NormKernel(const RowLaunch& launch, const Parameter& parameter, Bind bind, bool in_place)
      : launch_(launch), parameter_(parameter), bind_(bind), in_place_(in_place) {}

  bool MayRunInPlace(int index) const override { return in_place_ && index == 0; }

  void Run(const KernelArgs& args) const override {
    if (launch_.blocks == 0) return;
    Parameter parameter = parameter_;
    parameter.in = args.inputs[0].data;
    parameter.out = args.outputs[0].data;
    bind_(parameter, args);
    args.stream->Run(launch_.function, {launch_.blocks}, kRowThreads, parameter,
                     launch_.shared_bytes);
  }

 private:
  RowLaunch launch_;
  Parameter parameter_;
  Bind bind_;
  bool in_place_;
};

template <typename Parameter, typename Bind>
MadeKernel MakeKernel(const RowLaunch& launch, const Parameter& parameter, Bind bind,
                      bool in_place = true) {
  return MadeKernel(
      std::make_unique<NormKernel<Parameter, Bind>>(launch, parameter, bind, in_place));
}

const void* Operand(const KernelArgs& args, size_t i) {
  return i < args.inputs.size() ? args.inputs[i].data : nullptr;
}
float* Wanted(const KernelArgs& args, size_t i) {
  return i < args.outputs.size() ? static_cast<float*>(args.outputs[i].data) : nullptr;
}

MadeKernel MakeLines(cuda::LineOp op, DType dtype, int64_t outer, int64_t length, int64_t inner,
                     const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckSize(outer, length, inner));
  ERGO_ASSIGN_OR_RETURN(const RowLaunch launch,
                        PlanRows(context, "line", dtype, outer * inner, length));
  cuda::LineParameter parameter;
  parameter.lines = static_cast<uint32_t>(outer * inner);
  parameter.length = static_cast<uint32_t>(length);
  parameter.inner = static_cast<uint32_t>(inner);
  parameter.op = op;
  return MakeKernel(launch, parameter, [](cuda::LineParameter&, const KernelArgs&) {});
}

// One thread an element.
Result<RowLaunch> PlanElements(const MakeContext& context, const char* function, DType dtype,
                               int64_t elements) {
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  if (!cuda::IsDeviceFloat(dtype)) return Unsupported("norm of {}", DTypeName(dtype));
  RowLaunch launch;
  ERGO_ASSIGN_OR_RETURN(launch.function, context.gpu->Find("norm", function));
  launch.blocks = static_cast<uint32_t>(CeilDiv(elements, int64_t{kRowThreads}));
  return launch;
}

}  // namespace

MadeKernel MakeNormCuda(const SoftmaxProblem& problem, const MakeContext& context) {
  const cuda::LineOp op = problem.op == SoftmaxOp::kSoftmax      ? cuda::LineOp::kSoftmax
                          : problem.op == SoftmaxOp::kLogSoftmax ? cuda::LineOp::kLogSoftmax
                                                                 : cuda::LineOp::kHardmax;
  constexpr int64_t kMostHardmax = int64_t{1} << 24;  // indices are kept as floats
  if (op == cuda::LineOp::kHardmax && problem.length > kMostHardmax) {
    return Unsupported("Hardmax of {} elements", problem.length);
  }
  return MakeLines(op, problem.dtype, problem.outer, problem.length, problem.inner, context);
}

MadeKernel MakeNormCuda(const LpNormProblem& problem, const MakeContext& context) {
  if (problem.p != 1 && problem.p != 2) return Unsupported("norm of order {}", problem.p);
  return MakeLines(problem.p == 1 ? cuda::LineOp::kNorm1 : cuda::LineOp::kNorm2, problem.dtype,
                   problem.outer, problem.length, problem.inner, context);
}

MadeKernel MakeNormCuda(const LayerNormProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckSize(problem.rows, problem.length, 1));
  ERGO_ASSIGN_OR_RETURN(const RowLaunch launch,
                        PlanRows(context, "moments", problem.dtype, problem.rows, problem.length));
  cuda::MomentsParameter parameter;
  parameter.rows = static_cast<uint32_t>(problem.rows);
  parameter.length = static_cast<uint32_t>(problem.length);
  parameter.epsilon = problem.epsilon;
  parameter.rms = problem.rms;
  return MakeKernel(launch, parameter, [](cuda::MomentsParameter& p, const KernelArgs& args) {
    p.scale = Operand(args, 1);
    p.bias = Operand(args, 2);
    p.mean = Wanted(args, 1);
    p.inv_std = Wanted(args, 2);
  });
}

MadeKernel MakeNormCuda(const GroupNormProblem& problem, const MakeContext& context) {
  const int64_t rows = problem.batch * problem.groups;
  const int64_t length = problem.channels_per_group * problem.spatial;
  ERGO_RETURN_IF_ERROR(CheckSize(rows, length, 1));
  ERGO_ASSIGN_OR_RETURN(const RowLaunch launch,
                        PlanRows(context, "moments", problem.dtype, rows, length));
  cuda::MomentsParameter parameter;
  parameter.rows = static_cast<uint32_t>(rows);
  parameter.length = static_cast<uint32_t>(length);
  parameter.groups = static_cast<uint32_t>(problem.groups);
  const bool per_group = problem.params_per_group;
  parameter.group_params = per_group ? 1 : static_cast<uint32_t>(problem.channels_per_group);
  parameter.spatial = static_cast<uint32_t>(per_group ? length : problem.spatial);
  parameter.epsilon = problem.epsilon;
  return MakeKernel(launch, parameter, [](cuda::MomentsParameter& p, const KernelArgs& args) {
    p.scale = args.inputs[1].data;
    p.bias = args.inputs[2].data;
  });
}

MadeKernel MakeNormCuda(const BatchNormProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckSize(problem.batch, problem.channels, problem.spatial));
  if (!cuda::IsDeviceFloat(problem.param_dtype) || !cuda::IsDeviceFloat(problem.moments_dtype)) {
    return Unsupported("parameters of {} and {}", DTypeName(problem.param_dtype),
                       DTypeName(problem.moments_dtype));
  }
  const int64_t elements = problem.batch * problem.channels * problem.spatial;
  ERGO_ASSIGN_OR_RETURN(const RowLaunch launch,
                        PlanElements(context, "ergo_batch_norm", problem.dtype, elements));
  cuda::BatchNormParameter parameter;
  parameter.elements = static_cast<uint32_t>(elements);
  parameter.channels = static_cast<uint32_t>(problem.channels);
  parameter.spatial = static_cast<uint32_t>(problem.spatial);
  parameter.epsilon = problem.epsilon;
  parameter.dtype = problem.dtype;
  parameter.param_dtype = problem.param_dtype;
  parameter.moments_dtype = problem.moments_dtype;
  return MakeKernel(launch, parameter, [](cuda::BatchNormParameter& p, const KernelArgs& args) {
    p.scale = args.inputs[1].data;
    p.bias = args.inputs[2].data;
    p.mean = args.inputs[3].data;
    p.variance = args.inputs[4].data;
  });
}

MadeKernel MakeNormCuda(const LrnProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckSize(problem.batch, problem.channels, problem.spatial));
  if (problem.size < 1) return InvalidArgument("a window of {} channels", problem.size);
  const int64_t elements = problem.batch * problem.channels * problem.spatial;
  ERGO_ASSIGN_OR_RETURN(const RowLaunch launch,
                        PlanElements(context, "ergo_lrn", problem.dtype, elements));
  cuda::LrnParameter parameter;
  parameter.elements = static_cast<uint32_t>(elements);
  parameter.channels = static_cast<uint32_t>(problem.channels);
  parameter.spatial = static_cast<uint32_t>(problem.spatial);
  parameter.size = static_cast<uint32_t>(problem.size);
  parameter.alpha = problem.alpha;
  parameter.beta = problem.beta;
  parameter.bias = problem.bias;
  parameter.dtype = problem.dtype;
  return MakeKernel(
      launch, parameter, [](cuda::LrnParameter&, const KernelArgs&) {}, false);
}

}  // namespace ergo
