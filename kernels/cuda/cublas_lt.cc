// Matmul through cuBLASLt. It has column-major matrices: it is asked for D^T = B^T A^T, so that its
// A is our B.
#include "kernels/cuda/system_libraries.h"

#if defined(ERGO_HAVE_CUDA)

#include <cublasLt.h>

#include <utility>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/shared_library.h"

// clang-format off
#define ERGO_CUBLAS_LT_FUNCTIONS(F) \
  F(cublasLtCreate) F(cublasLtDestroy) F(cublasLtMatmul) \
  F(cublasLtMatmulAlgoGetHeuristic) F(cublasLtMatmulDescInit_internal) \
  F(cublasLtMatmulDescSetAttribute) F(cublasLtMatrixLayoutInit_internal) \
  F(cublasLtMatrixLayoutSetAttribute) F(cublasLtMatmulPreferenceInit_internal) \
  F(cublasLtMatmulPreferenceSetAttribute)
// clang-format on

namespace ergo::cuda {
namespace {

struct Functions {
#define ERGO_CUBLAS_LT_FUNCTION(name) decltype(&::name) name##_ = nullptr;
  ERGO_CUBLAS_LT_FUNCTIONS(ERGO_CUBLAS_LT_FUNCTION)
#undef ERGO_CUBLAS_LT_FUNCTION
};

constexpr size_t kMaxWorkspaceBytes = size_t{32} << 20;

Status Check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return {};
  return Error(StatusCode::kDeviceError, "{}: status {}", call, static_cast<int>(status));
}

cudaDataType_t TypeOf(DType dtype) {
  return dtype == DType::kF16 ? CUDA_R_16F : dtype == DType::kBF16 ? CUDA_R_16BF : CUDA_R_32F;
}

class LtMatmul final : public Matmul {
 public:
  LtMatmul(const Functions& functions, cublasLtHandle_t handle, const MatmulSpec& spec)
      : f_(functions), handle_(handle), spec_(spec) {}

  Status Prepare() {
    ERGO_RETURN_IF_ERROR(DescribeProduct());
    const MatmulSpec& s = spec_;
    ERGO_RETURN_IF_ERROR(Describe(a_, s.trans_b ? s.k : s.n, s.trans_b ? s.n : s.k, s.b_row_stride,
                                  s.b_batch_stride));
    ERGO_RETURN_IF_ERROR(Describe(b_, s.trans_a ? s.m : s.k, s.trans_a ? s.k : s.m, s.a_row_stride,
                                  s.a_batch_stride));
    ERGO_RETURN_IF_ERROR(Describe(d_, s.n, s.m, s.d_row_stride, s.d_batch_stride));
    cublasLtMatmulPreferenceOpaque_t preference{};
    ERGO_RETURN_IF_ERROR(
        Check(f_.cublasLtMatmulPreferenceInit_internal_(&preference, sizeof(preference)),
              "cublasLtMatmulPreferenceInit"));
    ERGO_RETURN_IF_ERROR(Check(f_.cublasLtMatmulPreferenceSetAttribute_(
                                   &preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                   &kMaxWorkspaceBytes, sizeof(kMaxWorkspaceBytes)),
                               "cublasLtMatmulPreferenceSetAttribute"));
    int found = 0;
    const cublasStatus_t status = f_.cublasLtMatmulAlgoGetHeuristic_(
        handle_, &product_, &a_, &b_, &d_, &d_, &preference, 1, &algorithm_, &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && found == 0)) {
      return Unsupported("cuBLASLt has no algorithm for this product");
    }
    return Check(status, "cublasLtMatmulAlgoGetHeuristic");
  }

  size_t WorkspaceBytes() const override { return algorithm_.workspaceSize; }

  Status Run(const Operands& operands, Stream& stream) const override {
    // The library takes what it does not change as if it did; descriptors may be copied.
    cublasLtMatmulDescOpaque_t product = product_;
    cublasLtMatrixLayoutOpaque_t a = a_, b = b_, d = d_;
    if (spec_.bias) ERGO_RETURN_IF_ERROR(SetBias(product, operands.bias));
    const float beta = spec_.add_c ? 1.0f : 0.0f;
    const void* c = spec_.add_c ? operands.c : operands.d;
    return Check(f_.cublasLtMatmul_(handle_, &product, &spec_.alpha, operands.b, &a, operands.a, &b,
                                    &beta, c, &d, operands.d, &d, &algorithm_.algo,
                                    operands.workspace, algorithm_.workspaceSize,
                                    static_cast<cudaStream_t>(stream.Handle().value)),
                 "cublasLtMatmul");
  }

