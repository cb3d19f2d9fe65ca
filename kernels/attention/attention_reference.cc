#include "kernels/attention/attention_reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/attention/attention_present.h"
#include "kernels/base/function_kernel.h"
#include "kernels/base/real_access.h"

namespace ergo {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// One run of the reference: everything by element access, one query row at a time.
class AttentionRun {
 public:
  AttentionRun(const AttentionProblem& problem, const KernelArgs& args)
      : p_(problem), args_(args), total_(problem.past_len + problem.kv_len) {}

  void Run(int64_t row, std::span<double> scores) {
    const int64_t i = row % p_.q_len;
    const int64_t h = row / p_.q_len % p_.q_heads;
    const int64_t b = row / p_.q_len / p_.q_heads;
    using Stage = AttentionProblem::ScoresStage;
    Score(b, h, i, scores);
    Emit(Stage::kRaw, row, scores);
    if (p_.softcap != 0) {
      for (double& s : scores) s = p_.softcap * std::tanh(s / p_.softcap);
    }
    Emit(Stage::kSoftcapped, row, scores);
    for (int64_t j = 0; j < total_; ++j) scores[static_cast<size_t>(j)] += Bias(b, h, i, j);
    Emit(Stage::kMasked, row, scores);
    Softmax(scores);
    Emit(Stage::kProbabilities, row, scores);
    const int64_t kv_head = h / (p_.q_heads / p_.kv_heads);
    for (int64_t d = 0; d < p_.v_head; ++d) {
      double sum = 0;
      for (int64_t j = 0; j < total_; ++j) {
        // A key that is not attended must not spread a NaN of an uninitialized cache.
        const double weight = scores[static_cast<size_t>(j)];
        if (weight != 0) sum += weight * Value(b, kv_head, j, d);
      }
      WriteReal(args_.outputs[0],
                AttentionPosition(p_.q_packed, p_.q_heads, p_.q_len, p_.v_head, b, h, i, d), sum);
    }
  }

 private:
  double Key(int64_t b, int64_t h, int64_t j, int64_t d) const {
    if (j < p_.past_len) {
      return ReadReal(args_.inputs[4],
                      AttentionPosition(false, p_.kv_heads, p_.past_len, p_.head, b, h, j, d));
    }
    return ReadReal(args_.inputs[1], AttentionPosition(p_.k_packed, p_.kv_heads, p_.kv_len, p_.head,
                                                       b, h, j - p_.past_len, d));
  }

  double Value(int64_t b, int64_t h, int64_t j, int64_t d) const {
    if (j < p_.past_len) {
      return ReadReal(args_.inputs[5],
                      AttentionPosition(false, p_.kv_heads, p_.past_len, p_.v_head, b, h, j, d));
    }
    return ReadReal(args_.inputs[2], AttentionPosition(p_.v_packed, p_.kv_heads, p_.kv_len,
                                                       p_.v_head, b, h, j - p_.past_len, d));
  }

  void Score(int64_t b, int64_t h, int64_t i, std::span<double> scores) const {
    const int64_t kv_head = h / (p_.q_heads / p_.kv_heads);
    for (int64_t j = 0; j < total_; ++j) {
      double sum = 0;
      for (int64_t d = 0; d < p_.head; ++d) {
        const int64_t q = AttentionPosition(p_.q_packed, p_.q_heads, p_.q_len, p_.head, b, h, i, d);
        sum += ReadReal(args_.inputs[0], q) * Key(b, kv_head, j, d);
      }
      scores[static_cast<size_t>(j)] = sum * p_.scale;
    }
  }

  // Valid keys before the current block of queries.
  int64_t Offset(int64_t b) const {
    if (p_.has_nonpad) return args_.inputs[6].As<int64_t>()[b] - p_.q_len;
    return p_.past_len;
  }

