#include "engine/energy/meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/energy/meter_sampler.h"
#include "engine/energy/modelled_meter.h"
#include "tests/engine/energy/fake_machine.h"

namespace ergo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OpenMeterTest : public ::testing::Test {
 protected:
  OpenMeterTest() {
    options_.sysfs_root = machine_.Sysfs();
    options_.proc_root = machine_.Proc();
    options_.clock = &clock_;
    options_.perf = &perf_;
    perf_.counts[{2, 0}] = 0;
    machine_.SetPackageOf(0, 0);
  }

  FakeMachine machine_;
  FakeClock clock_;
  FakePerfCounters perf_;
  MeterOptions options_;
};

TEST_F(OpenMeterTest, PrefersPerf) {
  machine_.AddPowerPmu("0", false);
  machine_.AddZone("intel-rapl:0", "package-0", 0);
  const OpenedMeter opened = OpenMeter(options_);
  EXPECT_EQ(opened.meter->Source(), EnergySource::kMeasured);
  EXPECT_THAT(opened.meter->Describe(), HasSubstr("perf"));
  EXPECT_THAT(opened.notes, IsEmpty());
  EXPECT_EQ(opened.sampler, nullptr);
}

TEST_F(OpenMeterTest, ThenPowercapWithItsSampler) {
  machine_.AddPowerPmu("0", false);
  machine_.AddZone("intel-rapl:0", "package-0", 0);
  perf_.refused = true;
  OpenedMeter opened = OpenMeter(options_);
  EXPECT_THAT(opened.meter->Describe(), HasSubstr("powercap"));
  EXPECT_THAT(opened.notes, ElementsAre(HasSubstr("rapl-perf: perf_event_open")));
  EXPECT_NE(opened.sampler, nullptr);
  opened = OpenMeter(options_);  // the old sampler ends before its meter
  EXPECT_NE(opened.sampler, nullptr);
}

TEST_F(OpenMeterTest, ThenTheModelOfThisProcessor) {
  const OpenedMeter opened = OpenMeter(options_);
  EXPECT_EQ(opened.meter->Source(), EnergySource::kModelled);
  EXPECT_THAT(opened.meter->Describe(), HasSubstr("2.02 W busy, 0.45 W idle"));
  EXPECT_THAT(opened.meter->Describe(), HasSubstr("EPYC 3rd gen"));
  EXPECT_THAT(opened.notes, ElementsAre(HasSubstr("rapl-perf: no `power` PMU"),
                                        HasSubstr("rapl-powercap: no powercap")));
}

TEST_F(OpenMeterTest, NoMeterIsNotZeroJoules) {
  for (const char* kind : {"none", "rapl-perf", "rapl-powercap", "crystal-ball"}) {
    options_.kind = kind;
    const OpenedMeter opened = OpenMeter(options_);
    const MeterReading begin = opened.meter->Read();
    clock_.Advance(1);
    const Joules used = opened.meter->Between(begin, opened.meter->Read());
    EXPECT_EQ(used.source, EnergySource::kUnavailable) << kind;
    EXPECT_NE(used.reason, "") << kind;
  }
  options_.kind = "crystal-ball";
  EXPECT_THAT(OpenMeter(options_).meter->Describe(), HasSubstr("no meter 'crystal-ball'"));
}

TEST_F(OpenMeterTest, TheRealMachineHasSomeMeter) {
  const OpenedMeter opened = OpenMeter({});
  const MeterReading begin = opened.meter->Read();
  MeterReading end = opened.meter->Read();
  while (end.wall_ns - begin.wall_ns < 30'000'000) end = opened.meter->Read();
  const Joules used = opened.meter->Between(begin, end);
  EXPECT_NE(used.source, EnergySource::kUnavailable) << used.ToString();
  EXPECT_GT(used.value, 0);
  EXPECT_LT(used.value, 0.03 * 10'000);  // no machine draws 10 kW
}

TEST(ModelledMeterTest, CountsBusyAndIdleProcessors) {
  FakeClock clock;
  PowerModel model;
  model.busy_watts = 4;
  model.idle_watts = 1;
  model.relative_error = 0.3;
  const auto meter = MakeModelledMeter(model, 2, clock);
  const MeterReading begin = meter->Read();
  clock.Advance(10);
  clock.Burn(5);  // of 20 processor seconds
  const Joules used = meter->Between(begin, meter->Read());
  EXPECT_EQ(used.source, EnergySource::kModelled);
  EXPECT_NEAR(used.value, 5 * 4 + 15 * 1, 1e-9);
  EXPECT_DOUBLE_EQ(used.relative_error, 0.3);
  EXPECT_EQ(used.domains, "cpu-model");
}

TEST(ModelledMeterTest, ReadingsInTheWrongOrderAreRefused) {
  FakeClock clock;
  const auto meter = MakeModelledMeter(PowerModel{}, 2, clock);
  const MeterReading first = meter->Read();
  clock.Advance(1);
  const MeterReading second = meter->Read();
  EXPECT_EQ(meter->Between(second, first).source, EnergySource::kUnavailable);
}

TEST(PowerModelTest, FindsTheRow) {
  const auto origin = [](const char* vendor, int family, int model) {
    return PowerModelFor(fmt::format("processor\t: 0\nvendor_id\t: {}\ncpu family\t: {}\n"
                                     "model\t\t: {}\nmodel name\t: Some 99 Processor\n",
                                     vendor, family, model))
        .origin;
  };
  EXPECT_EQ(origin("AuthenticAMD", 23, 0x31), "EPYC 2nd gen, SPECpower");
  EXPECT_EQ(origin("AuthenticAMD", 25, 0x01), "EPYC 3rd gen, SPECpower");
  EXPECT_EQ(origin("AuthenticAMD", 25, 0x11), "EPYC 4th gen by the 3rd, SPECpower");
  EXPECT_EQ(origin("GenuineIntel", 6, 0x4f), "Broadwell, SPECpower");
  EXPECT_EQ(origin("GenuineIntel", 6, 1), "average server");
  EXPECT_EQ(origin("Unheard", 25, 1), "average server");
  EXPECT_EQ(PowerModelFor("").origin, "average server");
}

TEST(PowerModelTest, ParsesWhatAUserGives) {
  Result<PowerModel> model = ParsePowerModel("6.5:1.25");
  ASSERT_TRUE(model.ok());
  EXPECT_DOUBLE_EQ(model->busy_watts, 6.5);
  EXPECT_DOUBLE_EQ(model->idle_watts, 1.25);
  EXPECT_THAT(model->ToString(), HasSubstr("given by the user"));
  for (const char* bad :
       {"", ":", "3", "3:", ":1", "1:2", "0:0", "-1:-2", "3:1x", "inf:1", "nan:1", "3:1:1"}) {
    EXPECT_FALSE(ParsePowerModel(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace ergo
