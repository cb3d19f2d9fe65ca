// Runs device code (kernels/FAMILY/FAMILY_device.h) on the host: each thread of a block is a fiber,
// which runs until it meets the others at a barrier or its warp in an exchange, in an order that is
// drawn anew each time. So what a test sees is what the code computes, thread by thread, and a
// barrier that is missing shows as a result that depends on the seed. Under ASan, accesses outside
// of the block's shared memory and of operands are found as well.
//
// Shared memory begins as NaN. A barrier or exchange that not all threads meet is reported as a
// failure of the test.
//
// Thread safety: one launch a thread.
#ifndef ERGO_TESTS_EMULATOR_EMULATOR_H_
#define ERGO_TESTS_EMULATOR_EMULATOR_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/base/parallel_for.h"
#include "kernels/cuda/driver.h"

namespace ergo::cuda::emulated {

// Calls body(shared) as every thread of every block. Returns "" or what went wrong.
std::string RunGrid(Extent grid, uint32_t threads, size_t shared_bytes, uint32_t seed,
                    FunctionRef<void(std::byte* shared)> body);

}  // namespace ergo::cuda::emulated

#endif  // ERGO_TESTS_EMULATOR_EMULATOR_H_
