// Linear and cubic as one weighted sum an axis: most work is adding scaled rows, which vectors do
// at the speed of memory. Axes that shrink come first, so that the others have less to do.
#include <algorithm>
#include <limits>

#include "kernels/base/checked_math.h"
#include "kernels/base/parallel_ranges.h"
#include "kernels/base/simd_targets.h"
#include "kernels/resize/resize_taps.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resize/resize_separable.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/base/simd-inl.h"

#ifndef ERGO_KERNELS_RESIZE_RESIZE_SEPARABLE_ONCE
#define ERGO_KERNELS_RESIZE_RESIZE_SEPARABLE_ONCE
namespace ergo {

// One axis: [outer, in, inner] to [outer, out, inner].
struct ResizePass {
  int64_t outer = 1, in = 1, out = 1, inner = 1;
  int64_t taps = 1;
  // Of tap k and output o at [k * pitch + o], so that a vector of outputs is contiguous.
  int64_t pitch = 1;
  std::vector<int32_t> indices;
  std::vector<float> weights;
  // Along the innermost axis, one a vector of outputs: where the vector of the input begins that
  // holds all it needs, to which its indices are then relative; -1 where there is none.
  std::vector<int32_t> bases;
};

}  // namespace ergo
#endif  // ERGO_KERNELS_RESIZE_RESIZE_SEPARABLE_ONCE

HWY_BEFORE_NAMESPACE();
namespace ergo::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::ScalableTag<float>;

// Output row o of one outer index: a weighted sum of input rows.
void SumRows(const ResizePass& pass, const float* from, int64_t o, float* to) {
  const Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t inner = pass.inner;
  const auto sum_at = [&](int64_t i, auto load) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (int64_t k = 0; k < pass.taps; ++k) {
      const auto at = static_cast<size_t>(k * pass.pitch + o);
      sum =
          hn::MulAdd(hn::Set(d, pass.weights[at]), load(from + pass.indices[at] * inner + i), sum);
    }
    return sum;
  };
  const auto whole = [d](const float* x) HWY_ATTR { return hn::LoadU(d, x); };
  int64_t i = 0;
  for (; i + lanes <= inner; i += lanes) hn::StoreU(sum_at(i, whole), d, to + i);
  if (i == inner) return;
  if (inner >= lanes) {  // a last vector that overlaps the one before it
    hn::StoreU(sum_at(inner - lanes, whole), d, to + inner - lanes);
    return;
  }
  const auto count = static_cast<size_t>(inner);
  const auto part = [d, count](const float* x) HWY_ATTR { return LoadTail(d, x, count); };
  StoreTail(sum_at(0, part), d, to, count);
}

// All outputs of one row along the innermost axis.
void SumElements(const ResizePass& pass, const float* from, float* to) {
  const Tag d;
  const hn::RebindToSigned<Tag> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t o = 0; o < pass.out; o += lanes) {
    const int64_t base = pass.bases[static_cast<size_t>(o / lanes)];
    auto sum = hn::Zero(d);
    auto window = hn::Zero(d);
    if (base >= 0) {
      window = pass.in - base >= lanes
                   ? hn::LoadU(d, from + base)
                   : LoadTail(d, from + base, static_cast<size_t>(pass.in - base));
    }
    for (int64_t k = 0; k < pass.taps; ++k) {
      const auto at = static_cast<size_t>(k * pass.pitch + o);
      const auto indices = hn::LoadU(di, pass.indices.data() + at);
      const auto seen = base >= 0 ? hn::TableLookupLanes(window, hn::IndicesFromVec(d, indices))
                                  : hn::GatherIndex(d, from, indices);
      sum = hn::MulAdd(hn::LoadU(d, pass.weights.data() + at), seen, sum);
    }
    if (pass.out - o >= lanes) {
      hn::StoreU(sum, d, to + o);
    } else {
      StoreTail(sum, d, to + o, static_cast<size_t>(pass.out - o));
    }
  }
}

// Fills `bases` and makes indices relative to them. Gathering is slow: where outputs lie close
// together, a vector of the input and a shuffle do.
void FindBases(ResizePass& pass) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Tag()));
  for (int64_t o = 0; o < pass.out; o += lanes) {
    int32_t least = std::numeric_limits<int32_t>::max(), most = 0;
    const int64_t end = std::min(o + lanes, pass.out);
    const auto each = [&](auto body) {
      for (int64_t k = 0; k < pass.taps; ++k) {
        for (int64_t i = o; i < end; ++i) {
          body(pass.indices[static_cast<size_t>(k * pass.pitch + i)]);
        }
      }
    };
    each([&](int32_t index) {
      least = std::min(least, index);
      most = std::max(most, index);
    });
    const bool near = most - least < static_cast<int32_t>(lanes);
    pass.bases.push_back(near ? least : -1);
    if (near) each([&](int32_t& index) { index -= least; });
  }
}

}  // namespace
}  // namespace ergo::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(SumRows);
HWY_EXPORT(SumElements);
HWY_EXPORT(FindBases);

using ElementsFunction = void (*)(const ResizePass& pass, const float* from, float* to);

constexpr int64_t kGrainTaps = int64_t{1} << 15;

