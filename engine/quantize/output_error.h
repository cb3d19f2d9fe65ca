// How far a rewritten model's outputs are from the float model's: for each output, over all samples
// together, the relative L2 error sqrt(sum |got - expected|^2 / sum |expected|^2) of floating-point
// numbers, and the share of elements that differ for other types; of these the largest. Infinity
// where shapes differ or numbers are not finite on one side alone.
//
// Thread safety: values.
#ifndef ERGO_ENGINE_QUANTIZE_OUTPUT_ERROR_H_
#define ERGO_ENGINE_QUANTIZE_OUTPUT_ERROR_H_

#include <vector>

#include "engine/graph/graph.h"
#include "engine/quantize/calibration.h"

namespace ergo {

class OutputError {
 public:
  // The outputs of one sample; always as many.
  void Add(const std::vector<Tensor>& got, const std::vector<Tensor>& expected);
  double Value() const;

 private:
  struct Sums {
    double difference = 0, magnitude = 0;
  };
  std::vector<Sums> outputs_;
};

// Expected outputs on a part of the samples, evenly spread over them.
class ErrorProbe {
 public:
  // At most `max_samples` of them. Errors are those of running the graph.
  static Result<ErrorProbe> Create(const Graph& graph, const CalibrationData& data,
                                   size_t max_samples);
  // The error of another graph with the same inputs and outputs.
  Result<double> Measure(const Graph& graph) const;
  size_t Samples() const { return samples_.size(); }

 private:
  explicit ErrorProbe(const CalibrationData& data) : data_(&data) {}
  const CalibrationData* data_;
  std::vector<size_t> samples_;
  std::vector<std::vector<Tensor>> expected_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_QUANTIZE_OUTPUT_ERROR_H_
