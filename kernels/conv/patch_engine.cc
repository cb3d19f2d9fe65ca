#include "kernels/conv/patch_engine.h"

#include <algorithm>
#include <limits>

#include "kernels/base/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/patch_engine.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/base/activation-inl.h"
#include "kernels/base/phase_rows-inl.h"
#include "kernels/base/simd-inl.h"
#include "kernels/conv/depthwise_rows-inl.h"

#ifndef ERGO_KERNELS_CONV_PATCH_ENGINE_SHARED_
#define ERGO_KERNELS_CONV_PATCH_ENGINE_SHARED_
namespace ergo {

// One call of the micro-kernel: rows of output channels by vectors of positions.
struct TileCall {
  const float* weights;  // [depth][rows]
  const float* patch;
  const int32_t* offsets;  // [depth]
  int64_t depth;
  const PositionVector* vectors;
  const PositionSegment* segments;  // of the block
  float* partial;                   // sums between steps, [rows][vectors], `partial_pitch` apart
  int64_t partial_pitch;
  bool first, last;       // step
  bool runs;              // each vector's lanes are consecutive positions, all of them
  const float* bias;      // of the first row, or null
  const float* residual;  // as y, or null
  float* y;               // the block's first element in the first row's plane
  int64_t y_channel;
  // Activation none, relu and clip, as limits.
  bool clamp;
  float low, high;
};

using TileFn = void (*)(const TileCall& call);

}  // namespace ergo
#endif

