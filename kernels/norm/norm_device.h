// Device code of the norm family. Rows that fit a warp's registers are read once; longer ones are
// a block's and are read again for each pass.
#ifndef ERGO_KERNELS_NORM_NORM_DEVICE_H_
#define ERGO_KERNELS_NORM_NORM_DEVICE_H_

#include <cmath>

#include "kernels/cuda/element.h"
#include "kernels/cuda/kernel_entry.h"
#include "kernels/cuda/row.h"
#include "kernels/norm/norm_cuda.h"

namespace ergo::cuda {

// The elements of a row that this thread has: in registers for a warp's row, else in memory.
template <typename Rows, typename T>
class RowElements {
 public:
  static constexpr bool kHeld = Rows::kLanes == kWarp;
  static constexpr uint32_t kMost = kHeld ? kWarpRowElements / kWarp : 1;

  ERGO_DEVICE RowElements(const T* row, uint32_t length, uint32_t stride, uint32_t lane)
      : row_(row), length_(length), stride_(stride), lane_(lane) {
    if constexpr (kHeld) {
      ERGO_UNROLL
      for (uint32_t k = 0; k < kMost; ++k) {
        const uint32_t i = lane + k * Rows::kLanes;
        if (i < length) held_[k] = ToFloat(row[size_t{i} * stride]);
      }
    }
  }

  // visit(i, element) for each of this thread's.
  template <typename Visit>
  ERGO_DEVICE void ForEach(const Visit& visit) const {
    if constexpr (kHeld) {
      ERGO_UNROLL
      for (uint32_t k = 0; k < kMost; ++k) {
        const uint32_t i = lane_ + k * Rows::kLanes;
        if (i < length_) visit(i, held_[k]);
      }
    } else {
      for (uint32_t i = lane_; i < length_; i += Rows::kLanes) {
        visit(i, ToFloat(row_[size_t{i} * stride_]));
      }
    }
  }

