#include "tools/ergo/cpu_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <string>

namespace ergo::tool {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The first processor that this process may use.
int OwnCpu() {
  cpu_set_t ours;
  CPU_ZERO(&ours);
  EXPECT_EQ(sched_getaffinity(0, sizeof(ours), &ours), 0);
  int cpu = 0;
  while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(static_cast<size_t>(cpu), &ours)) ++cpu;
  return cpu;
}

TEST(CpuListTest, TakesNumbersAndRanges) {
  const int cpu = OwnCpu();
  const std::string name = std::to_string(cpu);
  EXPECT_THAT(ParseCpuList(name).value(), ElementsAre(cpu));
  EXPECT_THAT(ParseCpuList(name + "-" + name + "," + name).value(), ElementsAre(cpu, cpu));
}

TEST(CpuListTest, RefusesWhatIsNoList) {
  for (const char* text : {"", ",", "x", "-1", "0-", "0,", "0 ", "3-1", "0x1", "99999999999"}) {
    const auto cpus = ParseCpuList(text);
    EXPECT_EQ(cpus.status().code(), StatusCode::kInvalidArgument) << text;
  }
}

TEST(CpuListTest, RefusesProcessorsThatAreNotThere) {
  EXPECT_THAT(std::string(ParseCpuList("1048576").status().message()),
              HasSubstr("processor 1048576"));
  EXPECT_FALSE(ParseCpuList("0-2147483647").ok());
}

}  // namespace
}  // namespace ergo::tool
