// All samples a step at a time in f32: the matrix products by panels of packed weights, W's for
// several steps at once, the gates in vectors.
#include <algorithm>

#include "kernels/base/parallel_ranges.h"
#include "kernels/recurrent/limits.h"
#include "kernels/recurrent/panel_matrix.h"
#include "kernels/recurrent/recurrent.h"
#include "kernels/recurrent/recurrent_shape.h"
#include "kernels/recurrent/simd_loops.h"

namespace ergo {
namespace {

// Rows [first_gate, first_gate + gates) x hidden of a weight tensor [D, G H, depth], all directions
// packed one after the other.
class PackedGates {
 public:
  PackedGates() = default;
  PackedGates(const RecurrentProblem& p, const MakeContext& context, const void* source,
              int64_t depth, int first_gate, int gates)
      : shape_{nullptr, gates * p.hidden, depth} {
    const auto* weights = static_cast<const float*>(source);
    const auto bytes = static_cast<size_t>(p.directions * shape_.Floats()) * sizeof(float);
    const auto format = fmt::format("recurrent_simd/d{}g{}+{}of{}h{}k{}", p.directions, first_gate,
                                    gates, p.Gates(), p.hidden, depth);
    packed_ = PackWeights(context.packs, source, format, bytes, [&](AlignedBuffer& to) {
      for (int64_t direction = 0; direction < p.directions; ++direction) {
        const int64_t row = (direction * p.Gates() + first_gate) * p.hidden;
        PackPanels(weights + row * depth, shape_.rows, depth,
                   to.As<float>() + direction * shape_.Floats());
      }
    });
  }

  bool Empty() const { return packed_ == nullptr; }
  PanelMatrix Of(int direction) const {
    PanelMatrix matrix = shape_;
    matrix.data = packed_->As<float>() + direction * shape_.Floats();
    return matrix;
  }

 private:
  PanelMatrix shape_;
  PackedWeights packed_;
};

// Where the parts of the workspace begin, in floats.
struct WorkspaceLayout {
  int64_t chunk;      // steps whose W x is computed in one go
  int64_t gate_rows;  // G H
  int64_t h, c, gates, reset, recurrent, bias, size;

  explicit WorkspaceLayout(const RecurrentProblem& p) {
    chunk = std::clamp<int64_t>(kRecurrentChunkRows / std::max<int64_t>(p.batch, 1), 1,
                                std::max<int64_t>(p.seq, 1));
    gate_rows = p.Gates() * p.hidden;
    const int64_t states = p.directions * p.batch * p.hidden;
    int64_t at = 0;
    const auto take = [&](int64_t floats) {
      const int64_t begin = at;
      at += RoundUp<int64_t>(floats, kTensorAlignment / sizeof(float));
      return begin;
    };
    h = take(states);
    c = take(states);
    reset = take(states);
    recurrent = take(states);
    gates = take(p.directions * chunk * p.batch * gate_rows);
    bias = take(p.directions * gate_rows);
    size = at;
  }
};

class RecurrentSimd final : public Kernel {
 public:
  RecurrentSimd(const RecurrentProblem& problem, const MakeContext& context)
      : p_(problem),
        layout_(problem),
        loops_(GetRecurrentSimdLoops()),
        w_(problem, context, problem.constant_w, problem.input, 0, problem.Gates()) {
    const bool gru = problem.cell == RecurrentCell::kGru;
    r_ = {problem, context, problem.constant_r, problem.hidden, 0, gru ? 2 : problem.Gates()};
    if (gru) r_new_ = {problem, context, problem.constant_r, problem.hidden, 2, 1};
  }

  size_t WorkspaceBytes() const override {
    return static_cast<size_t>(layout_.size) * sizeof(float);
  }

  void Run(const KernelArgs& args) const override;

 private:
  class Pass;

  RecurrentProblem p_;
  WorkspaceLayout layout_;
  RecurrentLoops loops_;
  PackedGates w_, r_, r_new_;
};

// One Run: its operands and the state as it goes along.
class RecurrentSimd::Pass {
 public:
  Pass(const RecurrentSimd& kernel, const KernelArgs& args)
      : kernel_(kernel),
        p_(kernel.p_),
        layout_(kernel.layout_),
        loops_(kernel.loops_),
        o_(args),
        parallel_(args.parallel),
        memory_(reinterpret_cast<float*>(args.workspace.data())),
        hidden_(static_cast<size_t>(p_.hidden)) {}

