// What device code may use of its machine: the index of its thread, barriers, exchanges within a
// warp, conversions, matrix instructions. Device code (kernels/FAMILY/FAMILY_device.h) is written
// with these names only, and is compiled twice: by nvcc for devices, and by the host's compiler for
// tests, which run it thread by thread on an emulator of this machine (tests/kernels/cuda/
// emulator.h) and compare what it computes with the reference kernels.
//
// A kernel is a function of one parameter, a plain struct, and of the block's shared memory. Blocks
// have one dimension, of a multiple of 32 threads. All threads of a warp meet in each exchange.
//
// Matrix instructions and their layouts are those of NVIDIA's PTX ISA 9.0, section 9.7.14 (mma,
// ldmatrix); asynchronous copies section 9.7.9.25.
#ifndef ERGO_KERNELS_CUDA_SIMT_H_
#define ERGO_KERNELS_CUDA_SIMT_H_

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define ERGO_DEVICE __device__ __forceinline__
#define ERGO_HOST_DEVICE __host__ __device__ __forceinline__
#define ERGO_UNROLL _Pragma("unroll")
#else
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/base/float16.h"
#define ERGO_DEVICE inline
#define ERGO_HOST_DEVICE inline
#define ERGO_UNROLL
#endif

namespace ergo::cuda {

inline constexpr uint32_t kWarp = 32;

#if !defined(__CUDACC__)
// The emulator's side, defined by tests only.
namespace emulated {
struct Place {
  uint32_t thread, block[3], threads, grid[3];
};
const Place& Here();
void SyncThreads();
// Gives all[lane * bytes] what each lane of the warp gives as `mine`.
void Exchange(const void* mine, void* all, size_t bytes);
void CopyLater(void* to, const void* from, size_t bytes, size_t valid_bytes);
void CommitCopies();
void WaitForCopies(int pending_groups);
}  // namespace emulated
#endif

// --- Where a thread is ---

#if defined(__CUDACC__)
ERGO_DEVICE uint32_t Thread() {
  return threadIdx.x;
}
ERGO_DEVICE uint32_t Threads() {
  return blockDim.x;
}
ERGO_DEVICE uint32_t BlockX() {
  return blockIdx.x;
}
ERGO_DEVICE uint32_t BlockY() {
  return blockIdx.y;
}
ERGO_DEVICE uint32_t BlockZ() {
  return blockIdx.z;
}
ERGO_DEVICE uint32_t GridX() {
  return gridDim.x;
}
ERGO_DEVICE void SyncThreads() {
  __syncthreads();
}
ERGO_DEVICE float ShuffleXor(float value, uint32_t mask) {
  return __shfl_xor_sync(0xffffffffu, value, static_cast<int>(mask));
}
ERGO_DEVICE int32_t ShuffleXor(int32_t value, uint32_t mask) {
  return __shfl_xor_sync(0xffffffffu, value, static_cast<int>(mask));
}
ERGO_DEVICE void SyncWarp() {
  __syncwarp();
}
ERGO_DEVICE float Shuffle(float value, uint32_t lane) {
  return __shfl_sync(0xffffffffu, value, static_cast<int>(lane));
}
#else
inline uint32_t Thread() {
  return emulated::Here().thread;
}
inline uint32_t Threads() {
  return emulated::Here().threads;
}
inline uint32_t BlockX() {
  return emulated::Here().block[0];
}
inline uint32_t BlockY() {
  return emulated::Here().block[1];
}
inline uint32_t BlockZ() {
  return emulated::Here().block[2];
}
inline uint32_t GridX() {
  return emulated::Here().grid[0];
}
inline void SyncThreads() {
  emulated::SyncThreads();
}
template <typename T>
T ShuffleXor(T value, uint32_t mask) {
  T all[kWarp];
  emulated::Exchange(&value, all, sizeof(T));
  return all[(Thread() % kWarp) ^ mask];
}
inline void SyncWarp() {
  ShuffleXor(0, 1);
}
inline float Shuffle(float value, uint32_t lane) {
  float all[kWarp];
  emulated::Exchange(&value, all, sizeof(value));
  return all[lane];
}
#endif

// --- 16-bit floating point: bits in memory, float in registers ---

struct Half {
  static constexpr bool kIsHalf = true;
  uint16_t bits;
};
struct Bf16 {
  static constexpr bool kIsHalf = false;
  uint16_t bits;
};

#if defined(__CUDACC__)
ERGO_DEVICE float ToFloat(Half h) {
  return __half2float(__ushort_as_half(h.bits));
}
ERGO_DEVICE float ToFloat(Bf16 b) {
  return __uint_as_float(static_cast<uint32_t>(b.bits) << 16);
}
template <typename T>
ERGO_DEVICE T FromFloat(float value);
template <>
ERGO_DEVICE float FromFloat<float>(float value) {
  return value;
}
template <>
ERGO_DEVICE Half FromFloat<Half>(float value) {
  return {__half_as_ushort(__float2half_rn(value))};
}
template <>
ERGO_DEVICE Bf16 FromFloat<Bf16>(float value) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
}
ERGO_DEVICE float Infinity() {
  return __int_as_float(0x7f800000);
}
ERGO_DEVICE float FloatOfBits(uint32_t bits) {
  return __uint_as_float(bits);
}
#else
inline float ToFloat(Half h) {
  return Float16::ToFloat(h.bits);
}
inline float ToFloat(Bf16 b) {
  return BFloat16::ToFloat(b.bits);
}
template <typename T>
T FromFloat(float value);
template <>
inline float FromFloat<float>(float value) {
  return value;
}
template <>
inline Half FromFloat<Half>(float value) {
  return {Float16::FromFloat(value)};
}
template <>
inline Bf16 FromFloat<Bf16>(float value) {
  return {BFloat16::FromFloat(value)};
}
inline float Infinity() {
  return HUGE_VALF;
}
inline float FloatOfBits(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
#endif
ERGO_DEVICE float ToFloat(float value) {
  return value;
}

// Two 16-bit numbers in the registers of matrix instructions, the first in the low bits.
template <typename T>
ERGO_DEVICE uint32_t Pack(float low, float high) {
  return static_cast<uint32_t>(FromFloat<T>(low).bits) |
         static_cast<uint32_t>(FromFloat<T>(high).bits) << 16;
}

// --- Sums and maxima over a warp, in every lane ---

ERGO_DEVICE float WarpSum(float value) {
  ERGO_UNROLL
  for (uint32_t mask = kWarp / 2; mask > 0; mask /= 2) value += ShuffleXor(value, mask);
  return value;
}
// NaN wins.
ERGO_DEVICE float Larger(float a, float b) {
  return a < b || b != b ? b : a;
}
ERGO_DEVICE float Smaller(float a, float b) {
  return b < a || b != b ? b : a;
}
ERGO_DEVICE float WarpMax(float value) {
  ERGO_UNROLL
  for (uint32_t mask = kWarp / 2; mask > 0; mask /= 2)
    value = Larger(value, ShuffleXor(value, mask));
  return value;
}

// --- Copies from global to shared memory behind the computation, 16 bytes each ---

// What is beyond `valid_bytes` (0 or 16) becomes zero and is not read.
ERGO_DEVICE void CopyAsync16(void* shared, const void* global, uint32_t valid_bytes) {
#if defined(__CUDACC__)
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global),
               "r"(valid_bytes)
               : "memory");
