// qgemm by products of four bytes (dot4-inl.h). A goes in as unsigned bytes and B as signed ones;
// what is the other way round is shifted by 128, and all zero points are taken out of the result
// with the sums of A's rows and of B's columns:
//
//   sum (a - za) (b - zb) = sum a b - za sum b - zb (sum a - k za)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/qgemm/qgemm_vnni.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "kernels/base/checked_math.h"
#include "kernels/base/function_kernel.h"
#include "kernels/base/simd_targets.h"
#include "kernels/gemm/gemm_tasks.h"
#include "kernels/qgemm/dot4-inl.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qgemm/vnni.h"
#include "kernels/qgemm/zero_points.h"

#ifndef ERGO_KERNELS_QGEMM_QGEMM_VNNI_CC_ONCE_
#define ERGO_KERNELS_QGEMM_QGEMM_VNNI_CC_ONCE_
namespace ergo {
namespace {

// What a made kernel knows.
struct VnniQGemm {
  QGemmProblem problem;
  GemmProblem geometry;
  PackedWeights packed_b;    // null: B comes with the run
  size_t packed_matrix = 0;  // bytes of one matrix of B in packed_b: panels, then column sums
  size_t depth = 0;          // in bytes, a multiple of four
  size_t panels = 0;
  size_t block_rows = 0;  // of A that are packed at once
  // Of the workspace: B's zero points; then of each worker A, sums of its rows, a panel of B.
  size_t zero_bytes = 0, a_bytes = 0, sum_bytes = 0, panel_bytes = 0;

