#include "engine/quantize/static_int8.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "engine/passes/passes.h"
#include "engine/quantize/layer.h"
#include "engine/quantize/output_error.h"

namespace ergo {
namespace {

// Puts QuantizeLinear and DequantizeLinear around the layers of a copy of the graph.
class QdqWriter {
 public:
  QdqWriter(const Graph& graph, const std::map<ValueId, Range>& ranges)
      : graph_(graph), ranges_(ranges) {}

  // `layers` of the graph that was given.
  Result<Graph> Write(const std::vector<NodeId>& layers) && {
    std::set<ValueId> inputs;
    for (const NodeId id : layers) inputs.insert(graph_.GetNode(id).inputs[0]);
    for (const ValueId id : inputs) parameters_[id] = AffineUint8::ForRange(ranges_.at(id));
    std::vector<Node> before;
    for (const NodeId id : layers) QuantizeWeights(graph_.GetNode(id), before);

    std::vector<Node> nodes = std::move(graph_.Nodes());
    graph_.Nodes().clear();
    for (Node& node : before) graph_.AddNode(std::move(node));
    for (const ValueId id : graph_.inputs) AddPair(id);
    for (Node& node : nodes) {
      for (ValueId& input : node.inputs) {
        const auto replaced = replaced_.find(input);
        if (replaced != replaced_.end()) input = replaced->second;
      }
      const std::vector<ValueId> outputs = node.outputs;
      graph_.AddNode(std::move(node));
      for (const ValueId id : outputs) AddPair(id);
    }
    ERGO_RETURN_IF_ERROR(Optimize(graph_).status());
    return std::move(graph_);
  }

 private:
  ValueId Constant(const std::string& hint, Tensor tensor) {
    return graph_.AddConstant(graph_.UniqueName(hint), std::move(tensor));
  }

  Node MakeNode(const char* op, std::vector<ValueId> inputs, ValueId output) {
    Node node;
    node.name = graph_.GetValue(output).name + "/" + op;
    node.op = op;
    node.opset = 13;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    return node;
  }

  // For a value that a layer reads: what other nodes read from here on is its quantized form, too.
  void AddPair(ValueId id) {
    const auto found = parameters_.find(id);
    if (id == kNoValue || found == parameters_.end()) return;
    const std::string name = graph_.GetValue(id).name;
    const SymbolicShape shape = graph_.GetValue(id).shape;
    const ValueId scale = Constant(name + "/scale", Tensor::Scalar<float>(found->second.scale));
    const ValueId zero = Constant(name + "/zero", Tensor::Scalar<uint8_t>(found->second.zero));
    const ValueId bytes =
        graph_.AddValue(graph_.UniqueName(name + "/quantized"), DType::kU8, shape);
    const ValueId wide =
        graph_.AddValue(graph_.UniqueName(name + "/dequantized"), DType::kF32, shape);
    graph_.AddNode(MakeNode("QuantizeLinear", {id, scale, zero}, bytes));
    graph_.AddNode(MakeNode("DequantizeLinear", {bytes, scale, zero}, wide));
    replaced_[id] = wide;
  }

  // `name` by value: a value's own moves as the graph grows.
  ValueId AddDequantized(std::string name, Tensor values, const std::vector<float>& scales,
                         int64_t axis, std::vector<Node>& before) {
    const Shape shape = values.GetShape();
    const ValueId integers = Constant(name + "/quantized", std::move(values));
    const ValueId scale = Constant(
        name + "/scales", Tensor::FromValues<float>(Shape{static_cast<int64_t>(scales.size())},
                                                    std::span<const float>(scales)));
    const ValueId wide =
        graph_.AddValue(graph_.UniqueName(name + "/dequantized"), DType::kF32, shape);
    before.push_back(MakeNode("DequantizeLinear", {integers, scale}, wide));
    before.back().attributes["axis"] = axis;
    return wide;
  }