#else
  emulated::CopyLater(shared, global, 16, valid_bytes);
#endif
}
ERGO_DEVICE void CommitCopies() {
#if defined(__CUDACC__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulated::CommitCopies();
#endif
}
// Until at most so many of this thread's groups are on their way.
template <int kPending>
ERGO_DEVICE void WaitForCopies() {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#else
  emulated::WaitForCopies(kPending);
#endif
}

// --- Matrix instructions of sm_80 ---

// Four 8 x 8 matrices of 16-bit elements, whose rows of 16 bytes lie where lanes 8 i .. 8 i + 7
// say for matrix i. Register i of a lane gets elements (lane / 4, 2 (lane % 4) + {0, 1}) of matrix
// i; of its transpose, where asked for.
template <bool kTranspose>
ERGO_DEVICE void LoadMatrices(uint32_t (&to)[4], const void* row) {
#if defined(__CUDACC__)
  const auto from = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  if constexpr (kTranspose) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(from)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(from)
                 : "memory");
  }
#else
  const uint16_t* rows[kWarp];
  emulated::Exchange(&row, rows, sizeof(row));
  const uint32_t lane = Thread() % kWarp, i = lane / 4, j = lane % 4 * 2;
  for (uint32_t matrix = 0; matrix < 4; ++matrix) {
    const uint16_t* const* at = rows + matrix * 8;
    const uint32_t low = kTranspose ? at[j][i] : at[i][j];
    const uint32_t high = kTranspose ? at[j + 1][i] : at[i][j + 1];
    to[matrix] = low | high << 16;
  }
#endif
}

// d += a x b: a is 16 x 16, b 16 x 8, both of T, d 16 x 8 of float. Of lane l, with r = l / 4 and
// c = 2 (l % 4): a has rows r, r + 8, r, r + 8 at columns c, c, c + 8, c + 8 (each and its right
// neighbour); b rows c and c + 8 (each and the one below) of column r; d rows r and r + 8 at
// columns c and c + 1.
template <typename T>
ERGO_DEVICE void MultiplyAdd16x8x16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if defined(__CUDACC__)
  if constexpr (T::kIsHalf) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
#else
  struct Fragments {
    uint32_t a[4], b[2];
  } mine, all[kWarp];
  std::memcpy(mine.a, a, sizeof(a));
  std::memcpy(mine.b, b, sizeof(b));
  emulated::Exchange(&mine, all, sizeof(mine));
  const auto element = [](uint32_t bits, uint32_t high) {
    return ToFloat(T{static_cast<uint16_t>(high != 0 ? bits >> 16 : bits)});
  };
  const uint32_t lane = Thread() % kWarp;
  for (uint32_t out = 0; out < 4; ++out) {
    const uint32_t row = lane / 4 + out / 2 * 8, column = lane % 4 * 2 + out % 2;
    for (uint32_t k = 0; k < 16; ++k) {
      const Fragments& of_a = all[row % 8 * 4 + k % 8 / 2];
      const Fragments& of_b = all[column * 4 + k % 8 / 2];
      d[out] += element(of_a.a[row / 8 + k / 8 * 2], k % 2) * element(of_b.b[k / 8], k % 2);
    }
  }
#endif
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_CUDA_SIMT_H_
