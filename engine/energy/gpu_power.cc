#include "engine/energy/gpu_power.h"

#include <dlfcn.h>

#include <utility>

namespace ergo {
namespace {

// NVML's interface as far as it is used.
using NvmlReturn = int;
using NvmlDevice = void*;
constexpr NvmlReturn kNvmlSuccess = 0;
constexpr unsigned kNvmlPowerInstant = 186;
constexpr int kNvmlTemperatureGpu = 0, kNvmlClockSm = 1;

enum class NvmlValueType : int { kDouble, kUnsigned, kUnsignedLong, kUnsignedLongLong };
union NvmlValue {
  double as_double;
  unsigned as_unsigned;
  unsigned long as_unsigned_long;
  unsigned long long as_unsigned_long_long;
};
struct NvmlFieldValue {
  unsigned field;
  unsigned scope;
  long long timestamp_us;
  long long latency_us;
  NvmlValueType type;
  NvmlReturn result;
  NvmlValue value;
};

std::optional<double> NumberOf(const NvmlFieldValue& field) {
  if (field.result != kNvmlSuccess) return std::nullopt;
  switch (field.type) {
    case NvmlValueType::kDouble: return field.value.as_double;
    case NvmlValueType::kUnsigned: return field.value.as_unsigned;
    case NvmlValueType::kUnsignedLong: return static_cast<double>(field.value.as_unsigned_long);
    case NvmlValueType::kUnsignedLongLong:
      return static_cast<double>(field.value.as_unsigned_long_long);
  }
  return std::nullopt;
}

Status Unavailable(std::string message) {
  return Status(StatusCode::kUnavailable, std::move(message));
}

}  // namespace

struct GpuPower::Library {
  void* handle = nullptr;
  bool started = false;
  NvmlDevice device = nullptr;
  unsigned number = 0;
  std::string name;
  const EnergyClock* clock = nullptr;

  NvmlReturn (*init)() = nullptr;
  NvmlReturn (*shutdown)() = nullptr;
  const char* (*error_string)(NvmlReturn) = nullptr;
  NvmlReturn (*handle_by_index)(unsigned, NvmlDevice*) = nullptr;
  NvmlReturn (*get_name)(NvmlDevice, char*, unsigned) = nullptr;
  NvmlReturn (*total_energy_mj)(NvmlDevice, unsigned long long*) = nullptr;
  NvmlReturn (*field_values)(NvmlDevice, int, NvmlFieldValue*) = nullptr;
  NvmlReturn (*temperature)(NvmlDevice, int, unsigned*) = nullptr;
  NvmlReturn (*clock_info)(NvmlDevice, int, unsigned*) = nullptr;

  ~Library() {
    if (started) shutdown();
    if (handle != nullptr) dlclose(handle);
  }

  template <typename Function>
  Status Find(const char* symbol, Function& function) {
    function = reinterpret_cast<Function>(dlsym(handle, symbol));
    if (function != nullptr) return {};
    return Unavailable(fmt::format("NVML has no {}", symbol));
  }

  Status FindAll() {
    ERGO_RETURN_IF_ERROR(Find("nvmlInit_v2", init));
    ERGO_RETURN_IF_ERROR(Find("nvmlShutdown", shutdown));
    ERGO_RETURN_IF_ERROR(Find("nvmlErrorString", error_string));
    ERGO_RETURN_IF_ERROR(Find("nvmlDeviceGetHandleByIndex_v2", handle_by_index));
    ERGO_RETURN_IF_ERROR(Find("nvmlDeviceGetName", get_name));
    ERGO_RETURN_IF_ERROR(Find("nvmlDeviceGetTotalEnergyConsumption", total_energy_mj));
    ERGO_RETURN_IF_ERROR(Find("nvmlDeviceGetFieldValues", field_values));
    ERGO_RETURN_IF_ERROR(Find("nvmlDeviceGetTemperature", temperature));
    return Find("nvmlDeviceGetClockInfo", clock_info);
  }

  Status Check(NvmlReturn result, const char* call) const {
    if (result == kNvmlSuccess) return {};
    return Error(StatusCode::kDeviceError, "{}: {}", call, error_string(result));
  }
};

GpuPower::GpuPower(std::unique_ptr<Library> library) : library_(std::move(library)) {}
GpuPower::~GpuPower() = default;

Result<std::unique_ptr<GpuPower>> GpuPower::Open(const GpuPowerOptions& options) {
  auto library = std::make_unique<Library>();
  Library& l = *library;
  l.handle = dlopen(options.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (l.handle == nullptr) {
    const char* reason = dlerror();
    return Unavailable(reason != nullptr ? reason : options.library);
  }
  ERGO_RETURN_IF_ERROR(l.FindAll());
  const auto unavailable = [](const Status& status) {
    return Unavailable(std::string(status.message()));
  };
  if (Status status = l.Check(l.init(), "nvmlInit"); !status.ok()) return unavailable(status);
  l.started = true;
  l.number = options.device;
  l.clock = options.clock != nullptr ? options.clock : &SystemEnergyClock();
  Status found = l.Check(l.handle_by_index(options.device, &l.device), "nvmlDeviceGetHandle");
  if (!found.ok()) return unavailable(found);
  char name[96] = {};
  if (l.get_name(l.device, name, sizeof(name) - 1) == kNvmlSuccess) l.name = name;
  std::unique_ptr<GpuPower> power(new GpuPower(std::move(library)));
  const Result<Reading> first = power->Read();
  if (!first.ok()) return unavailable(first.status());
  return power;
}

const std::string& GpuPower::Name() const {
  return library_->name;
}

Result<GpuPower::Reading> GpuPower::Read() const {
  const Library& l = *library_;
  constexpr double kMilli = 1e-3;
  Reading reading;
  unsigned long long energy_mj = 0;
  ERGO_RETURN_IF_ERROR(
      l.Check(l.total_energy_mj(l.device, &energy_mj), "nvmlDeviceGetTotalEnergyConsumption"));
  reading.wall_ns = l.clock->WallNs();
  reading.joules = static_cast<double>(energy_mj) * kMilli;
  NvmlFieldValue power{};
  power.field = kNvmlPowerInstant;
  if (l.field_values(l.device, 1, &power) == kNvmlSuccess) {
    if (const auto milliwatts = NumberOf(power)) reading.watts = *milliwatts * kMilli;
  }
  unsigned value = 0;
  if (l.temperature(l.device, kNvmlTemperatureGpu, &value) == kNvmlSuccess) {
    reading.temperature_c = static_cast<int>(value);
  }
  if (l.clock_info(l.device, kNvmlClockSm, &value) == kNvmlSuccess) {
    reading.clock_mhz = static_cast<int>(value);
  }
  return reading;
}

Joules GpuPower::Between(const Reading& begin, const Reading& end) const {
  constexpr double kSecondsPerNs = 1e-9;
  Joules joules;
  joules.domains = fmt::format("gpu-{}", library_->number);
  joules.window_s = static_cast<double>(end.wall_ns - begin.wall_ns) * kSecondsPerNs;
  if (joules.window_s < kMinimumGpuWindow_s) {
    joules.reason = fmt::format("a window of {:.3f} s is shorter than {} s", joules.window_s,
                                kMinimumGpuWindow_s);
    return joules;
  }
  if (end.joules < begin.joules) {
    joules.reason = "the driver's counter began anew";
    return joules;
  }
  joules.source = EnergySource::kMeasured;
  joules.value = end.joules - begin.joules;
  joules.relative_error = kGpuEnergyRelativeError;
  return joules;
}

}  // namespace ergo