  size_t ScratchBytes() const { return a_bytes + sum_bytes + panel_bytes; }
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_AVX3

void RunVnniQGemm(const VnniQGemm&, const KernelArgs&) {}
size_t PrepareVnniQGemm(VnniQGemm&, const MakeContext&) {
  return 0;
}

#else

// Registers: the sums, the columns and four bytes of a row.
constexpr size_t kTileRows = 6;
constexpr size_t kTileVectors = 4;
constexpr size_t kPanelWidth = kTileVectors * kDotLanes;
constexpr size_t kBlockBytes = 256 << 10;  // of packed A
constexpr uint8_t kSignBit = 0x80;

using ByteTag = hn::ScalableTag<uint8_t>;
static_assert(kPanelWidth == hn::MaxLanes(ByteTag()));

size_t Size(int64_t value) {
  return static_cast<size_t>(value);
}

struct Tile {
  const uint8_t* a = nullptr;  // rows of `depth` bytes
  const int8_t* b = nullptr;   // [depth / 4][kPanelWidth][4]
  size_t depth = 0;
  const int32_t* row_zeros = nullptr;     // za, one a row
  const int32_t* row_rests = nullptr;     // sum a - k za
  const int32_t* column_sums = nullptr;   // of b
  const int32_t* column_zeros = nullptr;  // zb; null: all 0
  int32_t* d = nullptr;
  size_t d_stride = 0;
};

template <size_t kRows, size_t kVectors>
void RunTile(const Tile& tile) {
  const DotTag d;
  DotVec sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (size_t i = 0; i < kRows; ++i) {
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(d);
  }
  const auto* HWY_RESTRICT b = reinterpret_cast<const int32_t*>(tile.b);
  const auto* a = reinterpret_cast<const std::byte*>(tile.a);
  for (size_t p = 0; p < tile.depth; p += 4, b += kPanelWidth, a += 4) {
    DotVec columns[kVectors];
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) columns[v] = hn::Load(d, b + v * kDotLanes);
    HWY_UNROLL(8)
    for (size_t i = 0; i < kRows; ++i) {
      const DotVec row = BroadcastFour(a + i * tile.depth);
      HWY_UNROLL(8)
      for (size_t v = 0; v < kVectors; ++v) VnniDot::MulAdd(row, columns[v], sums[i][v]);
    }
  }
  HWY_UNROLL(8)
  for (size_t v = 0; v < kVectors; ++v) {
    const DotVec column_sums = hn::LoadU(d, tile.column_sums + v * kDotLanes);
    HWY_UNROLL(8)
    for (size_t i = 0; i < kRows; ++i) {
      DotVec total = hn::Sub(sums[i][v], hn::Mul(column_sums, hn::Set(d, tile.row_zeros[i])));
      if (tile.column_zeros != nullptr) {
        const DotVec zeros = hn::LoadU(d, tile.column_zeros + v * kDotLanes);
        total = hn::Sub(total, hn::Mul(zeros, hn::Set(d, tile.row_rests[i])));
      }
      hn::StoreU(total, d, tile.d + i * tile.d_stride + v * kDotLanes);
    }
  }
}

using TileFunction = void (*)(const Tile& tile);

template <size_t... kIndex>
constexpr std::array<TileFunction, sizeof...(kIndex)> TileFunctions(
    std::index_sequence<kIndex...>) {
  return {&RunTile<kIndex / kTileVectors + 1, kIndex % kTileVectors + 1>...};
}

TileFunction FindTile(size_t rows, size_t vectors) {
  static constexpr auto kTiles =
      TileFunctions(std::make_index_sequence<kTileRows * kTileVectors>());
  return kTiles[(rows - 1) * kTileVectors + vectors - 1];
}

// A row of A as unsigned bytes, with zeros behind it to whole fours; returns its sum.
uint32_t PackRow(const uint8_t* HWY_RESTRICT from, size_t count, uint8_t flip, size_t depth,
                 uint8_t* HWY_RESTRICT to) {
  const ByteTag d;
  const auto flips = hn::Set(d, flip);
  const hn::Repartition<uint64_t, ByteTag> wide;
  auto sums = hn::Zero(wide);
  size_t p = 0;
  for (; p + hn::Lanes(d) <= count; p += hn::Lanes(d)) {
    const auto bytes = hn::Xor(hn::LoadU(d, from + p), flips);
    hn::StoreU(bytes, d, to + p);
    sums = hn::Add(sums, hn::SumsOf8(bytes));
  }
  uint32_t rest = 0;
  for (; p < count; ++p) {
    to[p] = from[p] ^ flip;
    rest += to[p];
  }
  std::memset(to + count, 0, depth - count);
  return rest + static_cast<uint32_t>(hn::GetLane(hn::SumOfLanes(wide, sums)));
}

// Columns [0, columns) from `b` on as a panel of signed bytes, and their sums.
void PackPanel(const uint8_t* HWY_RESTRICT b, size_t rows, size_t stride, size_t columns,
               uint8_t flip, int8_t* HWY_RESTRICT to, int32_t* HWY_RESTRICT sums) {
  const ByteTag d;
  const auto flips = hn::Set(d, flip);
  HWY_ALIGN uint8_t partial[4][kPanelWidth] = {};
  DotVec totals[kTileVectors];
  for (DotVec& total : totals) total = hn::Zero(DotTag());
  const auto ones = hn::BitCast(DotTag(), hn::Set(d, 1));
  auto* bytes = reinterpret_cast<uint8_t*>(to);
  for (size_t p = 0; p < rows; p += 4, bytes += 4 * kPanelWidth) {
    hn::Vec<ByteTag> four[4];
    for (size_t i = 0; i < 4; ++i) {
      if (p + i >= rows) {
        four[i] = hn::Zero(d);
        continue;
      }
      const uint8_t* row = b + (p + i) * stride;
      if (columns < kPanelWidth) {
        std::memcpy(partial[i], row, columns);
        row = partial[i];
      }
      four[i] = hn::Xor(hn::LoadU(d, row), flips);
    }
    hn::StoreInterleaved4(four[0], four[1], four[2], four[3], d, bytes);
    for (size_t v = 0; v < kTileVectors; ++v) {
      const auto columns_of_v = hn::BitCast(DotTag(), hn::LoadU(d, bytes + v * 4 * kDotLanes));
      VnniDot::MulAdd(ones, columns_of_v, totals[v]);
    }
  }
  for (size_t v = 0; v < kTileVectors; ++v) {
    hn::StoreU(totals[v], DotTag(), sums + v * kDotLanes);
  }
}

// One range of one matrix product, on one worker.
class RangeProduct {
 public:
  RangeProduct(const VnniQGemm& gemm, const ZeroPoints& zero_a, const int32_t* column_zeros,
               std::byte* scratch)
      : gemm_(gemm),
        zero_a_(zero_a),
        column_zeros_(column_zeros),
        n_(Size(gemm.geometry.n)),
        a_flip_(gemm.problem.a_dtype == DType::kI8 ? kSignBit : uint8_t{0}),
        b_flip_(gemm.problem.b_dtype == DType::kU8 ? kSignBit : uint8_t{0}),
        packed_a_(reinterpret_cast<uint8_t*>(scratch)),
        row_zeros_(reinterpret_cast<int32_t*>(scratch + gemm.a_bytes)),
        row_rests_(row_zeros_ + gemm.block_rows),
        panel_(reinterpret_cast<int8_t*>(scratch + gemm.a_bytes + gemm.sum_bytes)) {}

  // `packed_b` is null where B comes with the run.
  void Run(const uint8_t* a, const uint8_t* b, const int8_t* packed_b, int32_t* d,
           const GemmRange& range) {
    for (size_t row = range.row_begin; row < range.row_end; row += gemm_.block_rows) {
      const size_t end = std::min(row + gemm_.block_rows, range.row_end);
      PackRows(a, row, end);
      for (size_t panel = range.panel_begin; panel < range.panel_end; ++panel) {
        RunPanel(b, packed_b, d, row, end, panel);
      }
    }
  }

