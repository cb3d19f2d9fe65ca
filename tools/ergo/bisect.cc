#include "tools/ergo/bisect.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <unordered_map>
#include <utility>

#include "tools/ergo/limits.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

struct Traced {
  std::unique_ptr<Model> model;
  std::vector<Tensor> values;
};

// Runs the graph with these values as its outputs.
Result<Traced> RunFor(const Way& way, const std::vector<ValueId>& ids,
                      std::span<const TensorView> inputs) {
  Graph graph = way.graph;
  graph.outputs = ids;
  Traced traced;
  ERGO_ASSIGN_OR_RETURN(traced.model, Model::Create(std::move(graph), way.options));
  Runner runner(*traced.model);
  Result<std::vector<Tensor>> values = runner.Run(inputs);
  if (!values.ok()) return std::move(values).status().WithContext(way.name);
  traced.values = std::move(values).value();
  return traced;
}

std::string KernelsOf(Model& model, const std::string& label, std::span<const TensorView> inputs) {
  std::vector<Shape> shapes;
  for (const TensorView& input : inputs) shapes.push_back(input.shape);
  const Result<std::shared_ptr<const Plan>> plan = model.PlanFor(shapes);
  if (!plan.ok()) return "";
  std::string kernels;
  for (const Step& step : (*plan)->steps) {
    if (step.label != label) continue;
    kernels +=
        fmt::format("{}{}/{}", kernels.empty() ? "" : ", ", step.info.family, step.info.variant);
  }
  return kernels;
}

class Bisection {
 public:
  Bisection(const Way& suspect, const Way& trusted, std::span<const TensorView> inputs,
            const CheckFlags& flags, Progress& progress)
      : suspect_(suspect), trusted_(trusted), inputs_(inputs), flags_(flags), progress_(progress) {}

  // Up to the first value that differs.
  Result<std::optional<Divergence>> FindFirst() {
    std::optional<Divergence> found;
    ERGO_RETURN_IF_ERROR(
        Visit("looking for the first node that differs",
              [&](const Pair& pair, Comparison& comparison, Model& model) -> Result<bool> {
                if (Matches(comparison, flags_)) return true;
                ERGO_ASSIGN_OR_RETURN(found, Describe(pair, std::move(comparison), model));
                return false;
              }));
    return found;
  }

  Result<std::vector<std::optional<Comparison>>> CompareAll() {
    std::vector<std::optional<Comparison>> nodes(static_cast<size_t>(suspect_.graph.NodeCount()));
    ERGO_RETURN_IF_ERROR(
        Visit("comparing nodes", [&](const Pair& pair, Comparison& comparison, Model&) {
          std::optional<Comparison>& worst = nodes[static_cast<size_t>(pair.node)];
          if (!worst || comparison.cosine < worst->cosine) worst = std::move(comparison);
          return Result<bool>(true);
        }));
    return nodes;
  }

 private:
  // The same value in both graphs, and the node of the suspect that computes it.
  struct Pair {
    NodeId node;
    ValueId suspect, trusted;
  };

  void CollectPairs() {
    std::unordered_map<std::string_view, ValueId> by_name;
    for (ValueId id = 0; id < trusted_.graph.ValueCount(); ++id) {
      by_name.emplace(trusted_.graph.GetValue(id).name, id);
    }
    for (NodeId id = 0; id < suspect_.graph.NodeCount(); ++id) {
      for (const ValueId output : suspect_.graph.GetNode(id).outputs) {
        if (output == kNoValue) continue;
        const auto same = by_name.find(suspect_.graph.GetValue(output).name);
        if (same != by_name.end()) pairs_.push_back({id, output, same->second});
      }
    }
  }

  // Calls visit(pair, comparison, suspect's model) for each value in turn, until it returns false.
  template <typename Fn>
  Status Visit(std::string_view what, Fn visit) {
    CollectPairs();
    for (size_t begin = 0; begin < pairs_.size(); begin += kBisectValues) {
      progress_.Show(what, static_cast<int64_t>(begin), static_cast<int64_t>(pairs_.size()));
      const size_t end = std::min(pairs_.size(), begin + kBisectValues);
      std::vector<ValueId> suspect_ids, trusted_ids;
      for (size_t i = begin; i < end; ++i) {
        suspect_ids.push_back(pairs_[i].suspect);
        trusted_ids.push_back(pairs_[i].trusted);
      }
      ERGO_ASSIGN_OR_RETURN(const Traced actual, RunFor(suspect_, suspect_ids, inputs_));
      ERGO_ASSIGN_OR_RETURN(const Traced expected, RunFor(trusted_, trusted_ids, inputs_));
      for (size_t i = begin; i < end; ++i) {
        const Tensor& is = actual.values[i - begin];
        const Tensor& should = expected.values[i - begin];
        if (is.Type() != should.Type()) continue;
        Comparison comparison = CompareScaled(is.View(), should.View(), flags_.tolerance);
        ERGO_ASSIGN_OR_RETURN(const bool more, visit(pairs_[i], comparison, *actual.model));
        if (!more) return {};
      }
    }
    return {};
  }

