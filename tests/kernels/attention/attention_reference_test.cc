// The reference kernels of the family against their formulas in whole matrices of double.
#include <gtest/gtest.h>

#include <complex>

#include "kernels/attention/attention.h"
#include "kernels/attention/kv_cache.h"
#include "tests/kernels/random_draw.h"
#include "tests/kernels/variant_testing.h"

namespace ergo {
namespace {

using testing::At;
using Draw = testing::RandomDraw;
using testing::MakeReference;
using testing::RunKernel;
using testing::TestTensor;

void ExpectNear(const TestTensor& got, const std::vector<double>& expected) {
  EXPECT_TRUE(got.GuardIntact());
  ASSERT_EQ(got.Span<float>().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(got.Span<float>()[i]), expected[i], 2e-5) << "element " << i;
  }
}

// A [batch, heads, len, width] operand of either layout.
struct Heads {
  const TestTensor* tensor;
  int64_t heads, len, width;
  bool packed;

  double operator()(int64_t b, int64_t h, int64_t i, int64_t d) const {
    return At(*tensor, packed ? ((b * len + i) * heads + h) * width + d
                              : ((b * heads + h) * len + i) * width + d);
  }
};

Shape LayoutOf(bool packed, int64_t batch, int64_t heads, int64_t len, int64_t width) {
  return packed ? Shape{batch, len, heads * width} : Shape{batch, heads, len, width};
}

AttentionProblem RandomAttention(Draw& draw) {
  AttentionProblem p;
  p.batch = draw.Int(1, 3);
  p.kv_heads = draw.Int(1, 3);
  p.q_heads = p.kv_heads * draw.Int(1, 3);
  p.q_len = draw.Int(1, 6);
  p.kv_len = draw.Int(1, 7);
  p.past_len = draw.Coin() ? draw.Int(1, 5) : 0;
  p.head = draw.Int(1, 9);
  p.v_head = draw.Int(1, 9);
  p.q_packed = draw.Coin();
  p.k_packed = draw.Coin();
  p.v_packed = draw.Coin();
  p.scale = 0.5f;
  p.softcap = draw.Coin() ? 1.5f : 0;
  p.causal = draw.Coin();
  if (draw.Int(0, 2) == 0) p.left_window = draw.Int(0, 3);
  p.has_nonpad = p.past_len == 0 && draw.Coin();
  p.has_mask = draw.Coin();
  if (p.has_mask) {
    p.mask_dtype = draw.Coin() ? DType::kBool : DType::kF32;
    p.mask_shape = Shape{draw.Coin() ? p.batch : 1, draw.Coin() ? p.q_heads : 1, p.q_len,
                         p.past_len + p.kv_len};
  }
  return p;
}

struct AttentionOperands {
  TestTensor q, k, v, mask, past_key, past_value, nonpad;
};

AttentionOperands RandomOperands(const AttentionProblem& p, Draw& draw) {
  AttentionOperands x{draw.Floats(LayoutOf(p.q_packed, p.batch, p.q_heads, p.q_len, p.head)),
                      draw.Floats(LayoutOf(p.k_packed, p.batch, p.kv_heads, p.kv_len, p.head)),
                      draw.Floats(LayoutOf(p.v_packed, p.batch, p.kv_heads, p.kv_len, p.v_head)),
                      TestTensor(p.mask_dtype, p.has_mask ? p.mask_shape : Shape{0}),
                      draw.Floats({p.batch, p.kv_heads, p.past_len, p.head}),
                      draw.Floats({p.batch, p.kv_heads, p.past_len, p.v_head}),
                      TestTensor(DType::kI64, {p.batch})};
  for (int64_t& valid : x.nonpad.Span<int64_t>()) valid = draw.Int(1, p.kv_len);
  if (p.mask_dtype == DType::kBool) {
    for (bool& seen : x.mask.Span<bool>()) seen = draw.Int(0, 3) > 0;
  } else {
    for (float& added : x.mask.Span<float>()) added = 0.25f * static_cast<float>(draw.Int(-4, 4));
  }
  return x;
}

// What the mask adds to a score; nullopt where the key is not seen.
std::optional<double> Added(const AttentionProblem& p, const AttentionOperands& x, int64_t b,
                            int64_t h, int64_t i, int64_t j) {
  const int64_t valid = x.nonpad.Span<int64_t>()[static_cast<size_t>(b)];
  const int64_t place = i + (p.has_nonpad ? valid - p.q_len : p.past_len);
  if (p.has_nonpad && j >= valid) return std::nullopt;
  if (p.causal && j > place) return std::nullopt;
  if (p.left_window >= 0 && j < place - p.left_window) return std::nullopt;
  if (!p.has_mask) return 0.0;
  const Shape& s = p.mask_shape;
  const int64_t at = (((s[0] == 1 ? 0 : b) * s[1] + (s[1] == 1 ? 0 : h)) * s[2] + i) * s[3] + j;
  if (p.mask_dtype == DType::kF32) return At(x.mask, at);
  if (!x.mask.Span<bool>()[static_cast<size_t>(at)]) return std::nullopt;
  return 0.0;
}

// Y in Q's layout, then the probabilities.
std::pair<std::vector<double>, std::vector<double>> Attend(const AttentionProblem& p,
                                                           const AttentionOperands& x) {
  const Heads q{&x.q, p.q_heads, p.q_len, p.head, p.q_packed};
  const Heads k{&x.k, p.kv_heads, p.kv_len, p.head, p.k_packed};
  const Heads v{&x.v, p.kv_heads, p.kv_len, p.v_head, p.v_packed};
  const Heads old_k{&x.past_key, p.kv_heads, p.past_len, p.head, false};
  const Heads old_v{&x.past_value, p.kv_heads, p.past_len, p.v_head, false};
  const auto joined = [&](const Heads& old, const Heads& fresh, int64_t b, int64_t h, int64_t j,
                          int64_t d) {
    return j < p.past_len ? old(b, h, j, d) : fresh(b, h, j - p.past_len, d);
  };
  const int64_t total = p.past_len + p.kv_len;
  std::vector<double> y(static_cast<size_t>(p.batch * p.q_heads * p.q_len * p.v_head)), all;
  for (int64_t row = 0; row < p.batch * p.q_heads * p.q_len; ++row) {
    const int64_t i = row % p.q_len, h = row / p.q_len % p.q_heads, b = row / p.q_len / p.q_heads;
    const int64_t kv = h * p.kv_heads / p.q_heads;
    std::vector<double> weights(static_cast<size_t>(total));
    double sum = 0;
    for (int64_t j = 0; j < total; ++j) {
      double score = 0;
      for (int64_t d = 0; d < p.head; ++d) score += q(b, h, i, d) * joined(old_k, k, b, kv, j, d);
      score *= p.scale;
      if (p.softcap > 0) score = p.softcap * std::tanh(score / p.softcap);
      const std::optional<double> added = Added(p, x, b, h, i, j);
      weights[static_cast<size_t>(j)] = added ? std::exp(score + *added) : 0;
      sum += weights[static_cast<size_t>(j)];
    }
    for (double& weight : weights) weight = sum == 0 ? 0 : weight / sum;
    for (int64_t d = 0; d < p.v_head; ++d) {
      double value = 0;
      for (int64_t j = 0; j < total; ++j) {
        value += weights[static_cast<size_t>(j)] * joined(old_v, v, b, kv, j, d);
      }
      const int64_t at =
          p.q_packed ? ((b * p.q_len + i) * p.q_heads + h) * p.v_head + d : row * p.v_head + d;
      y[static_cast<size_t>(at)] = value;
    }
    all.insert(all.end(), weights.begin(), weights.end());
  }
  return {y, all};
}

TEST(AttentionReferenceTest, IsSoftmaxOfMaskedScores) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    AttentionProblem p = RandomAttention(draw);
    p.scores_stage = AttentionProblem::ScoresStage::kProbabilities;
    const AttentionOperands x = RandomOperands(p, draw);
    const int64_t total = p.past_len + p.kv_len;
    const TestTensor y(DType::kF32, LayoutOf(p.q_packed, p.batch, p.q_heads, p.q_len, p.v_head));
    const TestTensor key(DType::kF32, {p.batch, p.kv_heads, total, p.head});
    const TestTensor value(DType::kF32, {p.batch, p.kv_heads, total, p.v_head});
    const TestTensor scores(DType::kF32, {p.batch, p.q_heads, p.q_len, total});
    const TensorView none;
    const bool past = p.past_len > 0;
    SerialFor serial;
    RunKernel(
        *MakeReference(AttentionVariants(), p),
        {x.q.View(), x.k.View(), x.v.View(), p.has_mask ? TensorView(x.mask.View()) : none,
         past ? TensorView(x.past_key.View()) : none, past ? TensorView(x.past_value.View()) : none,
         p.has_nonpad ? TensorView(x.nonpad.View()) : none},
        {y.View(), key.View(), value.View(), scores.View()}, serial);
    const auto [expected, probabilities] = Attend(p, x);
    ExpectNear(y, expected);
    ExpectNear(scores, probabilities);
    // The present is the past with the new keys behind it.
    const Heads k{&x.k, p.kv_heads, p.kv_len, p.head, p.k_packed};
    const Heads present{&key, p.kv_heads, total, p.head, false};
    for (int64_t i = 0; i < p.batch * p.kv_heads; ++i) {
      const int64_t b = i / p.kv_heads, h = i % p.kv_heads;
      EXPECT_EQ(present(b, h, total - 1, 0), k(b, h, p.kv_len - 1, 0));
      if (past) {
        EXPECT_EQ(present(b, h, 0, 0), At(x.past_key, i * p.past_len * p.head));
      }
    }
  }
}

