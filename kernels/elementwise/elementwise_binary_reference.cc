// Binary operators and Where, one plain loop an operator and type, over the rows of a
// BroadcastPlan.
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/elementwise/broadcast.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/limits.h"
#include "kernels/elementwise/scalar_math.h"

namespace ergo {
namespace {

using namespace scalar;  // NOLINT: the formulas of binary_ops.inc are written in its terms

// Which C++ types an operator takes, by the `kind` column.
template <typename T>
constexpr bool kTakesFloat = kIsFloat<T>;
template <typename T>
constexpr bool kTakesBool = std::is_same_v<T, bool>;
template <typename T>
constexpr bool kTakesInteger = !kIsFloat<T> && !kTakesBool<T>;
template <typename T>
constexpr bool kTakesNumeric = !kTakesBool<T>;
template <typename T>
constexpr bool kTakesAny = true;

struct ResultSame {
  template <typename T>
  using Out = T;
};
struct ResultBool {
  template <typename T>
  using Out = bool;
};

#define ERGO_BINARY_OP(name, onnx, kind, result, formula) \
  struct name##Op : Result##result {                      \
    template <typename T>                                 \
    static constexpr bool kTakes = kTakes##kind<T>;       \
    template <typename T>                                 \
    static auto Apply(T a, T b) {                         \
      return formula;                                     \
    }                                                     \
  };
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP

// One row, or a piece of one: strides are 0 or 1.
using RowFn = void (*)(const void* a, int64_t a_offset, int64_t a_stride, const void* b,
                       int64_t b_offset, int64_t b_stride, void* out, int64_t out_offset,
                       int64_t length);

template <typename Op, typename T>
void Row(const void* a, int64_t a_offset, int64_t a_stride, const void* b, int64_t b_offset,
         int64_t b_stride, void* out, int64_t out_offset, int64_t length) {
  using Out = typename Op::template Out<T>;
  const T* x = static_cast<const T*>(a) + a_offset;
  const T* y = static_cast<const T*>(b) + b_offset;
  Out* to = static_cast<Out*>(out) + out_offset;
  for (int64_t i = 0; i < length; ++i) {
    const auto z =
        Op::template Apply<ComputeType<T>>(Widen(x[i * a_stride]), Widen(y[i * b_stride]));
    if constexpr (std::is_same_v<Out, bool>) {
      to[i] = z;
    } else {
      to[i] = Narrow<T>(z);
    }
  }
}

// The type of the base decides that of the result; everything but integers to integers goes
// through double.
template <typename Base, typename Exponent>
void PowRow(const void* a, int64_t a_offset, int64_t a_stride, const void* b, int64_t b_offset,
            int64_t b_stride, void* out, int64_t out_offset, int64_t length) {
  const Base* x = static_cast<const Base*>(a) + a_offset;
  const Exponent* y = static_cast<const Exponent*>(b) + b_offset;
  Base* to = static_cast<Base*>(out) + out_offset;
  for (int64_t i = 0; i < length; ++i) {
    const auto base = Widen(x[i * a_stride]);
    const auto exponent = Widen(y[i * b_stride]);
    if constexpr (kIsFloat<Base>) {
      to[i] = Narrow<Base>(std::pow(base, static_cast<double>(exponent)));
    } else if constexpr (kIsFloat<Exponent>) {
      to[i] = SaturatingTruncate<Base>(std::pow(static_cast<double>(base), exponent));
    } else {
      to[i] = IntegerPower(base, static_cast<int64_t>(exponent));
    }
  }
}

template <typename Op>
RowFn FindRow(DType dtype) {
  return VisitDType(dtype, []<typename T>(TypeTag<T>) -> RowFn {
    if constexpr (Op::template kTakes<T>) {
      return Row<Op, T>;
    } else {
      return nullptr;
    }
  });
}

RowFn FindPowRow(DType base, DType exponent) {
  return VisitDType(base, [&]<typename Base>(TypeTag<Base>) {
    return VisitDType(exponent, []<typename Exponent>(TypeTag<Exponent>) -> RowFn {
      if constexpr (kTakesNumeric<Base> && kTakesNumeric<Exponent>) {
        return PowRow<Base, Exponent>;
      } else {
        return nullptr;
      }
    });
  });
}

RowFn FindRow(BinaryOp op, DType dtype, DType b_dtype) {
  if (op == BinaryOp::kPow) return FindPowRow(dtype, b_dtype);
  if (b_dtype != dtype) return nullptr;
  switch (op) {
#define ERGO_BINARY_OP(name, onnx, kind, result, formula) \
  case BinaryOp::k##name:                                 \
    return FindRow<name##Op>(dtype);
#include "kernels/elementwise/binary_ops.inc"
#undef ERGO_BINARY_OP
    case BinaryOp::kPow: break;
  }
  return nullptr;
}

class BinaryReference final : public Kernel {
 public:
  BinaryReference(const BinaryProblem& problem, const BroadcastPlan& plan, RowFn row)
      : plan_(plan), row_(row) {
    const int out_bits = DTypeBits(OutputType(problem));
    in_place_[0] = problem.a == plan.output && DTypeBits(problem.dtype) == out_bits;
    in_place_[1] = problem.b == plan.output && DTypeBits(problem.b_dtype) == out_bits;
  }

