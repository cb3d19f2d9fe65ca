// qgemm by Highway. B is packed as int8: unsigned bytes and their zero points are shifted by 128.
// A's zero point is subtracted when A is packed, which makes 16 bits of it; B's is taken out of the
// result with the sums of A's rows, so that packed weights do not depend on it.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/qgemm/qgemm_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <memory>

#include "kernels/base/checked_math.h"
#include "kernels/base/function_kernel.h"
#include "kernels/base/simd_targets.h"
#include "kernels/gemm/gemm_tasks.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qgemm/qgemm_tile-inl.h"
#include "kernels/qgemm/zero_points.h"

#ifndef ERGO_KERNELS_QGEMM_QGEMM_SIMD_CC_ONCE_
#define ERGO_KERNELS_QGEMM_QGEMM_SIMD_CC_ONCE_
namespace ergo {
namespace {

// What a made kernel knows; the same for all targets.
struct SimdQGemm {
  QGemmProblem problem;
  GemmProblem geometry;
  PackedWeights packed_b;    // null: B comes with the run
  size_t packed_matrix = 0;  // bytes of one matrix of B in packed_b
};

// The matrices of one batch index.
struct QGemmOperands {
  const uint8_t* a = nullptr;
  const uint8_t* b = nullptr;
  const int8_t* packed_b = nullptr;
  int32_t* d = nullptr;
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kQBlockRows = 120;  // of A that are packed at once: 130 KB
static_assert(kQBlockRows % kQTileRows == 0);
constexpr size_t kQPanelBytes = kQBlockDepth * kQPanelWidth;
constexpr uint8_t kSignBit = 0x80;

size_t Size(int64_t value) {
  return static_cast<size_t>(value);
}

size_t Panels(const GemmProblem& geometry) {
  return CeilDiv(Size(geometry.n), kQPanelWidth);
}

// What one worker packs into.
struct QScratch {
  int16_t a[kQBlockRows * kQRowStride];
  int32_t row_sums[kQBlockRows];
  int8_t panel[kQPanelBytes];
};

// A row of A less its zero point, padded with 0 to whole pairs; returns its sum. As unsigned bytes
// with the sign bit flipped, signed numbers are themselves plus 128.
int32_t PackRow(const uint8_t* HWY_RESTRICT from, size_t depth, uint8_t flip, int32_t zero,
                int16_t* HWY_RESTRICT to) {
  int32_t sum = 0;
  for (size_t p = 0; p < depth; ++p) {
    const int32_t value = (from[p] ^ flip) - zero;
    to[p] = static_cast<int16_t>(value);
    sum += value;
  }
  if (depth % 2 != 0) to[depth] = 0;
  return sum;
}

// Steps [p, p + depth) and columns [j, j + columns) of B as a panel.
void PackQPanel(const uint8_t* HWY_RESTRICT b, size_t stride, size_t p, size_t depth, size_t j,
                size_t columns, uint8_t flip, int8_t* HWY_RESTRICT to) {
  std::memset(to, 0, RoundUp(depth, size_t{2}) * kQPanelWidth);
  for (size_t step = 0; step < depth; ++step) {
    const uint8_t* HWY_RESTRICT from = b + (p + step) * stride + j;
    int8_t* HWY_RESTRICT row = to + step / 2 * 2 * kQPanelWidth + step % 2;
    for (size_t c = 0; c < columns; ++c) row[2 * c] = static_cast<int8_t>(from[c] ^ flip);
  }
}

// Bytes of B's panels before step p of the depth, a multiple of the block depth.
size_t PackedOffset(size_t p, size_t panels) {
  return p * panels * kQPanelWidth;
}

// One range of one matrix product, on one worker.
class QRangeProduct {
 public:
  // `zero_columns`: B's zero points as packed, for whole panels; null where all are 0.
  QRangeProduct(const SimdQGemm& gemm, const QGemmOperands& operands, const ZeroPoints& zero_a,
                const int32_t* zero_columns, QScratch& scratch)
      : operands_(operands),
        zero_a_(zero_a),
        zero_columns_(zero_columns),
        a_stride_(Size(gemm.geometry.ARowStride())),
        n_(Size(gemm.geometry.n)),
        depth_(Size(gemm.geometry.k)),
        a_flip_(gemm.problem.a_dtype == DType::kI8 ? kSignBit : uint8_t{0}),
        b_flip_(gemm.problem.b_dtype == DType::kU8 ? kSignBit : uint8_t{0}),
        scratch_(scratch) {}