  double Bias(int64_t b, int64_t h, int64_t i, int64_t j) const {
    const int64_t position = i + Offset(b);
    if (p_.causal && j > position) return kMinusInfinity;
    if (p_.left_window >= 0 && j < position - p_.left_window) return kMinusInfinity;
    if (p_.right_window >= 0 && j > position + p_.right_window) return kMinusInfinity;
    if (p_.has_nonpad && j >= args_.inputs[6].As<int64_t>()[b]) return kMinusInfinity;
    return p_.has_mask ? Mask({b, h, i, j}) : 0;
  }

  double Mask(std::array<int64_t, 4> index) const {
    const Shape& shape = p_.mask_shape;
    int64_t flat = 0;
    for (int axis = 0; axis < shape.Rank(); ++axis) {
      const int64_t dim = shape[axis];
      const int64_t at = index[static_cast<size_t>(4 - shape.Rank() + axis)];
      const bool last = axis == shape.Rank() - 1;
      if (last && dim != 1 && at >= dim) return kMinusInfinity;
      flat = flat * dim + (dim == 1 ? 0 : at);
    }
    if (p_.mask_dtype != DType::kBool) return ReadReal(args_.inputs[3], flat);
    return static_cast<const uint8_t*>(args_.inputs[3].data)[flat] != 0 ? 0 : kMinusInfinity;
  }

  static void Softmax(std::span<double> scores) {
    const double max = scores.empty() ? kMinusInfinity : *std::ranges::max_element(scores);
    if (max == kMinusInfinity) {
      std::ranges::fill(scores, 0);
      return;
    }
    double sum = 0;
    for (double& s : scores) sum += s = std::exp(s - max);
    for (double& s : scores) s /= sum;
  }

  void Emit(AttentionProblem::ScoresStage stage, int64_t row,
            std::span<const double> scores) const {
    if (args_.outputs.size() < 4 || !args_.outputs[3].Present() || stage != p_.scores_stage) return;
    for (int64_t j = 0; j < total_; ++j) {
      WriteReal(args_.outputs[3], row * total_ + j, scores[static_cast<size_t>(j)]);
    }
  }

  const AttentionProblem& p_;
  const KernelArgs& args_;
  int64_t total_;
};

bool IsSupported(DType dtype) {
  return IsFloatingPoint(dtype) && HasRealAccess(dtype);
}

}  // namespace

MadeKernel MakeAttentionReference(const AttentionProblem& problem, const MakeContext& context) {
  if (!IsSupported(problem.dtype))
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  const auto total = static_cast<size_t>(problem.past_len + problem.kv_len);
  const size_t workspace = total * sizeof(double) * static_cast<size_t>(context.max_workers);
  return MakeFunctionKernel(
      [problem, total](const KernelArgs& args) {
        WritePresents(problem, args);
        auto* scores = reinterpret_cast<double*>(args.workspace.data());
        const int64_t rows = problem.batch * problem.q_heads * problem.q_len;
        args.parallel.Run(rows, [&](int64_t row, int worker) {
          AttentionRun(problem, args)
              .Run(row, {scores + total * static_cast<size_t>(worker), total});
        });
      },
      workspace);
}

MadeKernel MakeRotaryEmbeddingReference(const RotaryEmbeddingProblem& problem, const MakeContext&) {
  if (!IsSupported(problem.dtype))
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  return MakeFunctionKernel([p = problem](const KernelArgs& args) {
    const int64_t half = p.rotary / 2;
    args.parallel.Run(p.batch * p.heads * p.len, [&](int64_t row, int) {
      const int64_t i = row % p.len, h = row / p.len % p.heads, b = row / p.len / p.heads;
      const int64_t base = AttentionPosition(p.packed, p.heads, p.len, p.head, b, h, i, 0);
      int64_t angles = b * p.len + i;
      if (p.has_positions) {
        angles = std::clamp<int64_t>(args.inputs[3].As<int64_t>()[angles], 0, p.positions - 1);
      }
      for (int64_t k = 0; k < half; ++k) {
        const int64_t first = base + (p.interleaved ? 2 * k : k);
        const int64_t second = first + (p.interleaved ? 1 : half);
        const double x = ReadReal(args.inputs[0], first), y = ReadReal(args.inputs[0], second);
        const double cosine = ReadReal(args.inputs[1], angles * half + k);
        const double sine = ReadReal(args.inputs[2], angles * half + k);
        WriteReal(args.outputs[0], first, cosine * x - sine * y);
        WriteReal(args.outputs[0], second, sine * x + cosine * y);
      }
      for (int64_t d = p.rotary; d < p.head; ++d) {
        WriteReal(args.outputs[0], base + d, ReadReal(args.inputs[0], base + d));
      }
    });
  });
}

