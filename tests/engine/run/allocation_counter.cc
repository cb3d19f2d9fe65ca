// Replaces the global operator new. In a file of its own, so that the compiler does not see through
// it and complain about the pairs it finds.
#include "tests/engine/run/allocation_counter.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<int64_t> allocations{0};

void* Allocate(size_t bytes, size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
}

}  // namespace

namespace ergo::testing {

int64_t AllocationCount() {
  return allocations.load();
}

}  // namespace ergo::testing

void* operator new(size_t bytes) {
  if (void* data = Allocate(bytes, alignof(std::max_align_t))) return data;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  if (void* data = Allocate(bytes, static_cast<size_t>(alignment))) return data;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* data) noexcept {
  std::free(data);
}
void operator delete(void* data, size_t) noexcept {
  std::free(data);
}
void operator delete(void* data, std::align_val_t) noexcept {
  std::free(data);
}
void operator delete(void* data, size_t, std::align_val_t) noexcept {
  std::free(data);
}
