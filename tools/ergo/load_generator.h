// The load generator behind `ergo load`: one request, sent over and over to a server on several
// connections, in one of two ways.
//   Closed loop: each connection keeps `in_flight` requests open. Measures what a fixed number of
//     clients gets; a server that stalls is asked less, so the stall shows in few samples.
//   Open loop: requests are due at times drawn beforehand, whatever the server does. Latency counts
//     from the time at which a request was due, also where it had to wait for room on a connection,
//     so that no stall hides (no coordinated omission).
#ifndef ERGO_TOOLS_ERGO_LOAD_GENERATOR_H_
#define ERGO_TOOLS_ERGO_LOAD_GENERATOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "server/client/client.h"
#include "tools/ergo/latency_histogram.h"

namespace ergo::tool {

enum class Arrivals { kConstant, kPoisson };

struct LoadPlan {
  int in_flight = 1;      // on each connection, at most
  double rate_per_s = 0;  // 0: closed loop
  Arrivals arrivals = Arrivals::kPoisson;
  double duration_s = 10;    // of measuring, after the warm-up
  double warmup_s = 1;       // sent, not counted
  int64_t max_requests = 0;  // measured ones; 0: no bound
  uint64_t seed = 1;         // of Poisson arrivals
};

struct LoadResult {
  LatencyHistogram latency_ns;            // of answers without error
  LatencyHistogram queue_ns, compute_ns;  // as the server told
  LatencyHistogram lag_ns;                // open loop: from due to sent
  int64_t sent = 0, ok = 0;               // measured ones
  std::map<std::string, int64_t> errors;  // by name of the code; "CONNECTION_LOST"
  double measured_s = 0;
  // Joules told by the server, never added across sources.
  double measured_joules = 0, modelled_joules = 0;
  int64_t measured_answers = 0, modelled_answers = 0, unmetered_answers = 0;
  double batch_sum = 0;
};

// `progress` is called about once a second with the share done, from 0 to 1. Unavailable when every
// connection was lost before anything was answered.
Result<LoadResult> GenerateLoad(
    std::span<const std::unique_ptr<Client>> clients, const InferRequest& request,
    const LoadPlan& plan, const std::function<void(double share, const LoadResult&)>& progress);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_LOAD_GENERATOR_H_