 private:
  const T* row_;
  uint32_t length_, stride_, lane_;
  float held_[kMost] = {};
};

template <typename Rows, typename T>
ERGO_DEVICE void WriteHardmax(const RowElements<Rows, T>& x, Rows& rows, float largest, T* out,
                              uint32_t inner) {
  constexpr float kNone = 1e30f;  // above any index, all of which floats hold exactly
  float first = kNone;
  x.ForEach([&](uint32_t i, float value) {
    if (value == largest) first = Smaller(first, static_cast<float>(i));
  });
  first = -rows.Max(-first);
  if (first == kNone) first = 0;
  x.ForEach([&](uint32_t i, float) {
    out[size_t{i} * inner] = FromFloat<T>(static_cast<float>(i) == first ? 1.0f : 0.0f);
  });
}

template <typename Rows, typename T>
ERGO_DEVICE void RunLine(const LineParameter& p, std::byte* shared) {
  Rows rows(shared);
  const uint32_t line = rows.Row();
  if (line >= p.lines) return;
  const size_t begin = size_t{line / p.inner} * p.length * p.inner + line % p.inner;
  T* out = static_cast<T*>(p.out) + begin;
  const RowElements<Rows, T> x(static_cast<const T*>(p.in) + begin, p.length, p.inner, rows.Lane());
  if (p.op == LineOp::kNorm1 || p.op == LineOp::kNorm2) {
    const bool squares = p.op == LineOp::kNorm2;
    float sum = 0;
    x.ForEach([&](uint32_t, float value) { sum += squares ? value * value : std::fabs(value); });
    sum = rows.Sum(sum);
    const float norm = squares ? std::sqrt(sum) : sum;
    x.ForEach([&](uint32_t i, float value) {
      out[size_t{i} * p.inner] = FromFloat<T>(norm == 0 ? 0.0f : value / norm);
    });
    return;
  }
  float largest = -Infinity();
  x.ForEach([&](uint32_t, float value) { largest = Larger(largest, value); });
  largest = rows.Max(largest);
  if (p.op == LineOp::kHardmax) {
    WriteHardmax(x, rows, largest, out, p.inner);
    return;
  }
  float sum = 0;
  x.ForEach([&](uint32_t, float value) { sum += std::exp(value - largest); });
  sum = rows.Sum(sum);
  if (p.op == LineOp::kSoftmax) {
    const float scale = 1 / sum;
    x.ForEach([&](uint32_t i, float value) {
      out[size_t{i} * p.inner] = FromFloat<T>(std::exp(value - largest) * scale);
    });
  } else {
    const float log_sum = std::log(sum);
    x.ForEach([&](uint32_t i, float value) {
      out[size_t{i} * p.inner] = FromFloat<T>(value - largest - log_sum);
    });
  }
}

template <typename Rows, typename T>
ERGO_DEVICE void RunMoments(const MomentsParameter& p, std::byte* shared) {
  Rows rows(shared);
  const uint32_t row = rows.Row();
  if (row >= p.rows) return;
  const size_t begin = size_t{row} * p.length;
  const RowElements<Rows, T> x(static_cast<const T*>(p.in) + begin, p.length, 1, rows.Lane());
  const auto count = static_cast<float>(p.length);
  float mean = 0;
  if (!p.rms) {
    x.ForEach([&](uint32_t, float value) { mean += value; });
    mean = rows.Sum(mean) / count;
  }
  float variance = 0;
  x.ForEach([&](uint32_t, float value) { variance += (value - mean) * (value - mean); });
  variance = rows.Sum(variance) / count;
  const float inv_std = 1 / std::sqrt(variance + p.epsilon);
  const uint32_t first = row % p.groups * p.group_params;
  T* out = static_cast<T*>(p.out) + begin;
  x.ForEach([&](uint32_t i, float value) {
    float y = (value - mean) * inv_std;
    const uint32_t at = first + i / p.spatial;
    if (p.scale != nullptr) y *= ToFloat(static_cast<const T*>(p.scale)[at]);
    if (p.bias != nullptr) y += ToFloat(static_cast<const T*>(p.bias)[at]);
    out[i] = FromFloat<T>(y);
  });
  if (rows.Lane() == 0 && p.mean != nullptr) p.mean[row] = mean;
  if (rows.Lane() == 0 && p.inv_std != nullptr) p.inv_std[row] = inv_std;
}

ERGO_DEVICE void RunBatchNorm(const BatchNormParameter& p, std::byte*) {
  const uint32_t index = BlockX() * Threads() + Thread();
  if (index >= p.elements) return;
  const auto channel = static_cast<int32_t>(index / p.spatial % p.channels);
  const float scale = LoadElement<float>(p.scale, p.param_dtype, channel);
  const float bias = LoadElement<float>(p.bias, p.param_dtype, channel);
  const float mean = LoadElement<float>(p.mean, p.moments_dtype, channel);
  const float variance = LoadElement<float>(p.variance, p.moments_dtype, channel);
  const float x = LoadElement<float>(p.in, p.dtype, static_cast<int32_t>(index));
  StoreElement(p.out, p.dtype, index, (x - mean) / std::sqrt(variance + p.epsilon) * scale + bias);
}

ERGO_DEVICE void RunLrn(const LrnParameter& p, std::byte*) {
  const uint32_t index = BlockX() * Threads() + Thread();
  if (index >= p.elements) return;
  const auto channel = static_cast<int32_t>(index / p.spatial % p.channels);
  const int32_t before = static_cast<int32_t>(p.size - 1) / 2;
  const int32_t after = static_cast<int32_t>(p.size) - 1 - before;
  float squares = 0;
  for (int32_t c = channel - before; c <= channel + after; ++c) {
    if (c < 0 || c >= static_cast<int32_t>(p.channels)) continue;
    const int32_t at =
        static_cast<int32_t>(index) + (c - channel) * static_cast<int32_t>(p.spatial);
    const float x = LoadElement<float>(p.in, p.dtype, at);
    squares += x * x;
  }
  const float x = LoadElement<float>(p.in, p.dtype, static_cast<int32_t>(index));
  const float base = p.bias + p.alpha / static_cast<float>(p.size) * squares;
  StoreElement(p.out, p.dtype, index, x / std::pow(base, p.beta));
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_NORM_NORM_DEVICE_H_
