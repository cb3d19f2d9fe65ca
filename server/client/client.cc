#include "server/client/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <deque>
#include <limits>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "server/limits.h"
#include "server/monotonic_clock.h"
#include "server/net/send_progress.h"
#include "server/net/socket.h"

namespace ergo {
namespace {

using native::Decoder;
using native::ErrorMessage;
using native::Frame;
using native::FrameType;

constexpr size_t kReceiveBytes = 65536;
constexpr size_t kMaxIdleBufferBytes = size_t{16} << 20;

uint32_t MaxBodyBytes(const ClientOptions& options) {
  return options.max_body_bytes == 0 ? std::numeric_limits<uint32_t>::max()
                                     : options.max_body_bytes;
}

// When something that may take `timeout_ms` (-1: for ever) has to be over.
int64_t DeadlineAfterMs(int timeout_ms) {
  if (timeout_ms < 0) return std::numeric_limits<int64_t>::max();
  return MonotonicNs() + timeout_ms * kNsPerMs;
}

Status ToStatus(const ErrorMessage& error) {
  return Error(native::ToStatusCode(error.code), "{}: {}", native::ErrorCodeName(error.code),
               error.text);
}

Joules ToJoules(const native::ResultBlock& block) {
  Joules joules;
  joules.source = block.energy_source;
  if (joules.source == EnergySource::kUnavailable) {
    joules.reason = "the server has no figure";
    return joules;
  }
  joules.value = block.joules;
  joules.window_s = static_cast<double>(block.energy_window_ns) / kNsPerSecond;
  if (!std::isnan(block.joules_relative_error)) joules.relative_error = block.joules_relative_error;
  return joules;
}

}  // namespace

class Client::Impl {
 public:
  Impl(const Endpoint& endpoint, const ClientOptions& options, ergo::Descriptor descriptor)
      : endpoint_(endpoint),
        options_(options),
        descriptor_(std::move(descriptor)),
        pool_(kMaxIdleBufferBytes),
        decoder_(native::Side::kClient, MaxBodyBytes(options), pool_),
        receive_buffer_(kReceiveBytes) {}

  Status Greet();
  Result<uint64_t> Submit(const InferRequest& request);
  Result<std::optional<InferResult>> Poll(int timeout_ms);
  Result<InferResult> Infer(const InferRequest& request);
  void FinishSending() {
    if (!std::exchange(finished_sending_, true)) shutdown(descriptor_.Get(), SHUT_WR);
  }

  // Sends the one small frame that `append` makes for the id it is given, and waits for the answer.
  template <typename Append>
  Result<Frame> Ask(FrameType answer, Append append);

  const native::HelloAck& Granted() const { return granted_; }
  bool ServerIsDraining() const { return draining_; }
  int InFlight() const { return static_cast<int>(in_flight_.size() + ready_.size()); }
  int Descriptor() const { return descriptor_.Get(); }

 private:
  Status Send(std::span<const iovec> parts, int64_t deadline_ns);
  // Waits until the socket is ready for `events` (poll's), reading whatever arrives.
  Status WaitFor(short events, int64_t deadline_ns);
  // Takes what the socket has, without waiting.
  Status Receive();
  Status Take(std::span<const std::byte> bytes);
  Status HandleFrame(Frame frame);
  Status HandleAnswer(Frame frame);
  Status Break(Status status);
  Status CheckUsable() const;
  // After GOAWAY, with nothing left to wait for: lets the server close.
  void FinishIfDrained();
  std::optional<InferResult> TakeReady(uint64_t request_id);

