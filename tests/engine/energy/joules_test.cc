#include "engine/energy/joules.h"

#include <gtest/gtest.h>

namespace ergo {
namespace {

Joules Measured(double value, double window_s, const char* domains = "package-0") {
  Joules joules;
  joules.value = value;
  joules.source = EnergySource::kMeasured;
  joules.domains = domains;
  joules.window_s = window_s;
  joules.relative_error = 0.05;
  return joules;
}

Joules Modelled(double value) {
  Joules joules = Measured(value, 1, "cpu-model");
  joules.source = EnergySource::kModelled;
  joules.relative_error = 0.5;
  return joules;
}

TEST(JoulesTest, SaysWhereItComesFrom) {
  EXPECT_EQ(Measured(0.0123, 1, "package-0 dram-0").ToString(),
            "12.3 mJ +-5 % (measured, package-0 dram-0)");
  EXPECT_EQ(Modelled(2.5e-6).ToString(), "2.5 uJ +-50 % (modelled, cpu-model)");
  EXPECT_EQ(Modelled(1234).ToString(), "1.23 kJ +-50 % (modelled, cpu-model)");
  Joules none;
  EXPECT_EQ(none.ToString(), "unavailable");
  none.reason = "no meter";
  EXPECT_EQ(none.ToString(), "unavailable (no meter)");
}

TEST(JoulesTest, SameDomainsFollowEachOther) {
  const Joules sum = Measured(3, 1) + Measured(1, 2);
  EXPECT_DOUBLE_EQ(sum.value, 4);
  EXPECT_EQ(sum.source, EnergySource::kMeasured);
  EXPECT_EQ(sum.domains, "package-0");
  EXPECT_DOUBLE_EQ(sum.window_s, 3);
  EXPECT_DOUBLE_EQ(sum.relative_error, 0.05);
}

TEST(JoulesTest, OtherDomainsStandBesideEachOther) {
  const Joules sum = Measured(3, 1, "package-0 dram-0") + Measured(1, 2, "dram-0 package-1");
  EXPECT_EQ(sum.domains, "package-0 dram-0 package-1");
  EXPECT_DOUBLE_EQ(sum.window_s, 2);
}

TEST(JoulesTest, OneModelledMakesTheSumModelled) {
  for (const Joules& sum : {Measured(3, 1) + Modelled(1), Modelled(1) + Measured(3, 1)}) {
    EXPECT_EQ(sum.source, EnergySource::kModelled);
    EXPECT_DOUBLE_EQ(sum.value, 4);
    EXPECT_DOUBLE_EQ(sum.relative_error, (3 * 0.05 + 1 * 0.5) / 4);
  }
}

TEST(JoulesTest, UnavailableSwallowsAll) {
  Joules none;
  none.reason = "no meter";
  for (const Joules& sum : {Measured(3, 1) + none, none + Modelled(1)}) {
    EXPECT_EQ(sum.source, EnergySource::kUnavailable);
    EXPECT_EQ(sum.reason, "no meter");
  }
}

}  // namespace
}  // namespace ergo
