// Signal processing: discrete Fourier transforms and what goes before and after them. ONNX DFT and
// STFT (opset 17, 20), the window functions and MelWeightMatrix.
//
// Arithmetic: sums in double with twiddle factors computed in double, rounded once.
#ifndef ERGO_KERNELS_SIGNAL_SIGNAL_H_
#define ERGO_KERNELS_SIGNAL_SIGNAL_H_

#include <span>
#include <vector>

#include "kernels/base/kernel.h"

namespace ergo {

// Transforms `length` samples (the signal cut or padded with zeros) at each place of the other
// axes.
//   input 0   `dtype` [outer, extent, inner, components]; 1 component: real, 2: complex
//   output 0  `dtype` [outer, bins, inner, out_components]
// Forward: X[k] = sum x[n] exp(-2 pi i k n / length), for `bins` = length bins, or length / 2 + 1
// of them (onesided). Inverse: the conjugate sum divided by length; a onesided input (length / 2 +
// 1 bins) is continued by symmetry, and the result has out_components = 1.
struct DftProblem {
  DType dtype = DType::kF32;
  int64_t outer = 0, extent = 0, inner = 0;
  int components = 2, out_components = 2;
  int64_t length = 0, bins = 0;
  bool inverse = false, onesided = false;
};

KernelCost CostOf(const DftProblem& problem);
std::span<const KernelVariant<DftProblem>> DftVariants();

// Frames of a signal, each multiplied by a window and transformed.
//   input 0   `dtype` [batch, samples, components]
//   input 1   `dtype` [frame_length] window, or absent
//   output 0  `dtype` [batch, frames, bins, 2]
struct StftProblem {
  DType dtype = DType::kF32;
  int64_t batch = 0, samples = 0;
  int components = 1;
  int64_t frame_length = 0, frame_step = 0, frames = 0, bins = 0;
};

KernelCost CostOf(const StftProblem& problem);
std::span<const KernelVariant<StftProblem>> StftVariants();

enum class WindowFunction { kHann, kHamming, kBlackman };

// The window's values. Periodic windows have a period of `size`, symmetric ones of size - 1.
std::vector<double> MakeWindow(WindowFunction window, int64_t size, bool periodic);

// Triangular mel filters, [dft_length / 2 + 1, bins] row-major: the weight of each frequency bin in
// each of `bins` bands between two frequencies in Hz, spaced evenly on the mel scale m = 2595
// log10(1 + f / 700). InvalidArgument where the bands do not lie within the spectrum.
Result<std::vector<double>> MakeMelWeights(int64_t bins, int64_t dft_length, int64_t sample_rate,
                                           double lower_hertz, double upper_hertz);

}  // namespace ergo

#endif  // ERGO_KERNELS_SIGNAL_SIGNAL_H_
