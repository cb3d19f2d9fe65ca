// The family's problems in plain loops over double.
#include <algorithm>
#include <cmath>

#include "kernels/base/parallel_ranges.h"
#include "kernels/base/real_access.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/elementwise/scalar_math.h"
#include "kernels/norm/limits.h"
#include "kernels/norm/norm.h"

namespace ergo {
namespace {

using scalar::Narrow;
using scalar::Widen;

// A line of a tensor [outer, length, inner]: the elements along `length`.
template <typename T>
class Line {
 public:
  Line(const void* in, void* out, int64_t line, int64_t length, int64_t inner)
      : in_(static_cast<const T*>(in) + line / inner * length * inner + line % inner),
        out_(static_cast<T*>(out) + line / inner * length * inner + line % inner),
        inner_(inner) {}
  double operator[](int64_t i) const { return Widen(in_[i * inner_]); }
  void Set(int64_t i, double value) const { out_[i * inner_] = Narrow<T>(value); }

 private:
  const T* in_;
  T* out_;
  int64_t inner_;
};

template <typename T>
void SoftmaxLine(const SoftmaxProblem& problem, const KernelArgs& args, int64_t line) {
  const int64_t length = problem.length;
  const Line<T> x(args.inputs[0].data, args.outputs[0].data, line, length, problem.inner);
  double largest = -INFINITY;
  int64_t first_largest = 0;
  for (int64_t i = 0; i < length; ++i) {
    if (x[i] > largest) first_largest = i;
    largest = scalar::Larger(largest, x[i]);
  }
  if (problem.op == SoftmaxOp::kHardmax) {
    for (int64_t i = 0; i < length; ++i) x.Set(i, i == first_largest ? 1 : 0);
    return;
  }
  double sum = 0;
  for (int64_t i = 0; i < length; ++i) sum += std::exp(x[i] - largest);
  for (int64_t i = 0; i < length; ++i) {
    const double shifted = x[i] - largest;
    x.Set(i, problem.op == SoftmaxOp::kSoftmax ? std::exp(shifted) / sum : shifted - std::log(sum));
  }
}

template <typename T>
void LpNormLine(const LpNormProblem& problem, const KernelArgs& args, int64_t line) {
  const Line<T> x(args.inputs[0].data, args.outputs[0].data, line, problem.length, problem.inner);
  double sum = 0;
  for (int64_t i = 0; i < problem.length; ++i) {
    sum += problem.p == 1 ? std::fabs(x[i]) : x[i] * x[i];
  }
  const double norm = problem.p == 1 ? sum : std::sqrt(sum);
  for (int64_t i = 0; i < problem.length; ++i) x.Set(i, norm == 0 ? 0 : x[i] / norm);
}

// Line `line` of x [batch, channels, spatial] along spatial.
template <typename T>
void BatchNormLine(const BatchNormProblem& problem, const KernelArgs& args, int64_t line) {
  const int64_t channel = line % problem.channels;
  const double scale = ReadReal(args.inputs[1], channel);
  const double bias = ReadReal(args.inputs[2], channel);
  const double mean = ReadReal(args.inputs[3], channel);
  const double std =
      std::sqrt(ReadReal(args.inputs[4], channel) + static_cast<double>(problem.epsilon));
  const Line<T> x(args.inputs[0].data, args.outputs[0].data, line, problem.spatial, 1);
  for (int64_t i = 0; i < problem.spatial; ++i) x.Set(i, (x[i] - mean) / std * scale + bias);
}

struct Moments {
  double mean = 0, variance = 0;
};

// Around zero when `centered` is false: the variance is then the mean square.
template <typename T>
Moments MomentsOf(const Line<T>& x, int64_t length, bool centered) {
  Moments moments;
  const auto count = static_cast<double>(length);
  if (centered) {
    for (int64_t i = 0; i < length; ++i) moments.mean += x[i];
    moments.mean /= count;
  }
  for (int64_t i = 0; i < length; ++i) {
    const double deviation = x[i] - moments.mean;
    moments.variance += deviation * deviation;
  }
  moments.variance /= count;
  return moments;
}

template <typename T>
void LayerNormLine(const LayerNormProblem& problem, const KernelArgs& args, int64_t row) {
  const Line<T> x(args.inputs[0].data, args.outputs[0].data, row, problem.length, 1);
  const auto [mean, variance] = MomentsOf(x, problem.length, !problem.rms);
  const double inv_std = 1 / std::sqrt(variance + static_cast<double>(problem.epsilon));
  const auto operand = [&](size_t i, int64_t at, double absent) {
    return i < args.inputs.size() && args.inputs[i].Present() ? ReadReal(args.inputs[i], at)
                                                              : absent;
  };
  for (int64_t i = 0; i < problem.length; ++i) {
    x.Set(i, (x[i] - mean) * inv_std * operand(1, i, 1) + operand(2, i, 0));
  }
  const auto store = [&](size_t i, double value) {
    if (i < args.outputs.size() && args.outputs[i].Present()) {
      args.outputs[i].As<float>()[row] = static_cast<float>(value);
    }
  };
  store(1, mean);
  store(2, inv_std);
}

// Group `line` of x [batch, groups, channels_per_group * spatial].
template <typename T>
void GroupNormLine(const GroupNormProblem& problem, const KernelArgs& args, int64_t line) {
  const int64_t length = problem.channels_per_group * problem.spatial;
  const int64_t group = line % problem.groups;
  const Line<T> x(args.inputs[0].data, args.outputs[0].data, line, length, 1);
  const auto [mean, variance] = MomentsOf(x, length, true);
  const double inv_std = 1 / std::sqrt(variance + static_cast<double>(problem.epsilon));
  for (int64_t i = 0; i < length; ++i) {
    const int64_t channel = group * problem.channels_per_group + i / problem.spatial;
    const int64_t at = problem.params_per_group ? group : channel;
    x.Set(i, (x[i] - mean) * inv_std * ReadReal(args.inputs[1], at) + ReadReal(args.inputs[2], at));
  }
}

// The channels at one place of one image.
template <typename T>
void LrnLine(const LrnProblem& problem, const KernelArgs& args, int64_t line) {
  const Line<T> x(args.inputs[0].data, args.outputs[0].data, line, problem.channels,
                  problem.spatial);
  const int64_t before = (problem.size - 1) / 2;
  const int64_t after = problem.size - 1 - before;
  for (int64_t c = 0; c < problem.channels; ++c) {
    double squares = 0;
    const int64_t last = std::min(problem.channels - 1, c + after);
    for (int64_t k = std::max<int64_t>(0, c - before); k <= last; ++k) squares += x[k] * x[k];
    const double base = static_cast<double>(problem.bias) + static_cast<double>(problem.alpha) /
                                                                static_cast<double>(problem.size) *
                                                                squares;
    x.Set(c, x[c] / std::pow(base, static_cast<double>(problem.beta)));
  }
}

template <typename Problem>
using LineFn = void (*)(const Problem& problem, const KernelArgs& args, int64_t line);

// Runs one function for each of `lines` independent lines of `length` elements.
template <typename Problem>
class LineKernel final : public Kernel {
 public:
  LineKernel(const Problem& problem, LineFn<Problem> run_line, int64_t lines, int64_t length,
             bool in_place)
      : problem_(problem),
        run_line_(run_line),
        lines_(lines),
        grain_(CeilDiv(kNormGrain, std::max<int64_t>(length, 1))),
        in_place_(in_place) {}