  Result<Divergence> Describe(const Pair& pair, Comparison comparison, Model& model) const {
    const Graph& graph = suspect_.graph;
    const Node& node = graph.GetNode(pair.node);
    Divergence found;
    found.between = fmt::format("{} and {}", suspect_.name, trusted_.name);
    found.node = node.name;
    found.op = fmt::format("{}{}{}", node.domain, node.domain.empty() ? "" : ".", node.op);
    found.value = graph.GetValue(pair.suspect).name;
    found.kernel = KernelsOf(model, node.Label(), inputs_);
    found.comparison = std::move(comparison);
    std::vector<ValueId> read;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) read.push_back(id);
    }
    ERGO_ASSIGN_OR_RETURN(const Traced traced, RunFor(suspect_, read, inputs_));
    for (size_t i = 0; i < read.size(); ++i) {
      const Tensor& tensor = traced.values[i];
      Divergence::InputRange range{
          graph.GetValue(read[i]).name,
          fmt::format("{}{}", DTypeName(tensor.Type()), tensor.GetShape().ToString())};
      const std::vector<double> values = ToDoubles(tensor.View());
      if (!values.empty()) {
        range.min = *std::ranges::min_element(values);
        range.max = *std::ranges::max_element(values);
      }
      found.inputs.push_back(std::move(range));
    }
    return found;
  }

  const Way& suspect_;
  const Way& trusted_;
  std::span<const TensorView> inputs_;
  const CheckFlags& flags_;
  Progress& progress_;
  std::vector<Pair> pairs_;
};

}  // namespace

Result<std::optional<Divergence>> FindDivergence(const Way& suspect, const Way& trusted,
                                                 std::span<const TensorView> inputs,
                                                 const CheckFlags& flags, Progress& progress) {
  return Bisection(suspect, trusted, inputs, flags, progress).FindFirst();
}

Result<std::vector<std::optional<Comparison>>> CompareNodes(const Way& suspect, const Way& trusted,
                                                            std::span<const TensorView> inputs,
                                                            const CheckFlags& flags,
                                                            Progress& progress) {
  return Bisection(suspect, trusted, inputs, flags, progress).CompareAll();
}

Result<std::optional<Divergence>> BisectModel(const Graph& graph, const Graph* original,
                                              const ModelOptions& options,
                                              std::span<const TensorView> inputs,
                                              const CheckFlags& flags, Progress& progress) {
  ModelOptions reference = options;
  reference.kernels.reference = true;
  reference.kernels.forced.clear();
  const Way chosen{graph, options, "the chosen kernels"};
  const Way plain{graph, reference, "the reference kernels"};
  ERGO_ASSIGN_OR_RETURN(std::optional<Divergence> found,
                        FindDivergence(chosen, plain, inputs, flags, progress));
  if (found || original == nullptr) return found;
  const Way optimized{graph, reference, "the optimized graph"};
  const Way unoptimized{*original, reference, "the graph as it was read"};
  return FindDivergence(optimized, unoptimized, inputs, flags, progress);
}

Json Divergence::ToJson() const {
  Json document = {{"between", between},
                   {"node", node},
                   {"op", op},
                   {"value", value},
                   {"kernel", kernel},
                   {"problem", comparison.problem},
                   {"elements", comparison.elements},
                   {"mismatches", comparison.mismatches},
                   {"max_abs", comparison.max_abs},
                   {"max_abs_at", comparison.max_abs_at},
                   {"max_rel", comparison.max_rel},
                   {"cosine", comparison.cosine},
                   {"inputs", Json::array()}};
  for (const InputRange& input : inputs) {
    document["inputs"].push_back(
        {{"name", input.name}, {"shape", input.shape}, {"min", input.min}, {"max", input.max}});
  }
  return document;
}

std::string Divergence::ToString() const {
  std::string text = fmt::format(
      "first difference between {}:\n  {} '{}' ({}), its result '{}'\n", between, Printable(op),
      Printable(node), kernel.empty() ? "evaluated during the run" : kernel, Printable(value));
  if (comparison.problem.empty()) {
    text += fmt::format(
        "  {} of {} elements beyond tolerance, first {}\n"
        "  max abs {:.3g} at {}, max rel {:.3g}, cosine {:.6f}\n",
        comparison.mismatches, comparison.elements, comparison.first_mismatch, comparison.max_abs,
        comparison.max_abs_at, comparison.max_rel, comparison.cosine);
  } else {
    text += fmt::format("  {}\n", comparison.problem);
  }
  for (const InputRange& input : inputs) {
    text += fmt::format("  reads '{}' {}, from {:.6g} to {:.6g}\n", Printable(input.name),
                        input.shape, input.min, input.max);
  }
  return text;
}

std::string DivergenceText(const std::optional<Divergence>& divergence) {
  if (divergence) return divergence->ToString();
  return "no node differs by more than the tolerance: what differs adds up over many of them\n";
}

}  // namespace ergo::tool