  void QuantizeWeights(Node& layer, std::vector<Node>& before) {
    const int axis = ChannelAxis(layer);
    const ValueId weights = layer.inputs[1], bias = layer.Input(2);
    ChannelWeights quantized = QuantizeChannels(*graph_.Constant(weights), axis);
    layer.inputs[1] = AddDequantized(graph_.GetValue(weights).name, std::move(quantized.values),
                                     quantized.scales, axis, before);
    if (bias == kNoValue) return;
    const Tensor* numbers = graph_.Constant(bias);
    if (numbers->Type() != DType::kF32 ||
        numbers->Elements() != static_cast<int64_t>(quantized.scales.size())) {
      return;
    }
    const float scale_x = parameters_.at(layer.inputs[0]).scale;
    std::vector<float> scales;
    std::vector<int32_t> sums;
    for (size_t c = 0; c < quantized.scales.size(); ++c) {
      scales.push_back(scale_x * quantized.scales[c]);
      const double steps = std::nearbyint(double{numbers->Span<float>()[c]} / scales[c]);
      // Sums must not wrap around: a bias that large stays as it is.
      constexpr double kLargestBias = 1 << 30;
      if (!(std::abs(steps) < kLargestBias)) return;
      sums.push_back(static_cast<int32_t>(steps));
    }
    const Shape shape{static_cast<int64_t>(sums.size())};
    layer.inputs[2] = AddDequantized(
        graph_.GetValue(bias).name,
        Tensor::FromValues<int32_t>(shape, std::span<const int32_t>(sums)), scales, 0, before);
  }

  Graph graph_;
  const std::map<ValueId, Range>& ranges_;
  std::map<ValueId, AffineUint8> parameters_;  // of the values that layers read
  std::map<ValueId, ValueId> replaced_;
};

class StaticQuantizer {
 public:
  StaticQuantizer(Graph& graph, const CalibrationData& data, const StaticInt8Options& options,
                  Progress progress)
      : graph_(graph), data_(data), options_(options), progress_(progress) {}

  Result<StaticInt8Report> Run() {
    ERGO_RETURN_IF_ERROR(ListLayers());
    std::set<ValueId> inputs;
    for (const size_t layer : candidates_) inputs.insert(graph_.GetNode(nodes_[layer]).inputs[0]);
    ERGO_ASSIGN_OR_RETURN(ranges_,
                          Calibrate(graph_, inputs, data_, options_.calibration, progress_));
    report_.calibration_samples = data_.Size();
    ERGO_ASSIGN_OR_RETURN(const ErrorProbe probe,
                          ErrorProbe::Create(graph_, data_, kMaxErrorSamples));
    report_.error_samples = probe.Samples();
    ERGO_RETURN_IF_ERROR(MeasureLayers(probe));
    ERGO_ASSIGN_OR_RETURN(Choice choice, ChooseLayers(probe));
    for (const size_t layer : candidates_) {
      report_.layers[layer].quantized = !choice.left_out.contains(layer);
      if (choice.left_out.contains(layer)) report_.layers[layer].reason = "sensitive";
    }
    report_.error = choice.error;
    graph_ = std::move(choice.graph);
    return std::move(report_);
  }

 private:
  Status ListLayers() {
    nodes_ = FindLayers(graph_);
    if (nodes_.empty()) {
      return InvalidArgument(
          "the model has no convolution and no product with constant weights to quantize");
    }
    std::set<std::string> keep(options_.keep_float.begin(), options_.keep_float.end());
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = graph_.GetNode(nodes_[i]);
      StaticInt8Report::Layer layer;
      layer.node = node.name;
      layer.op = node.op;
      layer.error = std::numeric_limits<double>::quiet_NaN();
      layer.weight_bytes = graph_.Constant(node.inputs[1])->Bytes();
      if (keep.erase(node.name) > 0) {
        layer.reason = "kept as asked";
      } else {
        candidates_.push_back(i);
      }
      report_.layers.push_back(std::move(layer));
    }
    if (keep.empty()) return {};
    std::string names;
    for (const auto& layer : report_.layers) {
      names += fmt::format("{}'{}'", names.empty() ? "" : ", ", layer.node);
    }
    return InvalidArgument("no layer is named '{}'; there are {}", *keep.begin(), names);
  }

