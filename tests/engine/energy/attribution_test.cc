#include "engine/energy/attribution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "engine/energy/modelled_meter.h"
#include "engine/energy/rapl_powercap.h"
#include "tests/engine/energy/fake_machine.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

PowerModel FourToOne() {
  PowerModel model;
  model.busy_watts = 4;
  model.idle_watts = 1;
  model.relative_error = 0.3;
  return model;
}

TEST(CpuTimeRateTest, ModelledIsTimeTimesBusyPower) {
  FakeClock clock;
  const auto meter = MakeModelledMeter(FourToOne(), 2, clock);
  CpuTimeRate rate(meter.get(), clock);
  EXPECT_EQ(rate.Now().source, EnergySource::kModelled);
  EXPECT_DOUBLE_EQ(rate.Now().joules_per_cpu_s, 4);
  const Joules request = rate.For(2'000'000);
  EXPECT_NEAR(request.value, 0.008, 1e-12);
  EXPECT_EQ(request.source, EnergySource::kModelled);
  EXPECT_DOUBLE_EQ(request.relative_error, 0.3);
}

TEST(CpuTimeRateTest, RequestsAndIdleAddUpToTheMeasuredWindow) {
  FakeMachine machine;  // 4 processors
  FakeClock clock;
  machine.AddZone("intel-rapl:0", "package-0", 0);
  auto meter = OpenRaplPowercap(machine.Sysfs(), machine.Proc(), clock, FourToOne());
  ASSERT_TRUE(meter.ok()) << meter.status().ToString();
  CpuTimeRate rate(meter->get(), clock);
  EXPECT_EQ(rate.Now().source, EnergySource::kUnavailable);
  EXPECT_THAT(rate.For(1).reason, HasSubstr("first second"));

  // Two seconds of four processors, of which 1.5 s are busy: 100 J.
  clock.Advance(2);
  machine.SetBusyTicks(1150);
  machine.SetEnergy("intel-rapl:0", 100'000'000);
  const Joules busy = rate.For(1'500'000'000);
  EXPECT_EQ(busy.source, EnergySource::kMeasured);
  const double idle_j = busy.value / 1.5 / 4 * (2 * 4 - 1.5);
  EXPECT_NEAR(busy.value + idle_j, 100, 1e-9);
  EXPECT_NEAR(busy.relative_error, 0.304, 1e-3);
  EXPECT_EQ(busy.domains, "package-0");

  // The rate holds for a second, then follows the meter.
  clock.Advance(0.5);
  machine.SetEnergy("intel-rapl:0", 200'000'000);
  EXPECT_DOUBLE_EQ(rate.For(1'500'000'000).value, busy.value);
  clock.Advance(0.6);
  machine.SetBusyTicks(1150 + 440);  // every processor, all the time
  EXPECT_NEAR(rate.For(4'400'000'000).value, 100, 1e-6);
}

TEST(CpuTimeRateTest, ALostMeterIsSaidSo) {
  FakeMachine machine;
  FakeClock clock;
  machine.AddZone("intel-rapl:0", "package-0", 0);
  auto meter = OpenRaplPowercap(machine.Sysfs(), machine.Proc(), clock, FourToOne());
  ASSERT_TRUE(meter.ok());
  CpuTimeRate rate(meter->get(), clock);
  clock.Advance(2);
  EXPECT_EQ(rate.Now().source, EnergySource::kUnavailable);
  EXPECT_THAT(rate.For(5).reason, HasSubstr("did not move"));
}

TEST(CpuTimeRateTest, ManyThreadsMayAsk) {
  FakeMachine machine;
  FakeClock clock;
  machine.AddZone("intel-rapl:0", "package-0", 0);
  auto meter = OpenRaplPowercap(machine.Sysfs(), machine.Proc(), clock, FourToOne());
  ASSERT_TRUE(meter.ok());
  CpuTimeRate rate(meter->get(), clock);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) {
        clock.Advance(0.01);
        EXPECT_NE(rate.Now().source, EnergySource::kModelled);
        EXPECT_NE(rate.For(1000).source, EnergySource::kModelled);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ShareByCpuTimeTest, KeepsWhereItComesFrom) {
  Joules window;
  window.value = 10;
  window.source = EnergySource::kMeasured;
  window.domains = "package-0";
  const Joules share = ShareByCpuTime(window, 0.25);
  EXPECT_DOUBLE_EQ(share.value, 2.5);
  EXPECT_EQ(share.source, EnergySource::kMeasured);
  EXPECT_EQ(share.domains, "package-0");
}

TEST(ThreadCpuNsTest, CountsThisThreadOnly) {
  const int64_t begin_ns = ThreadCpuNs();
  std::thread([] {
    const int64_t other_ns = ThreadCpuNs();
    while (ThreadCpuNs() - other_ns < 20'000'000) {
    }
  }).join();
  EXPECT_LT(ThreadCpuNs() - begin_ns, 20'000'000);
}

}  // namespace
}  // namespace ergo