// Pairs of numbers as complex ones, turned by their angle.
TEST(RotaryEmbeddingTest, TurnsPairs) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    RotaryEmbeddingProblem p;
    p.batch = draw.Int(1, 3);
    p.heads = draw.Int(1, 3);
    p.len = draw.Int(1, 5);
    p.rotary = 2 * draw.Int(1, 4);
    p.head = p.rotary + draw.Int(0, 3);
    p.packed = draw.Coin();
    p.interleaved = draw.Coin();
    p.has_positions = draw.Coin();
    p.positions = p.has_positions ? draw.Int(1, 6) : p.batch;
    const int64_t half = p.rotary / 2;
    const Shape cache = p.has_positions ? Shape{p.positions, half} : Shape{p.batch, p.len, half};
    const TestTensor x = draw.Floats(LayoutOf(p.packed, p.batch, p.heads, p.len, p.head));
    const TestTensor cosines = draw.Floats(cache), sines = draw.Floats(cache);
    const TestTensor ids(DType::kI64, {p.batch, p.len});
    for (int64_t& id : ids.Span<int64_t>()) id = draw.Int(0, p.positions - 1);
    const TestTensor y(DType::kF32, x.GetShape());
    SerialFor serial;
    RunKernel(*MakeReference(RotaryEmbeddingVariants(), p),
              {x.View(), cosines.View(), sines.View(),
               p.has_positions ? TensorView(ids.View()) : TensorView()},
              {y.View()}, serial);
    EXPECT_TRUE(y.GuardIntact());
    const Heads in{&x, p.heads, p.len, p.head, p.packed}, out{&y, p.heads, p.len, p.head, p.packed};
    for (int64_t row = 0; row < p.batch * p.heads * p.len; ++row) {
      const int64_t i = row % p.len, h = row / p.len % p.heads, b = row / p.len / p.heads;
      const int64_t token = b * p.len + i;
      const int64_t angle =
          p.has_positions ? ids.Span<int64_t>()[static_cast<size_t>(token)] : token;
      for (int64_t pair = 0; pair < half; ++pair) {
        const int64_t real = p.interleaved ? 2 * pair : pair;
        const int64_t imaginary = p.interleaved ? 2 * pair + 1 : pair + half;
        const std::complex<double> turn(At(cosines, angle * half + pair),
                                        At(sines, angle * half + pair));
        const std::complex<double> expected =
            turn * std::complex<double>(in(b, h, i, real), in(b, h, i, imaginary));
        EXPECT_NEAR(out(b, h, i, real), expected.real(), 1e-6);
        EXPECT_NEAR(out(b, h, i, imaginary), expected.imag(), 1e-6);
      }
      for (int64_t d = p.rotary; d < p.head; ++d) EXPECT_EQ(out(b, h, i, d), in(b, h, i, d));
    }
  }
}

