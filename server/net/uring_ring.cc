#include "server/net/uring_ring.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "server/monotonic_clock.h"

namespace ergo {
namespace {

constexpr int kBufferGroup = 0;
constexpr int64_t kAcceptRestNs = 50 * kNsPerMs;
// Multishot operations post many completions a submission.
constexpr unsigned kCompletionsPerEntry = 8;

// user_data: what was asked in the top byte; a connection's slot in the next three, its generation
// in the low half. Listeners have their index there.
enum class Operation : uint8_t { kAccept = 1, kReceive, kSend, kWake, kCancel };
constexpr uint32_t kMaxSlots = 1u << 24;

uint64_t Tag(Operation operation, uint64_t id) {
  const uint64_t slot = SlotTable<int>::SlotOf(id);
  return uint64_t{static_cast<uint8_t>(operation)} << 56 | slot << 32 |
         SlotTable<int>::GenerationOf(id);
}
Operation OperationOf(uint64_t tag) {
  return static_cast<Operation>(tag >> 56);
}
uint64_t IdOf(uint64_t tag) {
  return SlotTable<int>::MakeId(static_cast<uint32_t>(tag >> 32) & (kMaxSlots - 1),
                                static_cast<uint32_t>(tag));
}

Status UringError(std::string_view what, int error) {
  return Error(StatusCode::kDeviceError, "{}: {}", what, std::system_category().message(error));
}

}  // namespace

Result<std::unique_ptr<Ring>> UringRing::Create(const RingOptions& options) {
  std::unique_ptr<UringRing> ring(new UringRing(options));
  ERGO_RETURN_IF_ERROR(ring->SetUp());
  ERGO_RETURN_IF_ERROR(ring->SetUpBuffers());
  ring->ArmWake();
  ERGO_RETURN_IF_ERROR(ring->CheckMultishotReceive());
  return std::unique_ptr<Ring>(std::move(ring));
}

Status UringRing::SetUp() {
  if (waker_.EventDescriptor() < 0) return UringError("eventfd", errno);
  constexpr unsigned kBase = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;
  // Best first; EINVAL means that the kernel does not know a flag.
  constexpr unsigned kChoices[] = {
      kBase | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
      kBase | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
  };
  int error = 0;
  for (const unsigned flags : kChoices) {
    io_uring_params params{};
    params.flags = flags;
    params.cq_entries = options_.entries * kCompletionsPerEntry;
    error = -io_uring_queue_init_params(options_.entries, &ring_, &params);
    if (error != EINVAL) break;
  }
  if (error != 0) return UringError("io_uring_setup", error);
  ring_made_ = true;
  // Saves looking the ring up by descriptor in each call; works without.
  io_uring_register_ring_fd(&ring_);
  return {};
}

Status UringRing::SetUpBuffers() {
  const size_t header_bytes = options_.buffer_count * sizeof(io_uring_buf);
  buffer_ring_bytes_ = header_bytes + size_t{options_.buffer_count} * options_.buffer_bytes;
  void* memory =
      mmap(nullptr, buffer_ring_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return UringError("mmap of receive buffers", errno);
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  buffers_ = static_cast<std::byte*>(memory) + header_bytes;

  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(buffer_ring_);
  registration.ring_entries = options_.buffer_count;
  registration.bgid = kBufferGroup;
  const int error = -io_uring_register_buf_ring(&ring_, &registration, 0);
  if (error != 0) return UringError("registering provided buffers", error);
  io_uring_buf_ring_init(buffer_ring_);
  for (unsigned i = 0; i < options_.buffer_count; ++i) {
    used_buffers_.push_back(static_cast<uint16_t>(i));
  }
  GiveBackBuffers();
  return {};
}

// Whether multishot receive works cannot be asked, only tried.
Status UringRing::CheckMultishotReceive() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
    return UringError("socketpair", errno);
  }
  const Descriptor peer(pair[1]);
  const ConnectionId id = Adopt(pair[0]);
  [[maybe_unused]] const ssize_t sent = send(peer.Get(), "x", 1, MSG_NOSIGNAL);
  constexpr int64_t kPatienceNs = kNsPerSecond;
  int error = 0;
  for (const RingEvent& event : Wait(kPatienceNs)) error = event.error;
  Close(id);
  while (connections_.Size() > 0) Wait(kPatienceNs);
  if (!saw_multishot_) return UringError("multishot receive", error == 0 ? ENOTSUP : error);
  return {};
}

