#include "tests/emulator/emulator.h"

#include <ucontext.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "kernels/base/aligned_buffer.h"
#include "kernels/cuda/simt.h"

#if defined(__GNUC__) && !defined(__clang__)
// g++ takes swapcontext for a function that returns twice, as setjmp does; it comes back once.
#pragma GCC diagnostic ignored "-Wclobbered"
#endif

namespace ergo::cuda::emulated {
namespace {

constexpr size_t kStackBytes = 128 * 1024;
constexpr size_t kMaxExchangeBytes = 256;

struct PendingCopy {
  void* to;
  const void* from;
  size_t bytes, valid_bytes;
};

struct Fiber {
  enum class State { kReady, kAtBarrier, kInExchange, kDone };
  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack = std::make_unique_for_overwrite<std::byte[]>(kStackBytes);
  Place place{};
  State state = State::kReady;
  uint32_t exchanges = 0;
  std::vector<PendingCopy> uncommitted;
  std::deque<std::vector<PendingCopy>> groups;
};

struct Warp {
  // Of the current exchange and the one before, which slower lanes may still read.
  std::array<std::array<std::byte, kWarp * kMaxExchangeBytes>, 2> values;
};

class Block {
 public:
  Block(uint32_t threads, FunctionRef<void(std::byte*)> body, std::mt19937& random)
      : body_(body), random_(random), fibers_(threads), warps_(threads / kWarp) {
    for (uint32_t i = 0; i < threads; ++i) order_.push_back(i);
  }

  std::string Run(const Place& place, std::byte* shared) {
    shared_ = shared;
    for (uint32_t i = 0; i < fibers_.size(); ++i) {
      Fiber& fiber = fibers_[i];
      fiber.place = place;
      fiber.place.thread = i;
      fiber.state = Fiber::State::kReady;
      fiber.exchanges = 0;
      fiber.uncommitted.clear();
      fiber.groups.clear();
      getcontext(&fiber.context);
      fiber.context.uc_stack.ss_sp = fiber.stack.get();
      fiber.context.uc_stack.ss_size = kStackBytes;
      fiber.context.uc_link = &scheduler_;
      makecontext(&fiber.context, &Block::Enter, 0);
    }
    current_block = this;
    std::string failure;
    while (failure.empty() && RunRound()) failure = Release();
    current_block = nullptr;
    return failure;
  }

  Fiber& Current() { return *current_; }
  Warp& CurrentWarp() { return warps_[current_->place.thread / kWarp]; }

  void Wait(Fiber::State state) {
    Fiber& fiber = *current_;
    fiber.state = state;
    swapcontext(&fiber.context, &scheduler_);
  }

  static thread_local Block* current_block;

 private:
  static void Enter() {
    Block& block = *current_block;
    block.body_(block.shared_);
    block.current_->state = Fiber::State::kDone;
  }

  // Lets every thread that can go on do so; false when there is none.
  bool RunRound() {
    std::ranges::shuffle(order_, random_);
    bool any = false;
    for (const uint32_t i : order_) {
      if (fibers_[i].state != Fiber::State::kReady) continue;
      any = true;
      current_ = &fibers_[i];
      swapcontext(&scheduler_, &current_->context);
    }
    return any;
  }

  size_t Count(size_t begin, size_t end, Fiber::State state) const {
    size_t count = 0;
    for (size_t i = begin; i < end; ++i) count += fibers_[i].state == state ? 1 : 0;
    return count;
  }

  std::string Release() {
    using State = Fiber::State;
    const size_t all = fibers_.size();
    bool released = false;
    for (size_t first = 0; first < all; first += kWarp) {
      if (Count(first, first + kWarp, State::kInExchange) != kWarp) continue;
      for (size_t i = first; i < first + kWarp; ++i) fibers_[i].state = State::kReady;
      released = true;
    }
    if (Count(0, all, State::kAtBarrier) == all) {
      for (Fiber& fiber : fibers_) fiber.state = State::kReady;
      released = true;
    }
    if (released || Count(0, all, State::kDone) == all) return "";
    return "threads wait for others that do not come: " +
           std::to_string(Count(0, all, State::kAtBarrier)) + " at a barrier, " +
           std::to_string(Count(0, all, State::kInExchange)) + " in an exchange, " +
           std::to_string(Count(0, all, State::kDone)) + " have ended";
  }

  FunctionRef<void(std::byte*)> body_;
  std::mt19937& random_;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  std::vector<uint32_t> order_;
  std::byte* shared_ = nullptr;
  Fiber* current_ = nullptr;
  ucontext_t scheduler_{};
};

thread_local Block* Block::current_block = nullptr;

void Perform(const std::vector<PendingCopy>& copies) {
  for (const PendingCopy& copy : copies) {
    std::memset(copy.to, 0, copy.bytes);
    if (copy.valid_bytes > 0) std::memcpy(copy.to, copy.from, copy.valid_bytes);
  }
}

}  // namespace

std::string RunGrid(Extent grid, uint32_t threads, size_t shared_bytes, uint32_t seed,
                    FunctionRef<void(std::byte* shared)> body) {
  if (threads == 0 || threads % kWarp != 0 || threads > 1024) {
    return "a block of " + std::to_string(threads) + " threads";
  }
  std::mt19937 random(seed);
  Block block(threads, body, random);
  for (uint32_t z = 0; z < grid.z; ++z) {
    for (uint32_t y = 0; y < grid.y; ++y) {
      for (uint32_t x = 0; x < grid.x; ++x) {
        AlignedBuffer shared = AlignedBuffer::AllocateOrDie(shared_bytes);
        if (shared_bytes > 0) std::memset(shared.Data(), 0xff, shared_bytes);
        const Place place{0, {x, y, z}, threads, {grid.x, grid.y, grid.z}};
        std::string failure = block.Run(place, shared.Data());
        if (!failure.empty()) return failure;
      }
    }
  }
  return "";
}

const Place& Here() {
  return Block::current_block->Current().place;
}

void SyncThreads() {
  Block::current_block->Wait(Fiber::State::kAtBarrier);
}

void Exchange(const void* mine, void* all, size_t bytes) {
  Block& block = *Block::current_block;
  ERGO_CHECK(bytes <= kMaxExchangeBytes);
  Fiber& fiber = block.Current();
  auto& values = block.CurrentWarp().values[fiber.exchanges++ % 2];
  std::memcpy(values.data() + fiber.place.thread % kWarp * bytes, mine, bytes);
  block.Wait(Fiber::State::kInExchange);
  std::memcpy(all, values.data(), kWarp * bytes);
}

void CopyLater(void* to, const void* from, size_t bytes, size_t valid_bytes) {
  Block::current_block->Current().uncommitted.push_back({to, from, bytes, valid_bytes});
}

void CommitCopies() {
  Fiber& fiber = Block::current_block->Current();
  fiber.groups.push_back(std::move(fiber.uncommitted));
  fiber.uncommitted.clear();
}

void WaitForCopies(int pending_groups) {
  Fiber& fiber = Block::current_block->Current();
  while (fiber.groups.size() > static_cast<size_t>(pending_groups)) {
    Perform(fiber.groups.front());
    fiber.groups.pop_front();
  }
}

}  // namespace ergo::cuda::emulated