HWY_BEFORE_NAMESPACE();
namespace ergo {
namespace HWY_NAMESPACE {
namespace {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Accumulators, one row of positions and one broadcast weight fill the registers: 8 x 3 of 32, or
// 4 x 3 of 16. A single output channel has no weights to share a vector of positions with, so it
// takes as many vectors as hide the latency of a multiply-add.
constexpr bool kManyRegisters =
    HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON;
constexpr size_t kWideRows = kManyRegisters ? 8 : 4;
constexpr size_t kWideVectors = 3;
constexpr size_t kFlatVectors = 8;

// The elements of a channel's plane that the vector's lanes stand for; zero for none.
HWY_NOINLINE V Gather(const float* HWY_RESTRICT plane, const PositionVector& vector,
                      const PositionSegment* segments) {
  const D d;
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
  for (uint32_t s = 0; s < vector.segment_count; ++s) {
    const PositionSegment& segment = segments[s];
    for (int32_t i = 0; i < segment.count; ++i) {
      lanes[segment.lane + i] = plane[segment.target + i];
    }
  }
  return hn::Load(d, lanes);
}

HWY_NOINLINE void Scatter(V v, const PositionVector& vector, const PositionSegment* segments,
                          float* HWY_RESTRICT plane) {
  const D d;
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
  hn::Store(v, d, lanes);
  for (uint32_t s = 0; s < vector.segment_count; ++s) {
    const PositionSegment& segment = segments[s];
    for (int32_t i = 0; i < segment.count; ++i) {
      plane[segment.target + i] = lanes[segment.lane + i];
    }
  }
}

HWY_INLINE V Clamp(V v, float low, float high) {
  return ClampVector(D(), v, low, high);
}

// Residual, clamp and store of one vector of one row, whose lanes may stand for any positions.
void FinishVector(const TileCall& call, V v, const PositionVector& vector, size_t row) {
  const D d;
  const int64_t plane = static_cast<int64_t>(row) * call.y_channel;
  const PositionSegment* segments = call.segments + vector.first_segment;
  const float* residual = call.residual + (call.residual == nullptr ? 0 : plane);
  float* y = call.y + plane;
  if (vector.segment_count == 1 && segments->lane == 0) {
    const auto count = static_cast<size_t>(segments->count);
    if (residual != nullptr) v = hn::Add(v, LoadTail(d, residual + segments->target, count));
    if (call.clamp) v = Clamp(v, call.low, call.high);
    StoreTail(v, d, y + segments->target, count);
    return;
  }
  if (residual != nullptr) v = hn::Add(v, Gather(residual, vector, segments));
  if (call.clamp) v = Clamp(v, call.low, call.high);
  Scatter(v, vector, segments, y);
}

// The same for a whole tile, all of whose lanes stand for consecutive positions; in registers.
template <size_t kRows, size_t kVectors>
HWY_INLINE void FinishRuns(const TileCall& call, V (&sums)[kRows][kVectors]) {
  const D d;
  int64_t targets[kVectors];
  for (size_t j = 0; j < kVectors; ++j) {
    targets[j] = call.segments[call.vectors[j].first_segment].target;
  }
  if (call.residual != nullptr) {
    for (size_t i = 0; i < kRows; ++i) {
      const float* row = call.residual + static_cast<int64_t>(i) * call.y_channel;
      for (size_t j = 0; j < kVectors; ++j) {
        sums[i][j] = hn::Add(sums[i][j], hn::LoadU(d, row + targets[j]));
      }
    }
  }
  if (call.clamp) {
    for (size_t i = 0; i < kRows; ++i) {
      for (size_t j = 0; j < kVectors; ++j) sums[i][j] = Clamp(sums[i][j], call.low, call.high);
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    float* row = call.y + static_cast<int64_t>(i) * call.y_channel;
    for (size_t j = 0; j < kVectors; ++j) hn::StoreU(sums[i][j], d, row + targets[j]);
  }
}

// Leaves the sums for the next step, or finishes them.
template <size_t kRows, size_t kVectors>
HWY_INLINE void Finish(const TileCall& call, V (&sums)[kRows][kVectors]) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  if (call.last && call.runs) return FinishRuns(call, sums);
  HWY_ALIGN float spilled[kRows * kVectors * HWY_MAX_BYTES / sizeof(float)];
  float* to = call.last ? spilled : call.partial;
  const auto pitch = call.last ? static_cast<int64_t>(kVectors * lanes) : call.partial_pitch;
  for (size_t i = 0; i < kRows; ++i, to += pitch) {
    for (size_t j = 0; j < kVectors; ++j) hn::Store(sums[i][j], d, to + j * lanes);
  }
  if (!call.last) return;
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kVectors; ++j) {
      FinishVector(call, hn::Load(d, spilled + (i * kVectors + j) * lanes), call.vectors[j], i);
    }
  }
}

template <size_t kRows, size_t kVectors>
void RunTile(const TileCall& call) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V sums[kRows][kVectors];
  if (call.first) {
    for (size_t i = 0; i < kRows; ++i) {
      const V start = hn::Set(d, call.bias == nullptr ? 0.0f : call.bias[i]);
      for (size_t j = 0; j < kVectors; ++j) sums[i][j] = start;
    }
  } else {
    const float* row = call.partial;
    for (size_t i = 0; i < kRows; ++i, row += call.partial_pitch) {
      for (size_t j = 0; j < kVectors; ++j) sums[i][j] = hn::Load(d, row + j * lanes);
    }
  }
  const float* sources[kVectors];
  for (size_t j = 0; j < kVectors; ++j) sources[j] = call.patch + call.vectors[j].source;
  const float* HWY_RESTRICT weights = call.weights;
  const int32_t* HWY_RESTRICT offsets = call.offsets;
  for (int64_t k = 0; k < call.depth; ++k, weights += kRows) {
    const int64_t offset = offsets[k];
    V x[kVectors];
    for (size_t j = 0; j < kVectors; ++j) x[j] = hn::LoadU(d, sources[j] + offset);
    for (size_t i = 0; i < kRows; ++i) {
      const V w = hn::Set(d, weights[i]);
      for (size_t j = 0; j < kVectors; ++j) sums[i][j] = hn::MulAdd(w, x[j], sums[i][j]);
    }
  }
  Finish(call, sums);
}

TileFn WideTile(int64_t rows, int64_t vectors) {
  static_assert(kWideVectors == 3);
  static constexpr TileFn kTiles[4][kWideVectors] = {
      {RunTile<1, 1>, RunTile<1, 2>, RunTile<1, 3>},
      {RunTile<2, 1>, RunTile<2, 2>, RunTile<2, 3>},
      {RunTile<4, 1>, RunTile<4, 2>, RunTile<4, 3>},
      {RunTile<kWideRows, 1>, RunTile<kWideRows, 2>, RunTile<kWideRows, 3>},
  };
  return kTiles[rows == 8 ? 3 : rows / 2][vectors - 1];
}

TileFn FlatTile(int64_t vectors) {
  static_assert(kFlatVectors == 8);
  static constexpr TileFn kTiles[kFlatVectors] = {
      RunTile<1, 1>, RunTile<1, 2>, RunTile<1, 3>, RunTile<1, 4>,
      RunTile<1, 5>, RunTile<1, 6>, RunTile<1, 7>, RunTile<1, 8>,
  };
  return kTiles[vectors - 1];
}

