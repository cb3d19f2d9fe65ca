#include "tools/ergo/test_data.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <system_error>

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

// The folders test_data_set_K, by K; gaps are no end.
Result<std::map<int, fs::path>> FindSets(const std::string& folder) {
  constexpr std::string_view kPrefix = "test_data_set_";
  std::map<int, fs::path> sets;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    int number = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kPrefix.size(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number < 0) continue;
    sets.emplace(number, entry->path());
    if (sets.size() > static_cast<size_t>(kMaxTestDataSets)) {
      return ResourceExhausted("{}: more than {} data sets", folder, kMaxTestDataSets);
    }
  }
  if (error) return NotFound("{}: no test_data_set_0 in it: {}", folder, error.message());
  if (sets.empty()) return NotFound("{}: there is no folder test_data_set_0", folder);
  return sets;
}

}  // namespace

Result<std::vector<TestDataSet>> ReadTestData(const std::string& folder) {
  ERGO_ASSIGN_OR_RETURN(const auto found, FindSets(folder));
  std::vector<TestDataSet> sets;
  for (const auto& [number, path] : found) {
    TestDataSet set;
    set.name = path.filename().string();
    ERGO_ASSIGN_OR_RETURN(set.inputs, ReadNumbered(path, "input"));
    ERGO_ASSIGN_OR_RETURN(set.outputs, ReadNumbered(path, "output"));
    sets.push_back(std::move(set));
  }
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
