#include "server/net/epoll_ring.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "server/monotonic_clock.h"

namespace ergo {
namespace {

constexpr int kEventsPerTurn = 64;
constexpr int kAcceptsPerTurn = 64;
constexpr int kChunksPerReceive = 4;  // of one connection in one turn, so that others get theirs
constexpr int64_t kAcceptRestNs = 50 * kNsPerMs;
// Tags of what is no connection; connection ids have a generation of at least 1 in the high half.
constexpr uint64_t kWakeTag = 0xffffffff;
constexpr uint64_t kListenerTag = 0x80000000;

int TimeoutMs(int64_t timeout_ns) {
  constexpr int64_t kMaxMs = 1'000'000;
  if (timeout_ns < 0) return -1;
  return static_cast<int>(std::min((timeout_ns + kNsPerMs - 1) / kNsPerMs, kMaxMs));
}

bool OutOfDescriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

}  // namespace

Result<std::unique_ptr<Ring>> EpollRing::Create(const RingOptions& options) {
  std::unique_ptr<EpollRing> ring(new EpollRing(options));
  ring->epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  if (!ring->epoll_.Valid() || ring->waker_.EventDescriptor() < 0) {
    return Error(StatusCode::kDeviceError, "epoll: {}", std::system_category().message(errno));
  }
  ERGO_ASSIGN_OR_RETURN(
      ring->chunks_, AlignedBuffer::Allocate(size_t{options.buffer_count} * options.buffer_bytes));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeTag;
  epoll_ctl(ring->epoll_.Get(), EPOLL_CTL_ADD, ring->waker_.EventDescriptor(), &event);
  return std::unique_ptr<Ring>(std::move(ring));
}

void EpollRing::Listen(int descriptor, int listener) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kListenerTag | listeners_.size();
  epoll_ctl(epoll_.Get(), EPOLL_CTL_ADD, descriptor, &event);
  listeners_.push_back({descriptor, listener});
}

void EpollRing::StopListening() {
  for (const Listener& listener : listeners_) {
    if (!listener.resting) epoll_ctl(epoll_.Get(), EPOLL_CTL_DEL, listener.descriptor, nullptr);
  }
  listeners_.clear();
  accept_again_ns_ = 0;
}

void EpollRing::RestListeners() {
  accept_again_ns_ = MonotonicNs() + kAcceptRestNs;
  for (Listener& listener : listeners_) {
    if (!listener.resting) epoll_ctl(epoll_.Get(), EPOLL_CTL_DEL, listener.descriptor, nullptr);
    listener.resting = true;
  }
}

void EpollRing::ResumeListeners(int64_t now_ns) {
  if (accept_again_ns_ == 0 || now_ns < accept_again_ns_) return;
  accept_again_ns_ = 0;
  std::vector<Listener> listeners;
  listeners.swap(listeners_);
  for (const Listener& listener : listeners) Listen(listener.descriptor, listener.number);
}

ConnectionId EpollRing::Adopt(int descriptor) {
  auto connection = std::make_unique<Connection>();
  connection->descriptor.Reset(descriptor);
  const auto [id, inserted] = connections_.Insert(std::move(connection));
  Watch(id, *inserted);
  return id;
}

void EpollRing::Watch(uint64_t id, Connection& connection) {
  const bool receive = !connection.paused && !connection.ended;
  const uint32_t wanted = (receive ? EPOLLIN : 0u) | (connection.blocked ? EPOLLOUT : 0u);
  if (wanted == connection.watched) return;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = id;
  // Out of the set when nothing is wanted: hang-ups would be reported again and again.
  const int operation = wanted == 0               ? EPOLL_CTL_DEL
                        : connection.watched == 0 ? EPOLL_CTL_ADD
                                                  : EPOLL_CTL_MOD;
  epoll_ctl(epoll_.Get(), operation, connection.descriptor.Get(), &event);
  connection.watched = wanted;
}

void EpollRing::Accept(Listener& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int descriptor =
        accept4(listener.descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
      if (OutOfDescriptors(errno)) RestListeners();
      return;
    }
    events_.push_back({.kind = RingEvent::Kind::kAccepted,
                       .listener = listener.number,
                       .connection = Adopt(descriptor)});
  }
}

std::span<std::byte> EpollRing::NextChunk() {
  if (chunks_used_ == options_.buffer_count) return {};
  return chunks_.Bytes().subspan(chunks_used_ * options_.buffer_bytes, options_.buffer_bytes);
}

