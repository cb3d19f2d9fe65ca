#include "kernels/move/scatter.h"

#include <array>
#include <cmath>
#include <cstring>

#include "kernels/base/visit_dtype.h"
#include "kernels/move/element.h"

namespace ergo::move {
namespace {

// Combines `count` elements at `to` with those at `from`.
using CombineFn = void (*)(std::byte* to, const std::byte* from, int64_t count);

template <typename T, ScatterReduction kReduction>
T CombineOne(T a, T b) {
  if constexpr (!std::is_arithmetic_v<T>) {
    return T(CombineOne<float, kReduction>(static_cast<float>(a), static_cast<float>(b)));
  } else if constexpr (kReduction == ScatterReduction::kMin) {
    return b < a || b != b ? b : a;
  } else if constexpr (kReduction == ScatterReduction::kMax) {
    return b > a || b != b ? b : a;
  } else if constexpr (std::is_floating_point_v<T>) {
    return kReduction == ScatterReduction::kAdd ? a + b : a * b;
  } else {
    // Unsigned arithmetic wraps where signed overflow would be undefined.
    const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
    return static_cast<T>(kReduction == ScatterReduction::kAdd ? ua + ub : ua * ub);
  }
}

template <typename T, ScatterReduction kReduction>
void Combine(std::byte* to, const std::byte* from, int64_t count) {
  auto* a = reinterpret_cast<T*>(to);
  const auto* b = reinterpret_cast<const T*>(from);
  for (int64_t i = 0; i < count; ++i) a[i] = CombineOne<T, kReduction>(a[i], b[i]);
}

template <size_t kBytes>
void Replace(std::byte* to, const std::byte* from, int64_t count) {
  std::memcpy(to, from, static_cast<size_t>(count) * kBytes);
}

CombineFn CombineFor(DType dtype, ScatterReduction reduction) {
  return VisitDType(dtype, [&]<typename T>(TypeTag<T>) -> CombineFn {
    if constexpr (std::is_same_v<T, bool>) {
      return nullptr;
    } else {
      switch (reduction) {
        case ScatterReduction::kAdd: return Combine<T, ScatterReduction::kAdd>;
        case ScatterReduction::kMul: return Combine<T, ScatterReduction::kMul>;
        case ScatterReduction::kMin: return Combine<T, ScatterReduction::kMin>;
        case ScatterReduction::kMax: return Combine<T, ScatterReduction::kMax>;
        case ScatterReduction::kNone: break;
      }
      return nullptr;
    }
  });
}

// Null where the elements cannot be combined.
CombineFn UpdateFor(DType dtype, ScatterReduction reduction) {
  if (reduction != ScatterReduction::kNone) return CombineFor(dtype, reduction);
  switch (DTypeBits(dtype)) {
    case 8: return Replace<1>;
    case 16: return Replace<2>;
    case 32: return Replace<4>;
    default: return Replace<8>;
  }
}

class Scatter : public Kernel {
 public:
  bool MayRunInPlace(int index) const override { return index == 0; }

 protected:
  Scatter(CombineFn update, int64_t element_bytes)
      : update_(update), element_bytes_(element_bytes) {}

  static std::byte* CopyData(const KernelArgs& args) {
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    const int64_t bytes = args.outputs[0].Bytes();
    if (bytes > 0 && to != args.inputs[0].data) {
      std::memcpy(to, args.inputs[0].data, static_cast<size_t>(bytes));
    }
    return to;
  }

  CombineFn update_;
  int64_t element_bytes_;
};

class ScatterElements final : public Scatter {
 public:
  ScatterElements(const ScatterElementsProblem& problem, CombineFn update, int64_t element_bytes)
      : Scatter(update, element_bytes), problem_(problem) {}

  void Run(const KernelArgs& args) const override {
    std::byte* to = CopyData(args);
    const IndexReader indices(args.inputs[1]);
    const auto* from = static_cast<const std::byte*>(args.inputs[2].data);
    const Shape& shape = problem_.indices;
    const auto strides = problem_.data.RowMajorStrides();
    for (int64_t i = 0; i < shape.Elements(); ++i) {
      const int64_t index = WrapIndex(indices[i], problem_.data[problem_.axis]);
      if (index < 0) continue;
      int64_t rest = i, place = index * strides[static_cast<size_t>(problem_.axis)];
      for (int axis = shape.Rank() - 1; axis >= 0; --axis) {
        if (axis != problem_.axis) place += rest % shape[axis] * strides[static_cast<size_t>(axis)];
        rest /= shape[axis];
      }
      update_(to + place * element_bytes_, from + i * element_bytes_, 1);
    }
  }

 private:
  ScatterElementsProblem problem_;
};

class ScatterNd final : public Scatter {
 public:
  ScatterNd(const ScatterNdProblem& problem, CombineFn update, int64_t element_bytes)
      : Scatter(update, element_bytes), data_(problem.data) {
    const Shape& indices = problem.indices;
    tuple_ = static_cast<int>(indices[indices.Rank() - 1]);
    rows_ = indices.Elements(0, indices.Rank() - 1);
    run_ = data_.Elements(tuple_, data_.Rank());
  }

