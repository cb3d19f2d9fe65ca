// gemm of 16-bit floats by our own kernel with matrix instructions, and any epilogue.
#include "kernels/base/checked_math.h"
#include "kernels/cuda/gpu.h"
#include "kernels/gemm/gemm_cuda.h"

namespace ergo {
namespace {

using cuda::GemmMmaParameter;

// Rows are read 16 bytes at a time.
constexpr int64_t kChunkElements = 8;

Status CheckFits(const GemmProblem& p) {
  constexpr int64_t kMostBlocks = 65535;  // along y and z
  if (p.dtype != DType::kF16 && p.dtype != DType::kBF16) {
    return Unsupported("matrix instructions of {}", DTypeName(p.dtype));
  }
  if (p.trans_a) return Unsupported("A is transposed");
  if (p.batch.Rank() > 1) return Unsupported("batches of {}", p.batch.ToString());
  if (SaturatingProduct({p.m, p.n, p.batch.Elements()}) == 0) return Unsupported("it is empty");
  const int64_t b_columns = p.trans_b ? p.k : p.n;
  for (const int64_t of_chunks : {p.k, b_columns, p.ARowStride(), p.BRowStride(),
                                  p.batch.Rank() > 0 ? p.a_batch_strides[0] : 0,
                                  p.batch.Rank() > 0 ? p.b_batch_strides[0] : 0}) {
    if (of_chunks % kChunkElements != 0) {
      return Unsupported("rows of {} elements are no multiples of 16 bytes", of_chunks);
    }
  }
  constexpr int64_t kMostElements = int64_t{1} << 31;
  if (p.m >= kMostElements || p.n >= kMostElements || p.k >= kMostElements ||
      CeilDiv(p.m, int64_t{cuda::kGemmTileRows}) > kMostBlocks ||
      p.batch.Elements() > kMostBlocks) {
    return Unsupported("{} rows in {} batches", p.m, p.batch.Elements());
  }
  return {};
}

class GemmMma final : public Kernel {
 public:
  GemmMma(const GemmProblem& p, cuda::FunctionHandle function)
      : function_(function),
        batch_(static_cast<uint32_t>(p.batch.Elements())),
        residual_(p.residual) {
    parameter_.m = static_cast<int32_t>(p.m);
    parameter_.n = static_cast<int32_t>(p.n);
    parameter_.k = static_cast<int32_t>(p.k);
    parameter_.a_row_stride = p.ARowStride();
    parameter_.b_row_stride = p.BRowStride();
    if (p.batch.Rank() > 0) {
      parameter_.a_batch_stride = p.a_batch_strides[0];
      parameter_.b_batch_stride = p.b_batch_strides[0];
    }
    parameter_.alpha = p.alpha;
    parameter_.beta = p.beta;
    parameter_.bias_kind = p.bias;
    parameter_.activation = p.activation;
  }

  bool MayRunInPlace(int index) const override { return residual_ && index == 3; }

  void Run(const KernelArgs& args) const override {
    const auto input = [&](size_t i) {
      return i < args.inputs.size() ? args.inputs[i].data : nullptr;
    };
    GemmMmaParameter parameter = parameter_;
    parameter.a = input(0);
    parameter.b = input(1);
    parameter.bias = input(2);
    if (residual_) parameter.residual = input(3);
    parameter.d = args.outputs[0].data;
    const auto blocks = [](int32_t size, int32_t tile) {
      return static_cast<uint32_t>(CeilDiv(size, tile));
    };
    args.stream->Run(function_,
                     {blocks(parameter.n, cuda::kGemmTileColumns),
                      blocks(parameter.m, cuda::kGemmTileRows), batch_},
                     cuda::kGemmThreads, parameter, cuda::kGemmSharedBytes);
  }

 private:
  cuda::FunctionHandle function_;
  uint32_t batch_;
  bool residual_;
  GemmMmaParameter parameter_;
};

}  // namespace

MadeKernel MakeGemmMma(const GemmProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckGemm(problem));
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  GemmProblem p = problem;
  CollapseBatches(p);
  ERGO_RETURN_IF_ERROR(CheckFits(p));
  const std::string function = fmt::format(
      "ergo_gemm_mma_{}{}", p.dtype == DType::kF16 ? "f16" : "bf16", p.trans_b ? "_tb" : "");
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle found,
                        context.gpu->Find("gemm", function.c_str(), cuda::kGemmSharedBytes));
  return MadeKernel(std::make_unique<GemmMma>(p, found));
}

}  // namespace ergo
