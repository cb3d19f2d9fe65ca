// Device code of strided copies and gathers: one thread an element.
#ifndef ERGO_KERNELS_MOVE_MOVE_DEVICE_H_
#define ERGO_KERNELS_MOVE_MOVE_DEVICE_H_

#include "kernels/cuda/kernel_entry.h"
#include "kernels/move/move_cuda.h"

namespace ergo::cuda {

struct alignas(16) Unit16 {
  uint64_t parts[2];
};

template <typename Unit>
ERGO_DEVICE void MoveAs(void* to, uint32_t to_index, const void* from, int64_t from_index) {
  static_cast<Unit*>(to)[to_index] =
      from_index < 0 ? Unit{} : static_cast<const Unit*>(from)[from_index];
}

// Zero where from_index is negative.
ERGO_DEVICE void MoveUnit(uint32_t unit_bytes, void* to, uint32_t to_index, const void* from,
                          int64_t from_index) {
  switch (unit_bytes) {
    case 1: return MoveAs<uint8_t>(to, to_index, from, from_index);
    case 2: return MoveAs<uint16_t>(to, to_index, from, from_index);
    case 4: return MoveAs<uint32_t>(to, to_index, from, from_index);
    case 8: return MoveAs<uint64_t>(to, to_index, from, from_index);
    default: return MoveAs<Unit16>(to, to_index, from, from_index);
  }
}

ERGO_DEVICE void RunCopy(const CopyParameter& p, std::byte*) {
  const uint32_t index = BlockX() * kMoveThreads + Thread();
  if (index >= p.elements) return;
  MoveUnit(p.unit_bytes, p.to, static_cast<uint32_t>(OffsetOf(p.axes, p.to_strides, index)),
           static_cast<const std::byte*>(p.from) +
               int64_t{OffsetOf(p.axes, p.from_strides, index)} * p.unit_bytes,
           0);
}

ERGO_DEVICE void RunGather(const GatherParameter& p, std::byte*) {
  const uint32_t index = BlockX() * kMoveThreads + Thread();
  if (index >= p.elements) return;
  const uint32_t row = p.run.Quotient(index);
  const uint32_t at = index - row * p.run.divisor;
  const uint32_t outer = p.count.Quotient(row);
  const uint32_t which = row - outer * p.count.divisor;
  int64_t chosen = p.wide_indices ? static_cast<const int64_t*>(p.indices)[which]
                                  : static_cast<const int32_t*>(p.indices)[which];
  const int64_t dim = p.dim;
  if (chosen < 0) chosen += dim;
  const bool inside = chosen >= 0 && chosen < dim;
  MoveUnit(p.unit_bytes, p.to, index, p.from,
           inside ? (outer * dim + chosen) * p.run.divisor + at : -1);
}

}  // namespace ergo::cuda

#endif  // ERGO_KERNELS_MOVE_MOVE_DEVICE_H_
