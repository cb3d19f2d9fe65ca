// Lists of processors as taskset and the kernel write them.
#ifndef ERGO_TOOLS_ERGO_CPU_LIST_H_
#define ERGO_TOOLS_ERGO_CPU_LIST_H_

#include <string_view>
#include <vector>

#include "kernels/base/status.h"

namespace ergo::tool {

// "0,2-3" -> 0, 2, 3. InvalidArgument for anything else, and for a processor that this process may
// not use.
Result<std::vector<int>> ParseCpuList(std::string_view text);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_CPU_LIST_H_
