// Repository: the models that a server offers, by name and version. Filled before the server
// starts, immutable from then on.
//
// A model folder holds, for each model, NAME.ergo, NAME.onnx (both are version 1), or
// NAME/VERSION/model.ergo or model.onnx with VERSION a positive number. Models are
// optimized when they are loaded, unless they were when they were converted. Names are keys of this
// table and never become paths: no request can name a file.
//
// Thread safety: const members may be called concurrently.
#ifndef ERGO_SERVER_MODELS_REPOSITORY_H_
#define ERGO_SERVER_MODELS_REPOSITORY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/run/model.h"
#include "kernels/base/status.h"

namespace ergo {

struct ServedModel {
  std::string name;
  uint32_t version = 1;
  std::string path;  // "" for models made in memory
  std::unique_ptr<Model> model;
  int id = 0;  // its place in Repository::Models
};

class Repository {
 public:
  explicit Repository(const ModelOptions& options) : options_(options) {}

  // InvalidArgument for a bad name (1 to 256 bytes, no control characters, no '/'), a version of 0,
  // one that is there already, or more than 32 inputs or outputs.
  Status Add(std::string name, uint32_t version, std::unique_ptr<Model> model);
  // The model's name is the file's without its extension.
  Status LoadFile(const std::string& path);
  Status LoadFile(const std::string& path, std::string name, uint32_t version);
  // Errors name the file. An empty folder is InvalidArgument; files of other kinds are passed over.
  Status LoadFolder(const std::string& folder);

  // Plans the shapes that each model is known to take (Model::PlanAhead), so that no request waits
  // for a plan. A line for each model of which requests may still have to, and why. Errors name the
  // model.
  Result<std::vector<std::string>> PlanAhead();

  // Null when there is none. Version 0: the highest.
  const ServedModel* Find(std::string_view name, uint32_t version) const;
  // Sorted by name, then version, only after Seal.
  const std::vector<std::unique_ptr<ServedModel>>& Models() const { return models_; }

  // Sorts and numbers the models: the end of filling.
  void Seal();

 private:
  Status LoadVersions(const std::string& folder);

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  ModelOptions options_;
  std::vector<std::unique_ptr<ServedModel>> models_;
  // Versions of a name, ascending.
  std::unordered_map<std::string, std::vector<const ServedModel*>, Hash, std::equal_to<>> by_name_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_MODELS_REPOSITORY_H_