void ZeroRow(const PhaseLayout& layout, float* to) {
  for (int64_t phase = 0; phase < layout.stride; ++phase) {
    std::fill_n(to + phase * layout.phase_stride, layout.pitch, 0.0f);
  }
}

// One depth slice of one input channel: every row that the block's windows look at. A null slice is
// padding. `fresh`: what is padding in the patch is zero already, and stays so.
void CopySlice(const PatchPlan& plan, const PatchTask& task, const PhaseLayout& layout,
               const float* slice, bool fresh, float* to) {
  const Window& window = plan.problem.window;
  const int64_t first = window.Start(1, task.row), rows = plan.patch_rows;
  const int64_t used = layout.UsedIn();
  const bool pads = layout.pad > 0 || layout.pad + used < layout.pitch * layout.stride;
  for (const int64_t phase : plan.row_phases) {
    for (int64_t slot = 0; slot < rows; ++slot) {
      const int64_t row = first + slot * window.strides[1] + phase;
      const bool inside = slice != nullptr && row >= 0 && row < window.in[1];
      float* row_to = to + slot * plan.pitch;
      if (!fresh && (pads || !inside)) ZeroRow(layout, row_to);
      if (!inside) continue;
      const float* from = slice + row * plan.x.row + layout.first;
      if (layout.stride == 1) {
        CopyFloats(from, used, row_to + layout.pad);
      } else {
        SplitRow(layout, from, row_to);
      }
    }
    to += layout.stride * plan.phase_elements;
  }
}

void CopyPatch(const PatchPlan& plan, const PatchTask& task, const float* x, int64_t channels,
               bool fresh, float* patch) {
  const Window& window = plan.problem.window;
  const PhaseLayout layout = plan.RowLayout(task.column);
  const int64_t slice_elements = plan.channel_elements / window.kernel[0];
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t kd = 0; kd < window.kernel[0]; ++kd) {
      const int64_t depth = window.Start(0, task.depth) + kd * window.dilations[0];
      const bool inside = depth >= 0 && depth < window.in[0];
      CopySlice(plan, task, layout,
                inside ? x + c * plan.x.channel + depth * plan.x.depth : nullptr, fresh, patch);
      patch += slice_elements;
    }
  }
}

bool AreRuns(const PositionBlock& block, int64_t begin, int64_t count) {
  const auto lanes = static_cast<int32_t>(hn::Lanes(D()));
  for (int64_t v = begin; v < begin + count; ++v) {
    const PositionVector& vector = block.vectors[static_cast<size_t>(v)];
    if (block.segments[vector.first_segment].count != lanes) return false;
  }
  return true;
}

// Multiplies one step's patch with the weights of all the task's channels.
void RunStep(const PatchPlan& plan, const PatchTask& task, const float* weights, TileCall call) {
  const PositionBlock& block = *task.block;
  const auto vectors = static_cast<int64_t>(block.vectors.size());
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  const float* const bias = call.bias;
  const float* const residual = call.residual;
  float* const y = call.y;
  float* const partial = call.partial;
  int64_t tiles = CeilDiv(vectors, plan.tile.vectors);
  for (int64_t v = 0, count = 0; v < vectors; v += count, --tiles) {
    // As even as can be: tiles of a single vector wait for their own sums.
    count = CeilDiv(vectors - v, tiles);
    call.vectors = block.vectors.data() + v;
    call.runs = AreRuns(block, v, count);
    call.weights = weights;
    for (int64_t channel = 0; channel < task.channels;) {
      const int64_t rows = plan.TileRows(task.channels - channel);
      const int64_t plane = channel * plan.y.channel;
      call.bias = bias == nullptr ? nullptr : bias + channel;
      call.residual = residual == nullptr ? nullptr : residual + plane;
      call.y = y + plane;
      call.partial = partial + channel * call.partial_pitch + v * lanes;
      (plan.tile.rows == 1 ? FlatTile(count) : WideTile(rows, count))(call);
      call.weights += rows * call.depth;
      channel += rows;
    }
  }
}

