// The report of a conversion as one self-contained page: a picture of the graph, what each node
// takes and how far it is off, and what was done to the graph. It loads nothing from anywhere.
//
// All data is one JSON block within the page. Names come from model files and are hostile until
// shown otherwise: the block is escaped so that nothing in it can end it, and the page puts text
// into the document as text only.
#ifndef ERGO_TOOLS_ERGO_HTML_REPORT_H_
#define ERGO_TOOLS_ERGO_HTML_REPORT_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/graph/graph.h"
#include "tools/ergo/compare.h"
#include "tools/ergo/node_profile.h"
#include "tools/ergo/report.h"

namespace ergo::tool {

struct HtmlReport {
  std::string input, output;  // the model's files
  std::string precision;
  int nodes_before = 0;
  int64_t bytes_before = 0, bytes_after = 0;
  const Graph* graph = nullptr;                       // as it was written
  const ModelProfile* profile = nullptr;              // of that
  std::string inputs;                                 // what it was measured on: "x f32[2, 8]"
  std::span<const std::optional<Comparison>> errors;  // of the nodes, against the reference kernels
  Json passes = Json::array();                        // [{"pass", "changes", "description"}]
  Json check;  // of the outputs; null where nothing was verified
};

// The page.
std::string RenderHtmlReport(const HtmlReport& report);

// JSON that may stand within a script element: no '<', '>' or '&', and no line ends that old
// readers of JavaScript would choke on.
std::string ScriptSafeJson(const Json& document);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_HTML_REPORT_H_
