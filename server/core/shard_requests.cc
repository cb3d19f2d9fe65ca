// Frames and requests of a shard; shard.cc has the loop, the ring's events and the connections.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "server/core/bind_inputs.h"
#include "server/core/shard.h"
#include "server/monotonic_clock.h"

namespace ergo {
namespace {

using native::ErrorCode;
using native::ErrorMessage;
using native::FrameType;
using Phase = Connection::Phase;

// Work done here before the sockets are looked at again.
constexpr int64_t kInlineTurnNs = kNsPerMs;
constexpr size_t kMaxIdleJobs = 4096;

// For the log: what a client sent must not be able to forge lines.
std::string Printable(std::string_view text) {
  std::string printable;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      printable += fmt::format("\\x{:02x}", byte);
    } else {
      printable += c;
    }
  }
  return printable;
}

std::vector<native::PortInfo> PortInfos(const std::vector<Model::Port>& ports) {
  std::vector<native::PortInfo> infos;
  for (const Model::Port& port : ports) infos.push_back({port.name, port.dtype, port.shape});
  return infos;
}

ErrorMessage NoSuchModel(std::string_view name, uint32_t version) {
  const std::string which = version == 0 ? "" : fmt::format(" version {}", version);
  return {ErrorCode::kModelNotFound, 0, 0,
          fmt::format("no model '{}'{} here; MODEL_LIST tells which there are", Printable(name),
                      which)};
}

}  // namespace

// Sends scratch_, one whole small frame.
void Shard::SendSmall(Connection& connection) {
  connection.outbox.PushCopy(scratch_, pool_);
  QueueSettling(connection);
}

void Shard::SendError(Connection& connection, uint64_t request_id, const ErrorMessage& error) {
  metrics_.RecordError(error.code);
  scratch_.clear();
  native::AppendError(request_id, error, scratch_);
  SendSmall(connection);
}

void Shard::HandleFrame(Connection& connection, native::Frame frame) {
  const uint64_t id = frame.header.request_id;
  connection.active_ns = MonotonicNs();
  scratch_.clear();
  switch (frame.header.type) {
    case FrameType::kInfer: return HandleInfer(connection, std::move(frame));
    case FrameType::kHello: HandleHello(connection, frame.Body()); break;
    case FrameType::kPing:
      native::AppendPong(id, frame.Body(), scratch_);
      SendSmall(connection);
      break;
    case FrameType::kHealth:
      native::AppendHealthReply(id, context_.health(), scratch_);
      SendSmall(connection);
      break;
    case FrameType::kStats:
      native::AppendStatsReply(id, context_.stats(), scratch_);
      SendSmall(connection);
      break;
    case FrameType::kModelList: HandleModelList(connection, id); break;
    case FrameType::kMetadata: HandleMetadata(connection, frame); break;
    default:
      ERGO_CHECK_MSG(false, "the decoder lets no {} through", static_cast<int>(frame.header.type));
  }
  pool_.Give(std::move(frame.buffer));
}

void Shard::HandleHello(Connection& connection, std::span<const std::byte> body) {
  const Result<native::Hello> hello = native::ParseHello(body);
  if (!hello.ok()) {
    const std::string text(hello.status().message());
    return SendFault(connection, {ErrorCode::kMalformed, 0, text});
  }
  if (hello->version_min > native::kVersion || hello->version_max < native::kVersion) {
    return SendFault(connection, {ErrorCode::kUnsupportedVersion, 0,
                                  fmt::format("this server speaks version {}", native::kVersion)});
  }
  if (hello->auth_kind != 0) {
    return SendFault(connection,
                     {ErrorCode::kUnsupported, 0, "this server knows no authentication"});
  }
  if (hello->max_in_flight > 0) {
    connection.max_in_flight =
        static_cast<int>(std::clamp<uint32_t>(hello->max_in_flight, kMinGrantedInFlight,
                                              static_cast<uint32_t>(connection.max_in_flight)));
  }
  if (hello->max_body_bytes > 0) connection.max_answer_bytes = hello->max_body_bytes;
  if (hello->idle_timeout_ms > 0 &&
      hello->idle_timeout_ms < static_cast<uint32_t>(connection.idle_timeout_ms)) {
    connection.idle_timeout_ms = static_cast<int>(hello->idle_timeout_ms);
  }
  connection.phase = Phase::kOpen;
  native::HelloAck ack;
  ack.max_body_bytes = limits_.max_body_bytes;
  ack.max_in_flight = static_cast<uint32_t>(connection.max_in_flight);
  ack.idle_timeout_ms = static_cast<uint32_t>(connection.idle_timeout_ms);
  ack.name = context_.options->name;
  native::AppendHelloAck(ack, scratch_);
  SendSmall(connection);
  if (draining_) SayGoAway(connection, native::GoAwayReason::kDraining);
}

