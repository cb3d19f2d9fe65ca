#include "kernels/base/function_kernel.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/small_types.h"
#include "kernels/base/visit_dtype.h"
#include "kernels/quantize/quantize_small.h"
#include "kernels/quantize/scale_rows.h"

namespace ergo {
namespace {

constexpr int64_t kGrainElements = 4096;

template <typename T>
constexpr bool kIsSmallInteger = std::is_same_v<T, uint8_t> || std::is_same_v<T, int8_t> ||
                                 std::is_same_v<T, uint16_t> || std::is_same_v<T, int16_t>;
template <typename T>
constexpr bool kIsSmallFloat =
    std::is_same_v<T, float> || std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

// Calls visit(element, scale index) for every element, rows spread over the workers.
template <typename Visit>
void ForScaledElements(const ScaleRows& rows, ParallelFor& parallel, const Visit& visit) {
  const int64_t grain =
      std::max<int64_t>(1, kGrainElements / std::max<int64_t>(1, rows.LongestRow()));
  ParallelRanges(parallel, rows.Count(), grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const ScaleRow row = rows.Row(r);
      for (int64_t i = 0; i < row.count; ++i) {
        visit(row.begin + i, row.scale + (rows.PerElement() ? i : 0));
      }
    }
  });
}

template <typename From, typename Scale, typename To>
std::unique_ptr<Kernel> MakeQuantize(const ScaleRows& rows) {
  return MakeFunctionKernel([rows](const KernelArgs& args) {
    const auto* from = static_cast<const From*>(args.inputs[0].data);
    const auto* scales = static_cast<const Scale*>(args.inputs[1].data);
    const auto* zeros =
        static_cast<const To*>(args.inputs.size() > 2 ? args.inputs[2].data : nullptr);
    auto* to = static_cast<To*>(args.outputs[0].data);
    ForScaledElements(rows, args.parallel, [&](int64_t i, int64_t s) {
      to[i] = QuantizeOne<To>(static_cast<float>(from[i]), static_cast<float>(scales[s]),
                              zeros == nullptr ? To{0} : zeros[s]);
    });
  });
}

template <typename From, typename To>
std::unique_ptr<Kernel> MakeDequantize(const ScaleRows& rows) {
  return MakeFunctionKernel([rows](const KernelArgs& args) {
    const auto* from = static_cast<const From*>(args.inputs[0].data);
    const auto* scales = static_cast<const To*>(args.inputs[1].data);
    const auto* zeros =
        static_cast<const From*>(args.inputs.size() > 2 ? args.inputs[2].data : nullptr);
    auto* to = static_cast<To*>(args.outputs[0].data);
    ForScaledElements(rows, args.parallel, [&](int64_t i, int64_t s) {
      const int64_t zero = zeros == nullptr ? 0 : int64_t{zeros[s]};
      const auto difference = static_cast<float>(int64_t{from[i]} - zero);
      to[i] = To(difference * static_cast<float>(scales[s]));
    });
  });
}

}  // namespace

MadeKernel MakeQuantizeReference(const QuantizeProblem& problem, const MakeContext&) {
  if (IsSmallType(problem.to)) return MakeQuantizeSmall(problem);
  ERGO_ASSIGN_OR_RETURN(const ScaleRows rows, ScaleRows::Make(problem.layout));
  auto kernel = VisitDType(problem.from, [&]<typename From>(TypeTag<From>) {
    return VisitDType(problem.scale, [&]<typename Scale>(TypeTag<Scale>) {
      return VisitDType(problem.to, [&]<typename To>(TypeTag<To>) -> std::unique_ptr<Kernel> {
        if constexpr ((kIsSmallFloat<From> ||
                       std::is_same_v<From, int32_t>)&&kIsSmallFloat<Scale> &&
                      kIsSmallInteger<To>) {
          return MakeQuantize<From, Scale, To>(rows);
        } else {
          return nullptr;
        }
      });
    });
  });
  if (kernel == nullptr) {
    return Unsupported("{} by {} to {}", DTypeName(problem.from), DTypeName(problem.scale),
                       DTypeName(problem.to));
  }
  return MadeKernel(std::move(kernel));
}

MadeKernel MakeQuantizeReference(const DequantizeProblem& problem, const MakeContext&) {
  if (IsSmallType(problem.from)) return MakeDequantizeSmall(problem);
  ERGO_ASSIGN_OR_RETURN(const ScaleRows rows, ScaleRows::Make(problem.layout));
  auto kernel = VisitDType(problem.from, [&]<typename From>(TypeTag<From>) {
    return VisitDType(problem.to, [&]<typename To>(TypeTag<To>) -> std::unique_ptr<Kernel> {
      if constexpr ((kIsSmallInteger<From> || std::is_same_v<From, int32_t>)&&kIsSmallFloat<To>) {
        return MakeDequantize<From, To>(rows);
      } else {
        return nullptr;
      }
    });
  });
  if (kernel == nullptr) {
    return Unsupported("{} to {}", DTypeName(problem.from), DTypeName(problem.to));
  }
  return MadeKernel(std::move(kernel));
}

MadeKernel MakeQuantizeReference(const DynamicQuantizeProblem&, const MakeContext&) {
  return MadeKernel(MakeFunctionKernel([](const KernelArgs& args) {
    const auto from = args.inputs[0].Span<float>();
    float least = 0, greatest = 0;
    for (const float x : from) {
      least = x < least ? x : least;
      greatest = x > greatest ? x : greatest;
    }
    const DynamicRange range = DynamicRangeOf(least, greatest);
    auto* to = args.outputs[0].As<uint8_t>();
    for (size_t i = 0; i < from.size(); ++i) {
      to[i] = QuantizeOne<uint8_t>(from[i], range.scale, range.zero_point);
    }
    if (args.outputs[1].data != nullptr) *args.outputs[1].As<float>() = range.scale;
    if (args.outputs[2].data != nullptr) *args.outputs[2].As<uint8_t>() = range.zero_point;
  }));
}

}  // namespace ergo
