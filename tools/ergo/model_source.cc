#include "tools/ergo/model_source.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <limits>
#include <set>

#include "formats/model_file.h"
#include "kernels/base/simd_targets.h"
#include "kernels/cuda/gpu.h"
#include "kernels/registry.h"
#include "tools/ergo/cpu_list.h"
#include "tools/ergo/limits.h"

namespace ergo::tool {
namespace {

// "gemm=onednn,conv=simd" against the list of all kernels.
Status CheckForcedKernels(std::string_view text) {
  const std::vector<KernelInfo> kernels = AllKernels();
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const size_t equals = item.find('=');
    const std::string_view family = item.substr(0, equals);
    const std::string_view variant =
        equals == std::string_view::npos ? "" : item.substr(equals + 1);
    std::set<std::string_view> families, variants;
    for (const KernelInfo& info : kernels) {
      families.insert(info.family);
      if (info.family == family) variants.insert(info.variant);
    }
    if (variants.empty()) {
      return InvalidArgument(
          "--kernel: '{}' names no kernel family: use FAMILY=VARIANT with one "
          "of {}",
          item, fmt::join(families, ", "));
    }
    if (!variants.contains(variant)) {
      return InvalidArgument("--kernel: '{}' names no variant of {}: there are {}", item, family,
                             fmt::join(variants, ", "));
    }
  }
  return {};
}

// Null for the CPU, also where the GPU that was asked for is not there, which is logged.
Result<std::shared_ptr<cuda::Gpu>> OpenDevice(const ModelFlags& flags) {
  std::string_view device = flags.device;
  if (device == "cpu") return std::shared_ptr<cuda::Gpu>();
  constexpr std::string_view kCuda = "cuda";
  int number = 0;
  bool known = device.starts_with(kCuda);
  device.remove_prefix(std::min(device.size(), kCuda.size()));
  if (known && device.starts_with(':')) {
    const auto [end, error] =
        std::from_chars(device.data() + 1, device.data() + device.size(), number);
    known = error == std::errc() && end == device.data() + device.size();
  } else {
    known = known && device.empty();
  }
  if (!known) return InvalidArgument("--device '{}': use cpu, cuda or cuda:NUMBER", flags.device);
  Result<std::shared_ptr<cuda::Gpu>> gpu = cuda::OpenSystemGpu(number);
  if (!gpu.ok()) {
    spdlog::warn("{} is not there, running on the CPU: {}", flags.device, gpu.status().message());
    return std::shared_ptr<cuda::Gpu>();
  }
  (*gpu)->AllowTf32(flags.tf32);
  return gpu;
}

}  // namespace

int64_t MonotonicNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void DefineModelFlags(CLI::App& app, ModelFlags& flags) {
  app.add_option("--threads", flags.threads, "Threads that one run uses; 0: one a processor")
      ->check(CLI::Range(0, kMaxThreads))
      ->capture_default_str();
  app.add_option("--kernel", flags.kernel,
                 "Only this variant of a kernel family; see `ergo inspect --kernels`")
      ->type_name("FAMILY=VARIANT,...")
      ->envname("ERGO_KERNEL");
  app.add_option("--simd", flags.simd_target, "SIMD instruction set, the best one by default")
      ->type_name("TARGET")
      ->envname("ERGO_SIMD_TARGET");
  app.add_option("--device", flags.device,
                 "Where to run: cpu, or cuda[:NUMBER] where there is such a GPU, else the CPU")
      ->type_name("DEVICE")
      ->capture_default_str();
  app.add_flag("--tf32", flags.tf32, "Let a GPU round float32 to tf32 in products");
  app.add_option("--pin", flags.pin, "Processors for the threads, one each, round and round")
      ->type_name("0,2-3");
  app.add_flag("--reference", flags.reference, "Only reference kernels: plain loops, slow");
  DefineLimitFlags(app, flags.limits);
}

LimitFlags::LimitFlags() {
  const auto pages = static_cast<uint64_t>(std::max(sysconf(_SC_PHYS_PAGES), 1L));
  const auto page_bytes = static_cast<uint64_t>(std::max(sysconf(_SC_PAGESIZE), 1L));
  max_memory_bytes = pages * page_bytes / 4 * 3;
}

ResourceLimits LimitFlags::Limits() const {
  const auto most = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  return {static_cast<int64_t>(std::min(max_memory_bytes, most)), max_seconds};
}

void DefineLimitFlags(CLI::App& app, LimitFlags& flags) {
  app.add_option("--max-memory", flags.max_memory_bytes,
                 "Refuse a model that needs more memory than this, as 4GiB; by default three "
                 "quarters of this machine's")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--max-seconds", flags.max_seconds,
                 "Refuse a model when reading it, planning it or one run takes longer; 0: never")
      ->check(CLI::Range(0.0, kMaxSeconds))
      ->capture_default_str();
}

Result<ModelOptions> ApplyModelFlags(const ModelFlags& flags) {
  ERGO_RETURN_IF_ERROR(CheckForcedKernels(flags.kernel));
  if (!flags.simd_target.empty()) {
    ERGO_RETURN_IF_ERROR(ForceSimdTarget(flags.simd_target).WithContext("--simd"));
  }
  ModelOptions options;
  options.threads = flags.threads > 0 ? flags.threads : AvailableProcessors();
  if (!flags.pin.empty()) {
    Result<std::vector<int>> cpus = ParseCpuList(flags.pin);
    if (!cpus.ok()) return std::move(cpus).status().WithContext("--pin");
    options.pin_cpus = std::move(cpus).value();
  }
  options.kernels.reference = flags.reference;
  options.kernels.forced = flags.kernel;
  options.limits = flags.limits.Limits();
  ERGO_ASSIGN_OR_RETURN(options.gpu, OpenDevice(flags));
  return options;
}

Result<LoadedModel> LoadModel(const std::string& path, const ModelFlags& flags) {
  ERGO_ASSIGN_OR_RETURN(const ModelOptions options, ApplyModelFlags(flags));
  if (!options.pin_cpus.empty()) PinCurrentThread(options.pin_cpus[0]);
  LoadedModel loaded;
  ERGO_ASSIGN_OR_RETURN(loaded.file_bytes, FileBytes(path));
  const int64_t begin_ns = MonotonicNs();
  const Budget budget(options.limits);
  ERGO_ASSIGN_OR_RETURN(Graph graph, ReadModel(path, budget));
  const int64_t read_ns = MonotonicNs();
  ERGO_RETURN_IF_ERROR(OptimizeOnLoad(graph, budget).WithContext(path));
  const int64_t optimized_ns = MonotonicNs();
  Result<std::unique_ptr<Model>> model = Model::Create(std::move(graph), options);
  if (!model.ok()) return std::move(model).status().WithContext(path);
  loaded.model = std::move(model).value();
  loaded.read_us = static_cast<double>(read_ns - begin_ns) / 1e3;
  loaded.optimize_us = static_cast<double>(optimized_ns - read_ns) / 1e3;
  loaded.create_us = static_cast<double>(MonotonicNs() - optimized_ns) / 1e3;
  return loaded;
}

Result<int64_t> FileBytes(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (error) {
    const bool missing = error == std::errc::no_such_file_or_directory;
    return Error(missing ? StatusCode::kNotFound : StatusCode::kInvalidArgument, "{}: {}", path,
                 error.message());
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace ergo::tool
