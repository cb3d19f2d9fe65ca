// If, Loop and Scan whose results have no size that could be planned. Semantics: ONNX Operators,
// If-1, Loop-1, Scan-9 and their later versions (which only widen types).
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/graph/op_schema.h"
#include "engine/run/evaluation.h"
#include "engine/run/graph_runner.h"
#include "engine/run/limits.h"

namespace ergo {
namespace {

Status CheckScalar(const TensorView& view, DType dtype, std::string_view what) {
  if (view.dtype == dtype && view.Elements() == 1) return {};
  return InvalidArgument("{} is {}{}, not one {}", what, DTypeName(view.dtype),
                         view.shape.ToString(), DTypeName(dtype));
}

Result<bool> ReadCondition(const TensorView& view) {
  ERGO_RETURN_IF_ERROR(CheckScalar(view, DType::kBool, "the condition"));
  return *static_cast<const uint8_t*>(view.data) != 0;
}

Result<int64_t> ReadTripCount(const TensorView& view) {
  ERGO_RETURN_IF_ERROR(CheckScalar(view, DType::kI64, "the trip count"));
  return *static_cast<const int64_t*>(view.data);
}

class IfEvaluator final : public Evaluator {
 public:
  IfEvaluator(const Node& node, const PlanOptions& options, ParallelFor& parallel) : node_(node) {
    for (const Subgraph& subgraph : node.subgraphs) {
      runners_.push_back(
          std::make_unique<GraphRunner>(*subgraph.graph, std::vector<bool>(), options, parallel));
    }
  }

  Result<std::vector<Tensor>> Run(std::span<const TensorView> inputs, Trace* trace) override {
    ERGO_ASSIGN_OR_RETURN(const bool condition, ReadCondition(inputs[0]));
    const std::string_view taken = condition ? "then_branch" : "else_branch";
    size_t first = node_.inputs.size();
    for (size_t i = 0; i < node_.subgraphs.size(); ++i) {
      const Subgraph& subgraph = node_.subgraphs[i];
      if (subgraph.attribute == taken) {
        return runners_[i]->Run(inputs.subspan(first, subgraph.captures.size()), trace);
      }
      first += subgraph.captures.size();
    }
    return InvalidArgument("{}: has no {}", node_.Label(), taken);
  }

 private:
  const Node& node_;
  std::vector<std::unique_ptr<GraphRunner>> runners_;
};

// The tensors of all iterations, one after the other along a new axis or an old one of extent 1 an
// iteration.
class Stack {
 public:
  // All slices have the same dtype and shape: InvalidArgument otherwise. ResourceExhausted when the
  // result would be above the budget.
  Status Append(const Tensor& slice, const Budget& budget) {
    if (count_ == 0) {
      dtype_ = slice.Type();
      shape_ = slice.GetShape();
    } else if (slice.Type() != dtype_ || !(slice.GetShape() == shape_)) {
      return InvalidArgument("a scan output changes from {} to {} between iterations",
                             shape_.ToString(), slice.GetShape().ToString());
    }
    // A growing vector has its old memory and its new one at once, and Finish copies all of it.
    const auto stacked = static_cast<int64_t>(bytes_.size());
    ERGO_RETURN_IF_ERROR(budget.CheckBytes(3 * (stacked + slice.Bytes()), "scan outputs"));
    const auto* bytes = static_cast<const std::byte*>(slice.Data());
    bytes_.insert(bytes_.end(), bytes, bytes + slice.Bytes());
    ++count_;
    return {};
  }

  void SetEmpty(DType dtype, const Shape& shape) {
    if (count_ > 0) return;
    dtype_ = dtype;
    shape_ = shape;
  }

  Result<Tensor> Finish(bool reversed) {
    std::vector<int64_t> dims = {count_};
    dims.insert(dims.end(), shape_.Dims().begin(), shape_.Dims().end());
    ERGO_ASSIGN_OR_RETURN(const Shape shape, Shape::Make(dims));
    ERGO_ASSIGN_OR_RETURN(AlignedBuffer buffer, AlignedBuffer::Allocate(bytes_.size()));
    const size_t slice = count_ == 0 ? 0 : bytes_.size() / static_cast<size_t>(count_);
    for (size_t i = 0; slice > 0 && i < static_cast<size_t>(count_); ++i) {
      const size_t from = reversed ? static_cast<size_t>(count_) - 1 - i : i;
      std::memcpy(buffer.Data() + i * slice, bytes_.data() + from * slice, slice);
    }
    return Tensor(dtype_, shape, std::move(buffer));
  }

