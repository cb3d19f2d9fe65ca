// Counts every allocation of the process: what a Session promises not to do while it runs.
#ifndef ERGO_TESTS_ENGINE_RUN_ALLOCATION_COUNTER_H_
#define ERGO_TESTS_ENGINE_RUN_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace ergo::testing {

// Calls of operator new, in all its forms, since the process began.
int64_t AllocationCount();

}  // namespace ergo::testing

#endif  // ERGO_TESTS_ENGINE_RUN_ALLOCATION_COUNTER_H_
