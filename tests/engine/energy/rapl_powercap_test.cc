#include "engine/energy/rapl_powercap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <thread>

#include "engine/energy/meter_sampler.h"
#include "tests/engine/energy/fake_machine.h"

namespace ergo {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kRange_uj = 262'143'328'850;

class RaplPowercapTest : public ::testing::Test {
 protected:
  std::unique_ptr<Meter> Open() {
    Result<std::unique_ptr<Meter>> meter = TryOpen();
    EXPECT_TRUE(meter.ok()) << meter.status().ToString();
    return meter.ok() ? std::move(*meter) : nullptr;
  }
  Result<std::unique_ptr<Meter>> TryOpen() {
    return OpenRaplPowercap(machine_.Sysfs(), machine_.Proc(), clock_, PowerModel{});
  }
  static std::string ErrorOf(const Result<std::unique_ptr<Meter>>& meter) {
    return meter.ok() ? "opened" : meter.status().ToString();
  }

  FakeMachine machine_;
  FakeClock clock_;
};

TEST_F(RaplPowercapTest, AddsPackagesAndDramAndNothingElse) {
  // Numbers follow the order of probing, not of sockets: psys comes first here and socket 1 before
  // socket 0. Both sockets have a zone named "dram".
  machine_.AddZone("intel-rapl:0", "psys", 1);
  machine_.AddZone("intel-rapl:1", "package-1", 10);
  machine_.AddZone("intel-rapl:1:0", "core", 1);
  machine_.AddZone("intel-rapl:1:1", "dram", 20);
  machine_.AddZone("intel-rapl:2", "package-0", 30);
  machine_.AddZone("intel-rapl:2:0", "dram", 40);
  machine_.AddZone("intel-rapl:2:1", "uncore", 1);
  machine_.AddZone("intel-rapl-mmio:0", "package-0", 7);
  machine_.AddZone("intel-rapl-mmio:0:0", "dram", 7);
  machine_.AddZone("dtpm:0", "package-9", 7);
  const auto meter = Open();
  EXPECT_EQ(meter->Domains(), "package-1 dram-1 package-0 dram-0");
  EXPECT_EQ(meter->Processors(), 4);

  const MeterReading begin = meter->Read();
  clock_.Advance(2);
  for (const char* other : {"intel-rapl:0", "intel-rapl:1:0", "intel-rapl:2:1", "intel-rapl-mmio:0",
                            "intel-rapl-mmio:0:0", "dtpm:0"}) {
    machine_.SetEnergy(other, 900'000'000);
  }
  machine_.SetEnergy("intel-rapl:1", 10 + 1'000'000);
  machine_.SetEnergy("intel-rapl:1:1", 20 + 200'000);
  machine_.SetEnergy("intel-rapl:2", 30 + 3'000'000);
  machine_.SetEnergy("intel-rapl:2:0", 40 + 400'000);
  const Joules used = meter->Between(begin, meter->Read());
  EXPECT_EQ(used.source, EnergySource::kMeasured);
  EXPECT_NEAR(used.value, 4.6, 1e-9);
  EXPECT_DOUBLE_EQ(used.window_s, 2);
  EXPECT_NEAR(used.relative_error, 0.05, 1e-4);
}

TEST_F(RaplPowercapTest, MmioCountsWhereItIsTheOnlyOne) {
  machine_.AddZone("intel-rapl-mmio:0", "package-0", 0);
  EXPECT_EQ(Open()->Domains(), "package-0");
}

TEST_F(RaplPowercapTest, DiesOfOnePackageAreZonesOfTheirOwn) {
  machine_.AddZone("intel-rapl:0", "package-0-die-0", 0);
  machine_.AddZone("intel-rapl:1", "package-0-die-1", 0);
  machine_.AddZone("intel-rapl:1:0", "dram", 0);
  EXPECT_EQ(Open()->Domains(), "package-0-die-0 package-0-die-1 dram-0-die-1");
}

TEST_F(RaplPowercapTest, WrapsAreFollowedForHours) {
  machine_.AddZone("intel-rapl:0", "package-0", 0);
  const auto meter = Open();
  const MeterReading begin = meter->Read();
  // 12 random hours sampled at the meter's own pace: the truth is kept beside, in 64 bits.
  std::mt19937 random(17);
  std::uniform_real_distribution<double> watts(10, 1400);
  const double period_s = static_cast<double>(meter->SamplePeriodNs()) * 1e-9;
  uint64_t truth_uj = 0;
  int wraps = 0;
  for (double at_s = 0; at_s < 12 * 3600; at_s += period_s) {
    clock_.Advance(period_s);
    const uint64_t before = truth_uj / kRange_uj;
    truth_uj += static_cast<uint64_t>(watts(random) * period_s * 1e6);
    wraps += static_cast<int>(truth_uj / kRange_uj - before);
    machine_.SetEnergy("intel-rapl:0", truth_uj % kRange_uj);
    meter->Sample();
  }
  ASSERT_GT(wraps, 50);
  const Joules used = meter->Between(begin, meter->Read());
  EXPECT_EQ(used.source, EnergySource::kMeasured) << used.ToString();
  EXPECT_NEAR(used.value, static_cast<double>(truth_uj) * 1e-6, 1e-3);
}

TEST_F(RaplPowercapTest, AnUnsampledWrapIsNeitherGuessedNorHidden) {
  machine_.AddZone("intel-rapl:0", "package-0", 5'000'000);
  const auto meter = Open();
  const MeterReading begin = meter->Read();
  clock_.Advance(3600);
  machine_.SetEnergy("intel-rapl:0", 6'000'000);
  const MeterReading late = meter->Read();
  const Joules lost = meter->Between(begin, late);
  EXPECT_EQ(lost.source, EnergySource::kUnavailable);
  EXPECT_THAT(lost.reason, HasSubstr("not sampled often enough"));
  // What begins after the gap counts again.
  clock_.Advance(1);
  machine_.SetEnergy("intel-rapl:0", 8'000'000);
  EXPECT_NEAR(meter->Between(late, meter->Read()).value, 2, 1e-9);
}

TEST_F(RaplPowercapTest, AResetIsNoWrap) {
  machine_.AddZone("intel-rapl:0", "package-0", 50'000'000'000);
  const auto meter = Open();
  const MeterReading begin = meter->Read();
  clock_.Advance(1);
  machine_.SetEnergy("intel-rapl:0", 0);  // as a wrap it would be 212 kJ within a second
  const Joules used = meter->Between(begin, meter->Read());
  EXPECT_EQ(used.source, EnergySource::kUnavailable);
  EXPECT_THAT(used.reason, HasSubstr("reset"));
}

TEST_F(RaplPowercapTest, ACounterThatStandsStillIsNotZeroJoules) {
  machine_.AddZone("intel-rapl:0", "package-0", 123);
  const auto meter = Open();
  const MeterReading begin = meter->Read();
  clock_.Advance(1);
  const Joules used = meter->Between(begin, meter->Read());
  EXPECT_EQ(used.source, EnergySource::kUnavailable);
  EXPECT_THAT(used.reason, HasSubstr("did not move"));
}

TEST_F(RaplPowercapTest, ShortWindowsAreRefusedWithAdvice) {
  machine_.AddZone("intel-rapl:0", "package-0", 123);
  const auto meter = Open();
  const MeterReading begin = meter->Read();
  clock_.Advance(0.0004);
  machine_.SetEnergy("intel-rapl:0", 200);
  const Joules used = meter->Between(begin, meter->Read());
  EXPECT_EQ(used.source, EnergySource::kUnavailable);
  EXPECT_THAT(used.reason, HasSubstr("400 us are shorter"));
  EXPECT_THAT(used.reason, HasSubstr("attribute"));
}

TEST_F(RaplPowercapTest, GarbageInTheCounterIsAnError) {
  machine_.AddZone("intel-rapl:0", "package-0", 123);
  const auto meter = Open();
  const MeterReading begin = meter->Read();
  clock_.Advance(1);
  machine_.Write("/sys/class/powercap/intel-rapl:0/energy_uj", "12x");
  const Joules used = meter->Between(begin, meter->Read());
  EXPECT_EQ(used.source, EnergySource::kUnavailable);
  EXPECT_THAT(used.reason, HasSubstr("energy_uj"));
}

TEST_F(RaplPowercapTest, MissingPermissionSaysWhatToGrant) {
  machine_.AddZone("intel-rapl:0", "package-0", 0);
  const std::string energy = machine_.Sysfs() + "/class/powercap/intel-rapl:0/energy_uj";
  std::filesystem::permissions(energy, std::filesystem::perms::owner_read);
  // Root may read everything: the check needs to be somebody else, or not the owner.
  const bool root = geteuid() == 0;
  constexpr uid_t kNobody = 65534;
  if (root) {
    ASSERT_EQ(seteuid(kNobody), 0);
  } else {
    std::filesystem::permissions(energy, std::filesystem::perms::none);
  }
  const Result<std::unique_ptr<Meter>> meter = TryOpen();
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  ASSERT_FALSE(meter.ok());
  EXPECT_EQ(meter.status().code(), StatusCode::kDeviceError);
  EXPECT_THAT(ErrorOf(meter), HasSubstr("chmod a+r"));
  EXPECT_THAT(ErrorOf(meter), HasSubstr(energy));
}

TEST_F(RaplPowercapTest, AbsenceAndNonsenseAreNamed) {
  EXPECT_THAT(ErrorOf(TryOpen()), HasSubstr("no powercap"));
  machine_.AddZone("intel-rapl:0", "psys", 0);
  EXPECT_THAT(ErrorOf(TryOpen()), HasSubstr("no zone named package-N"));
  machine_.AddZone("intel-rapl:1", "package-0", 0, /*range_uj=*/0);
  EXPECT_THAT(ErrorOf(TryOpen()), HasSubstr("max_energy_range_uj is 0"));
}

TEST_F(RaplPowercapTest, TheSamplerSamplesAndEndsAtOnce) {
  // A range of 3 J wraps after 2 ms at the most, so that the thread samples every millisecond.
  machine_.AddZone("intel-rapl:0", "package-0", 1'000'000, /*range_uj=*/3'000'000);
  class CountingMeter final : public Meter {
   public:
    explicit CountingMeter(Meter* inner) : inner_(inner) {}
    MeterReading Read() override { return inner_->Read(); }
    void Sample() override {
      inner_->Sample();
      ++samples;
    }
    int64_t SamplePeriodNs() const override { return inner_->SamplePeriodNs(); }
    EnergySource Source() const override { return inner_->Source(); }
    std::string Domains() const override { return inner_->Domains(); }
    std::string Describe() const override { return inner_->Describe(); }
    const PowerModel& Weights() const override { return inner_->Weights(); }
    int Processors() const override { return inner_->Processors(); }
    std::atomic<int> samples{0};

   protected:
    double RelativeError(double) const override { return 0; }

   private:
    Meter* const inner_;
  };
  const auto meter = Open();
  EXPECT_EQ(meter->SamplePeriodNs(), 1'000'000);
  CountingMeter counting(meter.get());
  {
    MeterSampler sampler(&counting);
    while (counting.samples < 3) std::this_thread::yield();
  }
  const int stopped_at = counting.samples;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(counting.samples, stopped_at);
}

}  // namespace
}  // namespace ergo
