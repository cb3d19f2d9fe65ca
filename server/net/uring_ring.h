// UringRing: the Ring on io_uring, for kernels from 6.0 on: multishot accept and receive, provided
// buffers in a registered ring, a registered ring descriptor, and where the kernel has it (6.1)
// DEFER_TASKRUN, which runs completions only when this thread asks for them.
//
// Rules kept (see liburing's issues 1275, 758 and the man pages of 2.3):
//   * a multishot operation goes on exactly as long as its completions carry F_MORE;
//   * ENOBUFS is back-pressure: the receive is armed again once buffers were given back;
//   * a connection's memory lives until its last completion, and completions carry its generation.
#ifndef ERGO_SERVER_NET_URING_RING_H_
#define ERGO_SERVER_NET_URING_RING_H_

#include <liburing.h>

#include <memory>
#include <vector>

#include "server/net/descriptor.h"
#include "server/net/ring.h"
#include "server/net/send_progress.h"
#include "server/net/slot_table.h"
#include "server/net/waker.h"

namespace ergo {

class UringRing final : public Ring {
 public:
  // DeviceError saying what is missing: blocked (EPERM, ENOSYS), too old, or no memory to lock.
  static Result<std::unique_ptr<Ring>> Create(const RingOptions& options);
  ~UringRing() override;

  RingKind Kind() const override { return RingKind::kUring; }
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
  enum class Receiving : uint8_t { kNone, kMultishot, kDirect };

  struct Connection {
    Descriptor descriptor;
    std::span<std::byte> target;
    SendProgress sending;
    int operations = 0;  // submitted and not completed: receive, send
    Receiving receiving = Receiving::kNone;
    bool cancelling = false;  // of the receive
    bool paused = false;
    bool ended = false;
    bool closing = false;
    bool to_arm = false;  // in arm_
  };
  struct Listener {
    int descriptor;
    int number;
    bool armed = false;
  };

  explicit UringRing(const RingOptions& options) : options_(options) {}
  Status SetUp();
  Status SetUpBuffers();
  Status CheckMultishotReceive();

  io_uring_sqe* NextSqe();
  void QueueArming(uint64_t id, Connection& connection);
  void ArmReceive(uint64_t id, Connection& connection);
  void ArmListeners();
  void ArmWake();
  void GiveBackBuffers();
  void SubmitSend(uint64_t id, Connection& connection);
  void Enter(int64_t timeout_ns);

  void Complete(const io_uring_cqe& cqe);
  void CompleteAccept(const io_uring_cqe& cqe);
  void CompleteReceive(uint64_t id, const io_uring_cqe& cqe);
  void CompleteSend(uint64_t id, const io_uring_cqe& cqe);
  // After an operation ended: true when the connection was closing, and is done with.
  bool FinishClosing(uint64_t id, Connection& connection);

  RingOptions options_;
  io_uring ring_{};
  bool ring_made_ = false;
  Waker waker_;
  uint64_t wake_value_ = 0;
  RingCounters counters_;

  io_uring_buf_ring* buffer_ring_ = nullptr;
  size_t buffer_ring_bytes_ = 0;
  std::byte* buffers_ = nullptr;
  std::vector<uint16_t> used_buffers_;  // in events of the last Wait

  SlotTable<Connection> connections_;
  std::vector<Listener> listeners_;
  bool listening_ = false;
  int64_t accept_again_ns_ = 0;     // 0, or when to accept again after running out of descriptors
  std::vector<uint64_t> arm_;       // connections whose receive may have to change
  std::vector<RingEvent> events_;   // of the last Wait
  std::vector<RingEvent> pending_;  // for the next
  bool saw_multishot_ = false;
};

}  // namespace ergo

#endif  // ERGO_SERVER_NET_URING_RING_H_
