// Pooling of floating point on a GPU.
#include "kernels/pool/pool_cuda.h"

#include "kernels/base/checked_math.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/gpu.h"

namespace ergo {
namespace {

using cuda::kPoolThreads;
using cuda::PoolParameter;

class PoolCuda final : public Kernel {
 public:
  PoolCuda(const PoolParameter& parameter, cuda::FunctionHandle function, uint32_t blocks,
           bool has_indices)
      : parameter_(parameter), function_(function), blocks_(blocks), has_indices_(has_indices) {}

  void Run(const KernelArgs& args) const override {
    if (blocks_ == 0) return;
    PoolParameter parameter = parameter_;
    parameter.in = args.inputs[0].data;
    parameter.out = args.outputs[0].data;
    if (has_indices_) parameter.indices = static_cast<int64_t*>(args.outputs[1].data);
    args.stream->Run(function_, {blocks_}, kPoolThreads, parameter);
  }

 private:
  PoolParameter parameter_;
  cuda::FunctionHandle function_;
  uint32_t blocks_;
  bool has_indices_;
};

}  // namespace

MadeKernel MakePoolCuda(const PoolProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckPool(problem));
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  if (!cuda::IsDeviceFloat(problem.dtype)) {
    return Unsupported("pooling of {}", DTypeName(problem.dtype));
  }
  const Window& window = problem.window;
  constexpr int64_t kMostElements = int64_t{1} << 31;
  const int64_t outputs = problem.planes * window.OutElements();
  // Windows of one number of axes and of padding reach little beyond the input.
  for (const int64_t elements : {outputs, problem.planes * window.InElements()}) {
    if (elements >= kMostElements) return Unsupported("{} elements", elements);
  }
  PoolParameter parameter;
  parameter.outputs = static_cast<uint32_t>(outputs);
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
    const auto set = [&](int32_t* field, const Spatial& values) {
      field[axis] = static_cast<int32_t>(values[axis]);
    };
    set(parameter.in_size, window.in);
    set(parameter.out_size, window.out);
    set(parameter.kernel, window.kernel);
    set(parameter.strides, window.strides);
    set(parameter.dilations, window.dilations);
    set(parameter.pads_begin, window.pads_begin);
    set(parameter.pads_end, window.pads_end);
    if (window.Extent(axis) + window.out[axis] * window.strides[axis] >= kMostElements) {
      return Unsupported("windows of {} elements", window.Extent(axis));
    }
  }
  if (outputs > 0) {
    const auto by = [](int64_t divisor) {
      return cuda::FastDivide::By(static_cast<uint32_t>(divisor));
    };
    parameter.plane = by(window.OutElements());
    parameter.depth_step = by(window.out[1] * window.out[2]);
    parameter.row = by(window.out[2]);
  }
  parameter.kind = problem.kind;
  parameter.dtype = problem.dtype;
  parameter.count_include_pad = problem.count_include_pad;
  parameter.column_major = problem.column_major;
  parameter.p = static_cast<float>(problem.p);
  constexpr int64_t kLargeWindow = 48;
  const bool warp = window.KernelElements() >= kLargeWindow && !problem.has_indices;
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle function,
                        context.gpu->Find("pool", warp ? "ergo_pool_warp" : "ergo_pool_thread"));
  const uint32_t per_block = warp ? kPoolThreads / cuda::kWarp : kPoolThreads;
  return MadeKernel(std::make_unique<PoolCuda>(
      parameter, function, CeilDiv(parameter.outputs, per_block), problem.has_indices));
}

}  // namespace ergo