using Matrix = std::vector<std::vector<double>>;  // [head][v_head]

// One token of one head: S = A S + beta k (v - (A S)^T k)^T with A = diag(exp(decay)).
void Step(Matrix& state, const std::vector<double>& decay, const std::vector<double>& k,
          const std::vector<double>& v, double beta, bool delta) {
  std::vector<double> recalled(v.size(), 0.0);
  for (size_t d = 0; d < k.size(); ++d) {
    for (size_t e = 0; e < v.size(); ++e) {
      state[d][e] *= std::exp(decay[d]);
      recalled[e] += state[d][e] * k[d];
    }
  }
  for (size_t d = 0; d < k.size(); ++d) {
    for (size_t e = 0; e < v.size(); ++e) {
      state[d][e] += beta * k[d] * (v[e] - (delta ? recalled[e] : 0));
    }
  }
}

LinearAttentionProblem RandomLinear(Draw& draw) {
  LinearAttentionProblem p;
  p.batch = draw.Int(1, 2);
  p.len = draw.Int(1, 5);
  p.kv_heads = draw.Int(1, 3);
  p.q_heads = p.kv_heads * draw.Int(1, 2);
  p.head = draw.Int(1, 5);
  p.v_head = draw.Int(1, 5);
  p.scale = 0.5f;
  p.has_past = draw.Coin();
  p.gated = draw.Coin();
  p.delta = draw.Coin();
  p.decay_per_key = draw.Coin();
  p.beta_per_head = draw.Coin();
  return p;
}