  Result<Graph> Quantized(const std::vector<size_t>& layers) const {
    std::vector<NodeId> ids;
    for (const size_t layer : layers) ids.push_back(nodes_[layer]);
    return QdqWriter(graph_, ranges_).Write(ids);
  }

  Status MeasureLayers(const ErrorProbe& probe) {
    size_t done = 0;
    for (const size_t layer : candidates_) {
      ERGO_ASSIGN_OR_RETURN(const Graph alone, Quantized({layer}));
      ERGO_ASSIGN_OR_RETURN(report_.layers[layer].error, probe.Measure(alone));
      progress_("sensitivity of layers", ++done, candidates_.size());
    }
    return {};
  }

  struct Choice {
    Graph graph;
    double error = 0;
    std::set<size_t> left_out;
  };

  // Takes `left_out` if the model keeps the bound without these.
  Result<bool> Try(const std::set<size_t>& left_out, const ErrorProbe& probe, Choice& choice) {
    std::vector<size_t> layers;
    for (const size_t layer : candidates_) {
      if (!left_out.contains(layer)) layers.push_back(layer);
    }
    ERGO_ASSIGN_OR_RETURN(Graph graph, Quantized(layers));
    ERGO_ASSIGN_OR_RETURN(const double error, probe.Measure(graph));
    progress_("choice of layers", ++tried_, 0);
    if (options_.max_error && error > *options_.max_error) return false;
    choice = {std::move(graph), error, left_out};
    return true;
  }

  // Leaves out the most sensitive layers, as many as it takes: the error falls, by and large, as
  // more are left out, so that halving the interval finds their number. Then each of them is tried
  // again, since some cost less together with others than alone.
  Result<Choice> ChooseLayers(const ErrorProbe& probe) {
    std::vector<size_t> by_error = candidates_;
    std::ranges::stable_sort(by_error, std::greater<>(),
                             [&](size_t layer) { return report_.layers[layer].error; });
    Choice choice{graph_, 0, {by_error.begin(), by_error.end()}};
    ERGO_ASSIGN_OR_RETURN(const bool all, Try({}, probe, choice));
    if (all) return choice;
    for (size_t low = 1, high = by_error.size(); low < high;) {
      const size_t middle = (low + high) / 2;
      const auto end = by_error.begin() + static_cast<std::ptrdiff_t>(middle);
      ERGO_ASSIGN_OR_RETURN(const bool kept, Try({by_error.begin(), end}, probe, choice));
      (kept ? high : low) = kept ? middle : middle + 1;
    }
    std::vector<size_t> left_out(choice.left_out.begin(), choice.left_out.end());
    std::ranges::stable_sort(left_out, std::less<>(),
                             [&](size_t layer) { return report_.layers[layer].error; });
    for (const size_t layer : left_out) {
      std::set<size_t> fewer = choice.left_out;
      fewer.erase(layer);
      ERGO_RETURN_IF_ERROR(Try(fewer, probe, choice).status());
    }
    return choice;
  }

  Graph& graph_;
  const CalibrationData& data_;
  const StaticInt8Options& options_;
  Progress progress_;
  std::vector<NodeId> nodes_;       // of the layers
  std::vector<size_t> candidates_;  // numbers of the layers that may be quantized
  std::map<ValueId, Range> ranges_;
  size_t tried_ = 0;
  StaticInt8Report report_;
};

}  // namespace

Result<StaticInt8Report> QuantizeStatic(Graph& graph, const CalibrationData& data,
                                        const StaticInt8Options& options, Progress progress) {
  return StaticQuantizer(graph, data, options, progress).Run();
}

}  // namespace ergo
