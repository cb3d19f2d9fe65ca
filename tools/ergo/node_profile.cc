#include "tools/ergo/node_profile.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "engine/energy/meter.h"
#include "tools/ergo/limits.h"
#include "tools/ergo/model_source.h"

namespace ergo::tool {
namespace {

constexpr int kMinRuns = 3, kMaxRuns = 200, kTracedRuns = 20;
constexpr double kTimedSeconds = 1, kTracedSeconds = 0.5;

class Profiler {
 public:
  Profiler(Model& model, std::span<const TensorView> inputs, Progress& progress)
      : model_(model), inputs_(inputs), progress_(progress), runner_(model) {}

  Result<ModelProfile> Run() {
    std::vector<Shape> shapes;
    for (const TensorView& input : inputs_) shapes.push_back(input.shape);
    ERGO_ASSIGN_OR_RETURN(session_, runner_.SessionFor(shapes));
    ERGO_RETURN_IF_ERROR(CheckInputs(session_->GetPlan(), inputs_));
    profile_.nodes.resize(static_cast<size_t>(model_.GetGraph().NodeCount()));
    IndexLabels();
    AddSteps();
    AddWeights();
    ERGO_RETURN_IF_ERROR(TimeRuns());
    ERGO_RETURN_IF_ERROR(TraceRuns());
    profile_.arena_bytes = session_->GetPlan().arena_bytes;
    profile_.packed_bytes = model_.PackedWeightBytes();
    return std::move(profile_);
  }

 private:
  static void IndexSubgraphs(const Node& node, size_t owner,
                             std::unordered_map<std::string, size_t>& index) {
    for (const Subgraph& subgraph : node.subgraphs) {
      for (const Node& inner : subgraph.graph->Nodes()) {
        index.emplace(inner.Label(), owner);
        IndexSubgraphs(inner, owner, index);
      }
    }
  }

  void IndexLabels() {
    const std::vector<Node>& nodes = model_.GetGraph().Nodes();
    for (size_t i = 0; i < nodes.size(); ++i) by_label_.emplace(nodes[i].Label(), i);
    // The steps of a branch lie within the time of the branch itself; only bodies that are
    // evaluated have none of their own.
    std::set<std::string_view> planned;
    for (const Step& step : session_->GetPlan().steps) planned.insert(step.label);
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (!planned.contains(nodes[i].Label())) IndexSubgraphs(nodes[i], i, by_label_);
    }
  }

  NodeProfile* ProfileOf(const std::string& label) {
    const auto found = by_label_.find(label);
    return found == by_label_.end() ? nullptr : &profile_.nodes[found->second];
  }

  static void AddKernel(const Step& step, NodeProfile& node) {
    const std::string kernel = fmt::format("{}/{}", step.info.family, step.info.variant);
    if (node.kernels.find(kernel) != std::string::npos) return;
    node.kernels += (node.kernels.empty() ? "" : ", ") + kernel;
  }

  void AddSteps() {
    const Plan& plan = session_->GetPlan();
    for (const Step& step : plan.steps) {
      profile_.flops += step.cost.flops;
      NodeProfile* node = ProfileOf(step.label);
      if (node == nullptr) continue;
      AddKernel(step, *node);
      node->flops += step.cost.flops;
      node->bytes += step.cost.bytes_read + step.cost.bytes_written;
      if (step.outputs.empty()) continue;
      const PlanTensor& output = plan.tensors[static_cast<size_t>(step.outputs[0])];
      node->output = fmt::format("{}{}", DTypeName(output.dtype), output.shape.ToString());
    }
  }

  // Constants of the node and of its subgraphs, each counted where it is read first.
  void AddWeightsOf(const Graph& graph, const Node& node, NodeProfile& profile) {
    for (const ValueId id : node.inputs) {
      const Tensor* constant = graph.Constant(id);
      if (constant == nullptr || !counted_.insert(constant->Data()).second) continue;
      profile.weight_bytes += constant->Bytes();
      if (constant->Bytes() <= largest_) continue;
      largest_ = constant->Bytes();
      profile.weight_dtype = DTypeName(constant->Type());
    }
    for (const Subgraph& subgraph : node.subgraphs) {
      for (const Node& inner : subgraph.graph->Nodes()) {
        AddWeightsOf(*subgraph.graph, inner, profile);
      }
    }
  }

  void AddWeights() {
    const Graph& graph = model_.GetGraph();
    for (size_t i = 0; i < profile_.nodes.size(); ++i) {
      largest_ = 0;
      AddWeightsOf(graph, graph.Nodes()[i], profile_.nodes[i]);
    }
  }

  Status TimeRuns() {
    ERGO_RETURN_IF_ERROR(session_->RunToTensors(inputs_).status());  // warms caches
    OpenedMeter opened = OpenMeter({});
    profile_.meter = opened.meter->Describe();
    const MeterReading before = opened.meter->Read();
    const int64_t begin_ns = MonotonicNs();
    int64_t now_ns = begin_ns;
    while (Continue(profile_.runs_us.size(), kMaxRuns, now_ns - begin_ns, kTimedSeconds)) {
      progress_.Show("measuring runs", static_cast<int64_t>(profile_.runs_us.size()), kMaxRuns);
      const int64_t start_ns = MonotonicNs();
      ERGO_RETURN_IF_ERROR(session_->RunToTensors(inputs_).status());
      now_ns = MonotonicNs();
      profile_.runs_us.push_back(static_cast<double>(now_ns - start_ns) / 1e3);
    }
    profile_.joules = opened.meter->Between(before, opened.meter->Read());
    profile_.joules.value /= static_cast<double>(profile_.runs_us.size());
    return {};
  }

  Status TraceRuns() {
    Trace trace(static_cast<size_t>(kMaxTraceEvents));
    const int64_t begin_ns = MonotonicNs();
    for (size_t run = 0; Continue(run, kTracedRuns, MonotonicNs() - begin_ns, kTracedSeconds);
         ++run) {
      progress_.Show("measuring nodes", static_cast<int64_t>(run), kTracedRuns);
      trace.Clear();
      ERGO_RETURN_IF_ERROR(session_->RunToTensors(inputs_, &trace).status());
      for (const Trace::Event& event : trace.Events()) {
        NodeProfile* node = ProfileOf(event.step->label);
        if (node == nullptr) continue;
        AddKernel(*event.step, *node);
        node->samples_us.resize(run + 1, 0);
        node->samples_us[run] += static_cast<double>(event.end_ns - event.begin_ns) / 1e3;
      }
    }
    return {};
  }

  static bool Continue(size_t runs, int most, int64_t elapsed_ns, double seconds) {
    if (runs < kMinRuns) return true;
    return runs < static_cast<size_t>(most) && static_cast<double>(elapsed_ns) < seconds * 1e9;
  }

  Model& model_;
  std::span<const TensorView> inputs_;
  Progress& progress_;
  Runner runner_;
  Session* session_ = nullptr;
  ModelProfile profile_;
  std::unordered_map<std::string, size_t> by_label_;
  std::set<const void*> counted_;
  int64_t largest_ = 0;  // constant of the node that is looked at
};

}  // namespace

double MedianOf(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double NodeProfile::MedianUs() const {
  return MedianOf(samples_us);
}

double ModelProfile::MedianUs() const {
  return MedianOf(runs_us);
}

Result<ModelProfile> ProfileModel(Model& model, std::span<const TensorView> inputs,
                                  Progress& progress) {
  return Profiler(model, inputs, progress).Run();
}

}  // namespace ergo::tool