  void Run(const KernelArgs& args) const override {
    std::byte* to = CopyData(args);
    const IndexReader indices(args.inputs[1]);
    const auto* from = static_cast<const std::byte*>(args.inputs[2].data);
    const auto strides = data_.RowMajorStrides();
    for (int64_t row = 0; row < rows_; ++row) {
      int64_t place = 0;
      bool inside = true;
      for (int k = 0; k < tuple_; ++k) {
        const int64_t index = WrapIndex(indices[row * tuple_ + k], data_[k]);
        inside = inside && index >= 0;
        place += index * strides[static_cast<size_t>(k)];
      }
      if (inside) update_(to + place * element_bytes_, from + row * run_ * element_bytes_, run_);
    }
  }

 private:
  Shape data_;
  int tuple_ = 0;
  int64_t rows_ = 0, run_ = 0;
};

MadeKernel MakeReferenceScatter(const ScatterElementsProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckIndexType(problem.index_dtype));
  ERGO_ASSIGN_OR_RETURN(const int64_t element_bytes, ElementBytes(problem.dtype));
  const CombineFn update = UpdateFor(problem.dtype, problem.reduction);
  if (update == nullptr) return Unsupported("combining {}", DTypeName(problem.dtype));
  const Shape &data = problem.data, &indices = problem.indices;
  bool fits = data.Rank() == indices.Rank() && problem.axis >= 0 && problem.axis < data.Rank();
  for (int axis = 0; fits && axis < data.Rank(); ++axis) {
    fits = axis == problem.axis || indices[axis] <= data[axis];
  }
  if (!fits) {
    return InvalidArgument("indices {} into {} along axis {}", indices.ToString(), data.ToString(),
                           problem.axis);
  }
  return MadeKernel(std::make_unique<ScatterElements>(problem, update, element_bytes));
}

MadeKernel MakeReferenceScatter(const ScatterNdProblem& problem, const MakeContext&) {
  ERGO_RETURN_IF_ERROR(CheckIndexType(problem.index_dtype));
  ERGO_ASSIGN_OR_RETURN(const int64_t element_bytes, ElementBytes(problem.dtype));
  const CombineFn update = UpdateFor(problem.dtype, problem.reduction);
  if (update == nullptr) return Unsupported("combining {}", DTypeName(problem.dtype));
  const Shape &data = problem.data, &indices = problem.indices;
  const bool fits = indices.Rank() > 0 && indices[indices.Rank() - 1] <= data.Rank();
  std::vector<int64_t> updates;
  if (fits) {
    const auto tuple = static_cast<std::ptrdiff_t>(indices[indices.Rank() - 1]);
    updates.assign(indices.Dims().begin(), indices.Dims().end() - 1);
    updates.insert(updates.end(), data.Dims().begin() + tuple, data.Dims().end());
  }
  if (!fits || !std::ranges::equal(updates, problem.updates.Dims())) {
    return InvalidArgument("updates {} at indices {} into {}", problem.updates.ToString(),
                           indices.ToString(), data.ToString());
  }
  return MadeKernel(std::make_unique<ScatterNd>(problem, update, element_bytes));
}

constexpr KernelVariant<ScatterElementsProblem> kScatterElementsVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"scatter_elements", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/scatter_variants.inc"
#undef ERGO_KERNEL_VARIANT
};
constexpr KernelVariant<ScatterNdProblem> kScatterNdVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"scatter_nd", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/scatter_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

KernelCost CostOfScattering(DType dtype, DType index_dtype, ScatterReduction reduction,
                            const Shape& data, int64_t indices, int64_t updates) {
  KernelCost cost;
  const int64_t data_bytes = DTypeBytes(dtype, data.Elements());
  const int64_t update_bytes = DTypeBytes(dtype, updates);
  cost.flops = reduction == ScatterReduction::kNone ? 0 : updates;
  cost.bytes_read = data_bytes + update_bytes + DTypeBytes(index_dtype, indices);
  cost.bytes_written = data_bytes;
  return cost;
}

}  // namespace

std::span<const KernelVariant<ScatterElementsProblem>> ScatterElementsVariants() {
  return kScatterElementsVariants;
}
std::span<const KernelVariant<ScatterNdProblem>> ScatterNdVariants() {
  return kScatterNdVariants;
}

KernelCost CostOf(const ScatterElementsProblem& problem) {
  const int64_t indices = problem.indices.Elements();
  return CostOfScattering(problem.dtype, problem.index_dtype, problem.reduction, problem.data,
                          indices, indices);
}

KernelCost CostOf(const ScatterNdProblem& problem) {
  return CostOfScattering(problem.dtype, problem.index_dtype, problem.reduction, problem.data,
                          problem.indices.Elements(), problem.updates.Elements());
}

}  // namespace ergo::move