UringRing::~UringRing() {
  if (ring_made_) {
    // The kernel must be done with the memory of receives and sends before it goes.
    connections_.ForEach([this](uint64_t id, Connection&) { Close(id); });
    constexpr int kTurns = 100;
    constexpr int64_t kTurnNs = 10 * kNsPerMs;
    for (int turn = 0; turn < kTurns && connections_.Size() > 0; ++turn) Wait(kTurnNs);
    io_uring_queue_exit(&ring_);
  }
  if (buffer_ring_ != nullptr) munmap(buffer_ring_, buffer_ring_bytes_);
}

io_uring_sqe* UringRing::NextSqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void UringRing::ArmWake() {
  io_uring_sqe* sqe = NextSqe();
  io_uring_prep_read(sqe, waker_.EventDescriptor(), &wake_value_, sizeof(wake_value_), 0);
  io_uring_sqe_set_data64(sqe, Tag(Operation::kWake, 0));
}

void UringRing::Listen(int descriptor, int listener) {
  listeners_.push_back({descriptor, listener});
  listening_ = true;
}

void UringRing::ArmListeners() {
  if (!listening_ || (accept_again_ns_ != 0 && MonotonicNs() < accept_again_ns_)) return;
  accept_again_ns_ = 0;
  for (size_t i = 0; i < listeners_.size(); ++i) {
    if (listeners_[i].armed) continue;
    io_uring_sqe* sqe = NextSqe();
    io_uring_prep_multishot_accept(sqe, listeners_[i].descriptor, nullptr, nullptr,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, Tag(Operation::kAccept, i));
    listeners_[i].armed = true;
  }
}

void UringRing::StopListening() {
  listening_ = false;
  for (size_t i = 0; i < listeners_.size(); ++i) {
    if (!listeners_[i].armed) continue;
    io_uring_sqe* sqe = NextSqe();
    io_uring_prep_cancel64(sqe, Tag(Operation::kAccept, i), 0);
    io_uring_sqe_set_data64(sqe, Tag(Operation::kCancel, 0));
  }
}

ConnectionId UringRing::Adopt(int descriptor) {
  auto connection = std::make_unique<Connection>();
  connection->descriptor.Reset(descriptor);
  const auto [id, inserted] = connections_.Insert(std::move(connection));
  ERGO_CHECK(SlotTable<Connection>::SlotOf(id) < kMaxSlots);
  QueueArming(id, *inserted);
  return id;
}

void UringRing::QueueArming(uint64_t id, Connection& connection) {
  if (connection.to_arm) return;
  connection.to_arm = true;
  arm_.push_back(id);
}

