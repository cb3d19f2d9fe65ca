#include "engine/energy/rapl_perf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/energy/fake_machine.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPackage = 2, kDram = 3;  // events, as FakeMachine writes them
constexpr double kCount_j = 1.0 / (uint64_t{1} << 32);

class RaplPerfTest : public ::testing::Test {
 protected:
  RaplPerfTest() {
    for (const int cpu : {0, 2}) {
      perf_.counts[{kPackage, cpu}] = uint64_t{1} << 60;  // far above what a double resolves
      perf_.counts[{kDram, cpu}] = 5;
    }
    machine_.SetPackageOf(0, 0);
    machine_.SetPackageOf(2, 1);
  }
  Result<std::unique_ptr<Meter>> TryOpen() {
    return OpenRaplPerf(machine_.Sysfs(), machine_.Proc(), clock_, perf_, PowerModel{});
  }
  std::string Error() {
    const Result<std::unique_ptr<Meter>> meter = TryOpen();
    return meter.ok() ? "opened" : meter.status().ToString();
  }

  FakeMachine machine_;
  FakeClock clock_;
  FakePerfCounters perf_;
};

TEST_F(RaplPerfTest, AddsPackagesAndDramOfEverySocket) {
  machine_.AddPowerPmu("0,2", /*with_dram=*/true);
  auto meter = TryOpen();
  ASSERT_TRUE(meter.ok()) << meter.status().ToString();
  EXPECT_EQ((*meter)->Domains(), "package-0 package-1 dram-0 dram-1");
  EXPECT_EQ(perf_.last_type, 23u);
  EXPECT_EQ(perf_.open.size(), 4u);

  const MeterReading begin = (*meter)->Read();
  clock_.Advance(1);
  perf_.counts[{kPackage, 0}] += uint64_t{8} << 32;
  perf_.counts[{kPackage, 2}] += 3;
  perf_.counts[{kDram, 2}] += uint64_t{1} << 31;
  const Joules used = (*meter)->Between(begin, (*meter)->Read());
  EXPECT_EQ(used.source, EnergySource::kMeasured);
  EXPECT_NEAR(used.value, 8.5 + 3 * kCount_j, 1e-12);

  meter->reset();
  EXPECT_TRUE(perf_.open.empty());
}

TEST_F(RaplPerfTest, WithoutDramOnlyPackages) {
  machine_.AddPowerPmu("0", /*with_dram=*/false);
  auto meter = TryOpen();
  ASSERT_TRUE(meter.ok()) << meter.status().ToString();
  EXPECT_EQ((*meter)->Domains(), "package-0");
}

TEST_F(RaplPerfTest, RefusalsSayWhy) {
  EXPECT_THAT(Error(), HasSubstr("no `power` PMU"));
  machine_.AddPowerPmu("0", true);
  perf_.refused = true;
  EXPECT_THAT(Error(), HasSubstr("Permission denied"));
  perf_.refused = false;
  const std::string event = "/sys/bus/event_source/devices/power/events/energy-pkg";
  machine_.Write(event + ".unit", "Watts");
  EXPECT_THAT(Error(), HasSubstr("'Watts' instead of 'Joules'"));
  machine_.Write(event + ".unit", "Joules");
  machine_.Write(event + ".scale", "-1");
  EXPECT_THAT(Error(), HasSubstr("not a positive number"));
  machine_.Write(event + ".scale", "1e-9");
  machine_.Write(event, "umask=0x02");
  EXPECT_THAT(Error(), HasSubstr("does not begin with 'event='"));
  EXPECT_TRUE(perf_.open.empty());
}

TEST_F(RaplPerfTest, ABrokenCounterIsNotZeroJoules) {
  machine_.AddPowerPmu("0", true);
  auto meter = TryOpen();
  ASSERT_TRUE(meter.ok());
  const MeterReading begin = (*meter)->Read();
  clock_.Advance(1);
  perf_.broken = true;
  const Joules used = (*meter)->Between(begin, (*meter)->Read());
  EXPECT_EQ(used.source, EnergySource::kUnavailable);
  EXPECT_THAT(used.reason, HasSubstr("gone"));
}

TEST_F(RaplPerfTest, TheKernelRefusesAnUnknownPmu) {
  // The production seam against the real system call: no PMU has this type.
  Result<int> handle = SystemPerfCounters().Open(0x7ffffff0, 2, 0);
  ASSERT_FALSE(handle.ok());
  EXPECT_THAT(handle.status().ToString(), HasSubstr("perf_event_open"));
}

}  // namespace
}  // namespace ergo
