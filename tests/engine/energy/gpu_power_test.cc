// GpuPower against a library that is built for the test (tests/engine/energy/fake_nvml).
#include "engine/energy/gpu_power.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/energy/fake_nvml/fake_nvml.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

class GpuPowerTest : public ::testing::Test {
 protected:
  GpuPowerTest() {
    library_ = dlopen(ERGO_FAKE_NVML, RTLD_NOW | RTLD_LOCAL);
    state_ = reinterpret_cast<FakeNvmlState* (*)()>(dlsym(library_, "FakeNvml"))();
    *state_ = FakeNvmlState();
  }
  ~GpuPowerTest() override { dlclose(library_); }

  Result<std::unique_ptr<GpuPower>> Open(unsigned device = 0) {
    GpuPowerOptions options;
    options.library = ERGO_FAKE_NVML;
    options.device = device;
    return GpuPower::Open(options);
  }

  void* library_ = nullptr;
  FakeNvmlState* state_ = nullptr;
};

TEST_F(GpuPowerTest, ReadsWhatTheLibrarySays) {
  state_->energy_mj = 1234567;
  state_->power_mw = 345600;
  {
    auto power = Open();
    ASSERT_TRUE(power.ok()) << power.status().ToString();
    EXPECT_EQ((*power)->Name(), "Fake H200");
    const auto reading = (*power)->Read();
    ASSERT_TRUE(reading.ok());
    EXPECT_DOUBLE_EQ(reading->joules, 1234.567);
    EXPECT_DOUBLE_EQ(reading->watts.value(), 345.6);
    EXPECT_EQ(reading->temperature_c, 61);
    EXPECT_EQ(reading->clock_mhz, 1980);
    EXPECT_EQ(state_->opened, 1);
  }
  EXPECT_EQ(state_->opened, 0) << "closed";
}

TEST_F(GpuPowerTest, AFigureNeedsSecondsAndACounterThatGoesOn) {
  auto power = Open();
  ASSERT_TRUE(power.ok());
  GpuPower::Reading begin, end;
  end.joules = 700;
  end.wall_ns = 2'000'000'000;
  EXPECT_EQ((*power)->Between(begin, end).source, EnergySource::kUnavailable);
  EXPECT_THAT((*power)->Between(begin, end).reason, HasSubstr("shorter"));
  end.wall_ns = 7'000'000'000;
  const Joules used = (*power)->Between(begin, end);
  EXPECT_EQ(used.source, EnergySource::kMeasured);
  EXPECT_DOUBLE_EQ(used.value, 700);
  EXPECT_DOUBLE_EQ(used.window_s, 7);
  EXPECT_EQ(used.domains, "gpu-0");
  begin.joules = 800;
  EXPECT_EQ((*power)->Between(begin, end).source, EnergySource::kUnavailable);
}

TEST_F(GpuPowerTest, SaysWhyThereIsNone) {
  GpuPowerOptions options;
  options.library = "libno-such-library.so.1";
  EXPECT_EQ(GpuPower::Open(options).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(Open(1).status().code(), StatusCode::kUnavailable);
  state_->init_result = 9;
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("of the fake"));
  state_->init_result = 0;
  state_->energy_result = 3;
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("TotalEnergyConsumption"));
}

TEST_F(GpuPowerTest, LeavesOutWhatADeviceDoesNotSay) {
  state_->power_result = 3;
  auto power = Open();
  ASSERT_TRUE(power.ok());
  EXPECT_FALSE((*power)->Read()->watts.has_value());
}

}  // namespace
}  // namespace ergo