// Brings the receive that is under way in line with what is wanted.
void UringRing::ArmReceive(uint64_t id, Connection& connection) {
  connection.to_arm = false;
  if (connection.ended || connection.closing || connection.cancelling) return;
  const Receiving wanted = connection.paused           ? Receiving::kNone
                           : connection.target.empty() ? Receiving::kMultishot
                                                       : Receiving::kDirect;
  if (connection.receiving == wanted || connection.receiving == Receiving::kDirect) return;
  io_uring_sqe* sqe = NextSqe();
  if (connection.receiving == Receiving::kMultishot) {
    io_uring_prep_cancel64(sqe, Tag(Operation::kReceive, id), 0);
    io_uring_sqe_set_data64(sqe, Tag(Operation::kCancel, 0));
    connection.cancelling = true;
    return;
  }
  const int descriptor = connection.descriptor.Get();
  if (wanted == Receiving::kMultishot) {
    io_uring_prep_recv_multishot(sqe, descriptor, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = kBufferGroup;
  } else {
    io_uring_prep_recv(sqe, descriptor, connection.target.data(), connection.target.size(), 0);
  }
  io_uring_sqe_set_data64(sqe, Tag(Operation::kReceive, id));
  connection.receiving = wanted;
  ++connection.operations;
}

void UringRing::GiveBackBuffers() {
  const int mask = io_uring_buf_ring_mask(options_.buffer_count);
  int count = 0;
  for (const uint16_t buffer : used_buffers_) {
    io_uring_buf_ring_add(buffer_ring_, buffers_ + size_t{buffer} * options_.buffer_bytes,
                          options_.buffer_bytes, buffer, mask, count++);
  }
  io_uring_buf_ring_advance(buffer_ring_, count);
  used_buffers_.clear();
}

void UringRing::Enter(int64_t timeout_ns) {
  const bool may_block = waker_.BeforeWait() && events_.empty() && timeout_ns != 0;
  if (!may_block) {
    io_uring_submit_and_get_events(&ring_);
  } else if (timeout_ns < 0) {
    io_uring_submit_and_wait(&ring_, 1);
  } else {
    __kernel_timespec timeout{timeout_ns / kNsPerSecond, timeout_ns % kNsPerSecond};
    io_uring_cqe* first = nullptr;
    io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
  }
  waker_.AfterWait();
}

std::span<const RingEvent> UringRing::Wait(int64_t timeout_ns) {
  ++counters_.waits;
  events_.clear();
  events_.swap(pending_);
  if (!used_buffers_.empty()) GiveBackBuffers();
  ArmListeners();
  for (const uint64_t id : arm_) {
    if (Connection* connection = connections_.Find(id)) ArmReceive(id, *connection);
  }
  arm_.clear();
  if (accept_again_ns_ != 0) {
    const int64_t rest_ns = std::max<int64_t>(accept_again_ns_ - MonotonicNs(), 0);
    timeout_ns = timeout_ns < 0 ? rest_ns : std::min(timeout_ns, rest_ns);
  }
  Enter(timeout_ns);
  if (io_uring_cq_has_overflow(&ring_)) ++counters_.overflows;

  unsigned head = 0, count = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    Complete(*cqe);
    ++count;
  }
  io_uring_cq_advance(&ring_, count);
  return events_;
}

void UringRing::Complete(const io_uring_cqe& cqe) {
  const uint64_t id = IdOf(cqe.user_data);
  switch (OperationOf(cqe.user_data)) {
    case Operation::kAccept: return CompleteAccept(cqe);
    case Operation::kReceive: return CompleteReceive(id, cqe);
    case Operation::kSend: return CompleteSend(id, cqe);
    case Operation::kWake: return ArmWake();
    case Operation::kCancel: return;  // what was cancelled completes by itself
  }
}

void UringRing::CompleteAccept(const io_uring_cqe& cqe) {
  Listener& listener = listeners_[SlotTable<int>::SlotOf(IdOf(cqe.user_data))];
  listener.armed = (cqe.flags & IORING_CQE_F_MORE) != 0;
  if (cqe.res >= 0) {
    events_.push_back({.kind = RingEvent::Kind::kAccepted,
                       .listener = listener.number,
                       .connection = Adopt(cqe.res)});
    return;
  }
  const int error = -cqe.res;
  if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS) {
    accept_again_ns_ = MonotonicNs() + kAcceptRestNs;
  }
}

