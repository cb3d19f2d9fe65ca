#include "kernels/base/pack_cache.h"

namespace ergo {

PackedWeights PackCache::GetOrPack(const void* source, std::string format, size_t bytes,
                                   FunctionRef<void(AlignedBuffer& packed)> pack) {
  std::lock_guard lock(mutex_);
  auto& entry = entries_[{source, std::move(format)}];
  if (PackedWeights found = entry.lock()) return found;
  auto packed = std::make_shared<AlignedBuffer>(AlignedBuffer::AllocateOrDie(bytes));
  pack(*packed);
  entry = packed;
  return packed;
}

size_t PackCache::TotalBytes() const {
  std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [key, weak] : entries_) {
    if (const PackedWeights packed = weak.lock()) total += packed->Size();
  }
  return total;
}

PackedWeights PackWeights(PackCache* cache, const void* source, std::string format, size_t bytes,
                          FunctionRef<void(AlignedBuffer& packed)> pack) {
  if (cache != nullptr) return cache->GetOrPack(source, std::move(format), bytes, pack);
  auto packed = std::make_shared<AlignedBuffer>(AlignedBuffer::AllocateOrDie(bytes));
  pack(*packed);
  return packed;
}

}  // namespace ergo
