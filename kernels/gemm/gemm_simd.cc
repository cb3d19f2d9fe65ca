// gemm of f32 by Highway: A and B in packed blocks, register tiles, the epilogue while the tile is
// still in the L1 cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm/gemm_simd.cc"
// clang-format off
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <memory>

#include "kernels/base/activation-inl.h"
#include "kernels/base/checked_math.h"
#include "kernels/base/simd_targets.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_dot-inl.h"
#include "kernels/gemm/gemm_pack-inl.h"
#include "kernels/gemm/gemm_tasks.h"
#include "kernels/gemm/gemm_tile-inl.h"

#ifndef ERGO_KERNELS_GEMM_GEMM_SIMD_CC_ONCE_
#define ERGO_KERNELS_GEMM_GEMM_SIMD_CC_ONCE_
namespace ergo {
namespace {

// What a made kernel knows; the same for all targets.
struct SimdGemm {
  GemmProblem problem;       // canonical
  bool swapped = false;      // A and B changed places
  PackedWeights packed_b;    // null: B comes with the run
  size_t packed_matrix = 0;  // floats of one matrix of B in packed_b
};

// The matrices of one batch index, and how they combine.
struct GemmOperands {
  const float* a = nullptr;
  const float* b = nullptr;
  const float* packed_b = nullptr;
  const float* bias = nullptr;
  const float* residual = nullptr;
  float* d = nullptr;
};

}  // namespace
}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Rows of A that are packed at once: 240 KB and less, for an L2 cache of 512 KB and more.
constexpr size_t kBlockRows = 224 / kTileRows * kTileRows;
constexpr size_t kBlockAFloats = kBlockRows * kRowStride;
constexpr size_t kPanelFloats = kBlockDepth * kPanelWidth;
// A product of at most this many rows reads B in place where it can: B is used by one tile only.
constexpr size_t kInPlaceRows = kTileRows;
constexpr size_t kMaxDotRows = 4;

size_t Size(int64_t value) {
  return static_cast<size_t>(value);
}

bool UsesDot(const SimdGemm& gemm) {
  return gemm.packed_b == nullptr && gemm.problem.trans_b && Size(gemm.problem.m) <= kMaxDotRows;
}

// One range of one matrix product, on one worker.
class RangeProduct {
 public:
  // `scratch` has ScratchFloats() for this worker alone.
  RangeProduct(const GemmProblem& problem, const GemmOperands& operands, float* scratch)
      : p_(problem),
        operands_(operands),
        a_{operands.a, Size(problem.ARowStride()), problem.trans_a},
        b_{operands.b, Size(problem.BRowStride()), problem.trans_b},
        n_(Size(problem.n)),
        depth_(Size(problem.k)),
        in_place_(operands.packed_b == nullptr && !problem.trans_b &&
                  Size(problem.m) <= kInPlaceRows),
        block_a_(scratch),
        panel_(scratch + kBlockAFloats),
        adds_(operands.bias != nullptr || operands.residual != nullptr) {}

  static constexpr size_t ScratchFloats() { return kBlockAFloats + kPanelFloats; }

  void Run(const GemmRange& range) {
    const size_t rows = range.row_end - range.row_begin;
    const size_t blocks = CeilDiv(rows, kBlockRows);
    for (size_t block = 0; block < blocks; ++block) {
      const size_t begin = range.row_begin + rows * block / blocks;
      const size_t end = range.row_begin + rows * (block + 1) / blocks;
      // A depth of 0 goes round once, too: there is a bias to add, or a zero to write.
      for (size_t p = 0; p == 0 || p < depth_; p += kBlockDepth) {
        RunBlock(begin, end, p, range);
      }
    }
  }

