#include "engine/run/model.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/device/device_program.h"
#include "engine/graph/op_schema.h"
#include "engine/plan/widen.h"

namespace ergo {
namespace {

std::vector<Model::Port> Ports(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<Model::Port> ports;
  for (const ValueId id : ids) {
    const Value& value = graph.GetValue(id);
    ports.push_back({value.name, value.dtype, value.shape});
  }
  return ports;
}

bool SameShapes(const std::vector<Shape>& a, std::span<const Shape> b) {
  return std::ranges::equal(a, b);
}

}  // namespace

Model::Model(Graph graph, std::vector<DimRange> ranges, const ModelOptions& options)
    : graph_(std::move(graph)),
      options_(options),
      inputs_(Ports(graph_, graph_.inputs)),
      outputs_(Ports(graph_, graph_.outputs)),
      dim_ranges_(std::move(ranges)) {
  const auto tuned = graph_.metadata.find(ChoicesKey(options.threads));
  if (tuned != graph_.metadata.end()) choices_ = KernelChoices::FromText(tuned->second);
}

Result<std::unique_ptr<Model>> Model::Create(Graph graph, const ModelOptions& options) {
  const std::vector<UnsupportedNode> unsupported = FindUnsupported(graph);
  if (!unsupported.empty()) {
    std::string list;
    for (const UnsupportedNode& node : unsupported) {
      list +=
          fmt::format("\n  {} '{}' (opset {}): {}", node.op, node.node, node.opset, node.reason);
    }
    return Unsupported("{} of the model's nodes cannot run:{}", unsupported.size(), list);
  }
  // Symbolic shapes are for people and for checking requests; what inference cannot say without
  // the inputs' shapes, planning will.
  ERGO_RETURN_IF_ERROR(InferShapes(graph));
  ERGO_RETURN_IF_ERROR(WidenConstants(graph, Budget(options.limits)).status());
  ERGO_ASSIGN_OR_RETURN(std::vector<DimRange> ranges, DimRangesOf(graph));
  return std::unique_ptr<Model>(new Model(std::move(graph), std::move(ranges), options));
}

Status Model::CheckShapes(std::span<const Shape> input_shapes) const {
  if (input_shapes.size() != inputs_.size()) {
    return InvalidArgument("{} inputs given, the model has {}", input_shapes.size(),
                           inputs_.size());
  }
  std::map<std::string_view, int64_t> symbols;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const SymbolicShape& declared = inputs_[i].shape;
    const Shape& given = input_shapes[i];
    if (!declared.RankKnown()) continue;
    bool fits = declared.Rank() == given.Rank();
    for (int axis = 0; fits && axis < given.Rank(); ++axis) {
      const Dim& dim = declared[axis];
      if (dim.Known()) {
        fits = dim.value == given[axis];
      } else if (!dim.symbol.empty()) {
        fits = symbols.emplace(dim.symbol, given[axis]).first->second == given[axis];
      }
    }
    if (!fits) {
      return InvalidArgument("input '{}' has shape {}, expected {}", inputs_[i].name,
                             given.ToString(), declared.ToString());
    }
  }
  for (const DimRange& range : dim_ranges_) {
    const auto symbol = symbols.find(range.symbol);
    if (symbol == symbols.end() || range.Contains(symbol->second)) continue;
    return InvalidArgument("dimension '{}' is {}, the model was converted for {}", range.symbol,
                           symbol->second, DimValuesText(range.values));
  }
  return {};
}

Result<std::shared_ptr<const Plan>> Model::PlanFor(std::span<const Shape> input_shapes) {
  const auto find = [&]() -> std::shared_ptr<const Plan> {
    for (auto it = plans_.begin(); it != plans_.end(); ++it) {
      if (!SameShapes(it->shapes, input_shapes)) continue;
      plans_.splice(plans_.begin(), plans_, it);
      return it->plan;
    }
    return nullptr;
  };
  {
    std::lock_guard lock(mutex_);
    if (std::shared_ptr<const Plan> plan = find()) return plan;
  }
  // Built outside the lock: other shapes go on meanwhile. Two threads may build the same plan; the
  // second finds the first one's below, and packed weights are shared in any case.
  ERGO_RETURN_IF_ERROR(CheckShapes(input_shapes));
  PlanOptions plan_options;
  plan_options.max_workers = options_.threads;
  plan_options.kernels = options_.kernels;
  plan_options.packs = &packs_;
  plan_options.choices = &choices_;
  plan_options.limits = options_.limits;
  plan_options.gpu = options_.gpu.get();
  ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Plan> built, BuildPlan(graph_, input_shapes, plan_options));
  if (options_.gpu != nullptr && !WhyHostOnly(*built).empty()) {
    plan_options.gpu = nullptr;
    ERGO_ASSIGN_OR_RETURN(built, BuildPlan(graph_, input_shapes, plan_options));
  }
  std::lock_guard lock(mutex_);
  if (std::shared_ptr<const Plan> plan = find()) return plan;
  plans_.push_front({{input_shapes.begin(), input_shapes.end()}, std::move(built)});
  if (plans_.size() > options_.max_plans) plans_.pop_back();
  return plans_.front().plan;
}

namespace {

ThreadPoolOptions PoolOptions(const ModelOptions& model, size_t first_cpu) {
  ThreadPoolOptions options;
  options.threads = model.threads;
  for (size_t i = 0; i < static_cast<size_t>(model.threads) && !model.pin_cpus.empty(); ++i) {
    options.pin_cpus.push_back(model.pin_cpus[(first_cpu + i) % model.pin_cpus.size()]);
  }
  return options;
}

}  // namespace

Runner::Runner(Model& model, size_t first_cpu)
    : model_(model), pool_(PoolOptions(model.Options(), first_cpu)) {}
Runner::~Runner() = default;

Result<Session*> Runner::SessionFor(std::span<const Shape> input_shapes) {
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (!SameShapes(it->shapes, input_shapes)) continue;
    entries_.splice(entries_.begin(), entries_, it);
    return it->session.get();
  }
  ERGO_ASSIGN_OR_RETURN(std::shared_ptr<const Plan> plan, model_.PlanFor(input_shapes));
  ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::Create(*plan, pool_));
  entries_.push_front(
      {{input_shapes.begin(), input_shapes.end()}, std::move(plan), std::move(session)});
  if (entries_.size() > model_.Options().max_plans) entries_.pop_back();
  return entries_.front().session.get();
}

Result<std::vector<Tensor>> Runner::Run(std::span<const TensorView> inputs, Trace* trace) {
  std::vector<Shape> shapes;
  for (const TensorView& input : inputs) shapes.push_back(input.shape);
  ERGO_ASSIGN_OR_RETURN(Session * session, SessionFor(shapes));
  const Plan& plan = session->GetPlan();
  ERGO_RETURN_IF_ERROR(CheckInputs(plan, inputs));
  return session->RunToTensors(inputs, trace);
}

}  // namespace ergo
