// PackCache: weights in the layout that a kernel wants, packed once and shared by every Plan of a
// model (one Plan a shape, all with the same weights).
//
// Thread safety: all members may be called concurrently; a miss packs under the lock, since two
// plans that need the same weights should not both pack them.
#ifndef ERGO_KERNELS_BASE_PACK_CACHE_H_
#define ERGO_KERNELS_BASE_PACK_CACHE_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "kernels/base/aligned_buffer.h"
#include "kernels/base/parallel_for.h"

namespace ergo {

// Shared by the kernels that were made from the same weights: the last Plan that goes frees it.
using PackedWeights = std::shared_ptr<const AlignedBuffer>;

class PackCache {
 public:
  // The packed form of the weights at `source`, made by `pack` (which fills a buffer of `bytes`) if
  // it is not there yet. `format` names everything that the packed bytes depend on besides the
  // source: kernel, tile sizes, shape, transposition, SIMD width ("gemm_simd/k256n64/nr16").
  // `source` must stay alive and unchanged as long as the cache.
  PackedWeights GetOrPack(const void* source, std::string format, size_t bytes,
                          FunctionRef<void(AlignedBuffer& packed)> pack);

  size_t TotalBytes() const;  // of what is still in use

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<const void*, std::string>, std::weak_ptr<const AlignedBuffer>> entries_;
};

// What kernels call: through the cache where there is one, else memory of the caller's own.
PackedWeights PackWeights(PackCache* cache, const void* source, std::string format, size_t bytes,
                          FunctionRef<void(AlignedBuffer& packed)> pack);

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_PACK_CACHE_H_