 private:
  void PackRows(const uint8_t* a, size_t begin, size_t end) {
    const size_t count = Size(gemm_.geometry.k), stride = Size(gemm_.geometry.ARowStride());
    for (size_t row = begin; row < end; ++row) {
      const size_t i = row - begin;
      const uint32_t sum =
          PackRow(a + row * stride, count, a_flip_, gemm_.depth, packed_a_ + i * gemm_.depth);
      row_zeros_[i] = zero_a_.At(row) + a_flip_;
      row_rests_[i] = static_cast<int32_t>(sum - static_cast<uint32_t>(count) *
                                                     static_cast<uint32_t>(row_zeros_[i]));
    }
  }

  void RunPanel(const uint8_t* b, const int8_t* packed_b, int32_t* d, size_t begin, size_t end,
                size_t panel) {
    const size_t column = panel * kPanelWidth;
    const size_t columns = std::min(kPanelWidth, n_ - column);
    Tile tile;
    tile.depth = gemm_.depth;
    if (packed_b != nullptr) {
      tile.b = packed_b + panel * gemm_.depth * kPanelWidth;
      tile.column_sums =
          reinterpret_cast<const int32_t*>(packed_b + gemm_.panels * gemm_.depth * kPanelWidth) +
          column;
    } else {
      auto* sums = reinterpret_cast<int32_t*>(panel_ + gemm_.depth * kPanelWidth);
      PackPanel(b + column, Size(gemm_.geometry.k), n_, columns, b_flip_, panel_, sums);
      tile.b = panel_;
      tile.column_sums = sums;
    }
    tile.column_zeros = column_zeros_ == nullptr ? nullptr : column_zeros_ + column;
    const size_t vectors = CeilDiv(columns, kDotLanes);
    const size_t tiles = CeilDiv(end - begin, kTileRows);
    for (size_t t = 0; t < tiles; ++t) {
      const size_t first = (end - begin) * t / tiles;
      const size_t rows = (end - begin) * (t + 1) / tiles - first;
      tile.a = packed_a_ + first * gemm_.depth;
      tile.row_zeros = row_zeros_ + first;
      tile.row_rests = row_rests_ + first;
      int32_t* to = d + (begin + first) * n_ + column;
      if (columns == vectors * kDotLanes) {
        tile.d = to;
        tile.d_stride = n_;
        FindTile(rows, vectors)(tile);
        continue;
      }
      HWY_ALIGN int32_t partial[kTileRows * kPanelWidth];
      tile.d = partial;
      tile.d_stride = kPanelWidth;
      FindTile(rows, vectors)(tile);
      for (size_t i = 0; i < rows; ++i) {
        std::memcpy(to + i * n_, partial + i * kPanelWidth, columns * sizeof(int32_t));
      }
    }
  }

