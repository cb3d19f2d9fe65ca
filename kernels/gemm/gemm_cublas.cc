// gemm through cuBLASLt, with what it has of the epilogue: a bias for each column, a residual, and
// Relu. The rest is an elementwise program over the result.
#include <array>
#include <utility>
#include <vector>

#include "kernels/base/checked_math.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/gpu.h"
#include "kernels/elementwise/epilogue_program.h"
#include "kernels/gemm/gemm.h"

namespace ergo {
namespace {

using cuda::Matmul;
using cuda::MatmulSpec;

bool IsReluOrNone(const ActivationSpec& activation) {
  return activation.kind == Activation::kNone || activation.kind == Activation::kRelu;
}

Shape BiasShape(const GemmProblem& p) {
  switch (p.bias) {
    case GemmBias::kPerColumn: return {p.n};
    case GemmBias::kPerRow: return {p.m, 1};
    case GemmBias::kFull: return {p.m, p.n};
    default: return {};
  }
}

// Which part of the problem the library computes, in as many calls as there are `outer` batches.
struct Split {
  MatmulSpec spec;
  GemmProblem collapsed;  // whose offsets are those of the calls
  int64_t outer = 1;
  bool bias_after = false;
  ActivationSpec activation_after;
  bool After() const { return bias_after || activation_after.kind != Activation::kNone; }
};

Split SplitProblem(const GemmProblem& problem) {
  Split split;
  split.collapsed = problem;
  GemmProblem& p = split.collapsed;
  CollapseBatches(p);
  MatmulSpec& s = split.spec;
  s.dtype = p.dtype;
  s.m = p.m, s.n = p.n, s.k = p.k;
  s.trans_a = p.trans_a, s.trans_b = p.trans_b;
  s.a_row_stride = p.ARowStride(), s.b_row_stride = p.BRowStride(), s.d_row_stride = p.n;
  s.alpha = p.alpha;
  if (p.batch.Rank() > 0) {
    const auto last = static_cast<size_t>(p.batch.Rank()) - 1;
    s.batch = p.batch[p.batch.Rank() - 1];
    s.a_batch_stride = p.a_batch_strides[last];
    s.b_batch_stride = p.b_batch_strides[last];
    s.d_batch_stride = p.m * p.n;
    split.outer = p.batch.Elements(0, p.batch.Rank() - 1);
  }
  split.bias_after = p.bias != GemmBias::kNone && p.bias != GemmBias::kPerColumn;
  s.bias = p.bias == GemmBias::kPerColumn;
  s.add_c = p.residual;
  if (!split.bias_after && IsReluOrNone(p.activation)) {
    s.relu = p.activation.kind == Activation::kRelu;
  } else {
    split.activation_after = p.activation;
  }
  return split;
}

class CublasGemm final : public Kernel {
 public:
  CublasGemm(Split split, std::unique_ptr<Matmul> matmul, std::unique_ptr<Kernel> after)
      : split_(std::move(split)), matmul_(std::move(matmul)), after_(std::move(after)) {}

  size_t WorkspaceBytes() const override { return matmul_->WorkspaceBytes(); }
  bool MayRunInPlace(int index) const override { return split_.spec.add_c && index == 3; }

  void Run(const KernelArgs& args) const override {
    const auto size = DTypeBytes(split_.spec.dtype, 1);
    const auto at = [&](size_t input, int64_t elements) -> const void* {
      if (input >= args.inputs.size() || args.inputs[input].data == nullptr) return nullptr;
      return static_cast<const std::byte*>(args.inputs[input].data) + elements * size;
    };
    for (int64_t i = 0; i < split_.outer; ++i) {
      const GemmOffsets offsets = GemmOffsetsOf(split_.collapsed, i * split_.spec.batch);
      Matmul::Operands operands;
      operands.a = at(0, offsets.a);
      operands.b = at(1, offsets.b);
      operands.bias = at(2, 0);
      operands.c = at(3, offsets.d);
      operands.d = static_cast<std::byte*>(args.outputs[0].data) + offsets.d * size;
      operands.workspace = args.workspace.data();
      args.stream->Note(matmul_->Run(operands, *args.stream));
    }
    if (after_) RunAfter(args);
  }

 private:
  void RunAfter(const KernelArgs& args) const {
    std::array<TensorView, 2> inputs = {args.outputs[0]};
    size_t count = 1;
    if (split_.bias_after) inputs[count++] = args.inputs[2];
    after_->Run({std::span(inputs).first(count), args.outputs, {}, args.parallel, args.stream});
  }

  Split split_;
  std::unique_ptr<Matmul> matmul_;
  std::unique_ptr<Kernel> after_;
};

}  // namespace

MadeKernel MakeGemmCublas(const GemmProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckGemm(problem));
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  if (!cuda::IsDeviceFloat(problem.dtype)) {
    return Unsupported("gemm of {}", DTypeName(problem.dtype));
  }
  if (SaturatingProduct({problem.m, problem.n, problem.k, problem.batch.Elements()}) == 0) {
    return Unsupported("an empty product");
  }
  if (problem.bias != GemmBias::kNone && problem.beta != 1) {
    return Unsupported("a bias scaled by {}", problem.beta);
  }
  Split split = SplitProblem(problem);
  split.spec.tf32 = context.gpu->AllowsTf32();
  ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Matmul> matmul,
                        context.gpu->GetLibraries().MakeMatmul(split.spec));
  std::unique_ptr<Kernel> after;
  if (split.After()) {
    Shape d = problem.batch;
    d.Append(problem.m);
    d.Append(problem.n);
    std::vector<Shape> operands;
    if (split.bias_after) operands.push_back(BiasShape(problem));
    ERGO_ASSIGN_OR_RETURN(
        after, MakeProgramKernel(
                   EpilogueProgram(problem.dtype, d, operands, split.activation_after), context));
  }
  return MadeKernel(
      std::make_unique<CublasGemm>(std::move(split), std::move(matmul), std::move(after)));
}

}  // namespace ergo
