// Device code of pooling: a thread for each output, or a warp where windows are large.
#ifndef ERGO_KERNELS_POOL_POOL_DEVICE_H_
#define ERGO_KERNELS_POOL_POOL_DEVICE_H_

#include <cmath>

#include "kernels/cuda/element.h"
#include "kernels/cuda/kernel_entry.h"
#include "kernels/pool/pool_cuda.h"

namespace ergo::cuda {

// The taps [begin, end) of output position `o` that lie in [-before, in + after).
struct PoolTaps {
  int32_t start, begin, end;
};
ERGO_DEVICE PoolTaps TapsOf(const PoolParameter& p, int axis, int32_t o, int32_t before,
                            int32_t after) {
  const int32_t dilation = p.dilations[axis];
  const int32_t start = o * p.strides[axis] - p.pads_begin[axis];
  int32_t begin = start < -before ? (-before - start + dilation - 1) / dilation : 0;
  const int32_t room = p.in_size[axis] + after - start;
  int32_t end = room <= 0 ? 0 : (room + dilation - 1) / dilation;
  if (end > p.kernel[axis]) end = p.kernel[axis];
  if (end < begin) end = begin;
  return {start, begin, end};
}

template <uint32_t kLanes>
ERGO_DEVICE void RunPool(const PoolParameter& p, std::byte*) {
  const uint32_t output = (BlockX() * kPoolThreads + Thread()) / kLanes;
  const uint32_t lane = Thread() % kLanes;
  if (output >= p.outputs) return;
  const uint32_t plane = p.plane.Quotient(output);
  uint32_t rest = output - plane * p.plane.divisor;
  int32_t o[3];
  o[0] = static_cast<int32_t>(p.depth_step.Quotient(rest));
  rest -= static_cast<uint32_t>(o[0]) * p.depth_step.divisor;
  o[1] = static_cast<int32_t>(p.row.Quotient(rest));
  o[2] = static_cast<int32_t>(rest - static_cast<uint32_t>(o[1]) * p.row.divisor);
  PoolTaps taps[3];
  int32_t counted = 1;
  ERGO_UNROLL
  for (int axis = 0; axis < 3; ++axis) {
    taps[axis] = TapsOf(p, axis, o[axis], 0, 0);
    const PoolTaps with_pads = TapsOf(p, axis, o[axis], p.pads_begin[axis], p.pads_end[axis]);
    const PoolTaps& counts = p.count_include_pad ? with_pads : taps[axis];
    counted *= counts.end - counts.begin;
  }
  const int32_t columns = taps[2].end - taps[2].begin, rows = taps[1].end - taps[1].begin;
  const int32_t all = (taps[0].end - taps[0].begin) * rows * columns;
  const int32_t base = static_cast<int32_t>(plane) * (p.in_size[0] * p.in_size[1] * p.in_size[2]);
  float value = p.kind == PoolKind::kMax ? -Infinity() : 0.0f;
  int32_t best = -1;
  for (auto tap = static_cast<int32_t>(lane); tap < all; tap += static_cast<int32_t>(kLanes)) {
    const int32_t d = taps[0].start + (taps[0].begin + tap / (rows * columns)) * p.dilations[0];
    const int32_t h = taps[1].start + (taps[1].begin + tap / columns % rows) * p.dilations[1];
    const int32_t w = taps[2].start + (taps[2].begin + tap % columns) * p.dilations[2];
    const int32_t at = (d * p.in_size[1] + h) * p.in_size[2] + w;
    const float x = LoadElement<float>(p.in, p.dtype, base + at);
    if (p.kind == PoolKind::kMax) {
      if (best >= 0 && !(x > value)) continue;
      value = x;
      best = p.column_major ? (w * p.in_size[1] + h) * p.in_size[0] + d : at;
    } else {
      value += p.kind == PoolKind::kAverage ? x : std::pow(std::fabs(x), p.p);
    }
  }
  if constexpr (kLanes > 1) value = p.kind == PoolKind::kMax ? WarpMax(value) : WarpSum(value);
  if (p.kind == PoolKind::kAverage) {
    value = counted == 0 ? 0.0f : value / static_cast<float>(counted);
  } else if (p.kind == PoolKind::kLp) {
    value = std::pow(value, 1 / p.p);
  }
  if (lane != 0) return;
  StoreElement(p.out, p.dtype, output, value);
  if (p.indices != nullptr) p.indices[output] = base + (best < 0 ? 0 : best);
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_POOL_POOL_DEVICE_H_