  const VnniQGemm& gemm_;
  const ZeroPoints& zero_a_;
  const int32_t* const column_zeros_;
  const size_t n_;
  const uint8_t a_flip_, b_flip_;
  uint8_t* const packed_a_;
  int32_t* const row_zeros_;
  int32_t* const row_rests_;
  int8_t* const panel_;
};

// B's zero points as it is packed, for whole panels; null when all are 0.
const int32_t* FillColumnZeros(const VnniQGemm& gemm, const KernelArgs& args, int32_t* to) {
  const QGemmProblem& problem = gemm.problem;
  const int32_t shift = problem.b_dtype == DType::kU8 ? kSignBit : 0;
  const ZeroPoints zero_b(args, 3, problem.b_zero, problem.b_dtype);
  int32_t any = 0;
  for (size_t j = 0; j < Size(gemm.geometry.n); ++j) {
    to[j] = zero_b.At(j) - shift;
    any |= to[j];
  }
  std::fill(to + gemm.geometry.n, to + gemm.panels * kPanelWidth, 0);
  return any == 0 ? nullptr : to;
}

void RunVnniQGemm(const VnniQGemm& gemm, const KernelArgs& args) {
  const GemmProblem& geometry = gemm.geometry;
  if (geometry.m == 0 || geometry.n == 0 || geometry.batch.Elements() == 0) return;
  const GemmTiling tiling{Size(geometry.m), kTileRows, gemm.panels};
  const GemmTaskGrid grid = ChooseTaskGrid(geometry, tiling, args.parallel.Workers());
  const auto tasks = static_cast<int64_t>(grid.Tasks());
  const ZeroPoints zero_a(args, 2, gemm.problem.a_zero, gemm.problem.a_dtype);
  std::byte* memory = args.workspace.data();
  const int32_t* column_zeros = FillColumnZeros(gemm, args, reinterpret_cast<int32_t*>(memory));
  args.parallel.Run(geometry.batch.Elements() * tasks, [&](int64_t index, int worker) HWY_ATTR {
    const int64_t batch = index / tasks;
    const GemmOffsets offsets = GemmOffsetsOf(geometry, batch);
    const int8_t* packed_b = nullptr;
    if (gemm.packed_b != nullptr) {
      packed_b =
          gemm.packed_b->As<int8_t>() + DistinctMatrixIndex(geometry, batch) * gemm.packed_matrix;
    }
    RangeProduct product(gemm, zero_a, column_zeros,
                         memory + gemm.zero_bytes + Size(worker) * gemm.ScratchBytes());
    product.Run(static_cast<const uint8_t*>(args.inputs[0].data) + offsets.a,
                static_cast<const uint8_t*>(args.inputs[1].data) + offsets.b, packed_b,
                args.outputs[0].As<int32_t>() + offsets.d,
                TaskRange(tiling, grid, Size(index % tasks)));
  });
}

// Packs B if it is known. Returns the workspace.
size_t PrepareVnniQGemm(VnniQGemm& gemm, const MakeContext& context) {
  const GemmProblem& geometry = gemm.geometry;
  const auto aligned = [](size_t bytes) { return RoundUp(bytes, size_t{kTensorAlignment}); };
  gemm.depth = RoundUp(Size(geometry.k), size_t{4});
  gemm.panels = CeilDiv(Size(geometry.n), kPanelWidth);
  const size_t most_rows = RoundUp(std::max(Size(geometry.m), size_t{1}), kTileRows);
  const size_t fitting = kBlockBytes / std::max(gemm.depth, size_t{1}) / kTileRows * kTileRows;
  gemm.block_rows = std::clamp(fitting, kTileRows, most_rows);
  gemm.zero_bytes = aligned(gemm.panels * kPanelWidth * sizeof(int32_t));
  gemm.a_bytes = aligned(gemm.block_rows * gemm.depth);
  gemm.sum_bytes = aligned(2 * gemm.block_rows * sizeof(int32_t));
  const size_t panel_bytes = gemm.depth * kPanelWidth;
  const size_t sum_bytes = kPanelWidth * sizeof(int32_t);
  const void* source = gemm.problem.constant_b;
  if (source == nullptr) {
    gemm.panel_bytes = panel_bytes + sum_bytes;
  } else {
    gemm.packed_matrix = gemm.panels * (panel_bytes + sum_bytes);
    const uint8_t flip = gemm.problem.b_dtype == DType::kU8 ? kSignBit : uint8_t{0};
    gemm.packed_b = PackWeights(
        context.packs, source, fmt::format("qgemm_vnni/{}/{}", flip, WeightsFormat(geometry)),
        DistinctMatrices(geometry) * gemm.packed_matrix, [&](AlignedBuffer& packed) HWY_ATTR {
          for (int64_t batch = 0; batch < geometry.batch.Elements(); ++batch) {
            const uint8_t* b =
                static_cast<const uint8_t*>(source) + GemmOffsetsOf(geometry, batch).b;
            int8_t* to =
                packed.As<int8_t>() + DistinctMatrixIndex(geometry, batch) * gemm.packed_matrix;
            auto* sums = reinterpret_cast<int32_t*>(to + gemm.panels * panel_bytes);
            for (size_t panel = 0; panel < gemm.panels; ++panel) {
              const size_t column = panel * kPanelWidth;
              PackPanel(b + column, Size(geometry.k), Size(geometry.n),
                        std::min(kPanelWidth, Size(geometry.n) - column), flip,
                        to + panel * panel_bytes, sums + column);
            }
          }
        });
  }
  return gemm.zero_bytes + Size(context.max_workers) * gemm.ScratchBytes();
}

#endif  // HWY_TARGET != HWY_AVX3

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(RunVnniQGemm);
HWY_EXPORT(PrepareVnniQGemm);

}  // namespace

MadeKernel MakeQGemmVnni(const QGemmProblem& problem, const MakeContext& context) {
  ERGO_ASSIGN_OR_RETURN(const GemmProblem geometry, QGemmGeometry(problem));
  ChooseSimdTarget();
  if (!VnniInForce()) return Unsupported("no AVX-512 VNNI");
  VnniQGemm gemm;
  gemm.problem = problem;
  gemm.geometry = geometry;
  const size_t workspace_bytes = HWY_DYNAMIC_DISPATCH(PrepareVnniQGemm)(gemm, context);
  return MakeFunctionKernel([gemm = std::move(gemm), run = &HWY_DYNAMIC_DISPATCH(RunVnniQGemm)](
                                const KernelArgs& args) { run(gemm, args); },
                            workspace_bytes);
}

}  // namespace ergo
#endif  // HWY_ONCE
