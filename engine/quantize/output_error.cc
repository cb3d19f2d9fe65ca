#include "engine/quantize/output_error.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/base/real_access.h"

namespace ergo {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double ShareThatDiffers(const Tensor& got, const Tensor& expected) {
  const int64_t elements = expected.Elements();
  if (elements == 0) return 0;
  if (!HasRealAccess(expected.Type())) {
    const auto bytes = static_cast<size_t>(expected.Bytes());
    return std::memcmp(got.Data(), expected.Data(), bytes) == 0 ? 0 : 1;
  }
  int64_t different = 0;
  for (int64_t i = 0; i < elements; ++i) {
    different += ReadReal(got.View(), i) != ReadReal(expected.View(), i);
  }
  return static_cast<double>(different) / static_cast<double>(elements);
}

}  // namespace

void OutputError::Add(const std::vector<Tensor>& got, const std::vector<Tensor>& expected) {
  outputs_.resize(expected.size());
  for (size_t output = 0; output < expected.size(); ++output) {
    const Tensor &x = got[output], &y = expected[output];
    Sums& sums = outputs_[output];
    if (x.Type() != y.Type() || !(x.GetShape() == y.GetShape())) {
      sums.difference = kInfinity;
      continue;
    }
    if (!IsFloatingPoint(y.Type()) || !HasRealAccess(y.Type())) {
      // As if every element were 1 and those that differ were off by 1.
      sums.difference += ShareThatDiffers(x, y) * ShareThatDiffers(x, y);
      sums.magnitude += 1;
      continue;
    }
    for (int64_t i = 0; i < y.Elements(); ++i) {
      const double a = ReadReal(x.View(), i), b = ReadReal(y.View(), i);
      if (a == b || (std::isnan(a) && std::isnan(b))) {
        if (std::isfinite(b)) sums.magnitude += b * b;
        continue;
      }
      if (!std::isfinite(a) || !std::isfinite(b)) {
        sums.difference = kInfinity;
        continue;
      }
      sums.difference += (a - b) * (a - b);
      sums.magnitude += b * b;
    }
  }
}

double OutputError::Value() const {
  double largest = 0;
  for (const Sums& sums : outputs_) {
    if (sums.difference == 0) continue;
    const double error =
        sums.magnitude > 0 ? std::sqrt(sums.difference / sums.magnitude) : kInfinity;
    largest = std::max(largest, error);
  }
  return largest;
}

Result<ErrorProbe> ErrorProbe::Create(const Graph& graph, const CalibrationData& data,
                                      size_t max_samples) {
  ErrorProbe probe(data);
  const size_t count = std::min(data.Size(), max_samples);
  ERGO_ASSIGN_OR_RETURN(const auto runner, SampleRunner::Create(graph));
  for (size_t i = 0; i < count; ++i) {
    probe.samples_.push_back(i * data.Size() / count);
    ERGO_ASSIGN_OR_RETURN(std::vector<Tensor> outputs, runner->Run(data, probe.samples_.back()));
    probe.expected_.push_back(std::move(outputs));
  }
  return probe;
}

Result<double> ErrorProbe::Measure(const Graph& graph) const {
  ERGO_ASSIGN_OR_RETURN(const auto runner, SampleRunner::Create(graph));
  OutputError error;
  for (size_t i = 0; i < samples_.size(); ++i) {
    ERGO_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, runner->Run(*data_, samples_[i]));
    error.Add(outputs, expected_[i]);
  }
  return error.Value();
}

}  // namespace ergo
