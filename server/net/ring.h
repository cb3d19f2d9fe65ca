// Ring: one thread's sockets. It waits for all of them at once, and says what happened as a list of
// events; nothing calls back.
//
// Two backends: io_uring (multishot accept and receive, a ring of provided buffers, one system call
// a turn) and epoll (where io_uring is blocked or too old). Both pass the same tests.
//
//   while (...) {
//     for (const RingEvent& event : ring->Wait(timeout_ns)) { ... ring->Send(...) ... }
//   }
//
// Thread safety: created and used by one thread; only Wake may be called by others.
#ifndef ERGO_SERVER_NET_RING_H_
#define ERGO_SERVER_NET_RING_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "kernels/base/status.h"
#include "server/net/ring_kind.h"

namespace ergo {

// Names a connection of one ring, never reused: late events of a closed connection cannot be taken
// for those of its successor.
using ConnectionId = uint64_t;

struct RingEvent {
  enum class Kind : uint8_t {
    // `connection` is new, from listener number `listener`, and is being received from.
    kAccepted,
    // Bytes arrived. Either they are in `data`, valid until the next Wait, or (`direct`) the first
    // `bytes` of what ReceiveInto named were filled.
    kReceived,
    // Nothing more will be received: the peer has finished sending (error 0) or the connection
    // broke (error is the errno). Sending may still work after error 0.
    kEnded,
    // The Send in flight is complete (error 0, `bytes` sent) or failed; its memory is free again.
    kSent,
    // After Close: nothing of the connection is in use any more. The last event of its id.
    kClosed,
  };
  Kind kind = Kind::kClosed;
  bool direct = false;
  int listener = 0;
  int error = 0;
  ConnectionId connection = 0;
  std::span<const std::byte> data{};
  size_t bytes = 0;
};

struct RingOptions {
  RingKind kind = RingKind::kAuto;
  unsigned entries = 512;       // submissions between two Waits without an extra system call
  unsigned buffer_count = 256;  // a power of two
  unsigned buffer_bytes = 16384;
};

// What a backend counted, for the figures of the server.
struct RingCounters {
  uint64_t waits = 0;             // calls of Wait
  uint64_t buffer_shortages = 0;  // receives that found no provided buffer (ENOBUFS)
  uint64_t overflows = 0;         // turns in which the completion queue had overflowed
};

class Ring {
 public:
  // kAuto tries io_uring and takes epoll, with one logged line, when that does not work here.
  // kUring fails with DeviceError instead.
  static Result<std::unique_ptr<Ring>> Create(const RingOptions& options);
  virtual ~Ring() = default;

  virtual RingKind Kind() const = 0;
  virtual const RingCounters& Counters() const = 0;

  // Accepts connections from a listening socket, which stays the caller's and outlives the ring.
  // `listener` comes back in kAccepted.
  virtual void Listen(int descriptor, int listener) = 0;
  // No further kAccepted, but for connections that were on their way.
  virtual void StopListening() = 0;
  // A connected socket from elsewhere becomes a connection of this ring. Owns the descriptor.
  virtual ConnectionId Adopt(int descriptor) = 0;

  // Submits what was asked for, and waits up to `timeout_ns` (-1: for ever) for something to
  // happen or for Wake. The events' memory lasts until the next Wait.
  virtual std::span<const RingEvent> Wait(int64_t timeout_ns) = 0;
  // Makes Wait return, now or the next time. Any thread.
  virtual void Wake() = 0;

  // Sends all of the parts, in order; kSent says when. One Send at a time for each connection; the
  // bytes stay unchanged until then, the array of parts is copied.
  virtual void Send(ConnectionId connection, std::span<const iovec> parts) = 0;
  // Bytes that the peer's socket has taken of the Send in flight.
  virtual size_t SentSoFar(ConnectionId connection) const = 0;
  // Says "end of stream" to the peer. Not while a Send is in flight.
  virtual void ShutdownSend(ConnectionId connection) = 0;

  // From the next Wait on, bytes are received straight into `target`, until the kReceived that says
  // so (`direct`); empty: nothing of the kind. Bytes that were on their way still come in `data`:
  // the caller takes them and names what is left, so it calls this after each kReceived. The memory
  // stays valid until the direct kReceived, kEnded, or kClosed. A call while such a receive is
  // under way (no event came since the last Wait) is a bug.
  virtual void ReceiveInto(ConnectionId connection, std::span<std::byte> target) = 0;
  // Back-pressure: nothing more is read from the socket, so that the peer must wait. Bytes that
  // were on their way are still delivered. Connections begin resumed.
  virtual void PauseReceiving(ConnectionId connection) = 0;
  virtual void ResumeReceiving(ConnectionId connection) = 0;

  // Ends everything; kClosed follows. Memory given to Send and ReceiveInto is in use until then.
  // The next Wait and later ones have no other event of this connection.
  virtual void Close(ConnectionId connection) = 0;
};

}  // namespace ergo

#endif  // ERGO_SERVER_NET_RING_H_
