#include "server/schedule/placement.h"

namespace ergo {

uint64_t Placement::KeyOf(int model, std::span<const TensorView> inputs) {
  // The finalizer of SplitMix64 over all numbers.
  const auto mix = [](uint64_t hash, uint64_t value) {
    hash += value + 0x9e3779b97f4a7c15;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
    return hash ^ (hash >> 31);
  };
  uint64_t hash = mix(0, static_cast<uint64_t>(model));
  for (const TensorView& input : inputs) {
    hash = mix(hash, static_cast<uint64_t>(input.shape.Rank()));
    for (int64_t dim : input.shape.Dims()) hash = mix(hash, static_cast<uint64_t>(dim));
  }
  return hash;
}

Place Placement::Choose(uint64_t key) const {
  const std::optional<int64_t> expected_ns = ExpectedNs(key);
  return expected_ns && *expected_ns < inline_compute_ns_ ? Place::kInline : Place::kWorker;
}

void Placement::Record(uint64_t key, int64_t compute_ns) {
  constexpr int64_t kWeight = 8;
  if (mean_ns_.size() >= kMaxEntries && !mean_ns_.contains(key)) mean_ns_.clear();
  const auto [entry, first] = mean_ns_.emplace(key, compute_ns);
  if (!first) entry->second += (compute_ns - entry->second) / kWeight;
}

std::optional<int64_t> Placement::ExpectedNs(uint64_t key) const {
  const auto entry = mean_ns_.find(key);
  if (entry == mean_ns_.end()) return std::nullopt;
  return entry->second;
}

}  // namespace ergo
