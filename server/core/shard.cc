#include "server/core/shard.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "server/monotonic_clock.h"

namespace ergo {
namespace {

using native::ErrorCode;
using Phase = Connection::Phase;
using Verdict = Connection::Verdict;

constexpr size_t kMaxIdleBufferBytes = size_t{64} << 20;
// Connections above the limit are told so as long as there are not too many of them.
constexpr int kRefusedConnections = 64;
// Bodies below this are not counted before they are whole.
constexpr size_t kCountedPartialBytes = 65536;

// Time limits are looked at this often: fine enough for the shortest of them.
int64_t TickNs(const ServerLimits& limits) {
  int shortest_ms = std::min({limits.hello_timeout_ms, limits.frame_timeout_ms,
                              limits.write_stall_timeout_ms, limits.drain_grace_ms});
  if (limits.idle_timeout_ms > 0) shortest_ms = std::min(shortest_ms, limits.idle_timeout_ms);
  return std::clamp(shortest_ms / 8, 5, 250) * kNsPerMs;
}

}  // namespace

Shard::Shard(ShardContext& context, size_t number, std::vector<int> listeners)
    : context_(context),
      limits_(context.options->limits),
      listeners_(std::move(listeners)),
      pool_(kMaxIdleBufferBytes),
      metrics_(context.models->Models().size()),
      executor_(*context.models, context.rate, number),
      placement_(context.options->inline_compute_us * kNsPerUs),
      inline_queue_(static_cast<size_t>(limits_.max_queued_requests)),
      answer_bytes_(context.models->Models().size(), 0) {}

Shard::~Shard() = default;

void Shard::Run(const std::function<void(const Status&)>& started) {
  RingOptions ring_options;
  ring_options.kind = context_.options->ring;
  Result<std::unique_ptr<Ring>> ring = Ring::Create(ring_options);
  if (!ring.ok()) return started(ring.status());
  ring_ = std::move(ring).value();
  backend_ = ring_->Kind();
  for (size_t i = 0; i < listeners_.size(); ++i) ring_->Listen(listeners_[i], static_cast<int>(i));
  started(Status());

  while (!draining_ || !connections_.empty() || jobs_out_ > 0) {
    for (const RingEvent& event : ring_->Wait(WaitNs())) Handle(event);
    if (drain_asked_.load(std::memory_order_acquire) && !draining_) BeginDrain();
    TakeFinished();
    RunInline();
    SettleAll();
    const int64_t now_ns = MonotonicNs();
    if (now_ns >= next_tick_ns_) Tick(now_ns);
  }
  // A ring belongs to its thread to the end.
  const std::lock_guard lock(finished_mutex_);
  ring_.reset();
}

int64_t Shard::WaitNs() const {
  if (!inline_queue_.Empty() || !to_settle_.empty()) return 0;
  if (connections_.empty()) return -1;
  return std::max<int64_t>(next_tick_ns_ - MonotonicNs(), 0);
}

void Shard::Drain() {
  drain_asked_.store(true, std::memory_order_release);
  const std::lock_guard lock(finished_mutex_);
  if (ring_) ring_->Wake();
}

void Shard::BeginDrain() {
  draining_ = true;
  ring_->StopListening();
  // Whoever connects from now on is refused, instead of waiting in the backlog.
  for (const int listener : listeners_) shutdown(listener, SHUT_RDWR);
  for (auto& [id, connection] : connections_) {
    if (connection->phase == Phase::kOpen) SayGoAway(*connection, native::GoAwayReason::kDraining);
  }
}

Connection* Shard::Find(ConnectionId id) const {
  const auto entry = connections_.find(id);
  return entry == connections_.end() ? nullptr : entry->second.get();
}

void Shard::Handle(const RingEvent& event) {
  if (event.kind == RingEvent::Kind::kAccepted) return HandleAccepted(event);
  Connection* connection = Find(event.connection);
  if (connection == nullptr) return;
  if (event.kind == RingEvent::Kind::kClosed) return HandleClosed(*connection);
  if (connection->phase == Phase::kClosed) return;
  switch (event.kind) {
    case RingEvent::Kind::kReceived: return HandleReceived(*connection, event);
    case RingEvent::Kind::kSent: return HandleSent(*connection, event.error);
    case RingEvent::Kind::kEnded:
      connection->ended = true;
      // After a broken connection nothing can be answered.
      if (event.error != 0) return Close(*connection);
      return QueueSettling(*connection);
    default: return;
  }
}

void Shard::HandleAccepted(const RingEvent& event) {
  const int64_t now_ns = MonotonicNs();
  const int open = context_.connections.fetch_add(1, std::memory_order_relaxed) + 1;
  auto made = std::make_unique<Connection>(event.connection, limits_, pool_, now_ns);
  Connection& connection = *made;
  connection.listener = event.listener;
  if (connections_.empty()) next_tick_ns_ = now_ns + TickNs(limits_);
  connections_.emplace(event.connection, std::move(made));
  metrics_.connections_accepted.Add(1);
  if (open <= limits_.max_connections) return;
  metrics_.connections_refused.Add(1);
  if (open > limits_.max_connections + kRefusedConnections) return Close(connection);
  SendError(connection, 0,
            {ErrorCode::kOverloaded, 0, 0,
             fmt::format("the server has {} connections, its limit", limits_.max_connections)});
  Finish(connection);
}

void Shard::HandleReceived(Connection& connection, const RingEvent& event) {
  metrics_.bytes_received.Add(event.bytes);
  if (!connection.TakesRequests()) return;
  if (!event.direct) {
    Decode(connection, event.data);
  } else if (connection.decoder.ReceivedDirect(event.bytes) == native::Decoder::Outcome::kFrame) {
    HandleFrame(connection, connection.decoder.TakeFrame());
  }
  if (connection.phase == Phase::kClosed) return;
  NameTarget(connection);
}

// Tells the ring where the rest of a large body goes. What was received and not decoded yet comes
// first.
void Shard::NameTarget(Connection& connection) {
  CountPartialBody(connection);
  const bool direct = connection.TakesRequests() && connection.undecoded.empty();
  ring_->ReceiveInto(connection.id,
                     direct ? connection.decoder.DirectTarget() : std::span<std::byte>());
}

void Shard::Decode(Connection& connection, std::span<const std::byte> bytes) {
  while (!bytes.empty() && connection.TakesRequests()) {
    // What waits already comes first.
    if (connection.AtLimit() || !connection.undecoded.empty()) {
      connection.undecoded.insert(connection.undecoded.end(), bytes.begin(), bytes.end());
      return QueueSettling(connection);
    }
    switch (connection.decoder.Next(bytes)) {
      case native::Decoder::Outcome::kNeedMore: return;
      case native::Decoder::Outcome::kFrame:
        HandleFrame(connection, connection.decoder.TakeFrame());
        break;
      case native::Decoder::Outcome::kFault:
        SendFault(connection, connection.decoder.GetFault());
        break;
    }
  }
}

// Large bodies count while they arrive: a client that begins many of them and finishes none must
// not hold more memory than all requests may.
void Shard::CountPartialBody(Connection& connection) {
  const size_t have = connection.decoder.PartialBodyBytes();
  int64_t counted = have < kCountedPartialBytes ? 0 : static_cast<int64_t>(have);
  const int64_t more = counted - connection.partial_bytes;
  if (more == 0) return;
  const int64_t all = context_.held_bytes.fetch_add(more, std::memory_order_relaxed) + more;
  if (counted > 0 && all > limits_.max_held_bytes && connection.TakesRequests()) {
    const uint64_t request_id = connection.decoder.PartialRequestId();
    connection.decoder.DiscardPartialBody();
    context_.held_bytes.fetch_sub(counted, std::memory_order_relaxed);
    counted = 0;
    metrics_.requests.Add(1);
    SendError(connection, request_id,
              {ErrorCode::kOverloaded, 0, 0, "the requests being received take all memory"});
  }
  connection.partial_bytes = counted;
}

void Shard::HandleSent(Connection& connection, int error) {
  if (error != 0) return Close(connection);
  metrics_.bytes_sent.Add(connection.outbox.Sent(pool_));
  QueueSettling(connection);
}

void Shard::HandleClosed(Connection& connection) {
  context_.connections.fetch_sub(1, std::memory_order_relaxed);
  context_.held_bytes.fetch_sub(connection.partial_bytes, std::memory_order_relaxed);
  metrics_.connections_closed.Add(1);
  connections_.erase(connection.id);
}

void Shard::QueueSettling(Connection& connection) {
  if (connection.queued) return;
  connection.queued = true;
  to_settle_.push_back(connection.id);
}

void Shard::SettleAll() {
  // Settling decodes what had to wait, which may queue more; that is for the next turn.
  settling_.clear();
  settling_.swap(to_settle_);
  for (const ConnectionId id : settling_) {
    Connection* connection = Find(id);
    if (connection == nullptr) continue;
    connection->queued = false;
    if (connection->phase != Phase::kClosed) Settle(*connection);
  }
}

// Brings a connection forward: sends, takes more, or ends.
void Shard::Settle(Connection& connection) {
  if (!connection.undecoded.empty() && !connection.AtLimit()) {
    std::vector<std::byte> bytes;
    bytes.swap(connection.undecoded);
    Decode(connection, bytes);
    if (connection.phase == Phase::kClosed) return;
    NameTarget(connection);
  }
  const bool pause = connection.TakesRequests() && connection.AtLimit();
  if (pause != connection.paused) {
    connection.paused = pause;
    pause ? ring_->PauseReceiving(connection.id) : ring_->ResumeReceiving(connection.id);
  }
  if (!connection.outbox.Empty() && !connection.outbox.Sending()) {
    ring_->Send(connection.id, connection.outbox.BeginSend());
  }
  if (!connection.outbox.Empty()) return;
  if (connection.ended && (!connection.TakesRequests() || connection.Quiet())) {
    Close(connection);
  } else if (connection.phase == Phase::kFinishing) {
    ring_->ShutdownSend(connection.id);
    connection.phase = Phase::kLingering;
    connection.linger_begin_ns = MonotonicNs();
  }
}

void Shard::Tick(int64_t now_ns) {
  next_tick_ns_ = now_ns + TickNs(limits_);
  for (auto& [id, entry] : connections_) {
    Connection& connection = *entry;
    switch (connection.CheckTime(now_ns, ring_->SentSoFar(id), draining_)) {
      case Verdict::kFine: break;
      case Verdict::kHelloLate:
        SendFault(connection, {ErrorCode::kTimeout, 0, "HELLO did not come in time"});
        break;
      case Verdict::kFrameLate:
        SendFault(connection, {ErrorCode::kTimeout, connection.decoder.PartialRequestId(),
                               "the rest of a frame did not come in time"});
        break;
      case Verdict::kIdle: SayGoAway(connection, native::GoAwayReason::kIdle); [[fallthrough]];
      case Verdict::kDrained: Finish(connection); break;
      case Verdict::kStalled:
      case Verdict::kLingered: Close(connection); break;
    }
  }
}

void Shard::SayGoAway(Connection& connection, native::GoAwayReason reason) {
  if (std::exchange(connection.told_to_go, true)) return;
  scratch_.clear();
  native::AppendGoAway({reason, static_cast<uint32_t>(limits_.drain_grace_ms)}, scratch_);
  SendSmall(connection);
}

void Shard::Finish(Connection& connection) {
  if (!connection.TakesRequests()) return;
  connection.phase = Phase::kFinishing;
  connection.undecoded.clear();
  QueueSettling(connection);
}

void Shard::Close(Connection& connection) {
  if (connection.phase == Phase::kClosed) return;
  connection.phase = Phase::kClosed;
  ring_->Close(connection.id);
}

void Shard::SendFault(Connection& connection, const native::Fault& fault) {
  SendError(connection, fault.request_id, {fault.code, 0, 0, fault.text});
  Finish(connection);
}

}  // namespace ergo
