// SlotTable: objects with stable addresses under ids that are never reused: the low half of an id
// is the slot, the high half counts how often it was taken.
// Thread safety: none.
#ifndef ERGO_SERVER_NET_SLOT_TABLE_H_
#define ERGO_SERVER_NET_SLOT_TABLE_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace ergo {

template <typename T>
class SlotTable {
 public:
  // Generations start at 1, so that no id is 0.
  static uint64_t MakeId(uint32_t slot, uint32_t generation) {
    return uint64_t{generation} << 32 | slot;
  }
  static uint32_t SlotOf(uint64_t id) { return static_cast<uint32_t>(id); }
  static uint32_t GenerationOf(uint64_t id) { return static_cast<uint32_t>(id >> 32); }

  std::pair<uint64_t, T*> Insert(std::unique_ptr<T> value) {
    uint32_t slot = 0;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].value = std::move(value);
    ++size_;
    return {MakeId(slot, ++slots_[slot].generation), slots_[slot].value.get()};
  }

  // Null for ids that are gone.
  T* Find(uint64_t id) const {
    const uint32_t slot = SlotOf(id);
    if (slot >= slots_.size() || slots_[slot].generation != GenerationOf(id)) return nullptr;
    return slots_[slot].value.get();
  }

  void Erase(uint64_t id) {
    if (Find(id) == nullptr) return;
    slots_[SlotOf(id)].value.reset();
    free_.push_back(SlotOf(id));
    --size_;
  }

  size_t Size() const { return size_; }

  // Calls visit(id, T&) for each; visit may erase the one it is given.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
      if (slots_[slot].value) visit(MakeId(slot, slots_[slot].generation), *slots_[slot].value);
    }
  }

 private:
  struct Slot {
    uint32_t generation = 0;
    std::unique_ptr<T> value;
  };
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t size_ = 0;
};

}  // namespace ergo

#endif  // ERGO_SERVER_NET_SLOT_TABLE_H_
