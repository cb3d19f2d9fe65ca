// What a server is told when it starts.
#ifndef ERGO_SERVER_SERVER_OPTIONS_H_
#define ERGO_SERVER_SERVER_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/energy/meter.h"
#include "server/endpoint.h"
#include "server/limits.h"
#include "server/net/ring_kind.h"

namespace ergo {

// Each is explained in limits.h or PROTOCOL.md, beside its default.
struct ServerLimits {
  int max_connections = kMaxConnections;
  uint32_t max_body_bytes = kMaxFrameBodyBytes;                  // at least kMinGrantedBodyBytes
  int max_in_flight_per_connection = kMaxInFlightPerConnection;  // at least kMinGrantedInFlight
  int64_t max_held_bytes_per_connection = kMaxHeldBytesPerConnection;
  int64_t max_held_bytes = kMaxHeldBytes;
  int64_t max_send_queue_bytes = kMaxSendQueueBytes;
  int max_queued_requests = kMaxQueuedRequests;
  int hello_timeout_ms = kHelloTimeoutMs;
  int frame_timeout_ms = kFrameTimeoutMs;
  int write_stall_timeout_ms = kWriteStallTimeoutMs;
  int idle_timeout_ms = kIdleTimeoutMs;
  int drain_grace_ms = kDrainGraceMs;
};

struct ServerOptions {
  std::vector<Endpoint> endpoints;  // at least one; port 0 lets the system choose
  int ring_threads = 1;
  int workers = 1;                           // threads that run larger models; at least 1
  int inline_compute_us = kInlineComputeUs;  // 0: everything runs on workers
  // Processors to pin threads to: ring threads first, then workers, round and round. Empty: none.
  std::vector<int> pin_cpus;
  // The processor of the thread with this number (ring threads first), -1 for none.
  int CpuOf(size_t thread) const {
    return pin_cpus.empty() ? -1 : pin_cpus[thread % pin_cpus.size()];
  }
  RingKind ring = RingKind::kAuto;
  bool access_log = false;    // one line a request, through spdlog
  Meter* meter = nullptr;     // outlives the server; null: energy is told as unavailable
  std::string name = "ergo";  // told in HELLO_ACK
  ServerLimits limits;
};

}  // namespace ergo

#endif  // ERGO_SERVER_SERVER_OPTIONS_H_
