#include "kernels/base/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstring>
#include <string_view>

#include "kernels/base/simd_targets.h"

namespace ergo {
namespace {

std::string Brand() {
#if defined(__x86_64__)
  // The brand string, AMD64 Architecture Programmer's Manual, volume 3, appendix E.
  constexpr unsigned kLeaves[] = {0x80000002, 0x80000003, 0x80000004};
  char text[sizeof(kLeaves) * 4 + 1] = {};
  for (size_t i = 0; i < std::size(kLeaves); ++i) {
    unsigned words[4] = {};
    if (__get_cpuid(kLeaves[i], &words[0], &words[1], &words[2], &words[3]) == 0) return "";
    std::memcpy(text + i * sizeof(words), words, sizeof(words));
  }
  std::string_view brand(text);
  const size_t first = brand.find_first_not_of(' ');
  if (first == std::string_view::npos) return "";
  brand = brand.substr(first, brand.find_last_not_of(' ') - first + 1);
  return std::string(brand) + " ";
#else
  return "";
#endif
}

}  // namespace

std::string ProcessorKind() {
  ChooseSimdTarget();
  return Brand() + ActiveSimdTarget().name;
}

}  // namespace ergo