  void Run(const GemmRange& range) {
    for (size_t row = range.row_begin; row < range.row_end; row += kQBlockRows) {
      const size_t end = std::min(row + kQBlockRows, range.row_end);
      for (size_t p = 0; p == 0 || p < depth_; p += kQBlockDepth) RunBlock(row, end, p, range);
    }
  }

 private:
  void RunBlock(size_t row_begin, size_t row_end, size_t p, const GemmRange& range) {
    const size_t rows = row_end - row_begin;
    const size_t depth = std::min(kQBlockDepth, depth_ - p);
    for (size_t i = 0; i < rows; ++i) {
      const size_t row = row_begin + i;
      scratch_.row_sums[i] = PackRow(operands_.a + row * a_stride_ + p, depth, a_flip_,
                                     zero_a_.At(row) + a_flip_, scratch_.a + i * kQRowStride);
    }
    QTile tile;
    tile.pairs = CeilDiv(depth, size_t{2});
    tile.accumulate = p > 0;
    const size_t tiles = CeilDiv(rows, kQTileRows);
    for (size_t panel = range.panel_begin; panel < range.panel_end; ++panel) {
      FindPanel(p, depth, panel, tile);
      for (size_t t = 0; t < tiles; ++t) {
        const size_t begin = rows * t / tiles;
        tile.a = scratch_.a + begin * kQRowStride;
        tile.row_sums = scratch_.row_sums + begin;
        RunTileAt(row_begin + begin, rows * (t + 1) / tiles - begin, panel * kQPanelWidth, tile);
      }
    }
  }

  void FindPanel(size_t p, size_t depth, size_t panel, QTile& tile) {
    const size_t column = panel * kQPanelWidth;
    tile.zero_columns = zero_columns_ == nullptr ? nullptr : zero_columns_ + column;
    if (operands_.packed_b != nullptr) {
      tile.b = operands_.packed_b + PackedOffset(p, CeilDiv(n_, kQPanelWidth)) +
               panel * tile.pairs * 2 * kQPanelWidth;
      return;
    }
    PackQPanel(operands_.b, n_, p, depth, column, std::min(kQPanelWidth, n_ - column), b_flip_,
               scratch_.panel);
    tile.b = scratch_.panel;
  }

  void RunTileAt(size_t row, size_t rows, size_t column, QTile& tile) {
    const size_t columns = std::min(kQPanelWidth, n_ - column);
    const size_t vectors = columns <= kQLanes ? 1 : kQTileVectors;
    int32_t* d = operands_.d + row * n_ + column;
    if (columns == vectors * kQLanes) {
      tile.d = d;
      tile.d_stride = n_;
      GetQTile(rows, vectors)(tile);
      return;
    }
    HWY_ALIGN int32_t partial[kQTileRows * kQPanelWidth] = {};
    tile.d = partial;
    tile.d_stride = kQPanelWidth;
    for (size_t i = 0; tile.accumulate && i < rows; ++i) {
      std::copy_n(d + i * n_, columns, partial + i * kQPanelWidth);
    }
    GetQTile(rows, vectors)(tile);
    for (size_t i = 0; i < rows; ++i) {
      std::copy_n(partial + i * kQPanelWidth, columns, d + i * n_);
    }
  }

