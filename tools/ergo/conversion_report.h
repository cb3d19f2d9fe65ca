// `ergo convert --report`: measures the converted model, compares its nodes with the reference, and
// writes the page (html_report.h).
#ifndef ERGO_TOOLS_ERGO_CONVERSION_REPORT_H_
#define ERGO_TOOLS_ERGO_CONVERSION_REPORT_H_

#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/passes/passes.h"
#include "engine/run/model.h"
#include "tools/ergo/output_check.h"
#include "tools/ergo/progress.h"
#include "tools/ergo/report.h"

namespace ergo::tool {

// What the conversion knows already.
struct ConversionFacts {
  std::string input, output;  // the files, both written
  std::string precision;
  int nodes_before = 0;
  std::vector<PassReport> passes;
  Json check;                  // null where nothing was verified
  std::vector<Tensor> inputs;  // to run on; empty: random ones
};

// `original`: the graph as it was read, which runs on the reference kernels.
Status WriteConversionReport(const std::string& path, const Graph& graph, const Graph& original,
                             const ConversionFacts& facts, const ModelOptions& options,
                             const CheckFlags& flags, Progress& progress);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_CONVERSION_REPORT_H_