TEST(LinearAttentionTest, IsItsRecurrence) {
  for (uint32_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    const LinearAttentionProblem p = RandomLinear(draw);
    const int64_t group = p.q_heads / p.kv_heads;
    const TestTensor q = draw.Floats({p.batch, p.len, p.q_heads * p.head});
    const TestTensor k = draw.Floats({p.batch, p.len, p.kv_heads * p.head});
    const TestTensor v = draw.Floats({p.batch, p.len, p.kv_heads * p.v_head});
    const TestTensor past = draw.Floats({p.batch, p.kv_heads, p.head, p.v_head});
    const int64_t decays = p.decay_per_key ? p.head : 1, betas = p.beta_per_head ? p.kv_heads : 1;
    const TestTensor decay = draw.Floats({p.batch, p.len, p.kv_heads * decays}, -1, 0);
    const TestTensor beta = draw.Floats({p.batch, p.len, betas}, 0, 1);
    std::vector<double> y(static_cast<size_t>(p.batch * p.len * p.q_heads * p.v_head)), states;
    for (int64_t b = 0; b < p.batch; ++b) {
      for (int64_t h = 0; h < p.kv_heads; ++h) {
        Matrix state(static_cast<size_t>(p.head),
                     std::vector<double>(static_cast<size_t>(p.v_head), 0.0));
        const auto each = [&](const auto& visit) {
          for (int64_t e = 0; e < p.head * p.v_head; ++e) {
            visit(state[static_cast<size_t>(e / p.v_head)][static_cast<size_t>(e % p.v_head)],
                  (b * p.kv_heads + h) * p.head * p.v_head + e);
          }
        };
        if (p.has_past) each([&](double& entry, int64_t at) { entry = At(past, at); });
        for (int64_t t = 0; t < p.len; ++t) {
          const int64_t token = b * p.len + t;
          std::vector<double> gate, key, value;
          for (int64_t d = 0; d < p.head; ++d) {
            const int64_t at = (token * p.kv_heads + h) * decays + (p.decay_per_key ? d : 0);
            gate.push_back(p.gated ? At(decay, at) : 0);
            key.push_back(At(k, (token * p.kv_heads + h) * p.head + d));
          }
          for (int64_t e = 0; e < p.v_head; ++e) {
            value.push_back(At(v, (token * p.kv_heads + h) * p.v_head + e));
          }
          const double rate = p.delta ? At(beta, token * betas + (p.beta_per_head ? h : 0)) : 1.0;
          Step(state, gate, key, value, rate, p.delta);
          for (int64_t i = 0; i < group * p.v_head; ++i) {
            const int64_t q_head = h * group + i / p.v_head, e = i % p.v_head;
            double sum = 0;
            for (int64_t d = 0; d < p.head; ++d) {
              sum += At(q, (token * p.q_heads + q_head) * p.head + d) *
                     state[static_cast<size_t>(d)][static_cast<size_t>(e)];
            }
            y[static_cast<size_t>((token * p.q_heads + q_head) * p.v_head + e)] = sum * p.scale;
          }
        }
        each([&](double& entry, int64_t) { states.push_back(entry); });
      }
    }
    const TestTensor out(DType::kF32, {p.batch, p.len, p.q_heads * p.v_head});
    const TestTensor present(DType::kF32, past.GetShape());
    const TensorView none;
    SerialFor serial;
    RunKernel(*MakeReference(LinearAttentionVariants(), p),
              {q.View(), k.View(), v.View(), p.has_past ? TensorView(past.View()) : none,
               p.gated ? TensorView(decay.View()) : none, p.delta ? TensorView(beta.View()) : none},
              {out.View(), present.View()}, serial);
    ExpectNear(out, y);
    ExpectNear(present, states);
  }
}