namespace {

// One key/value head of one sample, token by token; `state` is [head, v_head].
void RunLinearHead(const LinearAttentionProblem& p, const KernelArgs& args, int64_t b, int64_t h,
                   double* state) {
  const int64_t group = p.q_heads / p.kv_heads;
  const int64_t size = p.head * p.v_head;
  for (int64_t e = 0; e < size; ++e) {
    state[e] = p.has_past ? ReadReal(args.inputs[3], (b * p.kv_heads + h) * size + e) : 0;
  }
  for (int64_t t = 0; t < p.len; ++t) {
    const int64_t token = b * p.len + t;
    const auto key = [&](int64_t d) {
      return ReadReal(args.inputs[1], (token * p.kv_heads + h) * p.head + d);
    };
    if (p.gated) {
      for (int64_t d = 0; d < p.head; ++d) {
        const int64_t at =
            p.decay_per_key ? (token * p.kv_heads + h) * p.head + d : token * p.kv_heads + h;
        const double decay = std::exp(ReadReal(args.inputs[4], at));
        for (int64_t v = 0; v < p.v_head; ++v) state[d * p.v_head + v] *= decay;
      }
    }
    double beta = 1;
    if (p.delta) {
      beta = ReadReal(args.inputs[5], p.beta_per_head ? token * p.kv_heads + h : token);
    }
    for (int64_t v = 0; v < p.v_head; ++v) {
      double update = ReadReal(args.inputs[2], (token * p.kv_heads + h) * p.v_head + v);
      if (p.delta) {
        for (int64_t d = 0; d < p.head; ++d) update -= state[d * p.v_head + v] * key(d);
      }
      for (int64_t d = 0; d < p.head; ++d) state[d * p.v_head + v] += beta * key(d) * update;
    }
    for (int64_t q_head = h * group; q_head < (h + 1) * group; ++q_head) {
      for (int64_t v = 0; v < p.v_head; ++v) {
        double sum = 0;
        for (int64_t d = 0; d < p.head; ++d) {
          sum += ReadReal(args.inputs[0], (token * p.q_heads + q_head) * p.head + d) *
                 state[d * p.v_head + v];
        }
        WriteReal(args.outputs[0], (token * p.q_heads + q_head) * p.v_head + v, sum * p.scale);
      }
    }
  }
  if (args.outputs.size() > 1 && args.outputs[1].Present()) {
    for (int64_t e = 0; e < size; ++e) {
      WriteReal(args.outputs[1], (b * p.kv_heads + h) * size + e, state[e]);
    }
  }
}

}  // namespace

MadeKernel MakeLinearAttentionReference(const LinearAttentionProblem& problem,
                                        const MakeContext& context) {
  if (!IsSupported(problem.dtype) || !IsSupported(problem.state_dtype)) {
    return Unsupported("{} is not supported", DTypeName(problem.dtype));
  }
  const auto size = static_cast<size_t>(problem.head * problem.v_head);
  return MakeFunctionKernel(
      [problem, size](const KernelArgs& args) {
        auto* states = reinterpret_cast<double*>(args.workspace.data());
        args.parallel.Run(problem.batch * problem.kv_heads, [&](int64_t index, int worker) {
          RunLinearHead(problem, args, index / problem.kv_heads, index % problem.kv_heads,
                        states + size * static_cast<size_t>(worker));
        });
      },
      size * sizeof(double) * static_cast<size_t>(context.max_workers));
}

}  // namespace ergo
