// Register tiles of single-precision matrix products: the innermost loops of gemm, for other
// families to build on. Per-target header: include it below <hwy/highway.h>, inside the files that
// foreach_target.h compiles again and again.
//
// A tile is kTileRows x kPanelWidth elements of D, held in registers while the depth (k) runs over
// one block of at most kBlockDepth. Its operands are
//   A: rows that lie kRowStride floats apart, a compile-time constant so that one register
//      addresses all of them, and not a power of two so that they fall into different cache sets;
//   B: a panel, kPanelWidth floats for each step of the depth, `b_stride` floats apart.
// An element of D sees its products in order of the depth, whatever tile it falls into, except in
// the tiles of SplitTile, which belong to problems of one or two rows as a whole.
#if defined(ERGO_KERNELS_GEMM_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ERGO_KERNELS_GEMM_GEMM_TILE_INL_H_
#undef ERGO_KERNELS_GEMM_GEMM_TILE_INL_H_
#else
#define ERGO_KERNELS_GEMM_GEMM_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <array>
#include <cstddef>
#include <utility>

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using GemmTag = hn::ScalableTag<float>;
using GemmVec = hn::Vec<GemmTag>;

// 32 vector registers hold 28 accumulators, 2 vectors of B and 1 of A; 16 hold 12, 2 and 1.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr size_t kTileRows = 14;
#else
constexpr size_t kTileRows = 6;
#endif
constexpr size_t kTileVectors = 2;
constexpr size_t kLanes = hn::MaxLanes(GemmTag());
constexpr size_t kPanelWidth = kTileVectors * kLanes;
// A panel of B then fills an L1 cache of 32 KiB at the widest vectors, and streams from L2.
constexpr size_t kBlockDepth = 256;
constexpr size_t kRowStride = kBlockDepth + 16;

struct Tile {
  const float* a = nullptr;
  const float* b = nullptr;
  size_t b_stride = 0;
  size_t depth = 0;
  float* d = nullptr;
  size_t d_stride = 0;
  bool accumulate = false;  // adds to d instead of overwriting it
  // What is to be on its way from memory meanwhile: from here on, kAheadFloats a step; may be null.
  const float* ahead = nullptr;
};

// Four tiles of a panel bring the next one.
constexpr size_t kAheadTiles = 4;
constexpr size_t kAheadFloats = kPanelWidth / kAheadTiles;

using TileFunction = void (*)(const Tile& tile);

// One step of the depth.
template <size_t kRows, size_t kVectors>
HWY_INLINE void TileStep(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b,
                         GemmVec (&sums)[kRows][kVectors]) {
  const GemmTag d;
  GemmVec columns[kVectors];
  HWY_UNROLL(16)
  for (size_t v = 0; v < kVectors; ++v) columns[v] = hn::LoadU(d, b + v * kLanes);
  HWY_UNROLL(16)
  for (size_t i = 0; i < kRows; ++i) {
    const GemmVec row = hn::Set(d, a[i * kRowStride]);
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(row, columns[v], sums[i][v]);
  }
}

// kRows x kVectors vectors of D. With kSplit > 1, steps of the depth are dealt to that many
// accumulators in turn, so that tiles of few rows do not wait for each other's additions.
template <size_t kRows, size_t kVectors, size_t kSplit>
void RunTile(const Tile& tile) {
  const GemmTag d;
  GemmVec sums[kSplit][kRows][kVectors];
  HWY_UNROLL(16)
  for (size_t s = 0; s < kSplit; ++s) {
    HWY_UNROLL(16)
    for (size_t i = 0; i < kRows; ++i) {
      HWY_UNROLL(16)
      for (size_t v = 0; v < kVectors; ++v) sums[s][i][v] = hn::Zero(d);
    }
  }
  const float* HWY_RESTRICT a = tile.a;
  const float* HWY_RESTRICT b = tile.b;
  const size_t b_stride = tile.b_stride;
  const float* ahead = tile.ahead != nullptr ? tile.ahead : a;
  if (tile.accumulate) {
    HWY_UNROLL(16)
    for (size_t i = 0; i < kRows; ++i) {
      __builtin_prefetch(tile.d + i * tile.d_stride, 1);
      __builtin_prefetch(tile.d + i * tile.d_stride + kVectors * kLanes - 1, 1);
    }
  }
  size_t p = 0;
  for (; p + kSplit <= tile.depth; p += kSplit) {
    HWY_UNROLL(16)
    for (size_t s = 0; s < kSplit; ++s) TileStep(a + s, b + s * b_stride, sums[s]);
    __builtin_prefetch(ahead, 0, 2);
    ahead += kSplit * kAheadFloats;
    a += kSplit;
    b += kSplit * b_stride;
  }
  for (; p < tile.depth; ++p, ++a, b += b_stride) TileStep(a, b, sums[0]);
  HWY_UNROLL(16)
  for (size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(16)
    for (size_t v = 0; v < kVectors; ++v) {
      GemmVec sum = sums[0][i][v];
      HWY_UNROLL(16)
      for (size_t s = 1; s < kSplit; ++s) sum = hn::Add(sum, sums[s][i][v]);
      float* HWY_RESTRICT to = tile.d + i * tile.d_stride + v * kLanes;
      hn::StoreU(tile.accumulate ? hn::Add(hn::LoadU(d, to), sum) : sum, d, to);
    }
  }
}

template <size_t kVectors, size_t... kRowIndex>
constexpr std::array<TileFunction, kTileRows> TileRowFunctions(std::index_sequence<kRowIndex...>) {
  return {&RunTile<kRowIndex + 1, kVectors, 1>...};
}

// The tile of `rows` in [1, kTileRows] and `vectors` in [1, kTileVectors].
inline TileFunction GetTile(size_t rows, size_t vectors) {
  static constexpr auto kRowIndices = std::make_index_sequence<kTileRows>();
  static constexpr std::array<TileFunction, kTileRows> kTiles[kTileVectors] = {
      TileRowFunctions<1>(kRowIndices), TileRowFunctions<2>(kRowIndices)};
  return kTiles[vectors - 1][rows - 1];
}

// The same for problems of `rows` in [1, kSplitRows] in all, which stream B at memory's pace.
constexpr size_t kSplitRows = 2;
inline TileFunction GetSplitTile(size_t rows, size_t vectors) {
  static constexpr TileFunction kTiles[kTileVectors][kSplitRows] = {
      {&RunTile<1, 1, 4>, &RunTile<2, 1, 4>}, {&RunTile<1, 2, 4>, &RunTile<2, 2, 2>}};
  return kTiles[vectors - 1][rows - 1];
}

// Tiles of few rows and kWidePanels panels at once, for B that is read where it lies: a longer
// piece of every row of B. Adds up in the order of GetTile.
constexpr size_t kWidePanels = 4;
constexpr size_t kWideRows = 2;
inline TileFunction GetWideTile(size_t rows) {
  return rows == 1 ? &RunTile<1, kWidePanels * kTileVectors, 1>
                   : &RunTile<2, kWidePanels * kTileVectors, 1>;
}

}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#endif  // ERGO_KERNELS_GEMM_GEMM_TILE_INL_H_
