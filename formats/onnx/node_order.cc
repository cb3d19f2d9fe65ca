#include "formats/onnx/node_order.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace ergo::onnx {
namespace {

void AppendUses(const NodeProto& node, std::vector<std::string_view>& uses);

// Names that `graph` uses without defining them.
void AppendFreeNames(const GraphProto& graph, std::vector<std::string_view>& free) {
  std::unordered_set<std::string_view> defined;
  for (const ValueInfoProto& input : graph.input()) defined.insert(input.name());
  for (const TensorProto& initializer : graph.initializer()) defined.insert(initializer.name());
  std::vector<std::string_view> uses;
  for (const NodeProto& node : graph.node()) {
    for (const std::string& output : node.output()) defined.insert(output);
    AppendUses(node, uses);
  }
  for (const ValueInfoProto& output : graph.output()) uses.push_back(output.name());
  std::ranges::copy_if(uses, std::back_inserter(free),
                       [&](std::string_view name) { return !defined.contains(name); });
}

void AppendUses(const NodeProto& node, std::vector<std::string_view>& uses) {
  for (const std::string& input : node.input()) uses.push_back(input);
  for (const AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) AppendFreeNames(attribute.g(), uses);
  }
}

using Producers = std::unordered_map<std::string_view, int>;

Result<Producers> FindProducers(const NodeList& nodes) {
  Producers producers;
  for (int i = 0; i < nodes.size(); ++i) {
    for (const std::string& output : nodes[i].output()) {
      if (output.empty()) continue;
      const auto [first, inserted] = producers.emplace(output, i);
      if (!inserted) {
        return InvalidArgument("'{}' is computed twice, by {} and {}", output,
                               NodeLabel(first->second, nodes[first->second]),
                               NodeLabel(i, nodes[i]));
      }
    }
  }
  return producers;
}

// Of the nodes that wait for another, one that waits, through others, for itself.
int NodeOnCycle(const std::vector<std::vector<int>>& sources, const std::vector<bool>& done) {
  std::vector<bool> seen(done.size(), false);
  auto node = static_cast<size_t>(std::ranges::find(done, false) - done.begin());
  while (!seen[node]) {
    seen[node] = true;
    node = static_cast<size_t>(*std::ranges::find_if(
        sources[node], [&](int source) { return !done[static_cast<size_t>(source)]; }));
  }
  return static_cast<int>(node);
}

}  // namespace

std::string NodeLabel(int index, const NodeProto& node) {
  return fmt::format("node[{}] {}{}{} '{}'", index, node.domain(), node.domain().empty() ? "" : ".",
                     node.op_type(), node.name());
}

Result<std::vector<int>> TopologicalOrder(const NodeList& nodes) {
  ERGO_ASSIGN_OR_RETURN(const Producers producers, FindProducers(nodes));
  const auto count = static_cast<size_t>(nodes.size());
  std::vector<std::vector<int>> sources(count), users(count);
  std::vector<std::string_view> uses;
  for (size_t i = 0; i < count; ++i) {
    uses.clear();
    AppendUses(nodes[static_cast<int>(i)], uses);
    for (const std::string_view use : uses) {
      const auto producer = producers.find(use);
      if (producer != producers.end()) sources[i].push_back(producer->second);
    }
    std::ranges::sort(sources[i]);
    sources[i].erase(std::unique(sources[i].begin(), sources[i].end()), sources[i].end());
    for (const int source : sources[i]) {
      users[static_cast<size_t>(source)].push_back(static_cast<int>(i));
    }
  }

  // Kahn's algorithm; the heap takes the earliest node in the file of those that are ready.
  std::vector<size_t> missing(count);
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (size_t i = 0; i < count; ++i) {
    missing[i] = sources[i].size();
    if (missing[i] == 0) ready.push(static_cast<int>(i));
  }
  std::vector<int> order;
  std::vector<bool> done(count, false);
  while (!ready.empty()) {
    const int node = ready.top();
    ready.pop();
    order.push_back(node);
    done[static_cast<size_t>(node)] = true;
    for (const int user : users[static_cast<size_t>(node)]) {
      if (--missing[static_cast<size_t>(user)] == 0) ready.push(user);
    }
  }
  if (order.size() < count) {
    const int node = NodeOnCycle(sources, done);
    return InvalidArgument("{} needs, through others, its own result",
                           NodeLabel(node, nodes[node]));
  }
  return order;
}

}  // namespace ergo::onnx