void Shard::HandleModelList(Connection& connection, uint64_t request_id) {
  std::vector<native::ModelListEntry> entries;
  for (const auto& model : context_.models->Models()) {
    entries.push_back({model->name, model->version});
  }
  native::AppendModelListReply(request_id, entries, scratch_);
  SendSmall(connection);
}

void Shard::HandleMetadata(Connection& connection, const native::Frame& frame) {
  const uint64_t id = frame.header.request_id;
  const Result<native::MetadataRequest> request = native::ParseMetadata(frame.Body());
  if (!request.ok()) {
    const std::string text(request.status().message());
    return SendFault(connection, {ErrorCode::kMalformed, id, text});
  }
  const ServedModel* served = context_.models->Find(request->model, request->model_version);
  if (served == nullptr) {
    return SendError(connection, id, NoSuchModel(request->model, request->model_version));
  }
  native::Metadata metadata{served->name, served->version, PortInfos(served->model->Inputs()),
                            PortInfos(served->model->Outputs())};
  native::AppendMetadataReply(id, metadata, scratch_);
  SendSmall(connection);
}

std::unique_ptr<Job> Shard::NewJob() {
  if (idle_jobs_.empty()) return std::make_unique<Job>();
  std::unique_ptr<Job> job = std::move(idle_jobs_.back());
  idle_jobs_.pop_back();
  return job;
}

void Shard::Recycle(std::unique_ptr<Job> job) {
  pool_.Give(std::move(job->frame.buffer));
  if (job->response.Size() > 0) pool_.Give(std::move(job->response));
  if (idle_jobs_.size() >= kMaxIdleJobs) return;
  // Vectors keep their memory for the next request.
  job->error = {ErrorCode::kNone, 0, 0, ""};
  job->block = {};
  job->late = false;
  job->deadline_ns = kNoDeadline;
  job->response_bytes = 0;
  job->response = AlignedBuffer();
  idle_jobs_.push_back(std::move(job));
}

void Shard::HandleInfer(Connection& connection, native::Frame frame) {
  metrics_.requests.Add(1);
  std::unique_ptr<Job> job = NewJob();
  job->home = this;
  job->connection = connection.id;
  job->request_id = frame.header.request_id;
  job->want_names = (frame.header.flags & native::kFlagNames) != 0;
  job->max_body_bytes = std::min(connection.max_answer_bytes, limits_.max_body_bytes);
  job->received_ns = connection.active_ns;
  job->frame = std::move(frame);
  job->error.code = ErrorCode::kNone;
  if (const Status parsed = native::ParseInfer(job->frame.Body(), job->infer); !parsed.ok()) {
    const std::string text(parsed.message());
    SendFault(connection, {ErrorCode::kMalformed, job->request_id, text});
    return Recycle(std::move(job));
  }
  ErrorMessage refusal = Admit(connection, *job);
  if (refusal.code != ErrorCode::kNone) {
    job->error = std::move(refusal);
    SendError(connection, job->request_id, job->error);
    Log(connection, *job);
    return Recycle(std::move(job));
  }
  const auto bytes = static_cast<int64_t>(job->frame.buffer.Size());
  context_.held_bytes.fetch_add(bytes, std::memory_order_relaxed);
  connection.held_bytes += bytes;
  ++connection.in_flight;
  metrics_.jobs_out.Set(static_cast<uint64_t>(++jobs_out_));
  PlaceJob(std::move(job));
}

ErrorMessage Shard::Admit(const Connection& connection, Job& job) {
  if (draining_) {
    return {ErrorCode::kDraining, 0, 0, "the server is stopping; ask another"};
  }
  job.model = context_.models->Find(job.infer.model, job.infer.model_version);
  if (job.model == nullptr) return NoSuchModel(job.infer.model, job.infer.model_version);
  const Status bound = BindInputs(*job.model->model, job.infer.tensors, job.inputs);
  if (!bound.ok()) {
    return {ErrorCode::kInvalidInput, 0, 0,
            fmt::format("{}: {}", job.model->name, bound.message())};
  }
  const int64_t held = context_.held_bytes.load(std::memory_order_relaxed);
  const auto bytes = static_cast<int64_t>(job.frame.buffer.Size());
  if (held - connection.partial_bytes + bytes > limits_.max_held_bytes) {
    return {ErrorCode::kOverloaded, 0, 0, "the requests being computed take all memory"};
  }
  job.deadline_ns = DeadlineNs(job.received_ns, job.infer.deadline_us);
  job.placement_key = Placement::KeyOf(job.model->id, job.inputs);
  return {ErrorCode::kNone, 0, 0, ""};
}

