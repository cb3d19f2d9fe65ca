// Checking a model's outputs: against recorded ones, or on random inputs against the same model on
// the reference kernels. What `ergo verify` does, and `ergo convert` before it writes a model.
#ifndef ERGO_TOOLS_ERGO_OUTPUT_CHECK_H_
#define ERGO_TOOLS_ERGO_OUTPUT_CHECK_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/run/model.h"
#include "tools/ergo/compare.h"
#include "tools/ergo/input_shapes.h"
#include "tools/ergo/progress.h"
#include "tools/ergo/report.h"
#include "tools/ergo/test_data.h"

namespace CLI {
class App;
}  // namespace CLI

namespace ergo::tool {

struct CheckFlags {
  std::string source;  // a folder of recorded data, or "random"
  uint64_t seed = 1;   // of random inputs
  Tolerance tolerance;
  std::optional<double> cosine;  // instead of the tolerance
  bool bisect = false;

  bool Random() const { return source == "random"; }
};
// --rtol, --atol, --cosine, --seed and --bisect; `source_option` names the option for the source.
void DefineCheckFlags(CLI::App& app, std::string source_option, CheckFlags& flags);

// Inputs and the outputs that are expected for them, in the order of the model's ports.
struct ExpectedRun {
  std::string set;  // "test_data_set_0", "random 1"
  std::vector<Tensor> inputs, outputs;
  std::vector<TensorView> InputViews() const;
};

// The recorded sets of a folder. InvalidArgument where one does not fit the ports.
Result<std::vector<ExpectedRun>> RecordedRuns(const std::string& folder, const Model& model);

// Random inputs, and what `reference` makes of them. Free dimensions take the first number of their
// range, or else a small one that the model takes.
Result<ExpectedRun> RandomRun(Model& reference, const ShapeFlags& shapes, uint64_t seed);

// One output of one set.
struct CheckedOutput {
  std::string set, output;
  Comparison comparison;
  bool matches = false;
};
struct OutputCheck {
  std::vector<CheckedOutput> lines;
  int failed = 0;
  bool Passed() const { return failed == 0 && !lines.empty(); }

  Json ToJson() const;
  std::string ToString() const;  // a table and a line
};
Result<OutputCheck> CheckOutputs(Model& model, std::span<const ExpectedRun> runs,
                                 const CheckFlags& flags, Progress& progress);

// Whether the comparison counts as a match. The absolute tolerance grows with the largest expected
// value where that is above 1: float32 has seven digits of that one and no more.
bool Matches(const Comparison& comparison, const CheckFlags& flags);
Comparison CompareScaled(TensorView actual, TensorView expected, const Tolerance& tolerance);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_OUTPUT_CHECK_H_