TEST(TensorScatterTest, WritesEachSampleAtItsPlace) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    TensorScatterProblem p;
    p.batch = draw.Int(1, 3);
    p.outer = draw.Int(1, 3);
    p.cache_len = draw.Int(1, 7);
    p.update_len = draw.Int(1, p.cache_len);
    p.inner = draw.Int(1, 4);
    p.circular = draw.Coin();
    const TestTensor cache = draw.Floats({p.batch, p.outer, p.cache_len, p.inner});
    const TestTensor update = draw.Floats({p.batch, p.outer, p.update_len, p.inner});
    const TestTensor places(DType::kI64, {p.batch});
    for (int64_t& place : places.Span<int64_t>()) place = draw.Int(0, p.cache_len);
    std::vector<double> expected;
    for (int64_t i = 0; i < cache.GetShape().Elements(); ++i) expected.push_back(At(cache, i));
    for (int64_t i = 0; i < update.GetShape().Elements(); ++i) {
      const int64_t row = i / p.inner % p.update_len, outer = i / p.inner / p.update_len;
      int64_t to = places.Span<int64_t>()[static_cast<size_t>(outer / p.outer)] + row;
      if (p.circular) to %= p.cache_len;
      if (to >= p.cache_len) continue;
      expected[static_cast<size_t>((outer * p.cache_len + to) * p.inner + i % p.inner)] =
          At(update, i);
    }
    const TestTensor out(DType::kF32, cache.GetShape());
    SerialFor serial;
    RunKernel(*MakeReference(TensorScatterVariants(), p),
              {cache.View(), update.View(), places.View()}, {out.View()}, serial);
    ExpectNear(out, expected);
  }
}

TEST(CausalConvTest, SeesOnlyWhatCameBefore) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Draw draw(seed);
    CausalConvProblem p;
    p.batch = draw.Int(1, 3);
    p.channels = draw.Int(1, 4);
    p.length = draw.Int(1, 6);
    p.taps = draw.Int(1, 5);
    p.silu = draw.Coin();
    p.has_past = draw.Coin();
    const bool biased = draw.Coin();
    const TestTensor x = draw.Floats({p.batch, p.channels, p.length});
    const TestTensor w = draw.Floats({p.channels, 1, p.taps}), bias = draw.Floats({p.channels});
    const TestTensor past = draw.Floats({p.batch, p.channels, p.taps - 1});
    std::vector<double> expected, state;
    for (int64_t row = 0; row < p.batch * p.channels; ++row) {
      std::vector<double> sequence;
      for (int64_t i = 0; i < p.taps - 1; ++i) {
        sequence.push_back(p.has_past ? At(past, row * (p.taps - 1) + i) : 0);
      }
      for (int64_t i = 0; i < p.length; ++i) sequence.push_back(At(x, row * p.length + i));
      for (int64_t t = 0; t < p.length; ++t) {
        double sum = biased ? At(bias, row % p.channels) : 0;
        for (int64_t tap = 0; tap < p.taps; ++tap) {
          sum += At(w, row % p.channels * p.taps + tap) * sequence[static_cast<size_t>(t + tap)];
        }
        expected.push_back(p.silu ? sum / (1 + std::exp(-sum)) : sum);
      }
      state.insert(state.end(), sequence.end() - (p.taps - 1), sequence.end());
    }
    const TestTensor y(DType::kF32, x.GetShape()), present(DType::kF32, past.GetShape());
    SerialFor serial;
    RunKernel(*MakeReference(CausalConvVariants(), p),
              {x.View(), w.View(), biased ? TensorView(bias.View()) : TensorView(),
               p.has_past ? TensorView(past.View()) : TensorView()},
              {y.View(), present.View()}, serial);
    ExpectNear(y, expected);
    ExpectNear(present, state);
  }
}

}  // namespace
}  // namespace ergo