  bool MayRunInPlace(int index) const override { return in_place_ && index == 0; }

  void Run(const KernelArgs& args) const override {
    ParallelRanges(args.parallel, lines_, grain_, [&](int64_t begin, int64_t end, int) {
      for (int64_t line = begin; line < end; ++line) run_line_(problem_, args, line);
    });
  }

 private:
  Problem problem_;
  LineFn<Problem> run_line_;
  int64_t lines_;
  int64_t grain_;
  bool in_place_;
};

// `line_of(TypeTag<T>)` gives the line function for T.
template <typename Problem, typename LineOf>
MadeKernel MakeLineKernel(const Problem& problem, const LineOf& line_of, int64_t lines,
                          int64_t length, bool in_place = true) {
  const LineFn<Problem> run_line =
      VisitDType(problem.dtype, [&]<typename T>(TypeTag<T> tag) -> LineFn<Problem> {
        if constexpr (scalar::kIsFloat<T>) {
          return line_of(tag);
        } else {
          return nullptr;
        }
      });
  if (run_line == nullptr) {
    return Unsupported("{} is not a floating-point type", DTypeName(problem.dtype));
  }
  return MadeKernel(
      std::make_unique<LineKernel<Problem>>(problem, run_line, lines, length, in_place));
}

}  // namespace

MadeKernel MakeNormReference(const SoftmaxProblem& problem, const MakeContext&) {
  return MakeLineKernel(
      problem, []<typename T>(TypeTag<T>) { return SoftmaxLine<T>; }, problem.outer * problem.inner,
      problem.length);
}

MadeKernel MakeNormReference(const BatchNormProblem& problem, const MakeContext&) {
  if (!IsFloatingPoint(problem.param_dtype) || !IsFloatingPoint(problem.moments_dtype)) {
    return Unsupported("parameters are not of floating-point types");
  }
  return MakeLineKernel(
      problem, []<typename T>(TypeTag<T>) { return BatchNormLine<T>; },
      problem.batch * problem.channels, problem.spatial);
}

MadeKernel MakeNormReference(const LayerNormProblem& problem, const MakeContext&) {
  return MakeLineKernel(
      problem, []<typename T>(TypeTag<T>) { return LayerNormLine<T>; }, problem.rows,
      problem.length);
}

MadeKernel MakeNormReference(const GroupNormProblem& problem, const MakeContext&) {
  return MakeLineKernel(
      problem, []<typename T>(TypeTag<T>) { return GroupNormLine<T>; },
      problem.batch * problem.groups, problem.channels_per_group * problem.spatial);
}

MadeKernel MakeNormReference(const LpNormProblem& problem, const MakeContext&) {
  if (problem.p != 1 && problem.p != 2) return Unsupported("norm of order {}", problem.p);
  return MakeLineKernel(
      problem, []<typename T>(TypeTag<T>) { return LpNormLine<T>; }, problem.outer * problem.inner,
      problem.length);
}

MadeKernel MakeNormReference(const LrnProblem& problem, const MakeContext&) {
  if (problem.size < 1) return InvalidArgument("a window of {} channels", problem.size);
  return MakeLineKernel(
      problem, []<typename T>(TypeTag<T>) { return LrnLine<T>; }, problem.batch * problem.spatial,
      problem.channels, false);
}

}  // namespace ergo
