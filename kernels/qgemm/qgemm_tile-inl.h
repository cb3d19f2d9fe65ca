// Register tiles of integer matrix products: 16-bit A, 8-bit B, 32-bit sums, exact. Per-target
// header: include it below <hwy/highway.h>, inside the files that foreach_target.h compiles again
// and again.
//
// The depth runs in pairs: a product of two pairs, a0 b0 + a1 b1, is one multiplication of 16-bit
// lanes that adds neighbours into 32 bits (pmaddwd); with |a| <= 255 and |b| <= 128 it cannot
// overflow. Operands are
//   A: rows of pairs, kQRowStride int16 apart, zero point already subtracted;
//   B: a panel of kQPanelWidth columns: for each pair of steps, two int8 a column.
#if defined(ERGO_KERNELS_QGEMM_QGEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_QGEMM_QGEMM_TILE_INL_H_
#undef ERGO_KERNELS_QGEMM_QGEMM_TILE_INL_H_
#else
#define ERGO_KERNELS_QGEMM_QGEMM_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using QTag = hn::ScalableTag<int32_t>;
using QVec = hn::Vec<QTag>;

// Registers: the sums, the columns widened to 16 bits, a pair of A, and a product.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr size_t kQTileRows = 12;
#else
constexpr size_t kQTileRows = 5;
#endif
constexpr size_t kQTileVectors = 2;
constexpr size_t kQLanes = hn::MaxLanes(QTag());
constexpr size_t kQPanelWidth = kQTileVectors * kQLanes;
constexpr size_t kQBlockDepth = 512;
constexpr size_t kQRowStride = kQBlockDepth + 32;

#if HWY_TARGET == HWY_SCALAR
struct QPairs {
  int32_t first, second;
};
struct QSums {
  uint32_t total;
};
HWY_INLINE QSums ZeroSums() {
  return {0};
}
HWY_INLINE QPairs BroadcastPair(const int16_t* a) {
  return {a[0], a[1]};
}
HWY_INLINE QPairs LoadPairs(const int8_t* b) {
  return {b[0], b[1]};
}
HWY_INLINE void MulAddPairs(const QPairs& a, const QPairs& b, QSums& sums) {
  sums.total += static_cast<uint32_t>(a.first * b.first + a.second * b.second);
}
HWY_INLINE QVec TotalOf(const QSums& sums) {
  return hn::Set(QTag(), static_cast<int32_t>(sums.total));
}
#else
using QPairTag = hn::RepartitionToNarrow<QTag>;
using QPairs = hn::Vec<QPairTag>;
struct QSums {
  // Some targets keep the sums of odd and of even steps apart until the end.
  QVec sums, others;
};
HWY_INLINE QSums ZeroSums() {
  return {hn::Zero(QTag()), hn::Zero(QTag())};
}
HWY_INLINE QPairs BroadcastPair(const int16_t* a) {
  int32_t pair;
  std::memcpy(&pair, a, sizeof(pair));
  return hn::BitCast(QPairTag(), hn::Set(QTag(), pair));
}
HWY_INLINE QPairs LoadPairs(const int8_t* b) {
  const hn::Rebind<int8_t, QPairTag> bytes;
  return hn::PromoteTo(QPairTag(), hn::LoadU(bytes, b));
}
HWY_INLINE void MulAddPairs(const QPairs& a, const QPairs& b, QSums& sums) {
  sums.sums = hn::ReorderWidenMulAccumulate(QTag(), a, b, sums.sums, sums.others);
}
HWY_INLINE QVec TotalOf(const QSums& sums) {
  return hn::RearrangeToOddPlusEven(sums.sums, sums.others);
}
#endif

struct QTile {
  const int16_t* a = nullptr;
  const int8_t* b = nullptr;
  size_t pairs = 0;
  int32_t* d = nullptr;
  size_t d_stride = 0;
  bool accumulate = false;                // adds to d instead of overwriting it
  const int32_t* row_sums = nullptr;      // of this block of A
  const int32_t* zero_columns = nullptr;  // of B as packed, one a column; null: all 0
};

using QTileFunction = void (*)(const QTile& tile);

// One pair of steps of the depth.
template <size_t kRows, size_t kVectors>
HWY_INLINE void QTileStep(const int16_t* HWY_RESTRICT a, const int8_t* HWY_RESTRICT b,
                          QSums (&sums)[kRows][kVectors]) {
  QPairs columns[kVectors];
  HWY_UNROLL(16)
  for (size_t v = 0; v < kVectors; ++v) columns[v] = LoadPairs(b + v * 2 * kQLanes);
  HWY_UNROLL(16)
  for (size_t i = 0; i < kRows; ++i) {
    const QPairs row = BroadcastPair(a + i * kQRowStride);
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) MulAddPairs(row, columns[v], sums[i][v]);
  }
}

// kRows x kVectors vectors of D; steps are dealt to kSplit accumulators in turn, which tiles of few
// rows need to keep the multipliers busy.
template <size_t kRows, size_t kVectors, size_t kSplit>
void RunQTile(const QTile& tile) {
  QSums sums[kSplit][kRows][kVectors];
  HWY_UNROLL(16)
  for (size_t s = 0; s < kSplit; ++s) {
    HWY_UNROLL(16)
    for (size_t i = 0; i < kRows; ++i) {
      HWY_UNROLL(16)
      for (size_t v = 0; v < kVectors; ++v) sums[s][i][v] = ZeroSums();
    }
  }
  const int16_t* HWY_RESTRICT a = tile.a;
  const int8_t* HWY_RESTRICT b = tile.b;
  size_t p = 0;
  for (; p + kSplit <= tile.pairs; p += kSplit) {
    HWY_UNROLL(16)
    for (size_t s = 0; s < kSplit; ++s, a += 2, b += 2 * kQPanelWidth) QTileStep(a, b, sums[s]);
  }
  for (; p < tile.pairs; ++p, a += 2, b += 2 * kQPanelWidth) QTileStep(a, b, sums[0]);

  const QTag d;
  HWY_UNROLL(16)
  for (size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) {
      int32_t* HWY_RESTRICT to = tile.d + i * tile.d_stride + v * kQLanes;
      QVec total = tile.accumulate ? hn::LoadU(d, to) : hn::Zero(d);
      HWY_UNROLL(16)
      for (size_t s = 0; s < kSplit; ++s) total = hn::Add(total, TotalOf(sums[s][i][v]));
      if (tile.zero_columns != nullptr) {
        const QVec zero = hn::LoadU(d, tile.zero_columns + v * kQLanes);
        total = hn::Sub(total, hn::Mul(zero, hn::Set(d, tile.row_sums[i])));
      }
      hn::StoreU(total, d, to);
    }
  }
}

template <size_t kVectors, size_t... kRowIndex>
constexpr std::array<QTileFunction, kQTileRows> QTileRowFunctions(
    std::index_sequence<kRowIndex...>) {
  return {&RunQTile < kRowIndex + 1, kVectors, kRowIndex == 0 ? 4 : kRowIndex == 1 ? 2 : 1 > ...};
}

// The tile of `rows` in [1, kQTileRows] and `vectors` in [1, kQTileVectors].
inline QTileFunction GetQTile(size_t rows, size_t vectors) {
  static constexpr auto kRowIndices = std::make_index_sequence<kQTileRows>();
  static constexpr std::array<QTileFunction, kQTileRows> kTiles[kQTileVectors] = {
      QTileRowFunctions<1>(kRowIndices), QTileRowFunctions<2>(kRowIndices)};
  return kTiles[vectors - 1][rows - 1];
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_QGEMM_QGEMM_TILE_INL_H_
