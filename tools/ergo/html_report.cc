#include "tools/ergo/html_report.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tools/ergo/graph_layout.h"
#include "tools/ergo/report_page.h"

namespace ergo::tool {
namespace {

// About what the page's fonts need; the page shortens what is longer.
constexpr double kCharacterWidth = 7.8, kBoxPadding = 20, kMinBoxWidth = 92, kMaxBoxWidth = 200;
constexpr size_t kMaxSamples = 40;

std::string OpName(const Node& node) {
  return node.domain.empty() ? node.op : fmt::format("{}.{}", node.domain, node.op);
}

double BoxWidth(std::string_view text) {
  const double wanted = kCharacterWidth * static_cast<double>(text.size()) + kBoxPadding;
  return std::clamp(wanted, kMinBoxWidth, kMaxBoxWidth);
}

double Rounded(double value) {
  return std::round(value * 10) / 10;
}

// The picture: inputs of the graph, its nodes, its outputs, and who feeds whom.
class Picture {
 public:
  explicit Picture(const Graph& graph) : graph_(graph) {
    source_of_.assign(static_cast<size_t>(graph.ValueCount()), kNone);
    for (const ValueId id : graph.inputs) {
      source_of_[static_cast<size_t>(id)] = AddBox("input", graph.GetValue(id).name);
    }
    first_node_ = boxes_.size();
    for (const Node& node : graph.Nodes()) AddNode(node);
    for (const ValueId id : graph.outputs) {
      const size_t box = AddBox("output", graph.GetValue(id).name);
      AddEdge(id, box);
    }
  }

  Json ToJson() const {
    const Layout layout = LayOutGraph(widths_, edges_);
    Json boxes = Json::array(), edges = Json::array();
    for (size_t i = 0; i < boxes_.size(); ++i) {
      const Point& at = layout.nodes[i];
      Json box = {{"kind", boxes_[i].kind},
                  {"text", boxes_[i].text},
                  {"x", Rounded(at.x)},
                  {"y", Rounded(at.y)},
                  {"w", Rounded(widths_[i])}};
      if (boxes_[i].kind == "node") box["node"] = i - first_node_;
      boxes.push_back(std::move(box));
    }
    for (size_t i = 0; i < edges_.size(); ++i) {
      Json bends = Json::array();
      for (const Point& bend : layout.edges[i]) {
        bends.push_back(Rounded(bend.x));
        bends.push_back(Rounded(bend.y));
      }
      edges.push_back({{"from", edges_[i].from},
                       {"to", edges_[i].to},
                       {"value", edge_names_[i]},
                       {"bends", std::move(bends)}});
    }
    return {{"width", Rounded(layout.width)},
            {"height", Rounded(layout.height)},
            {"boxes", std::move(boxes)},
            {"edges", std::move(edges)}};
  }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  struct Box {
    std::string kind, text;
  };

  size_t AddBox(std::string kind, std::string text) {
    widths_.push_back(BoxWidth(text));
    boxes_.push_back({std::move(kind), std::move(text)});
    return boxes_.size() - 1;
  }

  void AddEdge(ValueId id, size_t box) {
    if (id == kNoValue || source_of_[static_cast<size_t>(id)] == kNone) return;
    edges_.push_back({source_of_[static_cast<size_t>(id)], box});
    edge_names_.push_back(graph_.GetValue(id).name);
  }

  void AddNode(const Node& node) {
    const size_t box = AddBox("node", OpName(node));
    for (const ValueId id : node.inputs) AddEdge(id, box);
    for (const Subgraph& subgraph : node.subgraphs) {
      for (const ValueId id : subgraph.captures) AddEdge(id, box);
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) source_of_[static_cast<size_t>(id)] = box;
    }
  }

  const Graph& graph_;
  std::vector<Box> boxes_;
  std::vector<double> widths_;
  std::vector<LayoutEdge> edges_;
  std::vector<std::string> edge_names_;
  std::vector<size_t> source_of_;  // the box that a value comes from
  size_t first_node_ = 0;
};

Json ErrorJson(const std::optional<Comparison>& error) {
  if (!error) return nullptr;
  if (!error->problem.empty()) return {{"problem", error->problem}};
  return {{"max_abs", error->max_abs}, {"max_rel", error->max_rel}, {"cosine", error->cosine}};
}

int CountNodes(const Graph& graph) {
  int count = graph.NodeCount();
  for (const Node& node : graph.Nodes()) {
    for (const Subgraph& subgraph : node.subgraphs) count += CountNodes(*subgraph.graph);
  }
  return count;
}

Json NodesJson(const HtmlReport& report) {
  Json nodes = Json::array();
  for (size_t i = 0; i < report.profile->nodes.size(); ++i) {
    const Node& node = report.graph->Nodes()[i];
    const NodeProfile& profile = report.profile->nodes[i];
    const size_t shown = std::min(profile.samples_us.size(), kMaxSamples);
    Json samples = Json::array();
    for (size_t k = 0; k < shown; ++k)
      samples.push_back(Rounded(profile.samples_us[k] * 100) / 100);
    Json entry = {{"name", node.name},
                  {"op", OpName(node)},
                  {"kernels", profile.kernels},
                  {"output", profile.output},
                  {"us", profile.MedianUs()},
                  {"samples", std::move(samples)},
                  {"flops", profile.flops},
                  {"bytes", profile.bytes},
                  {"weight_bytes", profile.weight_bytes},
                  {"weight_dtype", profile.weight_dtype}};
    if (i < report.errors.size()) entry["error"] = ErrorJson(report.errors[i]);
    nodes.push_back(std::move(entry));
  }
  return nodes;
}

}  // namespace

std::string ScriptSafeJson(const Json& document) {
  std::string text;
  for (const char c : document.dump(-1, ' ', true, Json::error_handler_t::replace)) {
    const bool unsafe = c == '<' || c == '>' || c == '&';
    text += unsafe ? fmt::format("\\u{:04x}", static_cast<unsigned>(c)) : std::string(1, c);
  }
  return text;
}

std::string RenderHtmlReport(const HtmlReport& report) {
  const ModelProfile& profile = *report.profile;
  Json metadata = Json::object();
  for (const auto& [key, value] : report.graph->metadata) metadata[key] = value;
  const Json document = {{"input", report.input},
                         {"output", report.output},
                         {"precision", report.precision},
                         {"nodes_before", report.nodes_before},
                         {"nodes_after", CountNodes(*report.graph)},
                         {"bytes_before", report.bytes_before},
                         {"bytes_after", report.bytes_after},
                         {"measured_on", report.inputs},
                         {"us", profile.MedianUs()},
                         {"runs_us", profile.runs_us},
                         {"flops", profile.flops},
                         {"arena_bytes", profile.arena_bytes},
                         {"packed_bytes", profile.packed_bytes},
                         {"energy", JoulesJson(profile.joules)},
                         {"meter", profile.meter},
                         {"metadata", std::move(metadata)},
                         {"passes", report.passes},
                         {"check", report.check},
                         {"nodes", NodesJson(report)},
                         {"picture", Picture(*report.graph).ToJson()}};
  std::string page(kReportPage);
  const size_t place = page.find(kReportDataPlace);
  ERGO_CHECK(place != std::string::npos);
  return page.replace(place, kReportDataPlace.size(), ScriptSafeJson(document));
}

}  // namespace ergo::tool
