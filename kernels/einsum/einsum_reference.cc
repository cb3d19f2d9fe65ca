#include <array>
#include <memory>
#include <type_traits>

#include "kernels/base/visit_dtype.h"
#include "kernels/einsum/einsum.h"
#include "kernels/einsum/limits.h"

namespace ergo {
namespace {

// Walks labels [begin, end) as an odometer and keeps the offset of each operand.
class Odometer {
 public:
  Odometer(const EinsumProblem& problem, size_t begin, size_t end)
      : problem_(problem), begin_(begin), end_(end) {}

  // The position with this row-major index.
  void Seek(int64_t index) {
    for (size_t label = end_; label-- > begin_;) {
      const int64_t at = index % problem_.sizes[label];
      index /= problem_.sizes[label];
      Move(label, at - at_[label]);
    }
  }

  // To the next position; back to the first after the last.
  void Next() {
    for (size_t label = end_; label-- > begin_;) {
      if (at_[label] + 1 < problem_.sizes[label]) return Move(label, 1);
      Move(label, -at_[label]);
    }
  }

  int64_t Offset(size_t operand) const { return offsets_[operand]; }

 private:
  void Move(size_t label, int64_t steps) {
    at_[label] += steps;
    for (size_t i = 0; i < problem_.operands.size(); ++i) {
      offsets_[i] += steps * problem_.operands[i].strides[label];
    }
  }

  const EinsumProblem& problem_;
  const size_t begin_, end_;
  std::array<int64_t, kMaxEinsumAxes> at_{};
  std::array<int64_t, kMaxEinsumOperands> offsets_{};
};

template <typename T>
class EinsumReference final : public Kernel {
 public:
  explicit EinsumReference(const EinsumProblem& problem) : problem_(problem) {
    for (size_t label = 0; label < problem.sizes.size(); ++label) {
      (label < OutputLabels() ? outputs_ : products_) *= problem.sizes[label];
    }
  }

  void Run(const KernelArgs& args) const override {
    args.parallel.Run(
        outputs_, [&](int64_t index, int) { args.outputs[0].As<T>()[index] = SumAt(args, index); });
  }

 private:
  // Integers of every width agree with the low bits of uint64_t arithmetic.
  using Sum = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

  size_t OutputLabels() const { return static_cast<size_t>(problem_.output_labels); }

  static Sum Read(const T* data, int64_t index) {
    if constexpr (std::is_arithmetic_v<T>) {
      return static_cast<Sum>(data[index]);
    } else {
      return static_cast<Sum>(static_cast<float>(data[index]));
    }
  }

  T SumAt(const KernelArgs& args, int64_t index) const {
    Odometer outer(problem_, 0, OutputLabels());
    outer.Seek(index);
    Odometer inner(problem_, OutputLabels(), problem_.sizes.size());
    Sum sum{};
    for (int64_t step = 0; step < products_; ++step, inner.Next()) {
      Sum product{1};
      for (size_t i = 0; i < problem_.operands.size(); ++i) {
        product *= Read(args.inputs[i].As<T>(), outer.Offset(i) + inner.Offset(i));
      }
      sum += product;
    }
    if constexpr (std::is_arithmetic_v<T>) {
      return static_cast<T>(sum);
    } else {
      return T(static_cast<float>(sum));
    }
  }

  const EinsumProblem problem_;
  int64_t outputs_ = 1, products_ = 1;
};

}  // namespace

MadeKernel MakeEinsumReference(const EinsumProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckEinsum(problem));
  std::unique_ptr<Kernel> kernel =
      VisitDType(problem.dtype, [&]<typename T>(TypeTag<T>) -> std::unique_ptr<Kernel> {
        if constexpr (std::is_same_v<T, bool>) {
          return nullptr;
        } else {
          return std::make_unique<EinsumReference<T>>(problem);
        }
      });
  if (kernel == nullptr) return Unsupported("einsum of {}", DTypeName(problem.dtype));
  return kernel;
}

}  // namespace ergo
