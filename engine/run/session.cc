#include "engine/run/session.h"

#include <time.h>

#include <utility>
#include <vector>

#include "engine/device/device_program.h"
#include "engine/run/evaluation.h"
#include "engine/run/flush_denormals.h"
#include "engine/run/graph_runner.h"

namespace ergo {
namespace {

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// An operand whose pointer is the caller's and set anew in each run.
struct Patch {
  size_t step;
  size_t operand;
  size_t port;
};

}  // namespace

// One plan laid out over one arena. Branches are frames of their own within the same arena.
struct Session::Frame {
  struct Operands {
    std::vector<TensorView> inputs;
    std::vector<MutableTensorView> outputs;
    std::unique_ptr<Frame> then_frame, else_frame;
  };

  Frame(const Plan& the_plan, ParallelFor& the_parallel, std::byte* the_arena)
      : plan(the_plan), parallel(the_parallel), arena(the_arena) {
    operands.resize(plan.steps.size());
    for (size_t i = 0; i < plan.steps.size(); ++i) LayOut(i);
  }

  void LayOut(size_t i) {
    using Storage = PlanTensor::Storage;
    const Step& step = plan.steps[i];
    for (size_t k = 0; k < step.inputs.size(); ++k) {
      const PlanTensor& tensor = plan.tensors[static_cast<size_t>(step.inputs[k])];
      TensorView view{nullptr, tensor.dtype, Device::kCpu, tensor.shape};
      const auto port = static_cast<size_t>(tensor.index);
      if (tensor.storage == Storage::kArena) view.data = arena + tensor.offset;
      if (tensor.storage == Storage::kConstant) view.data = tensor.constant.Data();
      if (tensor.storage == Storage::kInput) input_reads.push_back({i, k, port});
      if (tensor.storage == Storage::kOutput) output_reads.push_back({i, k, port});
      operands[i].inputs.push_back(view);
    }
    for (size_t k = 0; k < step.outputs.size(); ++k) {
      const PlanTensor& tensor = plan.tensors[static_cast<size_t>(step.outputs[k])];
      MutableTensorView view{nullptr, tensor.dtype, Device::kCpu, tensor.shape};
      if (tensor.storage == Storage::kArena) view.data = arena + tensor.offset;
      if (tensor.storage == Storage::kOutput) {
        output_writes.push_back({i, k, static_cast<size_t>(tensor.index)});
      }
      operands[i].outputs.push_back(view);
    }
    if (step.branch) {
      std::byte* inner = arena + step.workspace_offset;
      operands[i].then_frame = std::make_unique<Frame>(*step.branch->then_plan, parallel, inner);
      operands[i].else_frame = std::make_unique<Frame>(*step.branch->else_plan, parallel, inner);
    }
  }

  // A tensor of the plan as it is after a run with these inputs and outputs.
  TensorView ViewOf(int index, std::span<const TensorView> inputs,
                    std::span<const MutableTensorView> outputs) const {
    using Storage = PlanTensor::Storage;
    const PlanTensor& tensor = plan.tensors[static_cast<size_t>(index)];
    TensorView view{nullptr, tensor.dtype, Device::kCpu, tensor.shape};
    const auto port = static_cast<size_t>(tensor.index);
    switch (tensor.storage) {
      case Storage::kAbsent: break;
      case Storage::kInput: view.data = inputs[port].data; break;
      case Storage::kOutput: view.data = outputs[port].data; break;
      case Storage::kConstant: view.data = tensor.constant.Data(); break;
      case Storage::kArena: view.data = arena + tensor.offset; break;
    }
    return view;
  }

  void Run(std::span<const TensorView> inputs, std::span<const MutableTensorView> outputs,
           Trace* trace) {
    const FlushDenormals flush;
    for (const Patch& p : input_reads)
      operands[p.step].inputs[p.operand].data = inputs[p.port].data;
    for (const Patch& p : output_reads) {
      operands[p.step].inputs[p.operand].data = outputs[p.port].data;
    }
    for (const Patch& p : output_writes) {
      operands[p.step].outputs[p.operand].data = outputs[p.port].data;
    }
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      const int64_t begin_ns = trace ? NowNs() : 0;
      RunStep(plan.steps[i], operands[i], trace);
      if (trace) trace->Record(plan.steps[i], begin_ns, NowNs());
    }
  }

  void RunStep(const Step& step, Operands& own, Trace* trace) {
    if (step.kernel) {
      step.kernel->Run({own.inputs,
                        own.outputs,
                        {arena + step.workspace_offset, step.workspace_bytes},
                        parallel});
      return;
    }
    const bool taken = *static_cast<const uint8_t*>(own.inputs[0].data) != 0;
    const size_t then_count = step.branch->then_plan->inputs.size();
    const std::span<const TensorView> rest = std::span(own.inputs).subspan(1);
    if (taken) {
      own.then_frame->Run(rest.first(then_count), own.outputs, trace);
    } else {
      own.else_frame->Run(rest.subspan(then_count), own.outputs, trace);
    }
  }

  const Plan& plan;
  ParallelFor& parallel;
  std::byte* arena;
  AlignedBuffer owned_arena;       // of the outermost frame
  std::vector<Operands> operands;  // parallel to plan.steps
  std::vector<Patch> input_reads, output_reads, output_writes;
};

// What runs after the steps of a plan with a late part.
struct Session::Late {
  std::vector<std::unique_ptr<Evaluator>> evaluators;
  std::unique_ptr<GraphRunner> rest;
};