 private:
  DType dtype_ = DType::kUndefined;
  Shape shape_;
  std::vector<std::byte> bytes_;
  int64_t count_ = 0;
};

// What a body output looks like when the body never ran: known dimensions, 0 for the others.
std::pair<DType, Shape> DeclaredSlice(const Graph& body, size_t output) {
  const Value& value = body.GetValue(body.outputs[output]);
  Shape shape;
  for (int axis = 0; value.shape.RankKnown() && axis < value.shape.Rank(); ++axis) {
    shape.Append(std::max<int64_t>(value.shape[axis].value, 0));
  }
  return {value.dtype, shape};
}

class LoopEvaluator final : public Evaluator {
 public:
  LoopEvaluator(const Node& node, const PlanOptions& options, ParallelFor& parallel)
      : node_(node),
        body_(*node.subgraphs[0].graph),
        limits_(options.limits),
        runner_(body_, {}, options, parallel) {}

  Result<std::vector<Tensor>> Run(std::span<const TensorView> inputs, Trace* trace) override {
    const size_t carried_count = node_.inputs.size() > 2 ? node_.inputs.size() - 2 : 0;
    const std::span<const TensorView> captures = inputs.subspan(node_.inputs.size());
    if (body_.outputs.size() < 1 + carried_count) {
      return InvalidArgument("{}: the body has {} outputs for {} carried values", node_.Label(),
                             body_.outputs.size(), carried_count);
    }
    int64_t trip = std::numeric_limits<int64_t>::max();
    if (node_.HasInput(0)) {
      ERGO_ASSIGN_OR_RETURN(trip, ReadTripCount(inputs[0]));
    }
    bool condition = true;
    if (node_.HasInput(1)) {
      ERGO_ASSIGN_OR_RETURN(condition, ReadCondition(inputs[1]));
    }
    std::vector<Tensor> carried;
    for (size_t i = 0; i < carried_count; ++i) carried.push_back(Tensor::CopyOf(inputs[2 + i]));
    std::vector<Stack> stacks(body_.outputs.size() - 1 - carried_count);
    const Budget budget(limits_);

    for (int64_t iteration = 0; condition && iteration < trip; ++iteration) {
      if (iteration >= kMaxLoopIterations) {
        return ResourceExhausted("{}: more than {} iterations", node_.Label(), kMaxLoopIterations);
      }
      ERGO_RETURN_IF_ERROR(budget.CheckTime().WithContext(node_.Label()));
      ERGO_ASSIGN_OR_RETURN(std::vector<Tensor> results,
                            RunBody(iteration, condition, carried, captures, trace));
      ERGO_ASSIGN_OR_RETURN(condition, ReadCondition(results[0].View()));
      for (size_t i = 0; i < carried_count; ++i) carried[i] = std::move(results[1 + i]);
      for (size_t i = 0; i < stacks.size(); ++i) {
        ERGO_RETURN_IF_ERROR(
            stacks[i].Append(results[1 + carried_count + i], budget).WithContext(node_.Label()));
      }
    }
    for (size_t i = 0; i < stacks.size(); ++i) {
      const auto [dtype, shape] = DeclaredSlice(body_, 1 + carried_count + i);
      stacks[i].SetEmpty(dtype, shape);
      ERGO_ASSIGN_OR_RETURN(Tensor stacked, stacks[i].Finish(false));
      carried.push_back(std::move(stacked));
    }
    return carried;
  }

 private:
  Result<std::vector<Tensor>> RunBody(int64_t iteration, bool condition,
                                      const std::vector<Tensor>& carried,
                                      std::span<const TensorView> captures, Trace* trace) {
    const auto condition_byte = static_cast<uint8_t>(condition);
    std::vector<TensorView> views = {
        {&iteration, DType::kI64, Device::kCpu, Shape()},
        {&condition_byte, DType::kBool, Device::kCpu, Shape()},
    };
    for (const Tensor& tensor : carried) views.push_back(tensor.View());
    views.insert(views.end(), captures.begin(), captures.end());
    return runner_.Run(views, trace);
  }

