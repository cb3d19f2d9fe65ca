#include "server/core/executor.h"

#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "server/limits.h"
#include "server/monotonic_clock.h"

namespace ergo {
namespace {

using native::ErrorCode;

// Known good shapes are remembered up to this many; then all are looked at anew.
constexpr size_t kMaxVetted = 4096;

ErrorCode CodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kResourceExhausted: return ErrorCode::kInvalidInput;
    case StatusCode::kUnsupported: return ErrorCode::kUnsupported;
    default: return ErrorCode::kInternal;
  }
}

}  // namespace

Executor::Executor(const Repository& models, CpuTimeRate* rate, size_t first_cpu)
    : rate_(rate), first_cpu_(first_cpu), runners_(models.Models().size()) {}

void Executor::Fail(Job& job, ErrorCode code, std::string_view text) const {
  job.error.code = code;
  job.error.text = text;
  job.error.queue_ns = job.block.queue_ns;
}

void Executor::Execute(Job& job, bool expired) {
  job.block.queue_ns = static_cast<uint64_t>(MonotonicNs() - job.received_ns);
  job.block.model_version = job.model->version;
  if (expired) {
    return Fail(job, ErrorCode::kDeadlineExceeded,
                fmt::format("the deadline of {} us passed in the queue", job.infer.deadline_us));
  }
  Result<Session*> session = SessionFor(job);
  if (!session.ok()) {
    return Fail(job, CodeOf(session.status()), session.status().message());
  }
  // Planning, if it was needed, was waiting too.
  job.block.queue_ns = static_cast<uint64_t>(MonotonicNs() - job.received_ns);
  outputs_.clear();
  if ((*session)->GetPlan().late) {
    RunLate(job, **session);
  } else {
    RunPlanned(job, **session);
  }
}

Result<Session*> Executor::SessionFor(Job& job) {
  Model& model = *job.model->model;
  shapes_.clear();
  for (const TensorView& input : job.inputs) shapes_.push_back(input.shape);
  if (!vetted_.contains(job.placement_key)) {
    ERGO_ASSIGN_OR_RETURN(const std::shared_ptr<const Plan> plan, model.PlanFor(shapes_));
    if (plan->arena_bytes > static_cast<size_t>(kMaxArenaBytes)) {
      return ResourceExhausted(
          "inputs of these shapes need {} bytes of working memory, at most {} "
          "are given to a request",
          plan->arena_bytes, kMaxArenaBytes);
    }
    if (vetted_.size() >= kMaxVetted) vetted_.clear();
    vetted_.insert(job.placement_key);
  }
  std::unique_ptr<Runner>& runner = runners_[static_cast<size_t>(job.model->id)];
  if (!runner) runner = std::make_unique<Runner>(model, first_cpu_);
  return runner->SessionFor(shapes_);
}

bool Executor::PrepareResponse(Job& job, native::TensorLayout& layout) {
  Result<native::TensorLayout> laid_out = native::LayOutTensors("", outputs_, job.max_body_bytes);
  if (!laid_out.ok()) {
    Fail(job, ErrorCode::kResultTooLarge, laid_out.status().message());
    return false;
  }
  layout = *laid_out;
  job.response_bytes = native::kHeaderBytes + layout.body_bytes;
  const size_t needed = Job::kFrameOffset + job.response_bytes;
  if (job.response.Size() >= needed) return true;
  // A power of two, as buffer pools keep them.
  Result<AlignedBuffer> buffer = AlignedBuffer::Allocate(std::bit_ceil(needed));
  if (!buffer.ok()) {
    Fail(job, ErrorCode::kInternal, "no memory for the result");
    return false;
  }
  job.response = std::move(buffer).value();
  return true;
}

void Executor::RunPlanned(Job& job, Session& session) {
  const Plan& plan = session.GetPlan();
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const Plan::Port& port = plan.outputs[i];
    outputs_.push_back({static_cast<uint16_t>(i), job.want_names ? port.name : std::string_view(),
                        TensorView{nullptr, port.dtype, Device::kCpu, port.shape}});
  }
  native::TensorLayout layout;
  if (!PrepareResponse(job, layout)) return;
  std::byte* const body = job.response.Data() + Job::kFrameOffset + native::kHeaderBytes;
  views_.clear();
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const TensorView& view = outputs_[i].view;
    views_.push_back({body + layout.payload_offsets[i], view.dtype, view.device, view.shape});
  }
  const int64_t begin_ns = MonotonicNs(), cpu_begin_ns = ThreadCpuNs();
  session.Run(job.inputs, views_);
  AccountFor(job, MonotonicNs() - begin_ns, ThreadCpuNs() - cpu_begin_ns);
  const Status& device = session.DeviceStatus();
  if (!device.ok()) return Fail(job, CodeOf(device), device.message());
  FinishResponse(job, layout);
}

void Executor::RunLate(Job& job, Session& session) {
  job.late = true;
  const int64_t begin_ns = MonotonicNs(), cpu_begin_ns = ThreadCpuNs();
  const Result<std::vector<Tensor>> tensors = session.RunToTensors(job.inputs);
  AccountFor(job, MonotonicNs() - begin_ns, ThreadCpuNs() - cpu_begin_ns);
  if (!tensors.ok()) return Fail(job, CodeOf(tensors.status()), tensors.status().message());
  const std::vector<Model::Port>& ports = job.model->model->Outputs();
  for (size_t i = 0; i < tensors->size(); ++i) {
    outputs_.push_back({static_cast<uint16_t>(i),
                        job.want_names ? ports[i].name : std::string_view(), (*tensors)[i].View()});
  }
  native::TensorLayout layout;
  if (!PrepareResponse(job, layout)) return;
  std::byte* const body = job.response.Data() + Job::kFrameOffset + native::kHeaderBytes;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const TensorView& view = outputs_[i].view;
    if (view.Bytes() == 0) continue;
    std::memcpy(body + layout.payload_offsets[i], view.data, static_cast<size_t>(view.Bytes()));
  }
  FinishResponse(job, layout);
}

void Executor::AccountFor(Job& job, int64_t compute_ns, int64_t cpu_ns) const {
  constexpr double kSecondsPerNs = 1e-9;
  job.block.compute_ns = static_cast<uint64_t>(compute_ns);
  if (rate_ == nullptr) return;
  const CpuTimeRate::Rate rate = rate_->Now();
  if (rate.source == EnergySource::kUnavailable) return;
  // The threads of a run work, or spin, as long as the one that was timed.
  const double cpu_s =
      static_cast<double>(cpu_ns) * kSecondsPerNs * job.model->model->Options().threads;
  job.block.joules = rate.joules_per_cpu_s * cpu_s;
  job.block.joules_relative_error = rate.relative_error;
  job.block.energy_window_ns = static_cast<uint64_t>(rate.window_ns);
  job.block.energy_source = rate.source;
  job.block.energy_share = native::EnergyShare::kProcessorTime;
}

void Executor::FinishResponse(Job& job, const native::TensorLayout& layout) {
  native::WriteResultHead(job.request_id, job.block, outputs_, layout,
                          job.response.Bytes().subspan(Job::kFrameOffset, job.response_bytes));
}

}  // namespace ergo
