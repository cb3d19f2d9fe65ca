// Rows on a device: who works on a row, a warp or a block, and what they make of all its elements.
// For device code; a row's elements are dealt out to lanes one by one, so that neighbours read
// neighbours.
#ifndef ERGO_KERNELS_CUDA_ROW_H_
#define ERGO_KERNELS_CUDA_ROW_H_

#include "kernels/cuda/simt.h"

namespace ergo::cuda {

inline constexpr uint32_t kRowThreads = 256;
// Rows of up to so many elements are a warp's, which holds them in registers.
inline constexpr uint32_t kWarpRowElements = 1024;

// A warp for each row.
struct WarpRow {
  static constexpr uint32_t kLanes = kWarp;
  static constexpr uint32_t kRowsPerBlock = kRowThreads / kWarp;

  ERGO_DEVICE explicit WarpRow(std::byte*) {}
  ERGO_DEVICE uint32_t Row() const { return BlockX() * kRowsPerBlock + Thread() / kWarp; }
  ERGO_DEVICE uint32_t Lane() const { return Thread() % kWarp; }
  ERGO_DEVICE float Sum(float value) { return WarpSum(value); }
  ERGO_DEVICE float Max(float value) { return WarpMax(value); }
};

// A block for each row; shared memory holds a number a warp, twice, so that one barrier is enough.
struct BlockRow {
  static constexpr uint32_t kLanes = kRowThreads;
  static constexpr uint32_t kRowsPerBlock = 1;
  static constexpr uint32_t kWarps = kRowThreads / kWarp;
  static constexpr uint32_t kSharedBytes = 2 * kWarps * sizeof(float);

  ERGO_DEVICE explicit BlockRow(std::byte* shared) : partial_(reinterpret_cast<float*>(shared)) {}
  ERGO_DEVICE uint32_t Row() const { return BlockX(); }
  ERGO_DEVICE uint32_t Lane() const { return Thread(); }

  ERGO_DEVICE float Sum(float value) {
    float* partial = Gather(WarpSum(value));
    float sum = 0;
    for (uint32_t warp = 0; warp < kWarps; ++warp) sum += partial[warp];
    return sum;
  }
  ERGO_DEVICE float Max(float value) {
    float* partial = Gather(WarpMax(value));
    float largest = partial[0];
    for (uint32_t warp = 1; warp < kWarps; ++warp) largest = Larger(largest, partial[warp]);
    return largest;
  }

 private:
  ERGO_DEVICE float* Gather(float of_warp) {
    float* partial = partial_ + turn_ * kWarps;
    turn_ ^= 1;
    if (Thread() % kWarp == 0) partial[Thread() / kWarp] = of_warp;
    SyncThreads();
    return partial;
  }

  float* partial_;
  uint32_t turn_ = 0;
};

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_ROW_H_
