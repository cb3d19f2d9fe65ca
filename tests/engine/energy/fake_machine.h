// A machine of files and numbers: a clock that stands still until told, a /sys and /proc below a
// temporary folder, and perf counters that read what the test says.
#ifndef ERGO_TESTS_ENGINE_ENERGY_FAKE_MACHINE_H_
#define ERGO_TESTS_ENGINE_ENERGY_FAKE_MACHINE_H_

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <tuple>

#include "engine/energy/clock.h"
#include "engine/energy/perf_counters.h"

namespace ergo {

class FakeClock final : public EnergyClock {
 public:
  int64_t WallNs() const override { return wall_ns; }
  int64_t ProcessCpuNs() const override { return cpu_ns; }
  void Advance(double seconds) { wall_ns += static_cast<int64_t>(seconds * 1e9); }
  void Burn(double seconds) { cpu_ns += static_cast<int64_t>(seconds * 1e9); }

  std::atomic<int64_t> wall_ns{5'000'000'000};
  std::atomic<int64_t> cpu_ns{1'000'000'000};
};

// Counters that are opened read `counts[{config, cpu}]`; an entry of `refused` cannot be opened,
// and one of `broken` not be read.
class FakePerfCounters final : public PerfCounters {
 public:
  using Key = std::pair<uint64_t, int>;

  Result<int> Open(uint32_t type, uint64_t config, int cpu) override {
    last_type = type;
    if (refused) return Error(StatusCode::kDeviceError, "perf_event_open: Permission denied");
    const int handle = next_handle++;
    open[handle] = {config, cpu};
    return handle;
  }
  Result<uint64_t> Read(int handle) override {
    if (broken) return Error(StatusCode::kDeviceError, "reading a perf counter: gone");
    return counts.at(open.at(handle));
  }
  void Close(int handle) override { open.erase(handle); }

  std::map<Key, uint64_t> counts;
  std::map<int, Key> open;
  bool refused = false, broken = false;
  uint32_t last_type = 0;
  int next_handle = 3;
};

// The folder goes with the object. Attributes are rewritten in place, as the kernel's are: whoever
// holds one open reads the new value.
class FakeMachine {
 public:
  FakeMachine() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ergo-energy-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    chmod(root_.c_str(), 0755);
    std::filesystem::create_directories(root_ + "/sys");
    Write("/sys/devices/system/cpu/online", "0-3");
    SetBusyTicks(1000);
    Write("/proc/cpuinfo",
          "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n"
          "model\t\t: 1\nmodel name\t: AMD EPYC 7763 64-Core Processor\n");
  }
  ~FakeMachine() { std::filesystem::remove_all(root_); }
  FakeMachine(const FakeMachine&) = delete;
  FakeMachine& operator=(const FakeMachine&) = delete;

  std::string Sysfs() const { return root_ + "/sys"; }
  std::string Proc() const { return root_ + "/proc"; }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }

  // A tick is 10 ms; busy time is spread over kinds that count, beside kinds that do not.
  void SetBusyTicks(uint64_t ticks) {
    Write("/proc/stat", "cpu  " + std::to_string(ticks - 30) +
                            " 10 5 987654 4321 10 5 777 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0");
  }

  // zone: "intel-rapl:0" or "intel-rapl:0:1".
  void AddZone(const std::string& zone, const std::string& name, uint64_t energy_uj,
               uint64_t range_uj = 262'143'328'850) {
    const std::string directory = "/sys/class/powercap/" + zone;
    Write(directory + "/name", name);
    Write(directory + "/max_energy_range_uj", std::to_string(range_uj));
    SetEnergy(zone, energy_uj);
  }
  void SetEnergy(const std::string& zone, uint64_t energy_uj) {
    Write("/sys/class/powercap/" + zone + "/energy_uj", std::to_string(energy_uj));
  }

  void AddPowerPmu(const std::string& cpumask, bool with_dram) {
    const std::string pmu = "/sys/bus/event_source/devices/power";
    Write(pmu + "/type", "23");
    Write(pmu + "/cpumask", cpumask);
    AddEvent(pmu, "energy-pkg", "event=0x02");
    AddEvent(pmu, "energy-psys", "event=0x05");
    AddEvent(pmu, "energy-cores", "event=0x01");
    if (with_dram) AddEvent(pmu, "energy-ram", "event=0x03");
  }
  void SetPackageOf(int cpu, int package) {
    Write("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/physical_package_id",
          std::to_string(package));
  }

 private:
  void AddEvent(const std::string& pmu, const std::string& name, const std::string& text) {
    Write(pmu + "/events/" + name, text);
    Write(pmu + "/events/" + name + ".unit", "Joules");
    Write(pmu + "/events/" + name + ".scale", "2.3283064365386962890625e-10");
  }

  std::string root_;
};

}  // namespace ergo

#endif  // ERGO_TESTS_ENGINE_ENERGY_FAKE_MACHINE_H_
