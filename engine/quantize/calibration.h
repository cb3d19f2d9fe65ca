// Calibration: the ranges that a float model's values take on samples of its inputs.
//
// Thread safety: pure functions over what they are given.
#ifndef ERGO_ENGINE_QUANTIZE_CALIBRATION_H_
#define ERGO_ENGINE_QUANTIZE_CALIBRATION_H_

#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/quantize/range.h"
#include "engine/run/model.h"
#include "kernels/base/parallel_for.h"

namespace ergo {

// Samples of a model's inputs, read one at a time.
class CalibrationData {
 public:
  virtual ~CalibrationData() = default;
  virtual size_t Size() const = 0;
  // A tensor for each input of the model, in its order.
  virtual Result<std::vector<Tensor>> Sample(size_t index) const = 0;
};

enum class CalibrationMethod : uint8_t { kMinMax, kPercentile, kEntropy };

struct CalibrationOptions {
  CalibrationMethod method = CalibrationMethod::kMinMax;
  double percentile = 99.99;  // for kPercentile
};

// Told of long work as it goes on: `done` of `total` parts of `what`; total 0: nobody knows how
// many.
using Progress = FunctionRef<void(std::string_view what, size_t done, size_t total)>;

// Runs the graph on every sample (twice, unless the method is kMinMax) and returns the ranges of
// the float32 values asked for. InvalidArgument when there are no samples; errors of a run name the
// sample.
Result<std::map<ValueId, Range>> Calibrate(const Graph& graph, const std::set<ValueId>& values,
                                           const CalibrationData& data,
                                           const CalibrationOptions& options, Progress progress);

// A model and what it takes to run it on samples.
class SampleRunner {
 public:
  static Result<std::unique_ptr<SampleRunner>> Create(Graph graph);
  Result<std::vector<Tensor>> Run(const CalibrationData& data, size_t sample);

 private:
  explicit SampleRunner(std::unique_ptr<Model> model);
  std::unique_ptr<Model> model_;
  Runner runner_;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_QUANTIZE_CALIBRATION_H_
