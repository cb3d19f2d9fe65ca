#include "tools/ergo/unsupported_report.h"

#include <map>
#include <utility>

#include "tools/ergo/table.h"

namespace ergo::tool {

Json UnsupportedJson(std::span<const UnsupportedNode> nodes) {
  Json list = Json::array();
  for (const UnsupportedNode& node : nodes) {
    list.push_back(
        {{"node", node.node}, {"op", node.op}, {"opset", node.opset}, {"reason", node.reason}});
  }
  return list;
}

std::string UnsupportedText(std::span<const UnsupportedNode> nodes) {
  Table table("  ");
  table.Column("node");
  table.Column("operator");
  table.Column("opset", Table::Align::kRight);
  table.Column("reason");
  std::map<std::string, int> counts;
  for (const UnsupportedNode& node : nodes) {
    ++counts[node.op];
    table.Row({node.node, node.op, std::to_string(node.opset), node.reason});
  }
  std::string operators;
  for (const auto& [op, count] : counts) {
    operators += fmt::format("{}{} {}", operators.empty() ? "" : ", ", count, Printable(op));
  }
  return fmt::format("{}{} operators: {}\n", table.ToString(), counts.size(), operators);
}

}  // namespace ergo::tool
