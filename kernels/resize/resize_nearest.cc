// Nearest as copies: an output row that comes from the same input row as the one before is copied
// whole, and a row of pairs (the ubiquitous upscale by 2) is written by the vector.
#include <algorithm>
#include <cstring>

#include "kernels/base/parallel_ranges.h"
#include "kernels/resize/resize_taps.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resize/resize_nearest.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ergo::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Each of `count` elements of 4 bytes twice.
void DoubleRow4Bytes(const std::byte* from, std::byte* to, int64_t count) {
  const auto* in = reinterpret_cast<const uint32_t*>(from);
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint64_t> wide;
  const hn::Rebind<uint32_t, decltype(wide)> narrow;
  const auto lanes = static_cast<int64_t>(hn::Lanes(wide));
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::PromoteTo(wide, hn::LoadU(narrow, in + i));
    hn::StoreU(hn::Or(v, hn::ShiftLeft<32>(v)), wide, reinterpret_cast<uint64_t*>(to) + i);
  }
#endif
  for (; i < count; ++i) {
    const std::array<uint32_t, 2> pair{in[i], in[i]};
    std::memcpy(to + i * 8, pair.data(), 8);
  }
}

}  // namespace
}  // namespace ergo::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(DoubleRow4Bytes);

constexpr int64_t kGrainBytes = int64_t{128} << 10;

template <size_t kBytes>
void PickRow(const std::byte* from, std::byte* to, std::span<const int64_t> indices) {
  for (size_t o = 0; o < indices.size(); ++o) {
    std::memcpy(to + o * kBytes, from + static_cast<size_t>(indices[o]) * kBytes, kBytes);
  }
}

class NearestResize final : public Kernel {
 public:
  NearestResize(const ResizeProblem& problem, std::vector<AxisTaps> taps)
      : taps_(std::move(taps)), bytes_(DTypeBits(problem.dtype) / 8) {
    last_ = taps_.size() - 1;
    rows_ = problem.output.Elements(0, static_cast<int>(last_));
    strides_ = problem.input.RowMajorStrides();
    const AxisTaps& row = taps_[last_];
    row_kind_ = row.Identity()                   ? Row::kWhole
                : bytes_ == 4 && TakesPairs(row) ? Row::kPairs
                                                 : Row::kPicked;
  }

  void Run(const KernelArgs& args) const override {
    const auto* from = static_cast<const std::byte*>(args.inputs[0].data);
    auto* to = static_cast<std::byte*>(args.outputs[0].data);
    const int64_t row_bytes = taps_[last_].out * bytes_;
    if (row_bytes == 0) return;
    ParallelRanges(args.parallel, rows_, std::max<int64_t>(1, kGrainBytes / row_bytes),
                   [&](int64_t begin, int64_t end, int) {
                     int64_t previous = -1;
                     for (int64_t row = begin; row < end; ++row) {
                       std::byte* row_to = to + row * row_bytes;
                       const int64_t source = SourceOf(row);
                       if (source == previous) {
                         std::memcpy(row_to, row_to - row_bytes, static_cast<size_t>(row_bytes));
                       } else {
                         MakeRow(from + source * bytes_, row_to);
                       }
                       previous = source;
                     }
                   });
  }

 private:
  enum class Row : uint8_t { kWhole, kPairs, kPicked };

  static bool TakesPairs(const AxisTaps& row) {
    if (row.out != 2 * row.in) return false;
    for (int64_t o = 0; o < row.out; ++o) {
      if (row.indices[static_cast<size_t>(o)] != o / 2) return false;
    }
    return true;
  }

  int64_t SourceOf(int64_t row) const {
    int64_t source = 0;
    for (size_t axis = last_; axis-- > 0;) {
      const AxisTaps& taps = taps_[axis];
      source += taps.indices[static_cast<size_t>(row % taps.out)] * strides_[axis];
      row /= taps.out;
    }
    return source;
  }

  void MakeRow(const std::byte* from, std::byte* to) const {
    const AxisTaps& row = taps_[last_];
    if (row_kind_ == Row::kWhole) {
      std::memcpy(to, from, static_cast<size_t>(row.out * bytes_));
    } else if (row_kind_ == Row::kPairs) {
      HWY_DYNAMIC_DISPATCH(DoubleRow4Bytes)(from, to, row.in);
    } else {
      switch (bytes_) {
        case 1: return PickRow<1>(from, to, row.indices);
        case 2: return PickRow<2>(from, to, row.indices);
        case 4: return PickRow<4>(from, to, row.indices);
        default: return PickRow<8>(from, to, row.indices);
      }
    }
  }

  std::vector<AxisTaps> taps_;
  int64_t bytes_;
  size_t last_;
  int64_t rows_;
  std::array<int64_t, kMaxRank> strides_;
  Row row_kind_;
};

}  // namespace

MadeKernel MakeNearestResize(const ResizeProblem& problem, const MakeContext&) {
  if (problem.mode != ResizeMode::kNearest) return Unsupported("interpolates");
  if (DTypeBits(problem.dtype) < 8) return Unsupported("elements smaller than a byte");
  if (problem.input.Rank() == 0) return Unsupported("a scalar has no rows");
  ERGO_ASSIGN_OR_RETURN(std::vector<AxisTaps> taps, MakeTaps(problem));
  for (const AxisTaps& axis : taps) {
    if (!axis.outside.empty()) return Unsupported("extrapolates");
  }
  return MadeKernel(std::make_unique<NearestResize>(problem, std::move(taps)));
}

}  // namespace ergo
#endif  // HWY_ONCE
