// libnvidia-ml.so.1 as tests want it: one device whose state the test sets through FakeNvml().
#include <cstring>

#include "tests/engine/energy/fake_nvml/fake_nvml.h"

namespace {
FakeNvmlState state;
}  // namespace

extern "C" {

FakeNvmlState* FakeNvml() {
  return &state;
}

int nvmlInit_v2() {
  ++state.opened;
  return state.init_result;
}
int nvmlShutdown() {
  --state.opened;
  return 0;
}
const char* nvmlErrorString(int) {
  return "of the fake";
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = &state;
  return index == 0 ? 0 : 2;
}
int nvmlDeviceGetName(void*, char* name, unsigned length) {
  std::strncpy(name, "Fake H200", length);
  return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void*, unsigned long long* millijoules) {
  *millijoules = state.energy_mj;
  return state.energy_result;
}
int nvmlDeviceGetFieldValues(void*, int count, FakeNvmlField* values) {
  for (int i = 0; i < count; ++i) {
    values[i].result = values[i].field == 186 ? state.power_result : 2;
    values[i].type = 1;
    values[i].milliwatts = state.power_mw;
  }
  return 0;
}
int nvmlDeviceGetTemperature(void*, int sensor, unsigned* celsius) {
  *celsius = 61;
  return sensor == 0 ? 0 : 2;
}
int nvmlDeviceGetClockInfo(void*, int clock, unsigned* mhz) {
  *mhz = 1980;
  return clock == 1 ? 0 : 2;
}

}  // extern "C"
