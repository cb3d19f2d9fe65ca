#include "server/models/repository.h"

#include <algorithm>
#include <tuple>
#include <utility>

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

}  // namespace

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
