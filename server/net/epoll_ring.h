// EpollRing: the Ring for kernels and containers without io_uring. Level-triggered; receives into a
// block of chunks that the events of one Wait share.
#ifndef ERGO_SERVER_NET_EPOLL_RING_H_
#define ERGO_SERVER_NET_EPOLL_RING_H_

#include <memory>
#include <vector>

#include "kernels/base/aligned_buffer.h"
#include "server/net/descriptor.h"
#include "server/net/ring.h"
#include "server/net/send_progress.h"
#include "server/net/slot_table.h"
#include "server/net/waker.h"

namespace ergo {

class EpollRing final : public Ring {
 public:
  static Result<std::unique_ptr<Ring>> Create(const RingOptions& options);

  RingKind Kind() const override { return RingKind::kEpoll; }
  const RingCounters& Counters() const override { return counters_; }
  void Listen(int descriptor, int listener) override;
  void StopListening() override;
  ConnectionId Adopt(int descriptor) override;
  std::span<const RingEvent> Wait(int64_t timeout_ns) override;
  void Wake() override { waker_.Wake(); }
  void Send(ConnectionId connection, std::span<const iovec> parts) override;
  size_t SentSoFar(ConnectionId connection) const override;
  void ShutdownSend(ConnectionId connection) override;
  void ReceiveInto(ConnectionId connection, std::span<std::byte> target) override;
  void PauseReceiving(ConnectionId connection) override;
  void ResumeReceiving(ConnectionId connection) override;
  void Close(ConnectionId connection) override;

 private:
  struct Connection {
    Descriptor descriptor;
    std::span<std::byte> target;
    SendProgress sending;
    bool paused = false;
    bool ended = false;
    bool blocked = false;  // the Send in flight waits for room
    uint32_t watched = 0;  // what epoll watches it for; 0: it is not in the set
  };
  struct Listener {
    int descriptor;
    int number;
    bool resting = false;  // out of descriptors: not watched until accept_again_ns_
  };

  explicit EpollRing(const RingOptions& options) : options_(options) {}
  void Watch(uint64_t id, Connection& connection);
  void Accept(Listener& listener);
  void Receive(uint64_t id, Connection& connection);
  void ContinueSend(uint64_t id, Connection& connection, std::vector<RingEvent>& events);
  void RestListeners();
  void ResumeListeners(int64_t now_ns);
  std::span<std::byte> NextChunk();

  RingOptions options_;
  Descriptor epoll_;
  Waker waker_;
  RingCounters counters_;
  SlotTable<Connection> connections_;
  std::vector<Listener> listeners_;
  int64_t accept_again_ns_ = 0;  // 0: listeners are not resting
  AlignedBuffer chunks_;
  size_t chunks_used_ = 0;
  std::vector<RingEvent> events_;   // of the last Wait
  std::vector<RingEvent> pending_;  // for the next
};

}  // namespace ergo

#endif  // ERGO_SERVER_NET_EPOLL_RING_H_