void EpollRing::Receive(uint64_t id, Connection& connection) {
  for (int i = 0; i < kChunksPerReceive; ++i) {
    const bool direct = !connection.target.empty();
    const std::span<std::byte> into = direct ? connection.target : NextChunk();
    if (into.empty()) {
      ++counters_.buffer_shortages;
      return;
    }
    const ssize_t got = recv(connection.descriptor.Get(), into.data(), into.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      connection.ended = true;
      connection.target = {};
      events_.push_back(
          {.kind = RingEvent::Kind::kEnded, .error = got < 0 ? errno : 0, .connection = id});
      Watch(id, connection);
      return;
    }
    const auto bytes = static_cast<size_t>(got);
    events_.push_back({.kind = RingEvent::Kind::kReceived,
                       .direct = direct,
                       .connection = id,
                       .data = direct ? std::span<std::byte>() : into.first(bytes),
                       .bytes = bytes});
    if (direct) connection.target = {};
    if (!direct) ++chunks_used_;
    // Where more goes is for the caller to say; and a short read has emptied the socket.
    if (direct || bytes < into.size()) return;
  }
}

std::span<const RingEvent> EpollRing::Wait(int64_t timeout_ns) {
  ++counters_.waits;
  events_.clear();
  events_.swap(pending_);
  chunks_used_ = 0;
  if (accept_again_ns_ != 0) {
    const int64_t rest_ns = std::max<int64_t>(accept_again_ns_ - MonotonicNs(), 0);
    timeout_ns = timeout_ns < 0 ? rest_ns : std::min(timeout_ns, rest_ns);
  }
  const bool may_block = waker_.BeforeWait() && events_.empty();
  std::array<epoll_event, kEventsPerTurn> ready;
  const int count =
      epoll_wait(epoll_.Get(), ready.data(), kEventsPerTurn, may_block ? TimeoutMs(timeout_ns) : 0);
  waker_.AfterWait();
  if (accept_again_ns_ != 0) ResumeListeners(MonotonicNs());
  for (int i = 0; i < count; ++i) {
    const uint64_t tag = ready[static_cast<size_t>(i)].data.u64;
    const uint32_t what = ready[static_cast<size_t>(i)].events;
    if (tag == kWakeTag) {
      uint64_t woken = 0;
      [[maybe_unused]] const ssize_t got = read(waker_.EventDescriptor(), &woken, sizeof(woken));
    } else if (tag < kWakeTag) {
      const size_t index = tag & ~kListenerTag;
      if (index < listeners_.size()) Accept(listeners_[index]);
    } else if (Connection* connection = connections_.Find(tag); connection != nullptr) {
      if (connection->blocked && (what & ~EPOLLIN) != 0) ContinueSend(tag, *connection, events_);
      if ((connection->watched & EPOLLIN) != 0 && (what & ~EPOLLOUT) != 0) {
        Receive(tag, *connection);
      }
    }
  }
  return events_;
}

void EpollRing::Send(ConnectionId id, std::span<const iovec> parts) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr) return;
  ERGO_CHECK_MSG(!connection->sending.Active(), "two Sends at once");
  connection->sending.Begin(parts);
  ContinueSend(id, *connection, pending_);
}

void EpollRing::ContinueSend(uint64_t id, Connection& connection, std::vector<RingEvent>& events) {
  int error = 0;
  for (;;) {
    const ssize_t sent =
        sendmsg(connection.descriptor.Get(), connection.sending.Message(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      connection.blocked = true;
      Watch(id, connection);
      return;
    }
    if (sent < 0) error = errno;
    if (sent < 0 || connection.sending.Advance(static_cast<size_t>(sent))) break;
  }
  connection.sending.End();
  connection.blocked = false;
  Watch(id, connection);
  events.push_back({.kind = RingEvent::Kind::kSent,
                    .error = error,
                    .connection = id,
                    .bytes = connection.sending.Sent()});
}

size_t EpollRing::SentSoFar(ConnectionId id) const {
  const Connection* connection = connections_.Find(id);
  return connection == nullptr ? 0 : connection->sending.Sent();
}

void EpollRing::ShutdownSend(ConnectionId id) {
  Connection* connection = connections_.Find(id);
  if (connection != nullptr) shutdown(connection->descriptor.Get(), SHUT_WR);
}

void EpollRing::ReceiveInto(ConnectionId id, std::span<std::byte> target) {
  Connection* connection = connections_.Find(id);
  if (connection != nullptr) connection->target = target;
}

void EpollRing::PauseReceiving(ConnectionId id) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr) return;
  connection->paused = true;
  Watch(id, *connection);
}

void EpollRing::ResumeReceiving(ConnectionId id) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr) return;
  connection->paused = false;
  Watch(id, *connection);
}

void EpollRing::Close(ConnectionId id) {
  Connection* connection = connections_.Find(id);
  if (connection == nullptr) return;
  connections_.Erase(id);
  std::erase_if(pending_, [id](const RingEvent& event) { return event.connection == id; });
  pending_.push_back({.kind = RingEvent::Kind::kClosed, .connection = id});
}

}  // namespace ergo
