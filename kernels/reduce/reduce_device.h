// Device code of reductions: a warp, a block or a thread for each output.
#ifndef ERGO_KERNELS_REDUCE_REDUCE_DEVICE_H_
#define ERGO_KERNELS_REDUCE_REDUCE_DEVICE_H_

#include <cmath>

#include "kernels/cuda/element.h"
#include "kernels/cuda/kernel_entry.h"
#include "kernels/cuda/row.h"
#include "kernels/reduce/reduce_cuda.h"

namespace ergo::cuda {

// A thread for each output: where neighbouring outputs are neighbours in memory, or each is made of
// few elements.
struct ThreadRow {
  static constexpr uint32_t kLanes = 1;

  ERGO_DEVICE explicit ThreadRow(std::byte*) {}
  ERGO_DEVICE uint32_t Row() const { return BlockX() * kReduceThreads + Thread(); }
  ERGO_DEVICE uint32_t Lane() const { return 0; }
  ERGO_DEVICE float Sum(float value) { return value; }
  ERGO_DEVICE float Max(float value) { return value; }
};

ERGO_DEVICE float TermOf(ReduceOp op, float x, float largest) {
  switch (op) {
    case ReduceOp::kL1: return std::fabs(x);
    case ReduceOp::kL2:
    case ReduceOp::kSumSquare: return x * x;
    case ReduceOp::kLogSumExp: return std::exp(x - largest);
    default: return x;
  }
}

ERGO_DEVICE float ResultOf(ReduceOp op, float sum, float largest, uint32_t count) {
  switch (op) {
    case ReduceOp::kMean: return sum / static_cast<float>(count);
    case ReduceOp::kL2: return std::sqrt(sum);
    case ReduceOp::kLogSum: return std::log(sum);
    case ReduceOp::kLogSumExp: return std::log(sum) + largest;
    default: return sum;
  }
}

template <typename Rows>
ERGO_DEVICE void RunReduce(const ReduceParameter& p, std::byte* shared) {
  Rows rows(shared);
  const uint32_t output = rows.Row();
  if (output >= p.outputs) return;
  const int32_t first = OffsetOf(p.kept_axes, p.kept, output);
  const auto element = [&](uint32_t i) {
    return LoadElement<float>(p.in, p.dtype, first + OffsetOf(p.reduced_axes, p.reduced, i));
  };
  const bool smallest = p.op == ReduceOp::kMin;
  float largest = 0;
  if (p.op == ReduceOp::kMax || smallest || p.op == ReduceOp::kLogSumExp) {
    largest = -Infinity();
    for (uint32_t i = rows.Lane(); i < p.count; i += Rows::kLanes) {
      largest = Larger(largest, smallest ? -element(i) : element(i));
    }
    largest = rows.Max(largest);
  }
  float result = smallest ? -largest : largest;
  if (p.op != ReduceOp::kMax && !smallest) {
    if (std::fabs(largest) == Infinity()) largest = 0;
    float sum = 0;
    for (uint32_t i = rows.Lane(); i < p.count; i += Rows::kLanes) {
      sum += TermOf(p.op, element(i), largest);
    }
    result = ResultOf(p.op, rows.Sum(sum), largest, p.count);
  }
  if (rows.Lane() == 0) StoreElement(p.out, p.dtype, output, result);
}

// Whether (value, index) takes the place of (best, best_index).
template <typename Value>
ERGO_DEVICE bool Beats(const ArgReduceParameter& p, Value value, int32_t index, Value best,
                       int32_t best_index) {
  if (best_index < 0 || index < 0) return index >= 0;
  const bool nan = value != value, best_nan = best != best;
  if (nan != best_nan) return nan;
  if (nan || value == best) return (index > best_index) == p.last;
  return (value > best) == p.largest;
}

// A warp for each line.
ERGO_DEVICE void RunArgReduce(const ArgReduceParameter& p, std::byte* shared) {
  const WarpRow rows(shared);
  const uint32_t line = rows.Row();
  if (line >= p.lines) return;
  const uint32_t first = line / p.inner * p.length * p.inner + line % p.inner;
  float best = 0;
  int32_t best_index = -1;
  for (uint32_t i = rows.Lane(); i < p.length; i += kWarp) {
    const float value =
        LoadElement<float>(p.in, p.dtype, static_cast<int32_t>(first + i * p.inner));
    if (!Beats(p, value, static_cast<int32_t>(i), best, best_index)) continue;
    best = value;
    best_index = static_cast<int32_t>(i);
  }
  ERGO_UNROLL
  for (uint32_t mask = kWarp / 2; mask > 0; mask /= 2) {
    const float value = ShuffleXor(best, mask);
    const int32_t index = ShuffleXor(best_index, mask);
    if (!Beats(p, value, index, best, best_index)) continue;
    best = value;
    best_index = index;
  }
  if (rows.Lane() == 0) p.out[line] = best_index;
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_REDUCE_REDUCE_DEVICE_H_
