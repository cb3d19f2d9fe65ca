// One sample in one direction at a time, in double, as the formulas of recurrent.h are written.
#include <cmath>

#include "kernels/base/visit_dtype.h"
#include "kernels/elementwise/scalar_math.h"
#include "kernels/recurrent/recurrent.h"
#include "kernels/recurrent/recurrent_shape.h"

namespace ergo {
namespace {

double ApplyGate(const GateFunction& function, double x) {
  const double alpha = function.alpha, beta = function.beta;
  switch (function.kind) {
    case GateActivation::kSigmoid: return scalar::Logistic(x);
    case GateActivation::kTanh: return std::tanh(x);
    case GateActivation::kRelu: return x < 0 ? 0 : x;
    case GateActivation::kAffine: return alpha * x + beta;
    case GateActivation::kLeakyRelu: return x < 0 ? alpha * x : x;
    case GateActivation::kThresholdedRelu: return x <= alpha ? 0 : x;
    case GateActivation::kScaledTanh: return alpha * std::tanh(beta * x);
    case GateActivation::kHardSigmoid: return scalar::ClipTo(alpha * x + beta, 0, 1);
    case GateActivation::kElu: return x < 0 ? alpha * std::expm1(x) : x;
    case GateActivation::kSoftsign: return x / (1 + std::fabs(x));
    case GateActivation::kSoftplus: return scalar::LogOnePlusExp(x);
  }
  return x;
}

// The state of one sample in one direction, in the memory it is given.
template <typename T>
class Sample {
 public:
  Sample(const RecurrentProblem& problem, const RecurrentOperands& operands, int direction,
         int64_t sample, double* scratch)
      : p_(problem),
        o_(operands),
        direction_(direction),
        sample_(sample),
        functions_(problem.activations[static_cast<size_t>(direction)]),
        h_(scratch),
        c_(h_ + p_.hidden),
        gates_(c_ + p_.hidden),
        recurrent_(gates_ + p_.Gates() * p_.hidden) {}

  // Doubles that a Sample needs.
  static int64_t ScratchSize(const RecurrentProblem& p) { return (3 + p.Gates()) * p.hidden; }

  void Run() {
    for (int64_t k = 0; k < p_.hidden; ++k) {
      h_[k] = State(o_.initial_h, k);
      c_[k] = State(o_.initial_c, k);
    }
    const int64_t length = o_.Length(p_, sample_);
    for (int64_t step = 0; step < length; ++step) {
      const int64_t t = p_.Reversed(direction_) ? length - 1 - step : step;
      Step(static_cast<const T*>(o_.x.data) + XOffset(p_, t, sample_));
      Store(o_.y, YOffset(p_, t, direction_, sample_), h_);
    }
    for (int64_t t = length; t < p_.seq; ++t)
      Store(o_.y, YOffset(p_, t, direction_, sample_), nullptr);
    Store(o_.y_h, StateOffset(p_, direction_, sample_), h_);
    Store(o_.y_c, StateOffset(p_, direction_, sample_), c_);
  }

 private:
  static double At(const void* data, int64_t i) {
    return scalar::Widen(static_cast<const T*>(data)[i]);
  }
  double State(const TensorView& initial, int64_t k) const {
    if (initial.data == nullptr) return 0;
    return At(initial.data, StateOffset(p_, direction_, sample_) + k);
  }
  // Null values stand for zeros.
  void Store(const MutableTensorView& to, int64_t offset, const double* values) const {
    if (to.data == nullptr) return;
    for (int64_t k = 0; k < p_.hidden; ++k) {
      static_cast<T*>(to.data)[offset + k] = scalar::Narrow<T>(values == nullptr ? 0 : values[k]);
    }
  }
  int64_t Row(int gate, int64_t k) const {
    return (direction_ * p_.Gates() + gate) * p_.hidden + k;
  }
  // Of W for part 0, of R for part 1.
  double Bias(int part, int gate, int64_t k) const {
    if (o_.b.data == nullptr) return 0;
    return At(o_.b.data, ((direction_ * 2 + part) * p_.Gates() + gate) * p_.hidden + k);
  }
  double Peephole(int which, int64_t k) const {
    if (o_.p.data == nullptr) return 0;
    return At(o_.p.data, (direction_ * 3 + which) * p_.hidden + k);
  }
  double WRow(int gate, int64_t k, const T* x) const {
    double sum = 0;
    for (int64_t i = 0; i < p_.input; ++i) {
      sum += At(o_.w.data, Row(gate, k) * p_.input + i) * scalar::Widen(x[i]);
    }
    return sum;
  }
  double RRow(int gate, int64_t k, const double* h) const {
    double sum = 0;
    for (int64_t i = 0; i < p_.hidden; ++i) {
      sum += At(o_.r.data, Row(gate, k) * p_.hidden + i) * h[i];
    }
    return sum;
  }
  double Gate(int function, double x) const {
    const double limit = p_.clip;
    if (limit > 0) x = scalar::ClipTo(x, -limit, limit);
    return ApplyGate(functions_[static_cast<size_t>(function)], x);
  }
  // The argument of a gate that has no peculiarities.
  double Plain(int gate, int64_t k, const T* x) const {
    return WRow(gate, k, x) + RRow(gate, k, h_) + Bias(0, gate, k) + Bias(1, gate, k);
  }