  // The same by dot products, B stored transposed.
  void RunDot(const GemmRange& range) {
    constexpr size_t kChunk = kPanelFloats / kMaxDotRows;
    const size_t rows = range.row_end - range.row_begin;
    const size_t end = std::min(range.panel_end * kPanelWidth, n_);
    StoredMatrix a = a_;
    if (a_.transposed) {
      TransposeScaled(a_.At(range.row_begin, 0), a_.row_stride, depth_, rows, 1.0f, block_a_,
                      depth_);
      a = {block_a_ - range.row_begin * depth_, depth_, false};
    }
    for (size_t j = range.panel_begin * kPanelWidth; j < end; j += kChunk) {
      const size_t columns = std::min(kChunk, end - j);
      DotProducts(a.At(range.row_begin, 0), a.row_stride, b_.At(0, j), b_.row_stride, rows, columns,
                  depth_, p_.alpha, panel_, kChunk);
      for (size_t i = 0; i < rows; ++i) {
        float* d = operands_.d + (range.row_begin + i) * n_ + j;
        AddRow(panel_ + i * kChunk, range.row_begin + i, j, columns, d);
        ActivateRow(p_.activation, d, columns);
      }
    }
  }

 private:
  void RunBlock(size_t row_begin, size_t row_end, size_t p, const GemmRange& range) {
    const size_t rows = row_end - row_begin;
    const size_t depth = std::min(kBlockDepth, depth_ - p);
    PackA(a_, row_begin, rows, p, depth, p_.alpha, block_a_);
    const size_t tiles = CeilDiv(rows, kTileRows);
    const size_t end_column = std::min(range.panel_end * kPanelWidth, n_);
    size_t columns = 0;
    for (size_t column = range.panel_begin * kPanelWidth; column < end_column; column += columns) {
      const size_t left = end_column - column;
      const bool wide = in_place_ && Size(p_.m) <= kWideRows && left >= kWidePanels * kPanelWidth;
      columns = std::min(left, wide ? kWidePanels * kPanelWidth : kPanelWidth);
      Tile tile;
      tile.depth = depth;
      FindPanel(p, column, columns, tile);
      for (size_t t = 0; t < tiles; ++t) {
        const size_t begin = rows * t / tiles;
        tile.a = block_a_ + begin * kRowStride;
        // The packed panel behind this one, or what follows the last.
        tile.ahead = operands_.packed_b != nullptr && t < kAheadTiles
                         ? tile.b + (kAheadTiles + t) * depth * kAheadFloats
                         : nullptr;
        RunTileAt(row_begin + begin, rows * (t + 1) / tiles - begin, column, columns, p, tile);
      }
    }
  }

  void FindPanel(size_t p, size_t column, size_t columns, Tile& tile) {
    tile.b_stride = kPanelWidth;
    if (operands_.packed_b != nullptr) {
      const size_t panels = CeilDiv(n_, kPanelWidth);
      tile.b = operands_.packed_b + p * panels * kPanelWidth + column * tile.depth;
    } else if (in_place_ && columns >= kPanelWidth) {
      tile.b = b_.At(p, column);
      tile.b_stride = b_.row_stride;
    } else {
      PackPanel(b_, p, tile.depth, column, columns, panel_);
      tile.b = panel_;
    }
  }

  // Computes one tile of one block of the depth; the first brings what is added, the last
  // activates.
  void RunTileAt(size_t row, size_t rows, size_t column, size_t columns, size_t p, Tile& tile) {
    const size_t vectors = columns <= kLanes ? 1 : CeilDiv(columns, kPanelWidth) * kTileVectors;
    float* d = operands_.d + row * n_ + column;
    HWY_ALIGN float partial[kTileRows * kPanelWidth];
    const bool whole = columns == vectors * kLanes;
    tile.d = whole ? d : partial;
    tile.d_stride = whole ? n_ : kPanelWidth;
    tile.accumulate = p > 0 || adds_;
    if (!whole && tile.accumulate) std::fill_n(partial, rows * kPanelWidth, 0.0f);
    if (p == 0 && adds_) {
      for (size_t i = 0; i < rows; ++i) {
        AddRow(nullptr, row + i, column, columns, tile.d + i * tile.d_stride);
      }
    } else if (p > 0 && !whole) {
      CopyRows(d, n_, partial, kPanelWidth, rows, columns);
    }
    FindTile(rows, vectors)(tile);
    if (p + kBlockDepth >= depth_ && p_.activation.kind != Activation::kNone) {
      ActivateRows(p_.activation, tile.d, tile.d_stride, rows, columns);
    }
    if (!whole) CopyRows(partial, kPanelWidth, d, n_, rows, columns);
  }