void UringRing::CompleteReceive(uint64_t id, const io_uring_cqe& cqe) {
  Connection* connection = connections_.Find(id);
  ERGO_CHECK(connection != nullptr);
  const bool direct = connection->receiving == Receiving::kDirect;
  std::span<const std::byte> data;
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    const auto buffer = static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    used_buffers_.push_back(buffer);
    if (cqe.res > 0) {
      data = {buffers_ + size_t{buffer} * options_.buffer_bytes, static_cast<size_t>(cqe.res)};
    }
  }
  if ((cqe.flags & IORING_CQE_F_MORE) != 0) {
    saw_multishot_ = true;
  } else {
    connection->receiving = Receiving::kNone;
    connection->cancelling = false;
    --connection->operations;
    if (FinishClosing(id, *connection)) return;
    QueueArming(id, *connection);
  }
  if (connection->closing || connection->ended) return;
  if (cqe.res > 0) {
    if (direct) connection->target = {};
    events_.push_back({.kind = RingEvent::Kind::kReceived,
                       .direct = direct,
                       .connection = id,
                       .data = data,
                       .bytes = static_cast<size_t>(cqe.res)});
    return;
  }
  const int error = -cqe.res;
  if (error == ENOBUFS) ++counters_.buffer_shortages;
  if (error == ENOBUFS || error == ECANCELED || error == EINTR || error == EAGAIN) return;
  connection->ended = true;
  events_.push_back({.kind = RingEvent::Kind::kEnded, .error = error, .connection = id});
}

void UringRing::Send(ConnectionId id, std::span<const iovec> parts) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr || connection->closing) return;
  ERGO_CHECK_MSG(!connection->sending.Active(), "two Sends at once");
  connection->sending.Begin(parts);
  SubmitSend(id, *connection);
}

void UringRing::SubmitSend(uint64_t id, Connection& connection) {
  io_uring_sqe* sqe = NextSqe();
  io_uring_prep_sendmsg(sqe, connection.descriptor.Get(), connection.sending.Message(),
                        MSG_NOSIGNAL);
  io_uring_sqe_set_data64(sqe, Tag(Operation::kSend, id));
  ++connection.operations;
}

void UringRing::CompleteSend(uint64_t id, const io_uring_cqe& cqe) {
  Connection* connection = connections_.Find(id);
  ERGO_CHECK(connection != nullptr);
  --connection->operations;
  if (FinishClosing(id, *connection) || connection->closing) return;
  if (cqe.res == -EINTR || cqe.res == -EAGAIN) return SubmitSend(id, *connection);
  if (cqe.res >= 0 && !connection->sending.Advance(static_cast<size_t>(cqe.res))) {
    return SubmitSend(id, *connection);
  }
  connection->sending.End();
  events_.push_back({.kind = RingEvent::Kind::kSent,
                     .error = cqe.res < 0 ? -cqe.res : 0,
                     .connection = id,
                     .bytes = connection->sending.Sent()});
}

size_t UringRing::SentSoFar(ConnectionId id) const {
  const Connection* connection = connections_.Find(id);
  return connection == nullptr ? 0 : connection->sending.Sent();
}

void UringRing::ShutdownSend(ConnectionId id) {
  Connection* connection = connections_.Find(id);
  if (connection != nullptr) shutdown(connection->descriptor.Get(), SHUT_WR);
}

void UringRing::ReceiveInto(ConnectionId id, std::span<std::byte> target) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr || (target.empty() && connection->target.empty())) return;
  ERGO_CHECK_MSG(connection->receiving != Receiving::kDirect, "a direct receive is under way");
  connection->target = target;
  QueueArming(id, *connection);
}

void UringRing::PauseReceiving(ConnectionId id) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr || connection->paused) return;
  connection->paused = true;
  QueueArming(id, *connection);
}

void UringRing::ResumeReceiving(ConnectionId id) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr || !connection->paused) return;
  connection->paused = false;
  QueueArming(id, *connection);
}

void UringRing::Close(ConnectionId id) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr || connection->closing) return;
  connection->closing = true;
  std::erase_if(pending_, [id](const RingEvent& event) { return event.connection == id; });
  if (connection->operations == 0) {
    connections_.Erase(id);
    pending_.push_back({.kind = RingEvent::Kind::kClosed, .connection = id});
    return;
  }
  // Completes whatever is under way on the socket.
  shutdown(connection->descriptor.Get(), SHUT_RDWR);
}

bool UringRing::FinishClosing(uint64_t id, Connection& connection) {
  if (!connection.closing || connection.operations > 0) return false;
  connections_.Erase(id);
  events_.push_back({.kind = RingEvent::Kind::kClosed, .connection = id});
  return true;
}

}  // namespace ergo