  void Step(const T* x) {
    switch (p_.cell) {
      case RecurrentCell::kRnn: return StepRnn(x);
      case RecurrentCell::kGru: return StepGru(x);
      case RecurrentCell::kLstm: return StepLstm(x);
    }
  }

  void StepRnn(const T* x) {
    for (int64_t k = 0; k < p_.hidden; ++k) gates_[k] = Gate(0, Plain(0, k, x));
    std::copy_n(gates_, p_.hidden, h_);
  }

  void StepGru(const T* x) {
    double* z = gates_;
    double* r = gates_ + p_.hidden;
    double* n = gates_ + 2 * p_.hidden;
    for (int64_t k = 0; k < p_.hidden; ++k) {
      z[k] = Gate(0, Plain(0, k, x));
      r[k] = Gate(0, Plain(1, k, x));
      recurrent_[k] = r[k] * h_[k];
    }
    for (int64_t k = 0; k < p_.hidden; ++k) {
      const double from_h = p_.linear_before_reset ? r[k] * (RRow(2, k, h_) + Bias(1, 2, k))
                                                   : RRow(2, k, recurrent_) + Bias(1, 2, k);
      n[k] = Gate(1, WRow(2, k, x) + Bias(0, 2, k) + from_h);
    }
    for (int64_t k = 0; k < p_.hidden; ++k) h_[k] = (1 - z[k]) * n[k] + z[k] * h_[k];
  }

  void StepLstm(const T* x) {
    for (int gate = 0; gate < 4; ++gate) {
      for (int64_t k = 0; k < p_.hidden; ++k) gates_[gate * p_.hidden + k] = Plain(gate, k, x);
    }
    for (int64_t k = 0; k < p_.hidden; ++k) {
      const double i = Gate(0, gates_[k] + Peephole(0, k) * c_[k]);
      const double f =
          p_.input_forget ? 1 - i : Gate(0, gates_[2 * p_.hidden + k] + Peephole(2, k) * c_[k]);
      c_[k] = f * c_[k] + i * Gate(1, gates_[3 * p_.hidden + k]);
      const double o = Gate(0, gates_[p_.hidden + k] + Peephole(1, k) * c_[k]);
      h_[k] = o * ApplyGate(functions_[2], c_[k]);
    }
  }

  const RecurrentProblem& p_;
  const RecurrentOperands& o_;
  int direction_;
  int64_t sample_;
  const std::array<GateFunction, 3>& functions_;
  double *h_, *c_, *gates_, *recurrent_;
};

template <typename T>
class RecurrentReference final : public Kernel {
 public:
  RecurrentReference(const RecurrentProblem& problem, int max_workers)
      : problem_(problem), max_workers_(max_workers) {}

  size_t WorkspaceBytes() const override {
    return sizeof(double) * static_cast<size_t>(Sample<T>::ScratchSize(problem_) * max_workers_);
  }

  void Run(const KernelArgs& args) const override {
    const RecurrentOperands operands(args);
    auto* scratch = reinterpret_cast<double*>(args.workspace.data());
    const int64_t scratch_size = Sample<T>::ScratchSize(problem_);
    args.parallel.Run(problem_.batch * problem_.directions, [&](int64_t index, int worker) {
      const auto direction = static_cast<int>(index % problem_.directions);
      Sample<T>(problem_, operands, direction, index / problem_.directions,
                scratch + worker * scratch_size)
          .Run();
    });
  }

 private:
  RecurrentProblem problem_;
  int64_t max_workers_;
};

}  // namespace

MadeKernel MakeRecurrentReference(const RecurrentProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckRecurrent(problem));
  auto kernel = VisitDType(problem.dtype, [&]<typename T>(TypeTag<T>) -> std::unique_ptr<Kernel> {
    if constexpr (scalar::kIsFloat<T>) {
      return std::make_unique<RecurrentReference<T>>(problem, context.max_workers);
    } else {
      return nullptr;
    }
  });
  if (kernel == nullptr) {
    return Unsupported("{} is not a floating-point type", DTypeName(problem.dtype));
  }
  return kernel;
}

}  // namespace ergo
