// Placement: where a request runs. What is quickly computed runs on the ring's thread, since
// handing it to a worker and back would cost more than it takes; the rest goes to workers, so that
// no other connection waits for it. Decided by what runs of the same model and shapes took before;
// what was never measured goes to a worker.
//
// Pure. Thread safety: none; each ring thread has its own.
#ifndef ERGO_SERVER_SCHEDULE_PLACEMENT_H_
#define ERGO_SERVER_SCHEDULE_PLACEMENT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "kernels/base/tensor_view.h"

namespace ergo {

enum class Place : uint8_t { kInline, kWorker };

class Placement {
 public:
  // 0: nothing runs inline.
  explicit Placement(int64_t inline_compute_ns) : inline_compute_ns_(inline_compute_ns) {}

  // Identifies a model with input shapes. Two that share a key share an estimate, no more.
  static uint64_t KeyOf(int model, std::span<const TensorView> inputs);

  Place Choose(uint64_t key) const;
  // A run took so long. The estimate follows with an exponentially weighted mean; a single slow run
  // (a page fault, a descheduled thread) does not move a model to the workers.
  void Record(uint64_t key, int64_t compute_ns);
  // Mean of what was recorded; nullopt before that.
  std::optional<int64_t> ExpectedNs(uint64_t key) const;

 private:
  // Bounds the memory that clients can take by asking with ever new shapes.
  static constexpr size_t kMaxEntries = 4096;

  int64_t inline_compute_ns_;
  std::unordered_map<uint64_t, int64_t> mean_ns_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_SCHEDULE_PLACEMENT_H_
