// Numbers smaller than the smallest normal one (2^-126 in float32) take a processor a hundred times
// as long, and no model means them: while a plan runs they count as zero, in operands and results.
//
// Thread safety: a matter of the calling thread alone.
#ifndef ERGO_ENGINE_RUN_FLUSH_DENORMALS_H_
#define ERGO_ENGINE_RUN_FLUSH_DENORMALS_H_

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace ergo {

// From construction to destruction; then the caller's own setting holds again.
class FlushDenormals {
 public:
  FlushDenormals() : before_(Get()) { Set(before_ | kFlush); }
  ~FlushDenormals() { Set(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__x86_64__)
  static constexpr uint64_t kFlush = 0x8040;  // FTZ and DAZ of MXCSR
  static uint64_t Get() {
    return _mm_getcsr();
  }
  static void Set(uint64_t value) {
    _mm_setcsr(static_cast<uint32_t>(value));
  }
#elif defined(__aarch64__)
  static constexpr uint64_t kFlush = uint64_t{1} << 24;  // FZ of FPCR
  static uint64_t Get() {
    uint64_t value;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void Set(uint64_t value) {
    asm volatile("msr fpcr, %0" : : "r"(value));
  }
#else
  static constexpr uint64_t kFlush = 0;
  static uint64_t Get() {
    return 0;
  }
  static void Set(uint64_t) {}
#endif

  uint64_t before_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_RUN_FLUSH_DENORMALS_H_
