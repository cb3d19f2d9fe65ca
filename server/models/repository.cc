#include "server/models/repository.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "engine/passes/passes.h"
#include "formats/model_file.h"
#include "server/limits.h"

namespace ergo {
namespace {

Status CheckName(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= static_cast<size_t>(kMaxModelNameBytes);
  const bool clean = std::ranges::none_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || byte == '/';
  });
  if (fits && clean) return {};
  return InvalidArgument("a model's name has 1 to {} bytes, without '/' and control characters",
                         kMaxModelNameBytes);
}

Status CheckPorts(const std::vector<Model::Port>& ports, std::string_view what) {
  if (ports.size() > static_cast<size_t>(kMaxTensorsPerFrame)) {
    return InvalidArgument("the model has {} {}s, a request carries at most {}", ports.size(), what,
                           kMaxTensorsPerFrame);
  }
  for (const Model::Port& port : ports) {
    if (port.name.size() > static_cast<size_t>(kMaxTensorNameBytes)) {
      return InvalidArgument("an {}'s name has {} bytes, at most {} can be sent", what,
                             port.name.size(), kMaxTensorNameBytes);
    }
  }
  return {};
}

namespace fs = std::filesystem;

bool IsModelFile(const fs::path& path) {
  return path.extension() == ".ergo" || path.extension() == ".onnx";
}

// Sorted, so that the same folder always gives the same errors.
Result<std::set<fs::path>> EntriesOf(const fs::path& folder) {
  std::error_code error;
  std::set<fs::path> entries;
  fs::directory_iterator iterator(folder, error);
  for (; !error && iterator != fs::directory_iterator(); iterator.increment(error)) {
    entries.insert(iterator->path());
  }
  if (error) return NotFound("{}: {}", folder.string(), error.message());
  return entries;
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// The version that a folder's name is; 0: none.
uint32_t VersionOf(const fs::path& folder) {
  const std::string name = folder.filename().string();
  uint32_t version = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), version);
  return error == std::errc() && end == name.data() + name.size() ? version : 0;
}

}  // namespace

Status Repository::LoadFile(const std::string& path) {
  return LoadFile(path, fs::path(path).stem().string(), 1);
}

Status Repository::LoadFile(const std::string& path, std::string name, uint32_t version) {
  const Budget budget(options_.limits);
  ERGO_ASSIGN_OR_RETURN(Graph graph, ReadModel(path, budget));
  ERGO_RETURN_IF_ERROR(OptimizeOnLoad(graph, budget).WithContext(path));
  Result<std::unique_ptr<Model>> model = Model::Create(std::move(graph), options_);
  if (!model.ok()) return std::move(model).status().WithContext(path);
  ERGO_RETURN_IF_ERROR(Add(name, version, std::move(model).value()).WithContext(path));
  models_.back()->path = path;
  return {};
}

Status Repository::LoadVersions(const std::string& folder) {
  ERGO_ASSIGN_OR_RETURN(const std::set<fs::path> versions, EntriesOf(folder));
  for (const fs::path& entry : versions) {
    const uint32_t version = IsFolder(entry) ? VersionOf(entry) : 0;
    if (version == 0) continue;
    ERGO_ASSIGN_OR_RETURN(const std::set<fs::path> files, EntriesOf(entry));
    for (const fs::path& file : files) {
      if (file.stem() != "model" || !IsModelFile(file)) continue;
      ERGO_RETURN_IF_ERROR(LoadFile(file.string(), fs::path(folder).filename().string(), version));
    }
  }
  return {};
}

Status Repository::LoadFolder(const std::string& folder) {
  ERGO_ASSIGN_OR_RETURN(const std::set<fs::path> entries, EntriesOf(folder));
  const size_t before = models_.size();
  for (const fs::path& entry : entries) {
    if (IsFolder(entry)) {
      ERGO_RETURN_IF_ERROR(LoadVersions(entry.string()));
    } else if (IsModelFile(entry)) {
      ERGO_RETURN_IF_ERROR(LoadFile(entry.string()));
    }
  }
  if (models_.size() > before) return {};
  return InvalidArgument("{}: no model in it: NAME.ergo, NAME.onnx, or NAME/VERSION/model.ergo",
                         folder);
}

Status Repository::Add(std::string name, uint32_t version, std::unique_ptr<Model> model) {
  ERGO_RETURN_IF_ERROR(CheckName(name));
  ERGO_RETURN_IF_ERROR(CheckPorts(model->Inputs(), "input").WithContext(name));
  ERGO_RETURN_IF_ERROR(CheckPorts(model->Outputs(), "output").WithContext(name));
  if (version == 0) return InvalidArgument("{}: versions begin at 1", name);
  if (models_.size() >= static_cast<size_t>(kMaxModels)) {
    return ResourceExhausted("more than {} models", kMaxModels);
  }
  std::vector<const ServedModel*>& versions = by_name_[name];
  const auto place = std::ranges::lower_bound(versions, version, {}, &ServedModel::version);
  if (place != versions.end() && (*place)->version == version) {
    return InvalidArgument("{}: version {} is there twice", name, version);
  }
  auto served = std::make_unique<ServedModel>();
  served->name = std::move(name);
  served->version = version;
  served->model = std::move(model);
  versions.insert(place, served.get());
  models_.push_back(std::move(served));
  return {};
}

Result<std::vector<std::string>> Repository::PlanAhead() {
  std::vector<std::string> lines;
  for (const auto& served : models_) {
    Result<Model::PlannedAhead> ahead = served->model->PlanAhead();
    if (!ahead.ok()) return std::move(ahead).status().WithContext(served->name);
    if (ahead->missing.empty()) continue;
    lines.push_back(fmt::format("{}/{}: {} shapes are planned ahead; not planned: {}", served->name,
                                served->version, ahead->planned, ahead->missing));
  }
  return lines;
}

const ServedModel* Repository::Find(std::string_view name, uint32_t version) const {
  const auto entry = by_name_.find(name);
  if (entry == by_name_.end() || entry->second.empty()) return nullptr;
  const std::vector<const ServedModel*>& versions = entry->second;
  if (version == 0) return versions.back();
  const auto place = std::ranges::lower_bound(versions, version, {}, &ServedModel::version);
  return place != versions.end() && (*place)->version == version ? *place : nullptr;
}

void Repository::Seal() {
  std::ranges::sort(models_, [](const auto& a, const auto& b) {
    return std::tie(a->name, a->version) < std::tie(b->name, b->version);
  });
  for (size_t i = 0; i < models_.size(); ++i) models_[i]->id = static_cast<int>(i);
}

}  // namespace ergo
