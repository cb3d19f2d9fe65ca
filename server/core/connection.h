// Connection: what a ring thread knows of one client, and the time limits it must keep. Pure: no
// socket; time comes in as a parameter.
// Thread safety: none.
#ifndef ERGO_SERVER_CORE_CONNECTION_H_
#define ERGO_SERVER_CORE_CONNECTION_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "server/core/outbox.h"
#include "server/net/ring.h"
#include "server/protocol/native/codec.h"
#include "server/server_options.h"

namespace ergo {

struct Connection {
  enum class Phase : uint8_t {
    kGreeting,  // HELLO has not come
    kOpen,
    kFinishing,  // nothing more is taken; what is to be sent is sent, then kLingering
    kLingering,  // our direction is shut down; what still comes is thrown away
    kClosed,     // waits for the ring's kClosed
  };

  Connection(ConnectionId connection_id, const ServerLimits& server_limits, BufferPool& pool,
             int64_t now_ns)
      : id(connection_id),
        limits(server_limits),
        decoder(native::Side::kServer, server_limits.max_body_bytes, pool),
        max_in_flight(server_limits.max_in_flight_per_connection),
        idle_timeout_ms(server_limits.idle_timeout_ms),
        accepted_ns(now_ns),
        active_ns(now_ns) {}

  bool TakesRequests() const { return phase == Phase::kGreeting || phase == Phase::kOpen; }
  // Back-pressure: true when no more requests are to be taken from this client for now.
  bool AtLimit() const {
    return in_flight >= max_in_flight || held_bytes >= limits.max_held_bytes_per_connection ||
           static_cast<int64_t>(outbox.Bytes()) > limits.max_send_queue_bytes;
  }
  // Everything that was received is answered, and the answers are sent.
  bool Quiet() const { return in_flight == 0 && outbox.Empty() && undecoded.empty(); }

  // What a time limit asks for. Called now and then with the bytes that the peer took of the Send
  // in flight.
  enum class Verdict : uint8_t {
    kFine,
    kHelloLate,
    kFrameLate,
    kStalled,  // takes nothing of what is sent to it
    kIdle,
    kDrained,  // draining, and the client had its time to close
    kLingered,
  };
  Verdict CheckTime(int64_t now_ns, size_t sent_so_far, bool draining);

  const ConnectionId id;
  const ServerLimits& limits;
  native::Decoder decoder;
  Outbox outbox;
  Phase phase = Phase::kGreeting;
  bool ended = false;       // the client has finished sending
  bool paused = false;      // the ring does not receive
  bool told_to_go = false;  // GOAWAY was sent
  bool queued = false;      // in the ring thread's list of connections to settle
  int listener = 0;

  int in_flight = 0;          // INFERs received and not answered
  int64_t held_bytes = 0;     // of their bodies
  int64_t partial_bytes = 0;  // of a large body that is not whole, as counted for all connections
  std::vector<std::byte> undecoded;  // received while at the limit

  // Granted in HELLO_ACK, or before that what every client gets.
  int max_in_flight;
  int idle_timeout_ms;
  uint32_t max_answer_bytes = std::numeric_limits<uint32_t>::max();

  int64_t accepted_ns;
  int64_t active_ns;             // last frame received, or answer given
  int64_t frame_begin_ns = 0;    // when `frame_part` was first seen
  uint64_t frame_part = 0;       // which header or body is not whole; 0: none
  int64_t send_progress_ns = 0;  // when the Send in flight last moved; 0: none is in flight
  size_t send_progress_bytes = 0;
  uint64_t send_progress_sends = 0;
  int64_t quiet_since_ns = 0;  // draining and Quiet; 0: not
  int64_t linger_begin_ns = 0;

 private:
  bool FrameIsLate(int64_t now_ns);
  bool SendIsStalled(int64_t now_ns, size_t sent_so_far);
};

}  // namespace ergo

#endif  // ERGO_SERVER_CORE_CONNECTION_H_
