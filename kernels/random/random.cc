#include "kernels/random/random.h"

#include <atomic>
#include <cmath>
#include <memory>
#include <numbers>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"

namespace ergo {
namespace {

// Draws of one run of one kernel.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t run)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}, run_(run) {}

  // Number `index` in [0, 1), a multiple of 2^-53.
  double Uniform(int64_t index) const {
    const auto words = Words(index);
    const uint64_t bits = (uint64_t{words[0]} << 32 | words[1]) >> 11;
    return static_cast<double>(bits) * 0x1p-53;
  }

  double Normal(int64_t index) const {
    const auto words = Words(index);
    const double u = (static_cast<double>(words[0]) + 1) * 0x1p-32;  // not 0: its log is taken
    const double v = static_cast<double>(words[1]) * 0x1p-32;
    return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
  }

 private:
  std::array<uint32_t, 4> Words(int64_t index) const {
    const auto i = static_cast<uint64_t>(index);
    return Philox({static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32),
                   static_cast<uint32_t>(run_), static_cast<uint32_t>(run_ >> 32)},
                  key_);
  }

  std::array<uint32_t, 2> key_;
  uint64_t run_;
};

// The class whose share of the exponentials covers `u` of the whole.
int64_t Choose(const TensorView& scores, int64_t first, int64_t classes, double u) {
  double max = -INFINITY, sum = 0;
  for (int64_t c = 0; c < classes; ++c) max = std::fmax(max, ReadReal(scores, first + c));
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(ReadReal(scores, first + c) - max);
  double rest = u * sum;
  for (int64_t c = 0; c < classes; ++c) {
    rest -= std::exp(ReadReal(scores, first + c) - max);
    if (rest < 0) return c;
  }
  return classes - 1;
}

void Draw(const RandomProblem& p, const Draws& draws, const KernelArgs& args, int64_t index) {
  double value = 0;
  switch (p.kind) {
    case RandomProblem::Kind::kUniform: value = p.a + (p.b - p.a) * draws.Uniform(index); break;
    case RandomProblem::Kind::kNormal: value = p.a + p.b * draws.Normal(index); break;
    case RandomProblem::Kind::kBernoulli:
      value = draws.Uniform(index) < ReadReal(args.inputs[0], index) ? 1 : 0;
      break;
    case RandomProblem::Kind::kMultinomial:
      value = static_cast<double>(
          Choose(args.inputs[0], index / p.samples * p.classes, p.classes, draws.Uniform(index)));
      break;
  }
  WriteReal(args.outputs[0], index, value);
}

MadeKernel MakeRandomReference(const RandomProblem& problem, const MakeContext&) {
  const bool reads = problem.kind == RandomProblem::Kind::kBernoulli ||
                     problem.kind == RandomProblem::Kind::kMultinomial;
  if (!HasRealAccess(problem.dtype) || (reads && !HasRealAccess(problem.input_dtype))) {
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  }
  if (problem.kind == RandomProblem::Kind::kMultinomial && problem.classes < 1) {
    return InvalidArgument("a choice of {} classes", problem.classes);
  }
  auto runs = std::make_shared<std::atomic<uint64_t>>(0);
  return MakeFunctionKernel([problem, runs](const KernelArgs& args) {
    const Draws draws(problem.seed, runs->fetch_add(1, std::memory_order_relaxed));
    args.parallel.Run(problem.elements,
                      [&](int64_t index, int) { Draw(problem, draws, args, index); });
  });
}

constexpr KernelVariant<RandomProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"random", name, device, dtypes, layout, needs}, make},
#include "kernels/random/random_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0], product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

std::span<const KernelVariant<RandomProblem>> RandomVariants() {
  return kVariants;
}

KernelCost CostOf(const RandomProblem& p) {
  const bool reads = p.kind == RandomProblem::Kind::kBernoulli;
  return {20 * p.elements, reads ? DTypeBytes(p.input_dtype, p.elements) : 0,
          DTypeBytes(p.dtype, p.elements)};
}

}  // namespace ergo