  const Endpoint endpoint_;
  const ClientOptions options_;
  ergo::Descriptor descriptor_;
  BufferPool pool_;
  Decoder decoder_;
  std::vector<std::byte> receive_buffer_;
  native::HelloAck granted_;
  bool greeted_ = false, draining_ = false, finished_sending_ = false;
  Status broken_;  // not OK: the connection is of no use any more
  uint64_t next_id_ = 1;
  std::unordered_set<uint64_t> in_flight_;  // INFERs without an answer
  std::unordered_set<uint64_t> abandoned_;  // of those, the ones that nobody waits for
  std::deque<InferResult> ready_;
  uint64_t asked_ = 0;           // the other request that is waited for
  std::optional<Frame> answer_;  // its answer
  // Reused from request to request.
  native::Infer infer_;
  native::Bytes head_;
  std::vector<iovec> parts_;
  SendProgress progress_;
};

Status Client::Impl::Break(Status status) {
  if (broken_.ok()) broken_ = std::move(status);
  return broken_;
}

Status Client::Impl::CheckUsable() const {
  ERGO_RETURN_IF_ERROR(broken_);
  if (!finished_sending_) return {};
  return Error(StatusCode::kUnavailable, "{}: {}", endpoint_.ToString(),
               draining_ ? "the server is stopping" : "FinishSending was called");
}

Status Client::Impl::WaitFor(short events, int64_t deadline_ns) {
  for (;;) {
    int timeout_ms = -1;
    if (deadline_ns != std::numeric_limits<int64_t>::max()) {
      const int64_t left_ns = std::max<int64_t>(deadline_ns - MonotonicNs(), 0);
      timeout_ms =
          static_cast<int>(std::min<int64_t>((left_ns + kNsPerMs - 1) / kNsPerMs, 1 << 30));
    }
    pollfd waiting{descriptor_.Get(), static_cast<short>(events | POLLIN), 0};
    const int ready = poll(&waiting, 1, timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) {
      return Error(StatusCode::kDeadlineExceeded, "{} did not answer in time",
                   endpoint_.ToString());
    }
    if ((waiting.revents & ~POLLOUT) != 0) ERGO_RETURN_IF_ERROR(Receive());
    if ((waiting.revents & events) != 0) return {};
  }
}

Status Client::Impl::Send(std::span<const iovec> parts, int64_t deadline_ns) {
  progress_.Begin(parts);
  for (;;) {
    const ssize_t sent = sendmsg(descriptor_.Get(), progress_.Message(), MSG_NOSIGNAL);
    if (sent >= 0) {
      if (progress_.Advance(static_cast<size_t>(sent))) return {};
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      // The server may have said why, before it closed.
      const int error = errno;
      ERGO_RETURN_IF_ERROR(Receive());
      return Break(Error(StatusCode::kUnavailable, "{}: {}", endpoint_.ToString(),
                         std::system_category().message(error)));
    }
    // Half a frame was sent: when time is over the connection cannot be used any more.
    if (Status status = WaitFor(POLLOUT, deadline_ns); !status.ok())
      return Break(std::move(status));
  }
}

Status Client::Impl::Receive() {
  for (;;) {
    const std::span<std::byte> target = decoder_.DirectTarget();
    const std::span<std::byte> into = target.empty() ? std::span(receive_buffer_) : target;
    const ssize_t got = recv(descriptor_.Get(), into.data(), into.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return {};
    if (got <= 0) {
      return Break(Error(
          StatusCode::kUnavailable, "{}: {}", endpoint_.ToString(),
          got == 0 ? "the server closed the connection" : std::system_category().message(errno)));
    }
    const auto bytes = static_cast<size_t>(got);
    if (!target.empty()) {
      if (decoder_.ReceivedDirect(bytes) == Decoder::Outcome::kFrame) {
        ERGO_RETURN_IF_ERROR(HandleFrame(decoder_.TakeFrame()));
      }
    } else {
      ERGO_RETURN_IF_ERROR(Take(into.first(bytes)));
    }
    if (bytes < into.size()) return {};
  }
}

Status Client::Impl::Take(std::span<const std::byte> bytes) {
  for (;;) {
    switch (decoder_.Next(bytes)) {
      case Decoder::Outcome::kNeedMore: return {};
      case Decoder::Outcome::kFrame: ERGO_RETURN_IF_ERROR(HandleFrame(decoder_.TakeFrame())); break;
      case Decoder::Outcome::kFault:
        return Break(CorruptData("{}: {}", endpoint_.ToString(), decoder_.GetFault().text));
    }
  }
}

Status Client::Impl::HandleFrame(Frame frame) {
  const uint64_t id = frame.header.request_id;
  switch (frame.header.type) {
    case FrameType::kHelloAck: {
      Result<native::HelloAck> ack = native::ParseHelloAck(frame.Body());
      if (!ack.ok()) return Break(std::move(ack).status());
      granted_ = std::move(ack).value();
      greeted_ = true;
      return {};
    }
    case FrameType::kGoAway:
      draining_ = true;
      FinishIfDrained();
      return {};
    case FrameType::kError:
      if (id == 0) {
        const Result<ErrorMessage> error = native::ParseError(frame.Body());
        if (!error.ok()) return Break(error.status());
        return Break(ToStatus(*error).WithContext(endpoint_.ToString()));
      }
      break;
    default: break;
  }
  if (id == asked_ && asked_ != 0) {
    answer_ = std::move(frame);
    asked_ = 0;
    FinishIfDrained();
    return {};
  }
  return HandleAnswer(std::move(frame));
}

Status Client::Impl::HandleAnswer(Frame frame) {
  InferResult result;
  result.request_id = frame.header.request_id;
  if (in_flight_.erase(result.request_id) == 0) {
    return Break(CorruptData("{}: a {} to request {}, which was not asked", endpoint_.ToString(),
                             native::FrameTypeName(frame.header.type), result.request_id));
  }
  result.frame = std::move(frame);
  if (result.frame.header.type == FrameType::kResult) {
    native::ResultMessage message;
    if (Status parsed = native::ParseResult(result.frame.Body(), message); !parsed.ok()) {
      return Break(std::move(parsed).WithContext(endpoint_.ToString()));
    }
    for (const native::WireTensor& tensor : message.tensors) {
      result.outputs.push_back({tensor.name, tensor.view});
    }
    result.queue_ns = message.block.queue_ns;
    result.compute_ns = message.block.compute_ns;
    result.batch_size = message.block.batch_size;
    result.model_version = message.block.model_version;
    result.joules = ToJoules(message.block);
    result.energy_share = message.block.energy_share;
  } else {
    const Result<ErrorMessage> error = native::ParseError(result.frame.Body());
    if (!error.ok()) return Break(error.status());
    result.status = ToStatus(*error);
    result.error = error->code;
    result.retry_after_us = error->retry_after_us;
    result.queue_ns = error->queue_ns;
  }
  if (abandoned_.erase(result.request_id) == 0) ready_.push_back(std::move(result));
  FinishIfDrained();
  return {};
}

void Client::Impl::FinishIfDrained() {
  if (draining_ && in_flight_.empty() && asked_ == 0) FinishSending();
}

Status Client::Impl::Greet() {
  native::Hello hello;
  hello.max_body_bytes = options_.max_body_bytes;
  hello.max_in_flight = options_.max_in_flight;
  head_.clear();
  native::AppendHello(hello, head_);
  const int64_t deadline_ns = DeadlineAfterMs(options_.connect_timeout_ms);
  const iovec part{head_.data(), head_.size()};
  ERGO_RETURN_IF_ERROR(Send({&part, 1}, deadline_ns));
  while (!greeted_) ERGO_RETURN_IF_ERROR(WaitFor(POLLIN, deadline_ns));
  return {};
}

Result<uint64_t> Client::Impl::Submit(const InferRequest& request) {
  ERGO_RETURN_IF_ERROR(CheckUsable());
  if (draining_) {
    return Error(StatusCode::kUnavailable, "{}: the server is stopping", endpoint_.ToString());
  }
  infer_.deadline_us = request.deadline_us;
  infer_.model_version = request.version;
  infer_.priority = request.priority;
  infer_.model = request.model;
  infer_.tensors.clear();
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const InferTensor& input = request.inputs[i];
    const uint16_t index = input.name.empty() ? static_cast<uint16_t>(i) : native::kIndexByName;
    infer_.tensors.push_back({index, input.name, input.view});
  }
  if (request.model.empty()) return InvalidArgument("no model is named");
  ERGO_ASSIGN_OR_RETURN(
      const native::TensorLayout layout,
      native::LayOutTensors(request.model, infer_.tensors, granted_.max_body_bytes));
  head_.resize(layout.head_bytes);
  const uint64_t id = next_id_++;
  native::WriteInferHead(id, request.want_names ? native::kFlagNames : uint16_t{0}, infer_, layout,
                         head_);
  parts_.assign(1, {head_.data(), head_.size()});
  uint64_t end = layout.head_bytes - native::kHeaderBytes;
  for (size_t i = 0; i < infer_.tensors.size(); ++i) {
    static constexpr std::byte kZeros[kTensorAlignment]{};
    const TensorView& view = infer_.tensors[i].view;
    if (layout.payload_offsets[i] > end)
      parts_.push_back({const_cast<std::byte*>(kZeros), layout.payload_offsets[i] - end});
    parts_.push_back({const_cast<void*>(view.data), static_cast<size_t>(view.Bytes())});
    end = layout.payload_offsets[i] + static_cast<uint64_t>(view.Bytes());
  }
  in_flight_.insert(id);
  if (Status sent = Send(parts_, DeadlineAfterMs(options_.timeout_ms)); !sent.ok()) {
    return sent;
  }
  return id;
}

std::optional<InferResult> Client::Impl::TakeReady(uint64_t request_id) {
  const auto found = std::ranges::find(ready_, request_id, &InferResult::request_id);
  if (found == ready_.end()) return std::nullopt;
  InferResult result = std::move(*found);
  ready_.erase(found);
  return result;
}

Result<std::optional<InferResult>> Client::Impl::Poll(int timeout_ms) {
  if (ready_.empty() && broken_.ok()) {
    // What fails here is told when the answers that came before it are taken.
    [[maybe_unused]] const bool fine = Receive().ok();
  }
  const int64_t deadline_ns = DeadlineAfterMs(timeout_ms);
  while (ready_.empty()) {
    ERGO_RETURN_IF_ERROR(broken_);
    if (in_flight_.empty() || timeout_ms == 0) return std::optional<InferResult>();
    const Status status = WaitFor(POLLIN, deadline_ns);
    if (status.code() == StatusCode::kDeadlineExceeded) return std::optional<InferResult>();
  }
  std::optional<InferResult> result(std::move(ready_.front()));
  ready_.pop_front();
  return result;
}

Result<InferResult> Client::Impl::Infer(const InferRequest& request) {
  ERGO_ASSIGN_OR_RETURN(const uint64_t id, Submit(request));
  const int64_t deadline_ns = DeadlineAfterMs(options_.timeout_ms);
  std::optional<InferResult> result = TakeReady(id);
  while (!result) {
    const Status status = WaitFor(POLLIN, deadline_ns);
    result = TakeReady(id);
    if (result || status.ok()) continue;
    abandoned_.insert(id);
    return status;
  }
  if (!result->status.ok()) return result->status;
  return std::move(*result);
}

template <typename Append>
Result<Frame> Client::Impl::Ask(FrameType answer, Append append) {
  ERGO_RETURN_IF_ERROR(CheckUsable());
  const int64_t deadline_ns = DeadlineAfterMs(options_.timeout_ms);
  asked_ = next_id_++;
  answer_.reset();
  head_.clear();
  append(asked_, head_);
  const iovec part{head_.data(), head_.size()};
  ERGO_RETURN_IF_ERROR(Send({&part, 1}, deadline_ns));
  while (!answer_) {
    const Status status = WaitFor(POLLIN, deadline_ns);
    // An answer that comes too late would be taken for one that nobody asked for.
    if (!status.ok() && !answer_) return Break(status);
  }
  if (answer_->header.type == FrameType::kError) {
    ERGO_ASSIGN_OR_RETURN(const ErrorMessage error, native::ParseError(answer_->Body()));
    return ToStatus(error);
  }
  if (answer_->header.type != answer) {
    return Break(CorruptData("{}: {} instead of {}", endpoint_.ToString(),
                             native::FrameTypeName(answer_->header.type),
                             native::FrameTypeName(answer)));
  }
  return std::move(*answer_);
}

Result<std::unique_ptr<Client>> Client::Connect(const Endpoint& endpoint,
                                                const ClientOptions& options) {
  ERGO_ASSIGN_OR_RETURN(ergo::Descriptor descriptor,
                        ConnectTo(endpoint, options.connect_timeout_ms));
  auto impl = std::make_unique<Impl>(endpoint, options, std::move(descriptor));
  ERGO_RETURN_IF_ERROR(impl->Greet());
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

const native::HelloAck& Client::Granted() const {
  return impl_->Granted();
}
bool Client::ServerIsDraining() const {
  return impl_->ServerIsDraining();
}
Result<uint64_t> Client::Submit(const InferRequest& request) {
  return impl_->Submit(request);
}
Result<std::optional<InferResult>> Client::Poll(int timeout_ms) {
  return impl_->Poll(timeout_ms);
}
int Client::InFlight() const {
  return impl_->InFlight();
}
int Client::Descriptor() const {
  return impl_->Descriptor();
}
void Client::FinishSending() {
  impl_->FinishSending();
}
Result<InferResult> Client::Infer(const InferRequest& request) {
  return impl_->Infer(request);
}

Result<int64_t> Client::Ping() {
  const int64_t begin_ns = MonotonicNs();
  ERGO_ASSIGN_OR_RETURN(const Frame frame,
                        impl_->Ask(FrameType::kPong, [](uint64_t id, native::Bytes& out) {
                          native::AppendPing(id, {}, out);
                        }));
  return MonotonicNs() - begin_ns;
}

Result<native::Health> Client::GetHealth() {
  ERGO_ASSIGN_OR_RETURN(const Frame frame,
                        impl_->Ask(FrameType::kHealthReply, [](uint64_t id, native::Bytes& out) {
                          native::AppendQuestion(FrameType::kHealth, id, out);
                        }));
  return native::ParseHealthReply(frame.Body());
}

Result<std::vector<native::ModelListEntry>> Client::ListModels() {
  ERGO_ASSIGN_OR_RETURN(const Frame frame,
                        impl_->Ask(FrameType::kModelListReply, [](uint64_t id, native::Bytes& out) {
                          native::AppendQuestion(FrameType::kModelList, id, out);
                        }));
  return native::ParseModelListReply(frame.Body());
}

Result<native::Metadata> Client::GetMetadata(std::string_view model, uint32_t version) {
  if (model.empty() || model.size() > static_cast<size_t>(kMaxModelNameBytes)) {
    return InvalidArgument("a model's name has 1 to {} bytes", kMaxModelNameBytes);
  }
  ERGO_ASSIGN_OR_RETURN(const Frame frame,
                        impl_->Ask(FrameType::kMetadataReply, [&](uint64_t id, native::Bytes& out) {
                          native::AppendMetadata(id, {model, version}, out);
                        }));
  return native::ParseMetadataReply(frame.Body());
}

Result<std::vector<native::Figure>> Client::GetStats() {
  ERGO_ASSIGN_OR_RETURN(const Frame frame,
                        impl_->Ask(FrameType::kStatsReply, [](uint64_t id, native::Bytes& out) {
                          native::AppendQuestion(FrameType::kStats, id, out);
                        }));
  return native::ParseStatsReply(frame.Body());
}

}  // namespace ergo