  void Run() {
    ForEachState([&](int d, int64_t b) {
      LoadState(o_.initial_h, d, b, H(d, b));
      LoadState(o_.initial_c, d, b, C(d, b));
    });
    SumBiases();
    for (int64_t first = 0; first < p_.seq; first += layout_.chunk) {
      const int64_t steps = std::min(layout_.chunk, p_.seq - first);
      MultiplyInputs(first, steps);
      for (int64_t s = 0; s < steps; ++s) Step(first + s, s);
    }
    ForEachState([&](int d, int64_t b) {
      if (o_.y.data != nullptr) {
        for (int64_t t = o_.Length(p_, b); t < p_.seq; ++t) {
          std::fill_n(Y(t, d, b), p_.hidden, 0.0f);
        }
      }
      StoreState(H(d, b), d, b, o_.y_h);
      StoreState(C(d, b), d, b, o_.y_c);
    });
  }

 private:
  int64_t StateAt(int d, int64_t b) const { return (d * p_.batch + b) * p_.hidden; }
  float* H(int d, int64_t b) const { return memory_ + layout_.h + StateAt(d, b); }
  float* C(int d, int64_t b) const { return memory_ + layout_.c + StateAt(d, b); }
  float* Reset(int d, int64_t b) const { return memory_ + layout_.reset + StateAt(d, b); }
  float* Recurrent(int d, int64_t b) const { return memory_ + layout_.recurrent + StateAt(d, b); }
  // The gates' arguments, then their values, of step `s` of the chunk.
  float* Gates(int d, int64_t s, int64_t b) const {
    return memory_ + layout_.gates + ((d * layout_.chunk + s) * p_.batch + b) * layout_.gate_rows;
  }
  float* Bias(int d) const { return memory_ + layout_.bias + d * layout_.gate_rows; }
  float* Y(int64_t t, int d, int64_t b) const { return o_.y.As<float>() + YOffset(p_, t, d, b); }
  // When step `step` takes place; -1 when the sample is over.
  int64_t Time(int d, int64_t b, int64_t step) const {
    const int64_t length = o_.Length(p_, b);
    if (step >= length) return -1;
    return p_.Reversed(d) ? length - 1 - step : step;
  }

  template <typename Body>
  void ForEachState(const Body& body) const {
    for (int d = 0; d < p_.directions; ++d) {
      for (int64_t b = 0; b < p_.batch; ++b) body(d, b);
    }
  }
  void LoadState(const TensorView& from, int d, int64_t b, float* to) const {
    if (from.data == nullptr) {
      std::fill_n(to, p_.hidden, 0.0f);
    } else {
      std::copy_n(from.As<float>() + StateOffset(p_, d, b), p_.hidden, to);
    }
  }
  void StoreState(const float* from, int d, int64_t b, const MutableTensorView& to) const {
    if (to.data != nullptr) std::copy_n(from, p_.hidden, to.As<float>() + StateOffset(p_, d, b));
  }

  bool SplitsNewGate() const { return p_.cell == RecurrentCell::kGru && p_.linear_before_reset; }
  const float* RecurrentBias(int d) const {
    return o_.b.data == nullptr ? nullptr : o_.b.As<float>() + (2 * d + 1) * layout_.gate_rows;
  }

  // W's and R's biases together, but R's for a gate whose R h is kept apart.
  void SumBiases() const {
    for (int d = 0; d < p_.directions; ++d) {
      float* bias = Bias(d);
      const float* of_r = RecurrentBias(d);
      if (of_r == nullptr) {
        std::fill_n(bias, layout_.gate_rows, 0.0f);
        continue;
      }
      std::copy_n(of_r - layout_.gate_rows, layout_.gate_rows, bias);
      const int64_t both = SplitsNewGate() ? 2 * p_.hidden : layout_.gate_rows;
      for (int64_t k = 0; k < both; ++k) bias[k] += of_r[k];
    }
  }