Session::Session(const Plan& plan) : plan_(plan) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::Create(const Plan& plan, ParallelFor& parallel) {
  ERGO_CHECK_MSG(parallel.Workers() <= plan.options.max_workers,
                 "{} workers for a plan made for {}", parallel.Workers(), plan.options.max_workers);
  std::unique_ptr<Session> session(new Session(plan));
  if (plan.options.gpu != nullptr && WhyHostOnly(plan).empty()) {
    ERGO_ASSIGN_OR_RETURN(session->device_, DeviceExecutor::Create(plan, parallel));
    return session;
  }
  Result<AlignedBuffer> arena = AlignedBuffer::Allocate(plan.arena_bytes);
  if (!arena.ok()) return std::move(arena).status().WithContext("arena");
  session->frame_ = std::make_unique<Frame>(plan, parallel, arena->Data());
  session->frame_->owned_arena = std::move(arena).value();
  if (plan.late) {
    session->late_ = std::make_unique<Late>();
    for (const LateRegion::Evaluation& evaluation : plan.late->evaluations) {
      ERGO_ASSIGN_OR_RETURN(std::unique_ptr<Evaluator> evaluator,
                            MakeEvaluator(evaluation.node, plan.options, parallel));
      session->late_->evaluators.push_back(std::move(evaluator));
    }
    session->late_->rest =
        std::make_unique<GraphRunner>(plan.late->rest, plan.late->bound, plan.options, parallel);
  }
  return session;
}

void Session::Run(std::span<const TensorView> inputs, std::span<const MutableTensorView> outputs,
                  Trace* trace) {
  ERGO_CHECK(inputs.size() == plan_.inputs.size());
  ERGO_CHECK(outputs.size() == plan_.outputs.size());
  ERGO_CHECK_MSG(!late_, "a plan with a late part runs by RunToTensors");
  if (device_) {
    device_status_ = device_->Run(inputs, outputs);
    return;
  }
  frame_->Run(inputs, outputs, trace);
}

Result<std::vector<Tensor>> Session::RunToTensors(std::span<const TensorView> inputs,
                                                  Trace* trace) {
  ERGO_CHECK(inputs.size() == plan_.inputs.size());
  const Plan& plan = plan_;
  std::vector<AlignedBuffer> buffers;
  std::vector<MutableTensorView> views;
  for (const Plan::Port& port : plan.outputs) {
    const int64_t bytes = port.late ? 0 : DTypeBytes(port.dtype, port.shape.Elements());
    ERGO_ASSIGN_OR_RETURN(AlignedBuffer buffer,
                          AlignedBuffer::Allocate(static_cast<size_t>(bytes)));
    views.push_back({buffer.Data(), port.dtype, Device::kCpu, port.shape});
    buffers.push_back(std::move(buffer));
  }
  if (device_) {
    device_status_ = device_->Run(inputs, views);
    ERGO_RETURN_IF_ERROR(device_status_);
  } else {
    frame_->Run(inputs, views, trace);
  }
  std::vector<Tensor> outputs(views.size());
  if (late_) ERGO_RETURN_IF_ERROR(RunLate(inputs, views, trace, outputs));
  for (size_t i = 0; i < views.size(); ++i) {
    if (plan.outputs[i].late) continue;
    outputs[i] = Tensor(views[i].dtype, views[i].shape, std::move(buffers[i]));
  }
  return outputs;
}

Status Session::RunLate(std::span<const TensorView> inputs,
                        std::span<const MutableTensorView> outputs, Trace* trace,
                        std::vector<Tensor>& results) {
  const LateRegion& region = *plan_.late;
  std::vector<std::vector<Tensor>> evaluated;
  const auto view_of = [&](const LateRegion::Feed& feed) -> TensorView {
    if (feed.tensor >= 0) return frame_->ViewOf(feed.tensor, inputs, outputs);
    return evaluated[static_cast<size_t>(feed.evaluation)][static_cast<size_t>(feed.output)].View();
  };
  const auto views_of = [&](const std::vector<LateRegion::Feed>& feeds) {
    std::vector<TensorView> views;
    for (const LateRegion::Feed& feed : feeds) views.push_back(view_of(feed));
    return views;
  };
  for (size_t i = 0; i < region.evaluations.size(); ++i) {
    Result<std::vector<Tensor>> tensors =
        late_->evaluators[i]->Run(views_of(region.evaluations[i].inputs), trace);
    if (!tensors.ok()) {
      return std::move(tensors).status().WithContext(region.evaluations[i].node.Label());
    }
    evaluated.push_back(std::move(tensors).value());
  }
  ERGO_ASSIGN_OR_RETURN(std::vector<Tensor> rest, late_->rest->Run(views_of(region.feeds), trace));
  for (size_t i = 0; i < rest.size(); ++i) {
    results[static_cast<size_t>(region.output_numbers[i])] = std::move(rest[i]);
  }
  return {};
}

const Plan& Session::GetPlan() const {
  return plan_;
}

Status CheckInputs(const Plan& plan, std::span<const TensorView> inputs) {
  if (inputs.size() != plan.inputs.size()) {
    return InvalidArgument("{} inputs given, the model has {}", inputs.size(), plan.inputs.size());
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Plan::Port& port = plan.inputs[i];
    if (inputs[i].dtype != port.dtype || !(inputs[i].shape == port.shape)) {
      return InvalidArgument("input '{}' is {}{}, expected {}{}", port.name,
                             DTypeName(inputs[i].dtype), inputs[i].shape.ToString(),
                             DTypeName(port.dtype), port.shape.ToString());
    }
  }
  return {};
}

}  // namespace ergo
