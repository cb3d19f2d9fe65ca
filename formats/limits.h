// Limits on what a file may ask for, kept by every reader before it allocates.
#ifndef ERGO_FORMATS_LIMITS_H_
#define ERGO_FORMATS_LIMITS_H_

#include <cstdint>

namespace ergo {

inline constexpr int64_t kMaxModelFileBytes = int64_t{1} << 37;   // .onnx, .ergo and external data
inline constexpr int64_t kMaxErgoHeaderBytes = int64_t{1} << 30;  // graph without weights
inline constexpr int64_t kMaxTensorFileBytes = int64_t{1} << 36;  // .pb, .npy

}  // namespace ergo

#endif  // ERGO_FORMATS_LIMITS_H_
