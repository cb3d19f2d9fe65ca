// Random numbers. ONNX RandomUniform, RandomNormal, Bernoulli and Multinomial.
//
// The generator is Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3,
// 2011), counter-based: element i of run r of a kernel is a function of (seed, r, i) alone, so
// results do not depend on the number of workers, and two kernels with the same seed give the same
// sequence of runs. A kernel counts its runs, which is its only state.
#ifndef ERGO_KERNELS_RANDOM_RANDOM_H_
#define ERGO_KERNELS_RANDOM_RANDOM_H_

#include <array>
#include <span>

#include "kernels/base/kernel.h"

namespace ergo {

// Four random words for a counter and a key.
std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

//   kUniform     output `dtype` [elements] in [a, b)
//   kNormal      output `dtype` [elements] of mean a and deviation b (Box-Muller)
//   kBernoulli   input 0 `input_dtype` [elements] of probabilities; output `dtype` 0 or 1
//   kMultinomial input 0 `input_dtype` [elements / samples, classes] of unnormalized
//                log-probabilities; output `dtype` (int32 or int64) [elements / samples, samples]
struct RandomProblem {
  enum class Kind { kUniform, kNormal, kBernoulli, kMultinomial };
  Kind kind = Kind::kUniform;
  DType dtype = DType::kF32, input_dtype = DType::kF32;
  int64_t elements = 0;
  int64_t samples = 1, classes = 0;
  float a = 0, b = 1;
  uint64_t seed = 0;
};
KernelCost CostOf(const RandomProblem& problem);
std::span<const KernelVariant<RandomProblem>> RandomVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_RANDOM_RANDOM_H_