void Shard::PlaceJob(std::unique_ptr<Job> job) {
  // Room for an answer like the last one of the model.
  const size_t bytes = answer_bytes_[static_cast<size_t>(job->model->id)];
  if (bytes > 0) {
    if (Result<AlignedBuffer> buffer = pool_.Take(bytes); buffer.ok()) {
      job->response = std::move(buffer).value();
    }
  }
  const int64_t deadline_ns = job->deadline_ns;
  // Whoever waits for a device is no ring thread.
  const bool waits = job->model->model->Options().gpu != nullptr;
  const bool run_inline = !waits && placement_.Choose(job->placement_key) == Place::kInline;
  auto refused = run_inline ? inline_queue_.Push(std::move(job), deadline_ns)
                            : context_.workers->Submit(std::move(job));
  if (!refused) return;
  const int64_t wait_us = context_.workers->QueueWaitNs() / kNsPerUs;
  (*refused)->error = {ErrorCode::kOverloaded,
                       static_cast<uint32_t>(std::clamp<int64_t>(wait_us, 1, UINT32_MAX)), 0,
                       fmt::format("{} requests wait already", limits_.max_queued_requests)};
  Answer(*std::move(refused));
}

void Shard::RunInline() {
  if (inline_queue_.Empty()) return;
  int64_t now_ns = MonotonicNs();
  const int64_t end_ns = now_ns + kInlineTurnNs;
  while (now_ns < end_ns) {
    auto popped = inline_queue_.Pop(now_ns);
    if (!popped) return;
    executor_.Execute(*popped->item, popped->expired);
    metrics_.inline_runs.Add(1);
    Answer(std::move(popped->item));
    now_ns = MonotonicNs();
  }
}

void Shard::Finished(std::unique_ptr<Job> job) {
  const std::lock_guard lock(finished_mutex_);
  finished_.push_back(std::move(job));
  if (finished_.size() == 1) ring_->Wake();
}

void Shard::TakeFinished() {
  {
    const std::lock_guard lock(finished_mutex_);
    if (finished_.empty()) return;
    taken_.swap(finished_);
  }
  for (std::unique_ptr<Job>& job : taken_) Answer(std::move(job));
  taken_.clear();
}

void Shard::Answer(std::unique_ptr<Job> job) {
  metrics_.jobs_out.Set(static_cast<uint64_t>(--jobs_out_));
  const auto held = static_cast<int64_t>(job->frame.buffer.Size());
  context_.held_bytes.fetch_sub(held, std::memory_order_relaxed);
  const bool good = job->error.code == ErrorCode::kNone;
  if (good) {
    const size_t buffer_bytes = Job::kFrameOffset + job->response_bytes;
    answer_bytes_[static_cast<size_t>(job->model->id)] = buffer_bytes;
    // Where the time depends on the values, no mean says what the next run takes.
    if (!job->late) {
      placement_.Record(job->placement_key, static_cast<int64_t>(job->block.compute_ns));
    }
  }
  Connection* connection = Find(job->connection);
  if (connection == nullptr || connection->phase == Phase::kClosed ||
      connection->phase == Phase::kLingering) {
    metrics_.dropped.Add(1);
    return Recycle(std::move(job));
  }
  --connection->in_flight;
  connection->held_bytes -= held;
  connection->active_ns = MonotonicNs();
  Log(*connection, *job);
  if (good) {
    metrics_.RecordResult(job->model->id, job->block);
    connection->outbox.Push(std::move(job->response), Job::kFrameOffset, job->response_bytes);
    job->response = AlignedBuffer();
    QueueSettling(*connection);
  } else {
    SendError(*connection, job->request_id, job->error);
  }
  Recycle(std::move(job));
}

void Shard::Log(const Connection& connection, const Job& job) const {
  if (!context_.options->access_log) return;
  const std::string model = job.model != nullptr
                                ? fmt::format("{}/{}", job.model->name, job.model->version)
                                : Printable(job.infer.model);
  spdlog::info(
      "connection={:x} request={} model={} code={} queue_us={:.1f} compute_us={:.1f} "
      "joules={:.3g} ({})",
      connection.id, job.request_id, model, native::ErrorCodeName(job.error.code),
      static_cast<double>(job.block.queue_ns) / kNsPerUs,
      static_cast<double>(job.block.compute_ns) / kNsPerUs, job.block.joules,
      EnergySourceName(job.block.energy_source));
}

}  // namespace ergo
