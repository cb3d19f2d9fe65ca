#include "kernels/elementwise/elementwise_small_cast.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/function_kernel.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/real_access.h"
#include "kernels/base/small_types.h"
#include "kernels/elementwise/limits.h"

namespace ergo {
namespace {

double Read(const TensorView& view, int64_t index) {
  return IsSmallType(view.dtype) ? ReadSmall(view.data, view.dtype, index) : ReadReal(view, index);
}

// What is not a number becomes 0 in an integer, what is too large its largest.
double ForInteger(DType dtype, double value) {
  if (std::isnan(value)) return 0;
  const int bits = DTypeBits(dtype);
  const bool is_unsigned =
      dtype == DType::kU8 || dtype == DType::kU16 || dtype == DType::kU32 || dtype == DType::kU64;
  const double high = std::ldexp(1.0, is_unsigned ? bits : bits - 1);
  const double low = is_unsigned ? 0 : -high;
  return std::fmin(std::fmax(value, low), std::nextafter(high, 0.0));
}

void Write(const MutableTensorView& view, int64_t index, double value,
           const SmallRounding& rounding) {
  if (IsSmallType(view.dtype)) {
    WriteSmall(view.data, view.dtype, index, value, rounding);
  } else {
    WriteReal(view, index, IsInteger(view.dtype) ? ForInteger(view.dtype, value) : value);
  }
}

bool CanAccess(DType dtype) {
  return IsSmallType(dtype) || HasRealAccess(dtype);
}

}  // namespace

MadeKernel MakeSmallCast(const CastProblem& problem) {
  if (!CanAccess(problem.from) || !CanAccess(problem.to)) {
    return Unsupported("no cast from {} to {}", DTypeName(problem.from), DTypeName(problem.to));
  }
  return MakeFunctionKernel([problem](const KernelArgs& args) {
    const int64_t elements = problem.shape.Elements();
    ClearPadding(args.outputs[0].data, problem.to, elements);
    // Whole bytes, so that no two workers write to one.
    const int64_t per_byte = ElementsPerByte(problem.to);
    const int64_t bytes = (elements + per_byte - 1) / per_byte;
    ParallelRanges(args.parallel, bytes, kElementwiseScalarGrain,
                   [&](int64_t begin, int64_t end, int) {
                     const int64_t last = std::min(end * per_byte, elements);
                     for (int64_t i = begin * per_byte; i < last; ++i) {
                       Write(args.outputs[0], i, Read(args.inputs[0], i), problem.rounding);
                     }
                   });
  });
}

}  // namespace ergo
