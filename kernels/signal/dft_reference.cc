// The sums as they are defined, one bin at a time. A fast transform would be a variant of its own;
// exporters use these operators on short frames.
#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"
#include "kernels/signal/signal_variants.h"

namespace ergo {
namespace {

struct Complex {
  double real = 0, imaginary = 0;
};

// cos and sin of 2 pi i / length for i in [0, length).
std::vector<Complex> Twiddles(int64_t length) {
  std::vector<Complex> twiddles;
  for (int64_t i = 0; i < length; ++i) {
    const double x = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(length);
    twiddles.push_back({std::cos(x), std::sin(x)});
  }
  return twiddles;
}

// sum over n of sample(n) exp(sign 2 pi i bin n / length).
template <typename Sample>
Complex Transform(const std::vector<Complex>& twiddles, int64_t bin, double sign, Sample sample) {
  const auto length = static_cast<int64_t>(twiddles.size());
  Complex sum;
  int64_t phase = 0;  // bin * n modulo length
  for (int64_t n = 0; n < length; ++n) {
    const Complex x = sample(n);
    const Complex& w = twiddles[static_cast<size_t>(phase)];
    sum.real += x.real * w.real - sign * x.imaginary * w.imaginary;
    sum.imaginary += x.imaginary * w.real + sign * x.real * w.imaginary;
    phase += bin;
    if (phase >= length) phase -= length;
  }
  return sum;
}

bool IsSupported(DType dtype) {
  return IsFloatingPoint(dtype) && HasRealAccess(dtype);
}

void RunDft(const DftProblem& p, const std::vector<Complex>& twiddles, const KernelArgs& args) {
  const double sign = p.inverse ? 1 : -1;
  const double scale = p.inverse ? 1 / static_cast<double>(p.length) : 1;
  args.parallel.Run(p.outer * p.inner, [&](int64_t row, int) {
    const int64_t o = row / p.inner, i = row % p.inner;
    const auto stored = [&](int64_t n) {
      if (n >= p.extent) return Complex{};
      const int64_t at = ((o * p.extent + n) * p.inner + i) * p.components;
      return Complex{ReadReal(args.inputs[0], at),
                     p.components == 2 ? ReadReal(args.inputs[0], at + 1) : 0};
    };
    const auto sample = [&](int64_t n) {
      if (!p.inverse || !p.onesided || n <= p.length / 2) return stored(n);
      const Complex mirrored = stored(p.length - n);
      return Complex{mirrored.real, -mirrored.imaginary};
    };
    for (int64_t bin = 0; bin < p.bins; ++bin) {
      const Complex sum = Transform(twiddles, bin, sign, sample);
      const int64_t at = ((o * p.bins + bin) * p.inner + i) * p.out_components;
      WriteReal(args.outputs[0], at, sum.real * scale);
      if (p.out_components == 2) WriteReal(args.outputs[0], at + 1, sum.imaginary * scale);
    }
  });
}

void RunStft(const StftProblem& p, const std::vector<Complex>& twiddles, const KernelArgs& args) {
  const bool windowed = args.inputs.size() > 1 && args.inputs[1].Present();
  args.parallel.Run(p.batch * p.frames, [&](int64_t row, int) {
    const int64_t b = row / p.frames, first = row % p.frames * p.frame_step;
    const auto sample = [&](int64_t n) {
      const int64_t at = (b * p.samples + first + n) * p.components;
      const double weight = windowed ? ReadReal(args.inputs[1], n) : 1;
      const double imaginary = p.components == 2 ? ReadReal(args.inputs[0], at + 1) : 0;
      return Complex{weight * ReadReal(args.inputs[0], at), weight * imaginary};
    };
    for (int64_t bin = 0; bin < p.bins; ++bin) {
      const Complex sum = Transform(twiddles, bin, -1, sample);
      WriteReal(args.outputs[0], (row * p.bins + bin) * 2, sum.real);
      WriteReal(args.outputs[0], (row * p.bins + bin) * 2 + 1, sum.imaginary);
    }
  });
}

}  // namespace

MadeKernel MakeSignalReference(const DftProblem& problem, const MakeContext&) {
  if (!IsSupported(problem.dtype))
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  return MakeFunctionKernel([problem, twiddles = Twiddles(problem.length)](const KernelArgs& args) {
    RunDft(problem, twiddles, args);
  });
}

MadeKernel MakeSignalReference(const StftProblem& problem, const MakeContext&) {
  if (!IsSupported(problem.dtype))
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  return MakeFunctionKernel([problem, twiddles = Twiddles(problem.frame_length)](
                                const KernelArgs& args) { RunStft(problem, twiddles, args); });
}

}  // namespace ergo
