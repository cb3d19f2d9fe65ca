#include <algorithm>
#include <numeric>

#include "kernels/base/function_kernel.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/sort/sort_variants.h"

namespace ergo {
namespace {

float Ordered(Float16 x) {
  return static_cast<float>(x);
}
float Ordered(BFloat16 x) {
  return static_cast<float>(x);
}
template <typename T>
T Ordered(T x) {
  return x;
}

// Above every number, and NaN above that.
template <typename T>
bool Above(T a, T b) {
  const auto x = Ordered(a), y = Ordered(b);
  const bool x_is_nan = x != x, y_is_nan = y != y;
  return x_is_nan || y_is_nan ? x_is_nan && !y_is_nan : x > y;
}

template <typename T>
void RunTopK(const TopKProblem& p, const KernelArgs& args) {
  const T* in = static_cast<const T*>(args.inputs[0].data);
  T* values = static_cast<T*>(args.outputs[0].data);
  auto* positions = static_cast<int64_t*>(args.outputs[1].data);
  auto* scratch = reinterpret_cast<int64_t*>(args.workspace.data());
  args.parallel.Run(p.outer * p.inner, [&](int64_t row, int worker) {
    const int64_t o = row / p.inner, i = row % p.inner;
    const std::span<int64_t> order(scratch + worker * p.extent, static_cast<size_t>(p.extent));
    std::iota(order.begin(), order.end(), int64_t{0});
    const auto element = [&](int64_t e) { return in[(o * p.extent + e) * p.inner + i]; };
    std::ranges::partial_sort(order, order.begin() + p.k, [&](int64_t a, int64_t b) {
      if (Above(element(a), element(b))) return p.largest;
      if (Above(element(b), element(a))) return !p.largest;
      return a < b;
    });
    for (int64_t j = 0; j < p.k; ++j) {
      const int64_t to = (o * p.k + j) * p.inner + i;
      values[to] = element(order[static_cast<size_t>(j)]);
      if (positions != nullptr) positions[to] = order[static_cast<size_t>(j)];
    }
  });
}

}  // namespace

MadeKernel MakeTopKReference(const TopKProblem& problem, const MakeContext& context) {
  if (problem.k < 0 || problem.k > problem.extent) {
    return InvalidArgument("k is {} of {} elements", problem.k, problem.extent);
  }
  using RunFn = void (*)(const TopKProblem&, const KernelArgs&);
  const RunFn run = VisitDType(
      problem.dtype, [](auto tag) -> RunFn { return RunTopK<typename decltype(tag)::Type>; });
  if (run == nullptr) return Unsupported("{} is not supported", DTypeName(problem.dtype));
  const auto scratch = static_cast<size_t>(problem.extent) * sizeof(int64_t);
  return MakeFunctionKernel([problem, run](const KernelArgs& args) { run(problem, args); },
                            scratch * static_cast<size_t>(context.max_workers));
}

}  // namespace ergo