  const QGemmOperands& operands_;
  const ZeroPoints& zero_a_;
  const int32_t* const zero_columns_;
  const size_t a_stride_, n_, depth_;
  const uint8_t a_flip_, b_flip_;
  QScratch& scratch_;
};

// B's zero points as packed, for every column; null when all are 0.
const int32_t* FillZeroColumns(const SimdQGemm& gemm, const KernelArgs& args, int32_t* to) {
  const QGemmProblem& problem = gemm.problem;
  const int32_t shift = problem.b_dtype == DType::kU8 ? kSignBit : 0;
  const ZeroPoints zero_b(args, 3, problem.b_zero, problem.b_dtype);
  const size_t columns = Size(gemm.geometry.n);
  int32_t any = 0;
  for (size_t j = 0; j < columns; ++j) {
    to[j] = zero_b.At(j) - shift;
    any |= to[j];
  }
  std::fill(to + columns, to + Panels(gemm.geometry) * kQPanelWidth, 0);
  return any == 0 ? nullptr : to;
}

size_t ZeroColumnBytes(const SimdQGemm& gemm) {
  return RoundUp(Panels(gemm.geometry) * kQPanelWidth * sizeof(int32_t), alignof(QScratch) * 64);
}

void RunQGemm(const SimdQGemm& gemm, const KernelArgs& args) {
  const GemmProblem& geometry = gemm.geometry;
  if (geometry.m == 0 || geometry.n == 0 || geometry.batch.Elements() == 0) return;
  const GemmTiling tiling{Size(geometry.m), kQTileRows, Panels(geometry)};
  const GemmTaskGrid grid = ChooseTaskGrid(geometry, tiling, args.parallel.Workers());
  const auto tasks = static_cast<int64_t>(grid.Tasks());
  const ZeroPoints zero_a(args, 2, gemm.problem.a_zero, gemm.problem.a_dtype);
  const int32_t* zero_columns =
      FillZeroColumns(gemm, args, reinterpret_cast<int32_t*>(args.workspace.data()));
  auto* scratch = reinterpret_cast<QScratch*>(args.workspace.data() + ZeroColumnBytes(gemm));
  args.parallel.Run(geometry.batch.Elements() * tasks, [&](int64_t index, int worker) HWY_ATTR {
    const int64_t batch = index / tasks;
    const GemmOffsets offsets = GemmOffsetsOf(geometry, batch);
    QGemmOperands operands;
    operands.a = static_cast<const uint8_t*>(args.inputs[0].data) + offsets.a;
    operands.b = static_cast<const uint8_t*>(args.inputs[1].data) + offsets.b;
    operands.d = args.outputs[0].As<int32_t>() + offsets.d;
    if (gemm.packed_b != nullptr) {
      operands.packed_b =
          gemm.packed_b->As<int8_t>() + DistinctMatrixIndex(geometry, batch) * gemm.packed_matrix;
    }
    QRangeProduct product(gemm, operands, zero_a, zero_columns, scratch[worker]);
    product.Run(TaskRange(tiling, grid, Size(index % tasks)));
  });
}

// Packs B if it is known. Returns the workspace for this many workers.
size_t PrepareQGemm(SimdQGemm& gemm, const MakeContext& context) {
  const GemmProblem& geometry = gemm.geometry;
  const size_t workspace = ZeroColumnBytes(gemm) + sizeof(QScratch) * Size(context.max_workers);
  const void* source = gemm.problem.constant_b;
  if (source == nullptr) return workspace;
  const size_t panels = Panels(geometry);
  const size_t depth = Size(geometry.k);
  gemm.packed_matrix = PackedOffset(RoundUp(depth, size_t{2}), panels);
  const uint8_t flip = gemm.problem.b_dtype == DType::kU8 ? kSignBit : uint8_t{0};
  gemm.packed_b = PackWeights(
      context.packs, source,
      fmt::format("qgemm_simd/{}/{}/{}", hwy::TargetName(HWY_TARGET), flip,
                  WeightsFormat(geometry)),
      DistinctMatrices(geometry) * gemm.packed_matrix, [&](AlignedBuffer& packed) HWY_ATTR {
        for (int64_t batch = 0; batch < geometry.batch.Elements(); ++batch) {
          const uint8_t* b = static_cast<const uint8_t*>(source) + GemmOffsetsOf(geometry, batch).b;
          int8_t* to =
              packed.As<int8_t>() + DistinctMatrixIndex(geometry, batch) * gemm.packed_matrix;
          for (size_t p = 0; p < depth; p += kQBlockDepth) {
            const size_t steps = std::min(kQBlockDepth, depth - p);
            for (size_t panel = 0; panel < panels; ++panel) {
              const size_t column = panel * kQPanelWidth;
              const size_t columns = std::min(kQPanelWidth, Size(geometry.n) - column);
              PackQPanel(b, Size(geometry.n), p, steps, column, columns, flip, to);
              to += RoundUp(steps, size_t{2}) * kQPanelWidth;
            }
          }
        }
      });
  return workspace;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(RunQGemm);
HWY_EXPORT(PrepareQGemm);

}  // namespace

MadeKernel MakeQGemmSimd(const QGemmProblem& problem, const MakeContext& context) {
  ERGO_ASSIGN_OR_RETURN(const GemmProblem geometry, QGemmGeometry(problem));
  ChooseSimdTarget();
  SimdQGemm gemm{problem, geometry, nullptr, 0};
  const size_t workspace_bytes = HWY_DYNAMIC_DISPATCH(PrepareQGemm)(gemm, context);
  return MakeFunctionKernel([gemm = std::move(gemm), run = &HWY_DYNAMIC_DISPATCH(RunQGemm)](
                                const KernelArgs& args) { run(gemm, args); },
                            workspace_bytes);
}

}  // namespace ergo
#endif  // HWY_ONCE