 private:
  template <typename Value>
  Status Set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    return Check(f_.cublasLtMatmulDescSetAttribute_(&product_, attribute, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  }

  Status SetBias(cublasLtMatmulDescOpaque_t& product, const void* bias) const {
    return Check(f_.cublasLtMatmulDescSetAttribute_(&product, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                    &bias, sizeof(bias)),
                 "cublasLtMatmulDescSetAttribute");
  }

  Status DescribeProduct() {
    const bool tf32 = spec_.dtype == DType::kF32 && spec_.tf32;
    ERGO_RETURN_IF_ERROR(
        Check(f_.cublasLtMatmulDescInit_internal_(
                  &product_, sizeof(product_),
                  tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
              "cublasLtMatmulDescInit"));
    const cublasOperation_t a = spec_.trans_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t b = spec_.trans_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    ERGO_RETURN_IF_ERROR(Set(CUBLASLT_MATMUL_DESC_TRANSA, a));
    ERGO_RETURN_IF_ERROR(Set(CUBLASLT_MATMUL_DESC_TRANSB, b));
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    if (spec_.bias && spec_.relu) epilogue = CUBLASLT_EPILOGUE_RELU_BIAS;
    if (spec_.bias && !spec_.relu) epilogue = CUBLASLT_EPILOGUE_BIAS;
    if (!spec_.bias && spec_.relu) epilogue = CUBLASLT_EPILOGUE_RELU;
    return Set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
  }

  Status Describe(cublasLtMatrixLayoutOpaque_t& layout, int64_t rows, int64_t columns,
                  int64_t stride, int64_t batch_stride) {
    ERGO_RETURN_IF_ERROR(
        Check(f_.cublasLtMatrixLayoutInit_internal_(&layout, sizeof(layout), TypeOf(spec_.dtype),
                                                    static_cast<uint64_t>(rows),
                                                    static_cast<uint64_t>(columns), stride),
              "cublasLtMatrixLayoutInit"));
    const auto batch = static_cast<int32_t>(spec_.batch);
    ERGO_RETURN_IF_ERROR(
        Check(f_.cublasLtMatrixLayoutSetAttribute_(&layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                   &batch, sizeof(batch)),
              "cublasLtMatrixLayoutSetAttribute"));
    return Check(
        f_.cublasLtMatrixLayoutSetAttribute_(&layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                             &batch_stride, sizeof(batch_stride)),
        "cublasLtMatrixLayoutSetAttribute");
  }

  const Functions& f_;
  cublasLtHandle_t handle_;
  MatmulSpec spec_;
  cublasLtMatmulDescOpaque_t product_{};
  cublasLtMatrixLayoutOpaque_t a_{}, b_{}, d_{};
  cublasLtMatmulHeuristicResult_t algorithm_{};
};

class LoadedCublasLt final : public CublasLt {
 public:
  explicit LoadedCublasLt(SharedLibrary library) : library_(std::move(library)) {}
  ~LoadedCublasLt() override {
    if (handle_ != nullptr) f_.cublasLtDestroy_(handle_);
  }

  Status Start() {
#define ERGO_CUBLAS_LT_FUNCTION(name) ERGO_RETURN_IF_ERROR(library_.Find(#name, f_.name##_));
    ERGO_CUBLAS_LT_FUNCTIONS(ERGO_CUBLAS_LT_FUNCTION)
#undef ERGO_CUBLAS_LT_FUNCTION
    return Check(f_.cublasLtCreate_(&handle_), "cublasLtCreate");
  }

  Result<std::unique_ptr<Matmul>> Make(const MatmulSpec& spec) override {
    auto matmul = std::make_unique<LtMatmul>(f_, handle_, spec);
    ERGO_RETURN_IF_ERROR(matmul->Prepare());
    return std::unique_ptr<Matmul>(std::move(matmul));
  }

 private:
  SharedLibrary library_;
  Functions f_;
  cublasLtHandle_t handle_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<CublasLt>> OpenCublasLt() {
  Result<SharedLibrary> library = SharedLibrary::Open("libcublasLt.so.13");
  if (!library.ok()) return Unsupported("{}", library.status().message());
  auto loaded = std::make_unique<LoadedCublasLt>(std::move(library).value());
  const Status started = loaded->Start();
  if (!started.ok()) return Unsupported("{}", started.message());
  return std::unique_ptr<CublasLt>(std::move(loaded));
}

}  // namespace ergo::cuda

#else

namespace ergo::cuda {

Result<std::unique_ptr<CublasLt>> OpenCublasLt() {
  return Unsupported("this binary was built without CUDA");
}

}  // namespace ergo::cuda

#endif