  const Node& node_;
  const Graph& body_;
  const ResourceLimits limits_;
  GraphRunner runner_;
};

// Scan: scan axes of inputs and outputs, each forward or backward. Opset 8 scans each sample of a
// batch (axis 0 of everything) along axis 1, after a first input with the sequences' lengths.
class ScanEvaluator final : public Evaluator {
 public:
  ScanEvaluator(const Node& node, const PlanOptions& options, ParallelFor& parallel)
      : node_(node),
        body_(*node.subgraphs[0].graph),
        limits_(options.limits),
        runner_(body_, {}, options, parallel) {}

  Result<std::vector<Tensor>> Run(std::span<const TensorView> inputs, Trace* trace) override {
    const size_t first = node_.opset < 9 ? 1 : 0;
    const size_t operands = node_.inputs.size() - first;
    const auto scans = static_cast<size_t>(node_.IntAttr("num_scan_inputs", 0));
    if (scans < 1 || scans > operands || body_.outputs.size() + scans < operands) {
      return InvalidArgument("{}: num_scan_inputs is {}", node_.Label(), scans);
    }
    const std::span<const TensorView> captures = inputs.subspan(node_.inputs.size());
    if (first == 0) return Scan(inputs.first(operands), captures, operands - scans, trace);
    if (node_.HasInput(0)) return Unsupported("{}: sequence_lens", node_.Label());
    return ScanBatch(inputs.subspan(1, operands), captures, operands - scans, trace);
  }

 private:
  Result<std::vector<Tensor>> ScanBatch(std::span<const TensorView> operands,
                                        std::span<const TensorView> captures, size_t states,
                                        Trace* trace) {
    std::vector<Stack> stacks(body_.outputs.size());
    const Budget budget(limits_);
    for (const TensorView& operand : operands) {
      if (operand.shape.Rank() < 1 || operand.shape[0] != operands[0].shape[0]) {
        return InvalidArgument("{}: operands of different batches", node_.Label());
      }
    }
    for (int64_t sample = 0; sample < operands[0].shape[0]; ++sample) {
      std::vector<Tensor> slices;
      std::vector<TensorView> views;
      for (const TensorView& operand : operands) slices.push_back(SliceOf(operand, 0, sample));
      for (const Tensor& slice : slices) views.push_back(slice.View());
      ERGO_ASSIGN_OR_RETURN(const std::vector<Tensor> results,
                            Scan(views, captures, states, trace));
      for (size_t k = 0; k < results.size(); ++k)
        ERGO_RETURN_IF_ERROR(stacks[k].Append(results[k], budget));
    }
    std::vector<Tensor> outputs;
    for (Stack& stack : stacks) {
      ERGO_ASSIGN_OR_RETURN(Tensor stacked, stack.Finish(false));
      outputs.push_back(std::move(stacked));
    }
    return outputs;
  }

  // `operands` are the initial states, then what is scanned.
  Result<std::vector<Tensor>> Scan(std::span<const TensorView> operands,
                                   std::span<const TensorView> captures, size_t states,
                                   Trace* trace) {
    const std::span<const TensorView> scanned = operands.subspan(states);
    std::vector<Tensor> carried;
    for (size_t i = 0; i < states; ++i) carried.push_back(Tensor::CopyOf(operands[i]));
    std::vector<Stack> stacks(body_.outputs.size() - states);
    const Budget budget(limits_);
    ERGO_ASSIGN_OR_RETURN(const int64_t length, Length(scanned));
    for (int64_t i = 0; i < length; ++i) {
      ERGO_RETURN_IF_ERROR(budget.CheckTime().WithContext(node_.Label()));
      std::vector<Tensor> slices;
      for (size_t k = 0; k < scanned.size(); ++k) {
        const bool backward = Attribute("scan_input_directions", k) != 0;
        ERGO_ASSIGN_OR_RETURN(const int axis, ScanAxis(scanned[k], k));
        slices.push_back(SliceOf(scanned[k], axis, backward ? length - 1 - i : i));
      }
      std::vector<TensorView> views;
      for (const Tensor& tensor : carried) views.push_back(tensor.View());
      for (const Tensor& tensor : slices) views.push_back(tensor.View());
      views.insert(views.end(), captures.begin(), captures.end());
      ERGO_ASSIGN_OR_RETURN(std::vector<Tensor> results, runner_.Run(views, trace));
      for (size_t k = 0; k < states; ++k) carried[k] = std::move(results[k]);
      for (size_t k = 0; k < stacks.size(); ++k) {
        ERGO_RETURN_IF_ERROR(
            stacks[k].Append(results[states + k], budget).WithContext(node_.Label()));
      }
    }
    for (size_t k = 0; k < stacks.size(); ++k) {
      const auto [dtype, shape] = DeclaredSlice(body_, states + k);
      stacks[k].SetEmpty(dtype, shape);
      ERGO_ASSIGN_OR_RETURN(Tensor stacked,
                            stacks[k].Finish(Attribute("scan_output_directions", k) != 0));
      ERGO_ASSIGN_OR_RETURN(const int axis, NormalizeAxis(Attribute("scan_output_axes", k),
                                                          stacked.GetShape().Rank()));
      carried.push_back(MoveFirstAxisTo(stacked, axis));
    }
    return carried;
  }