  // All tiles of one problem add up in the same order.
  TileFunction FindTile(size_t rows, size_t vectors) const {
    if (vectors > kTileVectors) return GetWideTile(rows);
    const bool split = Size(p_.m) <= kSplitRows && !in_place_;
    return split ? GetSplitTile(rows, vectors) : GetTile(rows, vectors);
  }

  static void CopyRows(const float* from, size_t from_stride, float* to, size_t to_stride,
                       size_t rows, size_t columns) {
    for (size_t i = 0; i < rows; ++i) {
      std::copy_n(from + i * from_stride, columns, to + i * to_stride);
    }
  }

  // to = sums (null: 0) + beta bias + residual, for columns [column, column + columns) of a row.
  // The residual may lie where `to` does.
  void AddRow(const float* sums, size_t row, size_t column, size_t columns, float* to) const {
    const GemmTag d;
    const float* bias = nullptr;  // of each column
    GemmVec same = hn::Zero(d);   // for all columns
    const GemmVec beta = hn::Set(d, p_.beta);
    switch (p_.bias) {
      case GemmBias::kNone: break;
      case GemmBias::kScalar: same = hn::Set(d, p_.beta * operands_.bias[0]); break;
      case GemmBias::kPerRow: same = hn::Set(d, p_.beta * operands_.bias[row]); break;
      case GemmBias::kPerColumn: bias = operands_.bias + column; break;
      case GemmBias::kFull: bias = operands_.bias + row * n_ + column; break;
    }
    const float* residual =
        operands_.residual == nullptr ? nullptr : operands_.residual + row * n_ + column;
    for (size_t j = 0; j < columns; j += kLanes) {
      const size_t count = std::min(kLanes, columns - j);
      const auto load = [&](const float* from) HWY_ATTR {
        return count == kLanes ? hn::LoadU(d, from + j) : LoadTail(d, from + j, count);
      };
      GemmVec sum = same;
      if (bias != nullptr) sum = hn::Mul(beta, load(bias));
      if (residual != nullptr) sum = hn::Add(sum, load(residual));
      if (sums != nullptr) sum = hn::Add(sum, load(sums));
      if (count == kLanes) {
        hn::StoreU(sum, d, to + j);
      } else {
        StoreTail(sum, d, to + j, count);
      }
    }
  }

  const GemmProblem& p_;
  const GemmOperands& operands_;
  const StoredMatrix a_, b_;
  const size_t n_, depth_;
  const bool in_place_;
  float* const block_a_;
  float* const panel_;
  const bool adds_;
};

GemmTiling TilingOf(const GemmProblem& p) {
  return {Size(p.m), kTileRows, CeilDiv(Size(p.n), kPanelWidth)};
}

GemmOperands OperandsOf(const SimdGemm& gemm, const KernelArgs& args, int64_t batch_index) {
  const GemmProblem& p = gemm.problem;
  const GemmOffsets offsets = GemmOffsetsOf(p, batch_index);
  GemmOperands operands;
  operands.a = args.inputs[gemm.swapped ? 1 : 0].As<float>() + offsets.a;
  operands.b = args.inputs[gemm.swapped ? 0 : 1].As<float>() + offsets.b;
  if (gemm.packed_b != nullptr) {
    operands.packed_b =
        gemm.packed_b->As<float>() + DistinctMatrixIndex(p, batch_index) * gemm.packed_matrix;
  }
  if (p.bias != GemmBias::kNone) operands.bias = args.inputs[2].As<float>();
  if (p.residual) operands.residual = args.inputs[3].As<float>() + offsets.d;
  operands.d = args.outputs[0].As<float>() + offsets.d;
  return operands;
}