// The same for the only step of a depthwise convolution with a kernel of its own.
void RunDepthwise(const PatchPlan& plan, const PatchTask& task, DepthwiseFn run,
                  const TileCall& call, const float* weights) {
  const int64_t taps = plan.problem.window.KernelElements();
  DepthwiseRows rows{};
  rows.patch = call.patch;
  rows.pitch = plan.pitch;
  rows.row_phase = plan.problem.window.strides[2] * plan.phase_elements;
  rows.columns = call.offsets;
  rows.rows = task.block->rows;
  rows.width = task.block->columns;
  rows.y_row = plan.y.row;
  rows.clamp = call.clamp;
  rows.low = call.low;
  rows.high = call.high;
  for (int64_t channel = 0; channel < task.channels; ++channel) {
    const int64_t plane = channel * plan.y.channel;
    rows.weights = weights + channel * taps;
    rows.bias = call.bias == nullptr ? 0.0f : call.bias[channel];
    rows.residual = call.residual == nullptr ? nullptr : call.residual + plane;
    rows.y = call.y + plane;
    run(rows);
  }
}

void ActivateBlock(const PatchPlan& plan, const PatchTask& task, float* y) {
  const PositionBlock& block = *task.block;
  const bool dense = plan.y.row == block.columns;
  const int64_t runs = dense ? 1 : block.rows;
  const int64_t run = dense ? block.rows * block.columns : block.columns;
  for (int64_t channel = 0; channel < task.channels; ++channel) {
    for (int64_t r = 0; r < runs; ++r) {
      ActivateRow(plan.problem.activation, y + channel * plan.y.channel + r * plan.y.row,
                  static_cast<size_t>(run));
    }
  }
}

void RunTask(const PatchPlan& plan, const PatchOperands& operands, const PatchTask& task,
             bool fresh, float* scratch) {
  const ConvProblem& p = plan.problem;
  const ActivationSpec& activation = p.activation;
  const int64_t channel = task.group * p.GroupOutChannels() + task.channel;
  const int64_t y = task.image * plan.y.batch + channel * plan.y.channel +
                    task.depth * plan.y.depth + task.row * plan.y.row + task.column;
  const float* x =
      operands.x + task.image * plan.x.batch + task.group * p.GroupInChannels() * plan.x.channel;
  TileCall call{};
  call.patch = scratch;
  call.offsets = plan.offsets.data();
  call.segments = task.block->segments.data();
  call.partial = scratch + plan.PatchElements();
  call.partial_pitch = static_cast<int64_t>(task.block->vectors.size() * hn::Lanes(D()));
  call.bias = operands.bias == nullptr ? nullptr : operands.bias + channel;
  call.residual = operands.residual == nullptr ? nullptr : operands.residual + y;
  call.y = operands.y + y;
  call.y_channel = plan.y.channel;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const bool relu = activation.kind == Activation::kRelu;
  call.clamp = relu || activation.kind == Activation::kClip;
  call.low = relu ? 0.0f : activation.alpha;
  call.high = relu ? kInfinity : activation.beta;
  for (int64_t step = 0; step < plan.Steps(); ++step) {
    const int64_t first = step * plan.step_channels;
    const int64_t channels = std::min(plan.step_channels, p.GroupInChannels() - first);
    CopyPatch(plan, task, x + first * plan.x.channel, channels, fresh, scratch);
    call.depth = channels * p.window.KernelElements();
    call.first = step == 0;
    call.last = step + 1 == plan.Steps();
    const float* weights = operands.weights + plan.PackedOffset(task.group, step, task.channel);
    if (const DepthwiseFn depthwise = plan.tile.rows == 1 ? FindDepthwise(p.window) : nullptr) {
      RunDepthwise(plan, task, depthwise, call, weights);
    } else {
      RunStep(plan, task, weights, call);
    }
  }
  if (!call.clamp && activation.kind != Activation::kNone) {
    ActivateBlock(plan, task, operands.y + y);
  }
}

// Tasks [begin, end) of the plan.
void RunTasks(const PatchPlan& plan, const PatchOperands& operands, int64_t begin, int64_t end,
              float* scratch) {
  // Where all blocks have their padding in the same places it is zeroed once.
  const bool fresh = plan.SamePadding();
  if (fresh) std::fill_n(scratch, plan.PatchElements(), 0.0f);
  for (int64_t index = begin; index < end; ++index) {
    RunTask(plan, operands, plan.Task(index), fresh, scratch);
  }
}

