#include "tools/ergo/test_data.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "tools/ergo/limits.h"

namespace ergo::tool {
namespace {

namespace fs = std::filesystem;

Result<std::vector<NamedTensor>> ReadNumbered(const fs::path& folder, const std::string& kind) {
  std::vector<NamedTensor> tensors;
  while (true) {
    const fs::path file = folder / (kind + "_" + std::to_string(tensors.size()) + ".pb");
    std::error_code error;
    if (!fs::exists(file, error)) return tensors;
    Result<NamedTensor> tensor = ReadTensorProto(file.string());
    if (!tensor.ok()) return std::move(tensor).status().WithContext(file.string());
    tensors.push_back(std::move(tensor).value());
  }
}

}  // namespace

Result<std::vector<TestDataSet>> ReadTestData(const std::string& folder) {
  std::vector<TestDataSet> sets;
  for (int k = 0; k < kMaxTestDataSets; ++k) {
    TestDataSet set;
    set.name = "test_data_set_" + std::to_string(k);
    const fs::path path = fs::path(folder) / set.name;
    std::error_code error;
    if (!fs::is_directory(path, error)) break;
    ERGO_ASSIGN_OR_RETURN(set.inputs, ReadNumbered(path, "input"));
    ERGO_ASSIGN_OR_RETURN(set.outputs, ReadNumbered(path, "output"));
    sets.push_back(std::move(set));
  }
  if (sets.empty()) return NotFound("{}: there is no folder test_data_set_0", folder);
  return sets;
}

Result<std::vector<const Tensor*>> MatchToPorts(const std::vector<NamedTensor>& tensors,
                                                const std::vector<Model::Port>& ports) {
  if (tensors.size() < ports.size()) {
    return InvalidArgument("{} tensors for {} inputs or outputs", tensors.size(), ports.size());
  }
  std::set<std::string> names;
  for (const NamedTensor& tensor : tensors) names.insert(tensor.name);
  const bool by_name = std::ranges::all_of(
      ports, [&](const Model::Port& port) { return names.contains(port.name); });
  std::vector<const Tensor*> matched;
  for (size_t i = 0; i < ports.size(); ++i) {
    const auto found = by_name ? std::ranges::find(tensors, ports[i].name, &NamedTensor::name)
                               : tensors.begin() + static_cast<std::ptrdiff_t>(i);
    matched.push_back(&found->tensor);
  }
  return matched;
}

}  // namespace ergo::tool
