#include <concepts>
#include <memory>
#include <type_traits>

#include "kernels/gemm/gemm.h"

namespace ergo {
namespace {

// Arithmetic of a dtype: `Sum` holds the sum over k and the epilogue.
template <typename T>
struct Arithmetic {
  using Sum = double;
};
template <>
struct Arithmetic<Float16> {
  using Sum = float;
};
template <>
struct Arithmetic<BFloat16> {
  using Sum = float;
};
// Unsigned, since signed overflow is undefined; the low bits are the same.
template <std::integral T>
struct Arithmetic<T> {
  using Sum = std::make_unsigned_t<T>;
};

template <typename T>
T Finish(const GemmProblem& problem, typename Arithmetic<T>::Sum value) {
  if constexpr (std::is_integral_v<T>) {
    const T result = static_cast<T>(value);
    return problem.activation.kind == Activation::kRelu && result < T{0} ? T{0} : result;
  } else if constexpr (std::is_same_v<T, double>) {
    return Activate(problem.activation, value);
  } else {
    return T(static_cast<float>(Activate(problem.activation, static_cast<double>(value))));
  }
}

// From a float that is whole when Sum is an integer type.
template <typename Sum>
Sum Factor(float factor) {
  if constexpr (std::is_integral_v<Sum>) {
    return static_cast<Sum>(static_cast<int64_t>(factor));
  } else {
    return static_cast<Sum>(factor);
  }
}

int64_t BiasIndex(const GemmProblem& problem, int64_t i, int64_t j) {
  switch (problem.bias) {
    case GemmBias::kPerColumn: return j;
    case GemmBias::kPerRow: return i;
    case GemmBias::kFull: return i * problem.n + j;
    default: return 0;
  }
}

template <typename T>
class GemmReference final : public Kernel {
 public:
  explicit GemmReference(const GemmProblem& problem) : problem_(problem) {}

  bool MayRunInPlace(int index) const override { return index == 3 && problem_.residual; }

  void Run(const KernelArgs& args) const override {
    const int64_t rows = problem_.batch.Elements() * problem_.m;
    args.parallel.Run(rows, [&](int64_t row, int) { RunRow(args, row); });
  }

 private:
  using Sum = typename Arithmetic<T>::Sum;

  void RunRow(const KernelArgs& args, int64_t row) const {
    const int64_t i = row % problem_.m;
    const GemmOffsets offsets = GemmOffsetsOf(problem_, row / problem_.m);
    const int64_t a_stride = problem_.ARowStride();
    const int64_t b_stride = problem_.BRowStride();
    const T* a = args.inputs[0].As<T>() + offsets.a + i * (problem_.trans_a ? 1 : a_stride);
    const T* b = args.inputs[1].As<T>() + offsets.b;
    const T* bias = problem_.bias == GemmBias::kNone ? nullptr : args.inputs[2].As<T>();
    const T* residual = problem_.residual ? args.inputs[3].As<T>() + row * problem_.n : nullptr;
    T* d = args.outputs[0].As<T>() + row * problem_.n;
    for (int64_t j = 0; j < problem_.n; ++j) {
      Sum sum{};
      for (int64_t p = 0; p < problem_.k; ++p) {
        const T a_ip = a[problem_.trans_a ? p * a_stride : p];
        const T b_pj = b[problem_.trans_b ? j * b_stride + p : p * b_stride + j];
        sum += static_cast<Sum>(a_ip) * static_cast<Sum>(b_pj);
      }
      sum *= Factor<Sum>(problem_.alpha);
      if (bias != nullptr) {
        sum += Factor<Sum>(problem_.beta) * static_cast<Sum>(bias[BiasIndex(problem_, i, j)]);
      }
      if (residual != nullptr) sum += static_cast<Sum>(residual[j]);
      d[j] = Finish<T>(problem_, sum);
    }
  }

  const GemmProblem problem_;
};

template <typename T>
std::unique_ptr<Kernel> Make(const GemmProblem& problem) {
  return std::make_unique<GemmReference<T>>(problem);
}

}  // namespace

MadeKernel MakeGemmReference(const GemmProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckGemm(problem));
  switch (problem.dtype) {
    case DType::kF32: return Make<float>(problem);
    case DType::kF64: return Make<double>(problem);
    case DType::kF16: return Make<Float16>(problem);
    case DType::kBF16: return Make<BFloat16>(problem);
    case DType::kI32: return Make<int32_t>(problem);
    case DType::kI64: return Make<int64_t>(problem);
    case DType::kU32: return Make<uint32_t>(problem);
    case DType::kU64: return Make<uint64_t>(problem);
    default: return Unsupported("gemm of {}", DTypeName(problem.dtype));
  }
}

}  // namespace ergo
