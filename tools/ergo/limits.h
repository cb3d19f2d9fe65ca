// Limits on what the command line may ask for.
#ifndef ERGO_TOOLS_ERGO_LIMITS_H_
#define ERGO_TOOLS_ERGO_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace ergo::tool {

inline constexpr int kMaxThreads = 1024;
inline constexpr int64_t kMaxPlans = int64_t{1} << 16;  // of one model
inline constexpr int64_t kMaxBatch = int64_t{1} << 20;
// Latencies of single runs are all kept, to give exact percentiles.
inline constexpr int64_t kMaxBenchRuns = 10'000'000;
inline constexpr double kMaxSeconds = 86400;
inline constexpr int64_t kMaxTraceEvents = 1'000'000;
inline constexpr int kMaxTestDataSets = 100'000;
inline constexpr int kMaxLoadConnections = 4096;
inline constexpr int kMaxLoadInFlight = 1024;  // of one connection
// Values that one run of a bisection keeps beside the model's own.
inline constexpr size_t kBisectValues = 64;
inline constexpr double kMaxLoadRate = 1e6;  // requests a second
inline constexpr int64_t kMaxLoadRequests = 1'000'000'000;

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_LIMITS_H_
