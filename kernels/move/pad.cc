#include "kernels/move/pad.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/base/parallel_ranges.h"
#include "kernels/move/element.h"

namespace ergo::move {
namespace {

constexpr int64_t kOutside = -1;

// Input index of result index i along one axis; kOutside for the constant.
int64_t SourceIndex(int64_t i, int64_t dim, const AxisPads& pads, PadMode mode) {
  const int64_t first = std::max<int64_t>(0, -pads.before);  // of what cropping leaves
  const int64_t length = dim + std::min<int64_t>(0, pads.before) + std::min<int64_t>(0, pads.after);
  int64_t at = i - std::max<int64_t>(0, pads.before);
  if (at >= 0 && at < length) return first + at;
  if (mode == PadMode::kConstant || length <= 0) return kOutside;
  if (mode == PadMode::kEdge) return first + std::clamp<int64_t>(at, 0, length - 1);
  const int64_t period = mode == PadMode::kWrap ? length : std::max<int64_t>(1, 2 * length - 2);
  at %= period;
  if (at < 0) at += period;
  return first + (at < length ? at : period - at);
}

struct PadPlan {
  int64_t element_bytes = 0;
  Shape input, output;
  std::vector<std::vector<int64_t>> sources;  // an entry an axis: input index of each result index
};

Result<PadPlan> PlanPad(const PadProblem& problem) {
  PadPlan plan;
  ERGO_ASSIGN_OR_RETURN(plan.element_bytes, ElementBytes(problem.dtype));
  if (static_cast<int>(problem.pads.size()) != problem.input.Rank()) {
    return InvalidArgument("{} pads for {}", problem.pads.size(), problem.input.ToString());
  }
  plan.input = problem.input;
  std::vector<int64_t> dims;
  for (int axis = 0; axis < problem.input.Rank(); ++axis) {
    const AxisPads& pads = problem.pads[static_cast<size_t>(axis)];
    dims.push_back(problem.input[axis] + pads.before + pads.after);
  }
  ERGO_ASSIGN_OR_RETURN(plan.output, Shape::Make(dims));
  for (int axis = 0; axis < problem.input.Rank(); ++axis) {
    std::vector<int64_t> sources;
    bool outside = false;
    for (int64_t i = 0; i < plan.output[axis]; ++i) {
      sources.push_back(SourceIndex(i, problem.input[axis], problem.pads[static_cast<size_t>(axis)],
                                    problem.mode));
      outside = outside || sources.back() == kOutside;
    }
    if (outside && problem.mode != PadMode::kConstant && plan.output.Elements() != 0) {
      return InvalidArgument("axis {} of {} is empty and has nothing to pad with", axis,
                             problem.input.ToString());
    }
    plan.sources.push_back(std::move(sources));
  }
  return plan;
}

// The value to pad with; an absent one is zeros, which every type has as its 0.
const std::byte* PadValue(const KernelArgs& args) {
  static constexpr std::array<std::byte, 8> kZero{};
  const bool given = args.inputs.size() > 1 && args.inputs[1].data != nullptr;
  return given ? static_cast<const std::byte*>(args.inputs[1].data) : kZero.data();
}

class ReferencePad final : public Kernel {
 public:
  explicit ReferencePad(PadPlan plan) : plan_(std::move(plan)) {}

  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    const std::byte* value = PadValue(args);
    const auto strides = plan_.input.RowMajorStrides();
    for (int64_t i = 0; i < plan_.output.Elements(); ++i) {
      int64_t rest = i, place = 0;
      bool outside = false;
      for (int axis = plan_.output.Rank() - 1; axis >= 0; --axis) {
        const auto a = static_cast<size_t>(axis);
        const int64_t source = plan_.sources[a][static_cast<size_t>(rest % plan_.output[axis])];
        rest /= plan_.output[axis];
        outside = outside || source == kOutside;
        place += source * strides[a];
      }
      std::memcpy(to + i * plan_.element_bytes,
                  outside ? value : from + place * plan_.element_bytes,
                  static_cast<size_t>(plan_.element_bytes));
    }
  }