  int64_t Attribute(std::string_view name, size_t i) const {
    const std::vector<int64_t>* values = node_.IntsAttr(name);
    return values != nullptr && i < values->size() ? (*values)[i] : 0;
  }

  Result<int> ScanAxis(const TensorView& input, size_t i) const {
    return NormalizeAxis(Attribute("scan_input_axes", i), input.shape.Rank());
  }

  Result<int64_t> Length(std::span<const TensorView> scanned) const {
    int64_t length = -1;
    for (size_t i = 0; i < scanned.size(); ++i) {
      ERGO_ASSIGN_OR_RETURN(const int axis, ScanAxis(scanned[i], i));
      const int64_t own = scanned[i].shape[axis];
      if (length >= 0 && own != length) {
        return InvalidArgument("{}: scan inputs of lengths {} and {}", node_.Label(), length, own);
      }
      length = own;
    }
    return length;
  }

  static Tensor SliceOf(const TensorView& input, int axis, int64_t index) {
    Shape shape;
    for (int i = 0; i < input.shape.Rank(); ++i) {
      if (i != axis) shape.Append(input.shape[i]);
    }
    const auto outer = static_cast<size_t>(input.shape.Elements(0, axis));
    const auto inner = static_cast<size_t>(
        DTypeBytes(input.dtype, input.shape.Elements(axis + 1, input.shape.Rank())));
    const size_t row = inner * static_cast<size_t>(input.shape[axis]);
    AlignedBuffer buffer = AlignedBuffer::AllocateOrDie(outer * inner);
    const auto* from =
        static_cast<const std::byte*>(input.data) + static_cast<size_t>(index) * inner;
    for (size_t i = 0; i < outer && inner > 0; ++i) {
      std::memcpy(buffer.Data() + i * inner, from + i * row, inner);
    }
    return Tensor(input.dtype, shape, std::move(buffer));
  }

  static Tensor MoveFirstAxisTo(const Tensor& tensor, int axis) {
    if (axis == 0) return tensor;
    const Shape& from = tensor.GetShape();
    Shape to;
    for (int i = 1; i <= axis; ++i) to.Append(from[i]);
    to.Append(from[0]);
    for (int i = axis + 1; i < from.Rank(); ++i) to.Append(from[i]);
    const auto count = static_cast<size_t>(from[0]);
    const auto outer = static_cast<size_t>(from.Elements(1, axis + 1));
    const auto inner =
        static_cast<size_t>(DTypeBytes(tensor.Type(), from.Elements(axis + 1, from.Rank())));
    AlignedBuffer buffer = AlignedBuffer::AllocateOrDie(count * outer * inner);
    const auto* bytes = static_cast<const std::byte*>(tensor.Data());
    for (size_t i = 0; i < count && inner > 0; ++i) {
      for (size_t o = 0; o < outer; ++o) {
        std::memcpy(buffer.Data() + (o * count + i) * inner, bytes + (i * outer + o) * inner,
                    inner);
      }
    }
    return Tensor(tensor.Type(), to, std::move(buffer));
  }

  const Node& node_;
  const Graph& body_;
  const ResourceLimits limits_;
  GraphRunner runner_;
};

}  // namespace

std::unique_ptr<Evaluator> MakeControlEvaluator(const Node& node, const PlanOptions& options,
                                                ParallelFor& parallel) {
  if (node.subgraphs.empty()) return nullptr;
  if (node.Is("If")) return std::make_unique<IfEvaluator>(node, options, parallel);
  if (node.Is("Loop")) return std::make_unique<LoopEvaluator>(node, options, parallel);
  if (node.Is("Scan")) return std::make_unique<ScanEvaluator>(node, options, parallel);
  return nullptr;
}

}  // namespace ergo