class SeparableResize final : public Kernel {
 public:
  SeparableResize(const ResizeProblem& problem, const std::vector<AxisTaps>& taps) {
    const auto growth = [&](int axis) {
      return static_cast<double>(problem.output[axis]) / static_cast<double>(problem.input[axis]);
    };
    std::vector<int> order;
    for (int axis = 0; axis < problem.input.Rank(); ++axis) {
      if (!taps[static_cast<size_t>(axis)].Identity()) order.push_back(axis);
    }
    // The innermost, whose elements must be gathered, has its turn when there are fewest of them:
    // last of those that shrink, first of those that grow.
    std::ranges::sort(order, [&](int a, int b) {
      const bool a_shrinks = growth(a) < 1, b_shrinks = growth(b) < 1;
      if (a_shrinks != b_shrinks) return a_shrinks;
      return a_shrinks ? a < b : a > b;
    });
    // Nothing to resample is a copy: one pass of one tap along the first axis.
    if (order.empty()) order.push_back(0);
    Shape shape = problem.input;
    for (const int axis : order) {
      passes_.push_back(MakePass(shape, axis, taps[static_cast<size_t>(axis)]));
      shape[axis] = problem.output[axis];
      if (passes_.size() < order.size()) {
        largest_between_ = std::max(largest_between_, shape.Elements());
      }
    }
  }

  // Two buffers take turns between the passes.
  size_t WorkspaceBytes() const override {
    const size_t buffers = std::min<size_t>(passes_.size() - 1, 2);
    return buffers * BufferBytes();
  }

  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const float*>(args.inputs[0].data);
    for (size_t i = 0; i < passes_.size(); ++i) {
      float* to = i + 1 == passes_.size()
                      ? static_cast<float*>(args.outputs[0].data)
                      : reinterpret_cast<float*>(args.workspace.data() + i % 2 * BufferBytes());
      RunPass(passes_[i], from, to, args.parallel);
      from = to;
    }
  }

 private:
  static ResizePass MakePass(const Shape& shape, int axis, const AxisTaps& taps) {
    ResizePass pass;
    pass.outer = shape.Elements(0, axis);
    pass.in = taps.in;
    pass.out = taps.out;
    pass.inner = shape.Elements(axis + 1, shape.Rank());
    pass.taps = taps.taps;
    // Whole vectors: what is behind the last output weighs nothing.
    constexpr auto kMostLanes = static_cast<int64_t>(kTensorAlignment / sizeof(float));
    pass.pitch = RoundUp(pass.out, kMostLanes);
    pass.indices.assign(static_cast<size_t>(pass.pitch * pass.taps), 0);
    pass.weights.assign(pass.indices.size(), 0.0f);
    for (int64_t k = 0; k < taps.taps; ++k) {
      for (int64_t o = 0; o < taps.out; ++o) {
        const auto at = static_cast<size_t>(o * taps.taps + k);
        const auto to = static_cast<size_t>(k * pass.pitch + o);
        pass.indices[to] = static_cast<int32_t>(taps.indices[at]);
        pass.weights[to] = static_cast<float>(taps.weights[at]);
      }
    }
    if (pass.inner == 1) HWY_DYNAMIC_DISPATCH(FindBases)(pass);
    return pass;
  }

  size_t BufferBytes() const {
    return RoundUp(static_cast<size_t>(largest_between_) * sizeof(float), kTensorAlignment);
  }

  void RunPass(const ResizePass& pass, const float* from, float* to, ParallelFor& parallel) const {
    if (pass.inner == 1) {
      const int64_t grain = std::max<int64_t>(1, kGrainTaps / (pass.taps * pass.out));
      ParallelRanges(parallel, pass.outer, grain, [&](int64_t begin, int64_t end, int) {
        for (int64_t row = begin; row < end; ++row) {
          sum_elements_(pass, from + row * pass.in, to + row * pass.out);
        }
      });
      return;
    }
    const int64_t grain = std::max<int64_t>(1, kGrainTaps / (pass.taps * pass.inner));
    ParallelRanges(parallel, pass.outer * pass.out, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        HWY_DYNAMIC_DISPATCH(SumRows)
        (pass, from + row / pass.out * pass.in * pass.inner, row % pass.out, to + row * pass.inner);
      }
    });
  }

  std::vector<ResizePass> passes_;
  // Of the target whose vectors the passes were made for.
  const ElementsFunction sum_elements_ = &HWY_DYNAMIC_DISPATCH(SumElements);
  int64_t largest_between_ = 0;
};

}  // namespace

MadeKernel MakeSeparableResize(const ResizeProblem& problem, const MakeContext&) {
  ChooseSimdTarget();
  if (problem.mode == ResizeMode::kNearest) return Unsupported("does not interpolate");
  if (problem.dtype != DType::kF32) return Unsupported("{}", DTypeName(problem.dtype));
  if (problem.input.Rank() == 0) return Unsupported("a scalar has no axis");
  if (problem.output.Elements() == 0) return Unsupported("the result is empty");
  ERGO_ASSIGN_OR_RETURN(const std::vector<AxisTaps> taps, MakeTaps(problem));
  for (const AxisTaps& axis : taps) {
    if (!axis.outside.empty()) return Unsupported("extrapolates");
    if (axis.in > std::numeric_limits<int32_t>::max()) return Unsupported("an axis above 2^31");
  }
  return MadeKernel(std::make_unique<SeparableResize>(problem, taps));
}

}  // namespace ergo
#endif  // HWY_ONCE