PatchTiles Tiles() {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  return {{static_cast<int64_t>(kWideRows), static_cast<int64_t>(kWideVectors), lanes},
          {1, static_cast<int64_t>(kFlatVectors), lanes}};
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ergo
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ergo {
namespace {

HWY_EXPORT(RunTasks);
HWY_EXPORT(Tiles);

class PatchKernel final : public Kernel {
 public:
  PatchKernel(PatchPlan plan, int max_workers)
      : plan_(std::move(plan)), max_workers_(max_workers), run_(HWY_DYNAMIC_DISPATCH(RunTasks)) {}

  void Pack(const MakeContext& context) {
    const auto* weights = static_cast<const float*>(plan_.problem.weights);
    const size_t bytes = static_cast<size_t>(plan_.problem.WeightElements()) * sizeof(float);
    const auto pack = [&](AlignedBuffer& packed) {
      for (int64_t g = 0; g < plan_.problem.groups; ++g) {
        plan_.PackWeights(weights, g, packed.As<float>());
      }
    };
    packed_ = PackWeights(context.packs, weights, plan_.PackFormat(), bytes, pack);
  }

  size_t WorkspaceBytes() const override {
    const int64_t scratch = max_workers_ * plan_.ScratchElements();
    return static_cast<size_t>(scratch + RunPackedElements()) * sizeof(float);
  }

  bool MayRunInPlace(int index) const override { return index == 3 && plan_.problem.has_residual; }

  void Run(const KernelArgs& args) const override {
    const ConvProblem& p = plan_.problem;
    auto* scratch = reinterpret_cast<float*>(args.workspace.data());
    PatchOperands operands{};
    operands.x = args.inputs[0].As<float>();
    operands.bias = p.has_bias ? args.inputs[2].As<float>() : nullptr;
    operands.residual = p.has_residual ? args.inputs[3].As<float>() : nullptr;
    operands.y = args.outputs[0].As<float>();
    if (packed_ == nullptr) {
      PackNow(args, scratch);
      operands.weights = scratch;
      scratch += RunPackedElements();
    } else {
      operands.weights = packed_->As<float>();
    }
    const int64_t worker_elements = plan_.ScratchElements();
    const int64_t tasks = plan_.TaskCount();
    const int64_t chunk = TasksAtOnce(tasks, args.parallel.Workers());
    args.parallel.Run(CeilDiv(tasks, chunk), [&](int64_t index, int worker) {
      const int64_t begin = index * chunk;
      run_(plan_, operands, begin, std::min(begin + chunk, tasks),
           scratch + worker * worker_elements);
    });
  }

 private:
  // Packed weights in the workspace, where they are not constant.
  int64_t RunPackedElements() const {
    return packed_ == nullptr ? RoundUp<int64_t>(plan_.problem.WeightElements(), kTensorAlignment)
                              : 0;
  }

  // Tiny tasks, as those of depthwise convolutions are, are handed out several at a time; all at
  // once to a single worker.
  int64_t TasksAtOnce(int64_t tasks, int workers) const {
    if (workers == 1) return std::max<int64_t>(tasks, 1);
    constexpr int64_t kLeastProducts = 200'000, kChunksPerWorker = 16;
    const int64_t products = plan_.problem.OutputElements() * plan_.problem.Depth();
    const int64_t chunks =
        std::clamp<int64_t>(products / kLeastProducts, 1, kChunksPerWorker * workers);
    return std::max<int64_t>(1, tasks / chunks);
  }

  void PackNow(const KernelArgs& args, float* packed) const {
    const float* weights = args.inputs[1].As<float>();
    args.parallel.Run(plan_.problem.groups,
                      [&](int64_t group, int) { plan_.PackWeights(weights, group, packed); });
  }

  PatchPlan plan_;
  int max_workers_;
  RunPatchTasksFn run_;
  PackedWeights packed_;
};

}  // namespace

PatchTiles ActivePatchTiles() {
  return HWY_DYNAMIC_DISPATCH(Tiles)();
}

RunPatchTasksFn ActiveRunPatchTasks() {
  return HWY_DYNAMIC_DISPATCH(RunTasks);
}

MadeKernel MakePatchKernel(Result<PatchPlan> plan, const MakeContext& context) {
  if (!plan.ok()) return std::move(plan).status();
  if (plan->problem.dtype != DType::kF32) {
    return Unsupported("{} tensors", DTypeName(plan->problem.dtype));
  }
  if (plan->problem.Depth() == 0) return Unsupported("no input channels");
  ChooseSimdTarget();
  const bool packs = plan->problem.weights != nullptr;
  auto kernel = std::make_unique<PatchKernel>(std::move(plan).value(), context.max_workers);
  if (packs) kernel->Pack(context);
  return std::unique_ptr<Kernel>(std::move(kernel));
}

}  // namespace ergo
#endif  // HWY_ONCE
