// DeadlineQueue: first in, first out, with a bound, and deadlines looked at when an entry comes
// out: whoever waited too long is told so instead of being computed in vain.
//
// Pure: time comes in as a parameter. Thread safety: none.
#ifndef ERGO_SERVER_SCHEDULE_DEADLINE_QUEUE_H_
#define ERGO_SERVER_SCHEDULE_DEADLINE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace ergo {

// No deadline.
inline constexpr int64_t kNoDeadline = INT64_MAX;

// The moment at which a relative deadline, as the protocol carries it, is over. 0: none. Deadlines
// beyond the range of the clock are none.
inline int64_t DeadlineNs(int64_t received_ns, uint64_t deadline_us) {
  constexpr uint64_t kNsPerMicrosecond = 1000;
  const auto left = static_cast<uint64_t>(INT64_MAX - received_ns);
  if (deadline_us == 0 || deadline_us > left / kNsPerMicrosecond) return kNoDeadline;
  return received_ns + static_cast<int64_t>(deadline_us * kNsPerMicrosecond);
}

template <typename Item>
class DeadlineQueue {
 public:
  explicit DeadlineQueue(size_t max_items) : max_items_(max_items) {}

  // Gives `item` back when the queue is full.
  [[nodiscard]] std::optional<Item> Push(Item item, int64_t deadline_ns) {
    if (items_.size() >= max_items_) return item;
    items_.push_back({std::move(item), deadline_ns});
    return std::nullopt;
  }

  struct Popped {
    Item item;
    bool expired;  // its deadline is over: answer, do not compute
  };
  std::optional<Popped> Pop(int64_t now_ns) {
    if (items_.empty()) return std::nullopt;
    Popped popped{std::move(items_.front().item), items_.front().deadline_ns <= now_ns};
    items_.pop_front();
    return popped;
  }

  size_t Size() const { return items_.size(); }
  bool Empty() const { return items_.empty(); }

 private:
  struct Entry {
    Item item;
    int64_t deadline_ns;
  };
  size_t max_items_;
  std::deque<Entry> items_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_SCHEDULE_DEADLINE_QUEUE_H_
