// Every node of a model that cannot run, told at once.
#ifndef ERGO_TOOLS_ERGO_UNSUPPORTED_REPORT_H_
#define ERGO_TOOLS_ERGO_UNSUPPORTED_REPORT_H_

#include <span>
#include <string>

#include "engine/plan/plan.h"
#include "tools/ergo/report.h"

namespace ergo::tool {

// [{"node": ..., "op": ..., "opset": ..., "reason": ...}]
Json UnsupportedJson(std::span<const UnsupportedNode> nodes);
// A table, and how many nodes of each operator there are.
std::string UnsupportedText(std::span<const UnsupportedNode> nodes);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_UNSUPPORTED_REPORT_H_