 private:
  PadPlan plan_;
};

// Copies the unpadded middle of each innermost row at once.
class RowsPad final : public Kernel {
 public:
  explicit RowsPad(PadPlan plan) : plan_(std::move(plan)) {
    const std::vector<int64_t>& row = plan_.sources.back();
    const auto consecutive = [&](size_t i) {
      return row[i] != kOutside && row[i] == row[i - 1] + 1;
    };
    // The longest stretch of consecutive source elements.
    for (size_t begin = 0; begin < row.size();) {
      size_t end = begin + 1;
      while (end < row.size() && consecutive(end)) ++end;
      if (row[begin] != kOutside && end - begin > middle_end_ - middle_begin_) {
        middle_begin_ = begin;
        middle_end_ = end;
      }
      begin = end;
    }
  }

  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    const std::byte* value = PadValue(args);
    const int last = plan_.output.Rank() - 1;
    const int64_t row_bytes = plan_.output[last] * plan_.element_bytes;
    const auto strides = plan_.input.RowMajorStrides();
    const auto run = [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t rest = row, place = 0;
        bool outside = false;
        for (int axis = last - 1; axis >= 0; --axis) {
          const auto a = static_cast<size_t>(axis);
          const int64_t source = plan_.sources[a][static_cast<size_t>(rest % plan_.output[axis])];
          rest /= plan_.output[axis];
          outside = outside || source == kOutside;
          place += source * strides[a];
        }
        if (outside) {
          FillElements(to + row * row_bytes, value, plan_.element_bytes, plan_.output[last]);
        } else {
          PadRow(from + place * plan_.element_bytes, value, to + row * row_bytes);
        }
      }
    };
    if (row_bytes > 0)
      ParallelRanges(args.parallel, plan_.output.Elements(0, last), GrainFor(row_bytes), run);
  }

 private:
  void PadRow(const std::byte* from, const std::byte* value, std::byte* to) const {
    PadElements(from, value, to, 0, middle_begin_);
    if (middle_end_ > middle_begin_) {
      const int64_t source = plan_.sources.back()[middle_begin_];
      CopyRuns(from + source * plan_.element_bytes, plan_.element_bytes,
               to + static_cast<int64_t>(middle_begin_) * plan_.element_bytes, plan_.element_bytes,
               plan_.element_bytes, static_cast<int64_t>(middle_end_ - middle_begin_));
    }
    PadElements(from, value, to, middle_end_, plan_.sources.back().size());
  }

  void PadElements(const std::byte* from, const std::byte* value, std::byte* to, size_t begin,
                   size_t end) const {
    for (size_t i = begin; i < end; ++i) {
      const int64_t source = plan_.sources.back()[i];
      std::memcpy(to + static_cast<int64_t>(i) * plan_.element_bytes,
                  source == kOutside ? value : from + source * plan_.element_bytes,
                  static_cast<size_t>(plan_.element_bytes));
    }
  }

  PadPlan plan_;
  size_t middle_begin_ = 0, middle_end_ = 0;
};

MadeKernel MakeReferencePad(const PadProblem& problem, const MakeContext&) {
  ERGO_ASSIGN_OR_RETURN(PadPlan plan, PlanPad(problem));
  return MadeKernel(std::make_unique<ReferencePad>(std::move(plan)));
}

MadeKernel MakeRowsPad(const PadProblem& problem, const MakeContext&) {
  if (problem.input.Rank() == 0) return Unsupported("a scalar has no rows");
  ERGO_ASSIGN_OR_RETURN(PadPlan plan, PlanPad(problem));
  return MadeKernel(std::make_unique<RowsPad>(std::move(plan)));
}

constexpr KernelVariant<PadProblem> kVariants[] = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  {{"pad", #name, Device::device, dtypes, layout, needs}, make},
#include "kernels/move/pad_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

Shape PadProblem::Output() const {
  Shape output = input;
  for (int axis = 0; axis < input.Rank(); ++axis) {
    const AxisPads& axis_pads = pads[static_cast<size_t>(axis)];
    output[axis] += axis_pads.before + axis_pads.after;
  }
  return output;
}

std::span<const KernelVariant<PadProblem>> PadVariants() {
  return kVariants;
}

KernelCost CostOf(const PadProblem& problem) {
  const int64_t written = DTypeBytes(problem.dtype, problem.Output().Elements());
  return {0, std::min(written, DTypeBytes(problem.dtype, problem.input.Elements())), written};
}

}  // namespace ergo::move
