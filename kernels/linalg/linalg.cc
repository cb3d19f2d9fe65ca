#include "kernels/linalg/linalg.h"

#include <cmath>
#include <utility>

#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"

namespace ergo {
namespace {

// Overwrites the n x n matrix with its factors.
double Determinant(double* a, int64_t n) {
  double determinant = 1;
  for (int64_t column = 0; column < n; ++column) {
    int64_t pivot = column;
    for (int64_t row = column + 1; row < n; ++row) {
      if (std::fabs(a[row * n + column]) > std::fabs(a[pivot * n + column])) pivot = row;
    }
    if (pivot != column) {
      determinant = -determinant;
      for (int64_t j = 0; j < n; ++j) std::swap(a[column * n + j], a[pivot * n + j]);
    }
    const double diagonal = a[column * n + column];
    determinant *= diagonal;
    if (diagonal == 0) return 0;
    for (int64_t row = column + 1; row < n; ++row) {
      const double factor = a[row * n + column] / diagonal;
      for (int64_t j = column; j < n; ++j) a[row * n + j] -= factor * a[column * n + j];
    }
  }
  return determinant;
}

MadeKernel MakeDetReference(const DetProblem& problem, const MakeContext& context) {
  if (!IsFloatingPoint(problem.dtype) || !HasRealAccess(problem.dtype)) {
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  }
  const auto elements = static_cast<size_t>(problem.n * problem.n);
  return MakeFunctionKernel(
      [problem, elements](const KernelArgs& args) {
        auto* scratch = reinterpret_cast<double*>(args.workspace.data());
        args.parallel.Run(problem.batch, [&](int64_t index, int worker) {
          double* a = scratch + elements * static_cast<size_t>(worker);
          for (size_t i = 0; i < elements; ++i) {
            a[i] = ReadReal(args.inputs[0],
                            index * static_cast<int64_t>(elements) + static_cast<int64_t>(i));
          }
          WriteReal(args.outputs[0], index, Determinant(a, problem.n));
        });
      },
      elements * sizeof(double) * static_cast<size_t>(context.max_workers));
}

constexpr KernelVariant<DetProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"det", name, device, dtypes, layout, needs}, make},
#include "kernels/linalg/linalg_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

std::span<const KernelVariant<DetProblem>> DetVariants() {
  return kVariants;
}

KernelCost CostOf(const DetProblem& p) {
  const int64_t elements = p.batch * p.n * p.n;
  return {2 * elements * p.n / 3, DTypeBytes(p.dtype, elements), DTypeBytes(p.dtype, p.batch)};
}

}  // namespace ergo
