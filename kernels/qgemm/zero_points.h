// Zero points of an operand of an integer product: none, one for all, or one a row or column.
#ifndef ERGO_KERNELS_QGEMM_ZERO_POINTS_H_
#define ERGO_KERNELS_QGEMM_ZERO_POINTS_H_

#include "kernels/qgemm/qgemm.h"

namespace ergo {

// Signed or unsigned bytes as numbers. Thread safety: a value.
class ZeroPoints {
 public:
  // Of the operand whose zero points are input `input`.
  ZeroPoints(const KernelArgs& args, size_t input, ZeroPoint kind, DType dtype)
      : data_(kind == ZeroPoint::kNone ? nullptr
                                       : static_cast<const uint8_t*>(args.inputs[input].data)),
        vector_(kind == ZeroPoint::kVector),
        sign_flip_(dtype == DType::kI8 ? uint8_t{0x80} : uint8_t{0}) {}

  int32_t At(size_t index) const {
    if (data_ == nullptr) return 0;
    const uint8_t value = data_[vector_ ? index : 0];
    return (value ^ sign_flip_) - sign_flip_;
  }

 private:
  const uint8_t* data_;
  bool vector_;
  uint8_t sign_flip_;
};

}  // namespace ergo

#endif  // ERGO_KERNELS_QGEMM_ZERO_POINTS_H_
