// QEpilogue on vectors (kernels/qlinear/epilogue.h says what it computes). Per-target header:
// include it below <hwy/highway.h>, inside the files that foreach_target.h compiles again and
// again.
#if defined(ERGO_KERNELS_QLINEAR_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_QLINEAR_EPILOGUE_INL_H_
#undef ERGO_KERNELS_QLINEAR_EPILOGUE_INL_H_
#else
#define ERGO_KERNELS_QLINEAR_EPILOGUE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "kernels/base/activation-inl.h"
#include "kernels/qlinear/epilogue.h"

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Numbers of one row of results: one for all of them (a convolution's channel), or one each (a
// product's columns).
enum class EpilogueForm { kPerRow, kPerColumn };

// `sums` and, per column, the channels' numbers may be read up to a whole vector beyond `count`.
struct EpilogueRow {
  const int32_t* sums = nullptr;
  size_t count = 0;
  size_t channel = 0;              // the row's, or the first column's
  const void* residual = nullptr;  // element of the first result
  void* y = nullptr;               // likewise
};

// to[row * width + i] = sums[row * pitch + i] for i < width. Reads and writes whole vectors: the
// rest of each is overwritten by the next row, that of the last is one vector at most.
inline void DropLanes(const int32_t* HWY_RESTRICT sums, size_t pitch, size_t width, size_t rows,
                      int32_t* HWY_RESTRICT to) {
  const hn::ScalableTag<int32_t> d;
  for (size_t row = 0; row < rows; ++row, sums += pitch, to += width) {
    for (size_t i = 0; i < width; i += hn::Lanes(d)) hn::StoreU(hn::LoadU(d, sums + i), d, to + i);
  }
}

class RowEpilogue {
 public:
  using F = hn::ScalableTag<float>;
  using I = hn::Rebind<int32_t, F>;
  using B = hn::Rebind<uint8_t, F>;
  using S = hn::Rebind<int8_t, F>;

  RowEpilogue(const QEpilogue& epilogue, const EpilogueScalars& scalars,
              const EpilogueChannels& channels)
      : epilogue_(epilogue), scalars_(scalars), channels_(channels) {}

  // `sums(i, count)` are those of elements [i, i + count), at most a vector.
  template <EpilogueForm kForm, class Sums>
  void Run(const EpilogueRow& row, const Sums& sums) const {
    const bool bytes = epilogue_.y == DType::kU8 || epilogue_.y == DType::kI8;
    if (bytes && scalars_.activation.kind == Activation::kNone && !scalars_.rescales) {
      switch (epilogue_.residual) {
        case DType::kUndefined: return RunBytes<kForm, void>(row, sums);
        case DType::kU8: return RunBytes<kForm, uint8_t>(row, sums);
        case DType::kI8: return RunBytes<kForm, int8_t>(row, sums);
        default: break;
      }
    }
    RunAny<kForm>(row, sums);
  }
  template <EpilogueForm kForm>
  void Run(const EpilogueRow& row) const {
    Run<kForm>(row, [&row](size_t i, size_t) HWY_ATTR { return hn::LoadU(I(), row.sums + i); });
  }

  // Elements [0, count) of a row and anything behind them, whole vectors where they fit.
  template <class D, typename T = hn::TFromD<D>>
  static HWY_INLINE hn::Vec<D> Load(D d, const T* from, size_t count) {
    if (count == hn::Lanes(d)) return hn::LoadU(d, from);
    HWY_ALIGN T lanes[hn::MaxLanes(D())] = {};
    std::memcpy(lanes, from, std::min(count, hn::MaxLanes(d)) * sizeof(T));
    return hn::Load(d, lanes);
  }

 private:
  template <EpilogueForm kForm, class Sums>
  void RunAny(const EpilogueRow& row, const Sums& sums) const {
    const size_t lanes = hn::Lanes(F());
    for (size_t i = 0; i < row.count; i += lanes) {
      const size_t count = std::min(lanes, row.count - i);
      if (epilogue_.y == DType::kI32) {
        Store(sums(i, count), I(), static_cast<int32_t*>(row.y) + i, count);
        continue;
      }
      const size_t channel = row.channel + (kForm == EpilogueForm::kPerRow ? 0 : i);
      hn::Vec<F> v = Scale(sums(i, count), NumbersAt<kForm>(channel));
      if (epilogue_.residual != DType::kUndefined) v = AddResidual(v, row.residual, i, count);
      if (scalars_.activation.kind != Activation::kNone) v = ActivateAny(v);
      if (scalars_.rescales) v = hn::Mul(v, hn::Set(F(), scalars_.rescale));
      Finish(v, row.y, i, count);
    }
  }

  // Bytes without an activation but the clamp: numbers are small, so that adding 1.5 * 2^23 rounds
  // them to integers, which then are the low bits.
  template <EpilogueForm kForm, class Residual, class Sums>
  void RunBytes(const EpilogueRow& row, const Sums& sums) const {
    const auto low = hn::Set(F(), scalars_.low), high = hn::Set(F(), scalars_.high);
    const auto magic = hn::Set(F(), 12582912.0f);
    const auto zero_y = hn::Set(I(), scalars_.zero_y - 0x4b400000);
    const auto scale_z = hn::Set(F(), scalars_.residual_scale);
    const auto zero_z = hn::Set(I(), scalars_.residual_zero);
    // Once, since the compiler cannot know that storing bytes leaves the numbers alone.
    const Numbers of_row = NumbersAt<EpilogueForm::kPerRow>(row.channel);
    const auto one = [&](size_t i, size_t count) HWY_ATTR {
      hn::Vec<F> v;
      if constexpr (kForm == EpilogueForm::kPerRow) {
        v = Scale(sums(i, count), of_row);
      } else {
        v = Scale(sums(i, count), NumbersAt<kForm>(row.channel + i));
      }
      if constexpr (!std::is_void_v<Residual>) {
        const auto* from = static_cast<const Residual*>(row.residual) + i;
        const auto z = hn::PromoteTo(I(), Load(hn::Rebind<Residual, F>(), from, count));
        v = hn::MulAdd(hn::ConvertTo(F(), hn::Sub(z, zero_z)), scale_z, v);
      }
      v = hn::Add(hn::Min(hn::Max(v, low), high), magic);
      const auto steps = hn::Add(hn::BitCast(I(), v), zero_y);
      return hn::TruncateTo(B(), hn::BitCast(hn::RebindToUnsigned<I>(), steps));
    };
    auto* y = static_cast<uint8_t*>(row.y);
    const size_t lanes = hn::Lanes(F());
    size_t i = 0;
    for (; i + lanes <= row.count; i += lanes) hn::StoreU(one(i, lanes), B(), y + i);
    if (i < row.count) Store(one(i, row.count - i), B(), y + i, row.count - i);
  }

  struct Numbers {
    hn::Vec<I> bias;
    hn::Vec<F> multiplier, offset;
  };
  // Those of a row's channel, or of a vector of columns.
  template <EpilogueForm kForm>
  HWY_INLINE Numbers NumbersAt(size_t channel) const {
    if constexpr (kForm == EpilogueForm::kPerRow) {
      return {hn::Set(I(), channels_.biases[channel]), hn::Set(F(), channels_.multipliers[channel]),
              hn::Set(F(), channels_.offsets[channel])};
    } else {
      return {hn::LoadU(I(), channels_.biases + channel),
              hn::LoadU(F(), channels_.multipliers + channel),
              hn::LoadU(F(), channels_.offsets + channel)};
    }
  }
  static HWY_INLINE hn::Vec<F> Scale(hn::Vec<I> sums, const Numbers& numbers) {
    const auto biased = hn::ConvertTo(F(), hn::Add(sums, numbers.bias));
    return hn::MulAdd(biased, numbers.multiplier, numbers.offset);
  }

  template <class D, typename T = hn::TFromD<D>>
  static HWY_INLINE void Store(hn::Vec<D> v, D d, T* to, size_t count) {
    if (count == hn::Lanes(d)) return hn::StoreU(v, d, to);
    HWY_ALIGN T lanes[hn::MaxLanes(D())];
    hn::Store(v, d, lanes);
    std::memcpy(to, lanes, std::min(count, hn::MaxLanes(d)) * sizeof(T));
  }

  HWY_INLINE hn::Vec<F> AddResidual(hn::Vec<F> v, const void* residual, size_t i,
                                    size_t count) const {
    const auto scale = hn::Set(F(), scalars_.residual_scale);
    if (epilogue_.residual == DType::kF32) {
      return hn::MulAdd(Load(F(), static_cast<const float*>(residual) + i, count), scale, v);
    }
    const auto z =
        epilogue_.residual == DType::kU8
            ? hn::PromoteTo(I(), Load(B(), static_cast<const uint8_t*>(residual) + i, count))
            : hn::PromoteTo(I(), Load(S(), static_cast<const int8_t*>(residual) + i, count));
    const auto centred = hn::Sub(z, hn::Set(I(), scalars_.residual_zero));
    return hn::MulAdd(hn::ConvertTo(F(), centred), scale, v);
  }

  hn::Vec<F> ActivateAny(hn::Vec<F> v) const {
    HWY_ALIGN float lanes[hn::MaxLanes(F())];
    hn::Store(v, F(), lanes);
    ActivateRow(scalars_.activation, lanes, hn::Lanes(F()));
    return hn::Load(F(), lanes);
  }

  HWY_INLINE void Finish(hn::Vec<F> v, void* y, size_t i, size_t count) const {
    v = hn::Min(hn::Max(v, hn::Set(F(), scalars_.low)), hn::Set(F(), scalars_.high));
    if (epilogue_.y == DType::kF32) return Store(v, F(), static_cast<float*>(y) + i, count);
    const auto steps = hn::Add(hn::NearestInt(v), hn::Set(I(), scalars_.zero_y));
    if (epilogue_.y == DType::kU8) {
      Store(hn::DemoteTo(B(), steps), B(), static_cast<uint8_t*>(y) + i, count);
    } else {
      Store(hn::DemoteTo(S(), steps), S(), static_cast<int8_t*>(y) + i, count);
    }
  }

  const QEpilogue& epilogue_;
  const EpilogueScalars& scalars_;
  const EpilogueChannels& channels_;
};

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_QLINEAR_EPILOGUE_INL_H_
