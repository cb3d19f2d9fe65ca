// Reductions of floating point on a GPU.
#include "kernels/reduce/reduce_cuda.h"

#include "kernels/base/checked_math.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/index_plan.h"
#include "kernels/cuda/row.h"
#include "kernels/reduce/reduce_plan.h"

namespace ergo {
namespace {

using cuda::ArgReduceParameter;
using cuda::kReduceThreads;
using cuda::ReduceParameter;

Status CheckFloats(DType dtype, const MakeContext& context) {
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  if (!cuda::IsDeviceFloat(dtype)) return Unsupported("reduction of {}", DTypeName(dtype));
  return {};
}

Result<cuda::IndexPlan> PlanAxes(const StridedAxes& axes) {
  const auto rank = static_cast<size_t>(axes.rank);
  const std::vector<std::vector<int64_t>> strides = {
      {axes.strides.begin(), axes.strides.begin() + axes.rank}};
  return cuda::PlanIndex(std::span(axes.dims.data(), rank), strides);
}

template <typename Parameter>
class ReduceKernel final : public Kernel {
 public:
  ReduceKernel(const Parameter& parameter, cuda::FunctionHandle function, uint32_t blocks,
               uint32_t shared_bytes)
      : parameter_(parameter), function_(function), blocks_(blocks), shared_bytes_(shared_bytes) {}

  void Run(const KernelArgs& args) const override {
    if (blocks_ == 0) return;
    Parameter parameter = parameter_;
    parameter.in = args.inputs[0].data;
    parameter.out = static_cast<decltype(parameter.out)>(args.outputs[0].data);
    args.stream->Run(function_, {blocks_}, kReduceThreads, parameter, shared_bytes_);
  }

 private:
  Parameter parameter_;
  cuda::FunctionHandle function_;
  uint32_t blocks_, shared_bytes_;
};

}  // namespace

MadeKernel MakeReduceCuda(const ReduceProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckReduce(problem));
  ERGO_RETURN_IF_ERROR(CheckFloats(problem.dtype, context));
  if (problem.op == ReduceOp::kProd) return Unsupported("products");
  const ReducePlan plan = PlanReduce(problem.input, problem.axes);
  ERGO_ASSIGN_OR_RETURN(const cuda::IndexPlan kept, PlanAxes(plan.kept));
  ERGO_ASSIGN_OR_RETURN(const cuda::IndexPlan reduced, PlanAxes(plan.reduced));
  ReduceParameter parameter;
  parameter.outputs = kept.elements;
  parameter.count = reduced.elements;
  parameter.kept_axes = kept.axes;
  parameter.kept = kept.operands[0];
  parameter.reduced_axes = reduced.axes;
  parameter.reduced = reduced.operands[0];
  parameter.op = problem.op;
  parameter.dtype = problem.dtype;

  constexpr uint32_t kFew = 16, kMany = 2048;
  const char* function = "ergo_reduce_warp";
  uint32_t per_block = cuda::WarpRow::kRowsPerBlock, shared_bytes = 0;
  if (parameter.count <= kFew || (!plan.InnerIsReduced() && parameter.count <= kMany)) {
    function = "ergo_reduce_thread";
    per_block = kReduceThreads;
  } else if (parameter.count > kMany) {
    function = "ergo_reduce_block";
    per_block = 1;
    shared_bytes = cuda::BlockRow::kSharedBytes;
  }
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle found, context.gpu->Find("reduce", function));
  return MadeKernel(std::make_unique<ReduceKernel<ReduceParameter>>(
      parameter, found, CeilDiv(parameter.outputs, per_block), shared_bytes));
}

MadeKernel MakeReduceCuda(const ArgReduceProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckFloats(problem.dtype, context));
  constexpr int64_t kMostElements = int64_t{1} << 31;
  if (problem.input.Elements() >= kMostElements) {
    return Unsupported("{} elements need 64-bit indices", problem.input.Elements());
  }
  ArgReduceParameter parameter;
  const int64_t inner = problem.input.Elements(problem.axis + 1, problem.input.Rank());
  parameter.lines = static_cast<uint32_t>(problem.input.Elements(0, problem.axis) * inner);
  parameter.length = static_cast<uint32_t>(problem.input[problem.axis]);
  parameter.inner = static_cast<uint32_t>(inner);
  parameter.dtype = problem.dtype;
  parameter.largest = problem.largest;
  parameter.last = problem.last;
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle found,
                        context.gpu->Find("reduce", "ergo_arg_reduce"));
  return MadeKernel(std::make_unique<ReduceKernel<ArgReduceParameter>>(
      parameter, found, CeilDiv(parameter.lines, cuda::WarpRow::kRowsPerBlock), 0));
}

MadeKernel MakeReduceCuda(const CumulativeProblem&, const MakeContext&) {
  return Unsupported("cumulative operators are computed on the CPU");
}

}  // namespace ergo