  bool MayRunInPlace(int index) const override { return in_place_[static_cast<size_t>(index)]; }

  void Run(const KernelArgs& args) const override {
    const void* a = args.inputs[0].data;
    const void* b = args.inputs[1].data;
    void* out = args.outputs[0].data;
    const int64_t a_stride = plan_.row_stride[0], b_stride = plan_.row_stride[1];
    ParallelRanges(args.parallel, plan_.output.Elements(), kElementwiseScalarGrain,
                   [&](int64_t begin, int64_t end, int) {
                     ForEachRowPiece(
                         plan_, begin, end,
                         [&](int64_t at, int64_t length, const RowWalker& walker, int64_t column) {
                           row_(a, walker.Offset(0) + column * a_stride, a_stride, b,
                                walker.Offset(1) + column * b_stride, b_stride, out, at, length);
                         });
                   });
  }

 private:
  BroadcastPlan plan_;
  RowFn row_;
  std::array<bool, 2> in_place_{};
};

class WhereReference final : public Kernel {
 public:
  WhereReference(const WhereProblem& problem, const BroadcastPlan& plan)
      : plan_(plan), element_bits_(DTypeBits(problem.dtype)) {
    in_place_ = {problem.condition == plan.output && element_bits_ == 8, problem.a == plan.output,
                 problem.b == plan.output};
  }

  bool MayRunInPlace(int index) const override { return in_place_[static_cast<size_t>(index)]; }

  void Run(const KernelArgs& args) const override {
    ParallelRanges(args.parallel, plan_.output.Elements(), kElementwiseScalarGrain,
                   [&](int64_t begin, int64_t end, int) {
                     switch (element_bits_) {
                       case 8: return Rows<uint8_t>(args, begin, end);
                       case 16: return Rows<uint16_t>(args, begin, end);
                       case 32: return Rows<uint32_t>(args, begin, end);
                       default: return Rows<uint64_t>(args, begin, end);
                     }
                   });
  }

 private:
  template <typename T>
  void Rows(const KernelArgs& args, int64_t begin, int64_t end) const {
    const auto* condition = static_cast<const bool*>(args.inputs[0].data);
    const auto* a = static_cast<const T*>(args.inputs[1].data);
    const auto* b = static_cast<const T*>(args.inputs[2].data);
    auto* out = static_cast<T*>(args.outputs[0].data);
    // Not a structured binding: clang 14 lets no lambda capture one.
    const int64_t c_stride = plan_.row_stride[0], a_stride = plan_.row_stride[1],
                  b_stride = plan_.row_stride[2];
    ForEachRowPiece(plan_, begin, end,
                    [&](int64_t at, int64_t length, const RowWalker& walker, int64_t column) {
                      const bool* c_row = condition + walker.Offset(0) + column * c_stride;
                      const T* a_row = a + walker.Offset(1) + column * a_stride;
                      const T* b_row = b + walker.Offset(2) + column * b_stride;
                      for (int64_t i = 0; i < length; ++i) {
                        out[at + i] =
                            c_row[i * c_stride] ? a_row[i * a_stride] : b_row[i * b_stride];
                      }
                    });
  }

  BroadcastPlan plan_;
  int element_bits_;
  std::array<bool, 3> in_place_{};
};

}  // namespace

MadeKernel MakeElementwiseReference(const BinaryProblem& problem, const MakeContext&) {
  const RowFn row = FindRow(problem.op, problem.dtype, problem.b_dtype);
  if (row == nullptr) {
    return Unsupported("{} does not take {} and {}", BinaryOpName(problem.op),
                       DTypeName(problem.dtype), DTypeName(problem.b_dtype));
  }
  const Shape shapes[] = {problem.a, problem.b};
  ERGO_ASSIGN_OR_RETURN(const BroadcastPlan plan, PlanBroadcast(shapes));
  return MadeKernel(std::make_unique<BinaryReference>(problem, plan, row));
}

MadeKernel MakeElementwiseReference(const WhereProblem& problem, const MakeContext&) {
  if (DTypeBits(problem.dtype) < 8) {
    return Unsupported("Where does not take {}", DTypeName(problem.dtype));
  }
  const Shape shapes[] = {problem.condition, problem.a, problem.b};
  ERGO_ASSIGN_OR_RETURN(const BroadcastPlan plan, PlanBroadcast(shapes));
  return MadeKernel(std::make_unique<WhereReference>(problem, plan));
}

}  // namespace ergo
