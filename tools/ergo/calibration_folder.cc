#include "tools/ergo/calibration_folder.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "formats/model_file.h"
#include "tools/ergo/limits.h"
#include "tools/ergo/test_data.h"

namespace ergo::tool {
namespace {

namespace fs = std::filesystem;

class TestDataSamples final : public CalibrationData {
 public:
  explicit TestDataSamples(std::vector<std::vector<Tensor>> samples)
      : samples_(std::move(samples)) {}
  size_t Size() const override { return samples_.size(); }
  Result<std::vector<Tensor>> Sample(size_t index) const override { return samples_[index]; }

 private:
  std::vector<std::vector<Tensor>> samples_;
};

class FileSamples final : public CalibrationData {
 public:
  explicit FileSamples(std::vector<std::string> files) : files_(std::move(files)) {}
  size_t Size() const override { return files_.size(); }
  Result<std::vector<Tensor>> Sample(size_t index) const override {
    Result<NamedTensor> named = ReadTensorFile(files_[index]);
    if (!named.ok()) return std::move(named).status();
    return std::vector<Tensor>{std::move(named->tensor)};
  }

 private:
  std::vector<std::string> files_;
};

Result<std::vector<std::string>> ListTensorFiles(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string extension = entry->path().extension().string();
    if (extension != ".npy" && extension != ".pb") continue;
    files.push_back(entry->path().string());
    if (files.size() > static_cast<size_t>(kMaxTestDataSets)) {
      return ResourceExhausted("{}: more than {} samples", folder, kMaxTestDataSets);
    }
  }
  if (error) return NotFound("{}: {}", folder, error.message());
  std::ranges::sort(files);
  return files;
}

}  // namespace

Result<std::unique_ptr<CalibrationData>> OpenCalibrationFolder(const std::string& folder,
                                                               const Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(std::vector<std::string> files, ListTensorFiles(folder));
  if (graph.inputs.size() == 1 && !files.empty()) {
    return std::unique_ptr<CalibrationData>(std::make_unique<FileSamples>(std::move(files)));
  }
  Result<std::vector<TestDataSet>> sets = ReadTestData(folder);
  if (!sets.ok()) {
    if (sets.status().code() != StatusCode::kNotFound) return std::move(sets).status();
    return NotFound(
        "{}: there are no samples in it: neither folders test_data_set_K with input_I.pb nor, for "
        "a model with one input, files .npy or .pb",
        folder);
  }
  std::vector<Model::Port> ports;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.GetValue(id);
    ports.push_back({value.name, value.dtype, value.shape});
  }
  std::vector<std::vector<Tensor>> samples;
  for (const TestDataSet& set : *sets) {
    Result<std::vector<const Tensor*>> matched = MatchToPorts(set.inputs, ports);
    if (!matched.ok()) {
      return std::move(matched).status().WithContext(fmt::format("{}/{}", folder, set.name));
    }
    samples.emplace_back();
    for (const Tensor* tensor : *matched) samples.back().push_back(*tensor);
  }
  return std::unique_ptr<CalibrationData>(std::make_unique<TestDataSamples>(std::move(samples)));
}

}  // namespace ergo::tool
