// A model as commands load it, and the options that say how it runs.
#ifndef ERGO_TOOLS_ERGO_MODEL_SOURCE_H_
#define ERGO_TOOLS_ERGO_MODEL_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/run/model.h"

namespace CLI {
class App;
}  // namespace CLI

namespace ergo::tool {

// What a model may take of memory and time.
struct LimitFlags {
  uint64_t max_memory_bytes;
  double max_seconds = 600;
  LimitFlags();  // three quarters of this machine's memory

  ResourceLimits Limits() const;
};
void DefineLimitFlags(CLI::App& app, LimitFlags& flags);

struct ModelFlags {
  int threads = 1;  // 0: one a processor
  std::string kernel;
  std::string simd_target;
  bool reference = false;
  std::string device = "cpu";  // or "cuda", "cuda:1"
  bool tf32 = false;
  std::string pin;  // processors, see ParseCpuList
  LimitFlags limits;
};
void DefineModelFlags(CLI::App& app, ModelFlags& flags);

// Checks the flags, and makes the process use the SIMD target that they name. InvalidArgument
// listing what there is instead of an unknown family, variant, target or processor.
Result<ModelOptions> ApplyModelFlags(const ModelFlags& flags);

struct LoadedModel {
  std::unique_ptr<Model> model;
  double read_us = 0;      // from the path to a Graph
  double optimize_us = 0;  // 0 for .ergo files, which were optimized when they were made
  double create_us = 0;    // shape inference and checks
  int64_t file_bytes = 0;
};
// Loads it to be run by the calling thread, which is pinned to the first processor of --pin.
Result<LoadedModel> LoadModel(const std::string& path, const ModelFlags& flags);

// Size of a regular file. NotFound or DeviceError with the path.
Result<int64_t> FileBytes(const std::string& path);

// The monotonic clock, from an arbitrary origin.
int64_t MonotonicNs();

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_MODEL_SOURCE_H_
