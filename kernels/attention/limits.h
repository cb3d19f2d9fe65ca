// Limits of the attention family.
#ifndef ERGO_KERNELS_ATTENTION_LIMITS_H_
#define ERGO_KERNELS_ATTENTION_LIMITS_H_

#include <cstdint>

namespace ergo {

// Queries of one head, and keys, that the SIMD variant works on at a time: the scores of a tile,
// its queries and results, and the values of a block of keys stay in the second-level cache.
inline constexpr int64_t kAttentionTileRows = 128;
inline constexpr int64_t kAttentionBlockKeys = 64;
// Floats from one key's scores to the next one's: an odd number of cache lines, so that a column of
// them does not fall into few sets of the first-level cache.
inline constexpr int64_t kAttentionTileStride = kAttentionTileRows + 16;
// No more queries than these go one by one instead, with the head in vectors: most of a tile would
// be empty.
inline constexpr int64_t kAttentionFewRows = 4;
// Heads wider than this go to the reference.
inline constexpr int64_t kMaxAttentionHead = 1024;

}  // namespace ergo

#endif  // ERGO_KERNELS_ATTENTION_LIMITS_H_
