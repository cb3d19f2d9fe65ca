// Every device function of every family, as the emulator finds them: by name.
//
// Thread safety: a constant table.
#ifndef ERGO_TESTS_EMULATOR_EMULATED_KERNELS_H_
#define ERGO_TESTS_EMULATOR_EMULATED_KERNELS_H_

#include <cstddef>
#include <span>
#include <string_view>

namespace ergo::cuda::emulated {

struct EmulatedKernel {
  std::string_view family, name;
  uint32_t threads;  // the most of a block
  size_t parameter_bytes;
  void (*run)(const void* parameter, std::byte* shared);
};

std::span<const EmulatedKernel> EmulatedKernels();

}  // namespace ergo::cuda::emulated

#endif  // ERGO_TESTS_EMULATOR_EMULATED_KERNELS_H_
