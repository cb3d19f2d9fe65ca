#include "engine/quantize/calibration.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ergo {
namespace {

// Every scale has an exact zero: zeros say nothing about which is best.
std::vector<float> Magnitudes(std::span<const float> values) {
  std::vector<float> magnitudes;
  magnitudes.reserve(values.size());
  for (const float value : values) {
    if (value != 0) magnitudes.push_back(std::abs(value));
  }
  return magnitudes;
}

// The range of which a histogram is taken.
Range HistogramRange(const Range& observed, CalibrationMethod method) {
  if (method == CalibrationMethod::kPercentile) return observed;
  return {0, std::max(std::abs(observed.low), std::abs(observed.high)), observed.empty};
}

}  // namespace

SampleRunner::SampleRunner(std::unique_ptr<Model> model)
    : model_(std::move(model)), runner_(*model_) {}

Result<std::unique_ptr<SampleRunner>> SampleRunner::Create(Graph graph) {
  ModelOptions options;
  options.threads = AvailableProcessors();
  ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, Model::Create(std::move(graph), options));
  return std::unique_ptr<SampleRunner>(new SampleRunner(std::move(model)));
}

Result<std::vector<Tensor>> SampleRunner::Run(const CalibrationData& data, size_t sample) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<Tensor> inputs, data.Sample(sample));
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) views.push_back(input.View());
  Result<std::vector<Tensor>> outputs = runner_.Run(views);
  if (outputs.ok()) return outputs;
  return std::move(outputs).status().WithContext(fmt::format("calibration sample {}", sample));
}

Result<std::map<ValueId, Range>> Calibrate(const Graph& graph, const std::set<ValueId>& values,
                                           const CalibrationData& data,
                                           const CalibrationOptions& options, Progress progress) {
  if (data.Size() == 0) return InvalidArgument("there are no samples to calibrate with");
  std::map<ValueId, Range> ranges;
  if (values.empty()) return ranges;
  Graph observed = graph;
  observed.outputs.assign(values.begin(), values.end());
  ERGO_ASSIGN_OR_RETURN(const auto runner, SampleRunner::Create(std::move(observed)));

  const bool two_rounds = options.method != CalibrationMethod::kMinMax;
  const size_t runs = data.Size() * (two_rounds ? 2 : 1);
  size_t done = 0;
  const auto for_each_value = [&](auto&& body) -> Status {
    for (size_t sample = 0; sample < data.Size(); ++sample) {
      ERGO_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, runner->Run(data, sample));
      size_t i = 0;
      for (const ValueId id : values) body(id, outputs[i++].Span<float>());
      progress("calibration", ++done, runs);
    }
    return {};
  };
  ERGO_RETURN_IF_ERROR(for_each_value(
      [&](ValueId id, std::span<const float> numbers) { ranges[id].Include(numbers); }));
  if (!two_rounds) return ranges;

  std::map<ValueId, Histogram> histograms;
  for (const auto& [id, range] : ranges) {
    histograms.emplace(id, Histogram(HistogramRange(range, options.method)));
  }
  const bool magnitudes = options.method == CalibrationMethod::kEntropy;
  ERGO_RETURN_IF_ERROR(for_each_value([&](ValueId id, std::span<const float> numbers) {
    Histogram& histogram = histograms.at(id);
    if (magnitudes) {
      histogram.Include(Magnitudes(numbers));
    } else {
      histogram.Include(numbers);
    }
  }));
  for (auto& [id, range] : ranges) {
    const Histogram& histogram = histograms.at(id);
    range = magnitudes ? EntropyRange(histogram, range)
                       : PercentileRange(histogram, options.percentile);
  }
  return ranges;
}

}  // namespace ergo