void RunGemm(const SimdGemm& gemm, const KernelArgs& args) {
  const GemmProblem& p = gemm.problem;
  if (p.m == 0 || p.n == 0 || p.batch.Elements() == 0) return;
  const GemmTiling tiling = TilingOf(p);
  const GemmTaskGrid grid = ChooseTaskGrid(p, tiling, args.parallel.Workers());
  const size_t tasks = grid.Tasks();
  const bool dot = UsesDot(gemm);
  float* scratch = reinterpret_cast<float*>(args.workspace.data());
  const size_t scratch_floats = RangeProduct::ScratchFloats() + (dot ? Size(p.m * p.k) : size_t{0});
  const int64_t count = p.batch.Elements() * static_cast<int64_t>(tasks);
  args.parallel.Run(count, [&](int64_t index, int worker) HWY_ATTR {
    const GemmOperands operands = OperandsOf(gemm, args, index / static_cast<int64_t>(tasks));
    RangeProduct product(p, operands, scratch + Size(worker) * scratch_floats);
    const GemmRange range = TaskRange(tiling, grid, Size(index) % tasks);
    dot ? product.RunDot(range) : product.Run(range);
  });
}

// Packs B if it is known.
void PrepareGemm(SimdGemm& gemm, PackCache* packs) {
  const GemmProblem& p = gemm.problem;
  if (p.constant_b == nullptr) return;
  const size_t panels = CeilDiv(Size(p.n), kPanelWidth);
  gemm.packed_matrix = panels * kPanelWidth * Size(p.k);
  const size_t bytes = DistinctMatrices(p) * gemm.packed_matrix * sizeof(float);
  gemm.packed_b = PackWeights(
      packs, p.constant_b,
      fmt::format("gemm_simd/{}/{}", hwy::TargetName(HWY_TARGET), WeightsFormat(p)), bytes,
      [&](AlignedBuffer& packed) HWY_ATTR {
        for (int64_t batch = 0; batch < p.batch.Elements(); ++batch) {
          const StoredMatrix b{static_cast<const float*>(p.constant_b) + GemmOffsetsOf(p, batch).b,
                               Size(p.BRowStride()), p.trans_b};
          float* to = packed.As<float>() + DistinctMatrixIndex(p, batch) * gemm.packed_matrix;
          for (size_t depth = 0; depth < Size(p.k); depth += kBlockDepth) {
            const size_t steps = std::min(kBlockDepth, Size(p.k) - depth);
            for (size_t panel = 0; panel < panels; ++panel, to += steps * kPanelWidth) {
              const size_t column = panel * kPanelWidth;
              PackPanel(b, depth, steps, column, std::min(kPanelWidth, Size(p.n) - column), to);
            }
          }
        }
      });
}

size_t ScratchBytes(const SimdGemm& gemm) {
  const size_t dot = UsesDot(gemm) ? Size(gemm.problem.m * gemm.problem.k) : 0;
  return (RangeProduct::ScratchFloats() + dot) * sizeof(float);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(RunGemm);
HWY_EXPORT(PrepareGemm);
HWY_EXPORT(ScratchBytes);

class GemmSimd final : public Kernel {
 public:
  GemmSimd(SimdGemm gemm, size_t workspace_bytes)
      : gemm_(std::move(gemm)),
        workspace_bytes_(workspace_bytes),
        run_(&HWY_DYNAMIC_DISPATCH(RunGemm)) {}

  size_t WorkspaceBytes() const override { return workspace_bytes_; }
  bool MayRunInPlace(int index) const override { return index == 3 && gemm_.problem.residual; }
  void Run(const KernelArgs& args) const override { run_(gemm_, args); }

 private:
  const SimdGemm gemm_;
  const size_t workspace_bytes_;
  void (*const run_)(const SimdGemm& gemm, const KernelArgs& args);
};

}  // namespace

MadeKernel MakeGemmSimd(const GemmProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckGemm(problem));
  if (problem.dtype != DType::kF32) {
    return Unsupported("{} is not float32", DTypeName(problem.dtype));
  }
  ChooseSimdTarget();
  CanonicalGemm canonical = Canonicalize(problem);
  SimdGemm gemm{std::move(canonical.problem), canonical.swapped, nullptr, 0};
  HWY_DYNAMIC_DISPATCH(PrepareGemm)(gemm, context.packs);
  const size_t scratch = HWY_DYNAMIC_DISPATCH(ScratchBytes)(gemm);
  return std::unique_ptr<Kernel>(std::make_unique<GemmSimd>(
      std::move(gemm), scratch * static_cast<size_t>(context.max_workers)));
}

}  // namespace ergo
#endif  // HWY_ONCE