  // For all directions, and rows 0 to row_count - 1 that x_of(d, row) gives vectors for (null for
  // none): y_of(d, row) += matrix x, or = bias_of(d) + matrix x where that is not null.
  template <typename XOf, typename YOf, typename BiasOf>
  void MultiplyAll(const PackedGates& matrices, int64_t row_count, const XOf& x_of, const YOf& y_of,
                   const BiasOf& bias_of) const {
    const PanelMatrix shape = matrices.Of(0);
    const int64_t panels = shape.Panels();
    const int64_t macs = std::max<int64_t>(kPanelRows * shape.depth * row_count, 1);
    ParallelRanges(parallel_, p_.directions * panels, CeilDiv(kRecurrentGrainMacs, macs),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end; ++i) {
                       const auto d = static_cast<int>(i / panels);
                       MultiplyPanel(matrices.Of(d), d, i % panels, row_count, x_of, y_of,
                                     bias_of(d));
                     }
                   });
  }

  template <typename XOf, typename YOf>
  void MultiplyPanel(const PanelMatrix& matrix, int d, int64_t panel, int64_t row_count,
                     const XOf& x_of, const YOf& y_of, const float* bias) const {
    const int64_t first = panel * kPanelRows;
    const int64_t rows = std::min(kPanelRows, matrix.rows - first);
    const float* x[kMaxPanelSamples];
    float* y[kMaxPanelSamples];
    int64_t samples = 0;
    const auto flush = [&] {
      if (samples > 0) {
        loops_.multiply(matrix.Panel(panel), matrix.depth, rows, x, y, samples);
      }
      samples = 0;
    };
    for (int64_t row = 0; row < row_count; ++row) {
      x[samples] = x_of(d, row);
      if (x[samples] == nullptr) continue;
      y[samples] = y_of(d, row) + first;
      if (bias != nullptr) std::copy_n(bias + first, rows, y[samples]);
      if (++samples == kMaxPanelSamples) flush();
    }
    flush();
  }

  static constexpr const float* NoBias(int) { return nullptr; }

  // Gates = W x + biases for the steps of a chunk.
  void MultiplyInputs(int64_t first, int64_t steps) const {
    MultiplyAll(
        kernel_.w_, steps * p_.batch,
        [&](int d, int64_t row) -> const float* {
          const int64_t b = row % p_.batch;
          const int64_t t = Time(d, b, first + row / p_.batch);
          return t < 0 ? nullptr : o_.x.As<float>() + XOffset(p_, t, b);
        },
        [&](int d, int64_t row) { return Gates(d, row / p_.batch, row % p_.batch); },
        [&](int d) -> const float* { return Bias(d); });
  }

  // y += R h, or another vector of each state, of the samples that are not over.
  template <typename From, typename To, typename BiasOf>
  void MultiplyStates(const PackedGates& matrices, int64_t step, const From& from, const To& to,
                      const BiasOf& bias_of) const {
    MultiplyAll(
        matrices, p_.batch,
        [&](int d, int64_t b) -> const float* {
          return Time(d, b, step) < 0 ? nullptr : from(d, b);
        },
        to, bias_of);
  }

  // Step `step` of all samples, number `s` of the chunk.
  void Step(int64_t step, int64_t s) {
    const auto h = [&](int d, int64_t b) { return H(d, b); };
    MultiplyStates(
        kernel_.r_, step, h, [&](int d, int64_t b) { return Gates(d, s, b); }, NoBias);
    if (p_.cell == RecurrentCell::kGru) MultiplyNewGate(step, s);
    ForEachState([&](int d, int64_t b) {
      const int64_t t = Time(d, b, step);
      if (t < 0) return;
      switch (p_.cell) {
        case RecurrentCell::kRnn: FinishRnn(d, s, b); break;
        case RecurrentCell::kGru: FinishGru(d, s, b); break;
        case RecurrentCell::kLstm: FinishLstm(d, s, b); break;
      }
      if (o_.y.data != nullptr) std::copy_n(H(d, b), p_.hidden, Y(t, d, b));
    });
  }

