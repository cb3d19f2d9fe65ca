#include "kernels/attention/kv_cache.h"

#include <array>
#include <cmath>
#include <cstring>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"

namespace ergo {
namespace {

MadeKernel MakeTensorScatter(const TensorScatterProblem& problem, const MakeContext&) {
  if (DTypeBits(problem.dtype) < 8) return Unsupported("packed dtypes");
  return MakeFunctionKernel([p = problem](const KernelArgs& args) {
    const auto row = static_cast<size_t>(DTypeBytes(p.dtype, p.inner));
    auto* out = static_cast<std::byte*>(args.outputs[0].data);
    const auto* update = static_cast<const std::byte*>(args.inputs[1].data);
    const auto bytes = static_cast<size_t>(args.outputs[0].Bytes());
    if (bytes == 0) return;
    std::memcpy(out, args.inputs[0].data, bytes);
    for (int64_t b = 0; b < p.batch; ++b) {
      const int64_t first = args.inputs[2].Present() ? args.inputs[2].As<int64_t>()[b] : 0;
      for (int64_t o = 0; o < p.outer; ++o) {
        for (int64_t i = 0; i < p.update_len; ++i) {
          int64_t at = first + i;
          if (p.circular) at = ((at % p.cache_len) + p.cache_len) % p.cache_len;
          if (at < 0 || at >= p.cache_len) continue;
          const int64_t to = (b * p.outer + o) * p.cache_len + at;
          const int64_t from = (b * p.outer + o) * p.update_len + i;
          std::memcpy(out + static_cast<size_t>(to) * row, update + static_cast<size_t>(from) * row,
                      row);
        }
      }
    }
  });
}

MadeKernel MakeCausalConv(const CausalConvProblem& problem, const MakeContext&) {
  if (!IsFloatingPoint(problem.dtype) || !HasRealAccess(problem.dtype)) {
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  }
  return MakeFunctionKernel([p = problem](const KernelArgs& args) {
    const int64_t state = p.taps - 1;
    args.parallel.Run(p.batch * p.channels, [&](int64_t row, int) {
      const int64_t channel = row % p.channels;
      const auto sequence = [&](int64_t t) {
        if (t >= state) return ReadReal(args.inputs[0], row * p.length + t - state);
        return p.has_past ? ReadReal(args.inputs[3], row * state + t) : 0.0;
      };
      for (int64_t t = 0; t < p.length; ++t) {
        double sum = args.inputs[2].Present() ? ReadReal(args.inputs[2], channel) : 0.0;
        for (int64_t k = 0; k < p.taps; ++k) {
          sum += ReadReal(args.inputs[1], channel * p.taps + k) * sequence(t + k);
        }
        WriteReal(args.outputs[0], row * p.length + t, p.silu ? sum / (1 + std::exp(-sum)) : sum);
      }
      if (args.outputs.size() < 2 || !args.outputs[1].Present()) return;
      for (int64_t k = 0; k < state; ++k) {
        WriteReal(args.outputs[1], row * state + k, sequence(p.length + k));
      }
    });
  });
}

constexpr std::array kTensorScatterVariants = {
    KernelVariant<TensorScatterProblem>{
        {"tensor_scatter", "reference", Device::kCpu, "any of whole bytes", "any", ""},
        MakeTensorScatter},
};

constexpr std::array kCausalConvVariants = {
    KernelVariant<CausalConvProblem>{
        {"causal_conv", "reference", Device::kCpu, "f64 f32 f16 bf16", "ncw", ""}, MakeCausalConv},
};

}  // namespace

KernelCost CostOf(const TensorScatterProblem& p) {
  const int64_t cache = DTypeBytes(p.dtype, p.batch * p.outer * p.cache_len * p.inner);
  const int64_t update = DTypeBytes(p.dtype, p.batch * p.outer * p.update_len * p.inner);
  return {0, cache + update, cache};
}

KernelCost CostOf(const CausalConvProblem& p) {
  const int64_t elements = p.batch * p.channels * p.length;
  return {2 * elements * p.taps, DTypeBytes(p.dtype, elements + p.channels * p.taps),
          DTypeBytes(p.dtype, elements)};
}

std::span<const KernelVariant<TensorScatterProblem>> TensorScatterVariants() {
  return kTensorScatterVariants;
}

std::span<const KernelVariant<CausalConvProblem>> CausalConvVariants() {
  return kCausalConvVariants;
}

}  // namespace ergo
