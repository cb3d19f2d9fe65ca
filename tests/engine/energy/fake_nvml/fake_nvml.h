// What a test sets of the fake NVML, and the field as the real header lays it out.
#ifndef ERGO_TESTS_ENGINE_ENERGY_FAKE_NVML_FAKE_NVML_H_
#define ERGO_TESTS_ENGINE_ENERGY_FAKE_NVML_FAKE_NVML_H_

struct FakeNvmlState {
  int opened = 0;
  int init_result = 0, energy_result = 0, power_result = 0;
  unsigned long long energy_mj = 0;
  unsigned power_mw = 0;
};

struct FakeNvmlField {
  unsigned field, scope;
  long long timestamp, latency;
  int type;
  int result;
  unsigned milliwatts, upper;
};

#endif  // ERGO_TESTS_ENGINE_ENERGY_FAKE_NVML_FAKE_NVML_H_