  void Activate(int d, int function, float* x) const {
    loops_.activate(Function(d, function), p_.clip, x, hidden_);
  }
  const GateFunction& Function(int d, int function) const {
    return p_.activations[static_cast<size_t>(d)][static_cast<size_t>(function)];
  }

  void FinishRnn(int d, int64_t s, int64_t b) const {
    std::copy_n(Gates(d, s, b), p_.hidden, H(d, b));
    Activate(d, 0, H(d, b));
  }

  // z and r, and the new gate's argument.
  void MultiplyNewGate(int64_t step, int64_t s) const {
    if (p_.linear_before_reset) {
      std::fill_n(memory_ + layout_.recurrent, p_.directions * p_.batch * p_.hidden, 0.0f);
      MultiplyStates(
          kernel_.r_new_, step, [&](int d, int64_t b) { return H(d, b); },
          [&](int d, int64_t b) { return Recurrent(d, b); },
          [&](int d) -> const float* {
            const float* bias = RecurrentBias(d);
            return bias == nullptr ? nullptr : bias + 2 * p_.hidden;
          });
    }
    ForEachState([&](int d, int64_t b) {
      if (Time(d, b, step) < 0) return;
      float* z = Gates(d, s, b);
      float* r = z + p_.hidden;
      Activate(d, 0, z);
      Activate(d, 0, r);
      if (p_.linear_before_reset) {
        loops_.add_products(r, Recurrent(d, b), r + p_.hidden, hidden_);
      } else {
        loops_.multiply_each(r, H(d, b), Reset(d, b), hidden_);
      }
    });
    if (p_.linear_before_reset) return;
    MultiplyStates(
        kernel_.r_new_, step, [&](int d, int64_t b) { return Reset(d, b); },
        [&](int d, int64_t b) { return Gates(d, s, b) + 2 * p_.hidden; }, NoBias);
  }

  void FinishGru(int d, int64_t s, int64_t b) const {
    float* z = Gates(d, s, b);
    float* keep = z + p_.hidden;  // r has done its work
    float* n = keep + p_.hidden;
    Activate(d, 1, n);
    loops_.complement(z, keep, hidden_);
    loops_.blend(z, keep, n, H(d, b), hidden_);
  }

  void FinishLstm(int d, int64_t s, int64_t b) const {
    float* i = Gates(d, s, b);
    float* o = i + p_.hidden;
    float* f = o + p_.hidden;
    float* n = f + p_.hidden;
    float* c = C(d, b);
    float* h = H(d, b);
    const float* peephole = o_.p.data == nullptr ? nullptr : o_.p.As<float>() + 3 * d * p_.hidden;
    if (peephole != nullptr) {
      loops_.add_products(peephole, c, i, hidden_);
      loops_.add_products(peephole + 2 * p_.hidden, c, f, hidden_);
    }
    Activate(d, 0, i);
    if (p_.input_forget) {
      loops_.complement(i, f, hidden_);
    } else {
      Activate(d, 0, f);
    }
    Activate(d, 1, n);
    loops_.blend(f, i, n, c, hidden_);
    if (peephole != nullptr) loops_.add_products(peephole + p_.hidden, c, o, hidden_);
    Activate(d, 0, o);
    std::copy_n(c, p_.hidden, h);
    loops_.activate(Function(d, 2), 0, h, hidden_);
    loops_.multiply_each(o, h, h, hidden_);
  }

  const RecurrentSimd& kernel_;
  const RecurrentProblem& p_;
  const WorkspaceLayout& layout_;
  const RecurrentLoops& loops_;
  RecurrentOperands o_;
  ParallelFor& parallel_;
  float* memory_;
  size_t hidden_;
};

void RecurrentSimd::Run(const KernelArgs& args) const {
  Pass(*this, args).Run();
}

}  // namespace

MadeKernel MakeRecurrentSimd(const RecurrentProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckRecurrent(problem));
  if (problem.dtype != DType::kF32) {
    return Unsupported("takes float32, not {}", DTypeName(problem.dtype));
  }
  if (problem.constant_w == nullptr || problem.constant_r == nullptr) {
    return Unsupported("packs W and R ahead of time, and they are not known");
  }
  return MadeKernel(std::make_unique<RecurrentSimd>(problem, context));
}

}  // namespace ergo
