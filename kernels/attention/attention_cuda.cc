// Attention on a GPU, of any mask, window, grouping and cache.
#include "kernels/attention/attention_cuda.h"

#include <utility>

#include "kernels/attention/attention.h"
#include "kernels/attention/variants_cuda.h"
#include "kernels/base/checked_math.h"
#include "kernels/cuda/element.h"
#include "kernels/cuda/gpu.h"

namespace ergo {
namespace {

using cuda::AttentionParameter;
using cuda::AttentionRows;
using cuda::PresentParameter;

constexpr uint32_t kPresentThreads = 256;

std::string_view Suffix(DType dtype) {
  return dtype == DType::kF32 ? "f32" : dtype == DType::kF16 ? "f16" : "bf16";
}

// [batch, heads, length, ...] or packed [batch, length, heads * ...].
AttentionRows RowsOf(int64_t heads, int64_t length, bool packed) {
  AttentionRows rows;
  rows.per_sample = static_cast<int32_t>(heads * length);
  rows.per_head = static_cast<int32_t>(packed ? 1 : length);
  rows.per_row = static_cast<int32_t>(packed ? heads : 1);
  return rows;
}

Status CheckProblem(const AttentionProblem& p) {
  constexpr int64_t kMostElements = int64_t{1} << 31;
  constexpr int64_t kMostBlocks = 65535;  // along y and z
  const int64_t total = p.past_len + p.kv_len;
  if (!cuda::IsDeviceFloat(p.dtype)) return Unsupported("attention of {}", DTypeName(p.dtype));
  if (p.wants_scores) return Unsupported("scores are wanted");
  if (p.head > cuda::kMaxAttentionHead || p.v_head > cuda::kMaxAttentionHead) {
    return Unsupported("heads of {} and {}", p.head, p.v_head);
  }
  if (p.batch > kMostBlocks || p.q_heads > kMostBlocks ||
      SaturatingProduct({p.batch, p.q_heads, std::max(p.q_len, total)}) >= kMostElements ||
      p.mask_shape.Elements() >= kMostElements ||
      SaturatingProduct({p.batch, p.kv_heads, total, std::max(p.head, p.v_head)}) >=
          kMostElements) {
    return Unsupported("{} samples of {} heads need 64-bit indices", p.batch, p.q_heads);
  }
  if (p.has_mask && p.mask_dtype != DType::kBool && !cuda::IsDeviceFloat(p.mask_dtype)) {
    return Unsupported("a mask of {}", DTypeName(p.mask_dtype));
  }
  return {};
}

void SetMask(const AttentionProblem& p, AttentionParameter& parameter) {
  const Shape& shape = p.mask_shape;
  const auto strides = shape.RowMajorStrides();
  for (int axis = 0; axis < shape.Rank(); ++axis) {
    if (shape[axis] == 1) continue;
    parameter.mask_strides[4 - shape.Rank() + axis] =
        static_cast<int32_t>(strides[static_cast<size_t>(axis)]);
  }
  const int64_t last = shape.Rank() == 0 ? 1 : shape[shape.Rank() - 1];
  parameter.mask_keys = static_cast<int32_t>(last == 1 ? p.past_len + p.kv_len : last);
  parameter.mask_dtype = p.mask_dtype;
}

AttentionParameter ParameterOf(const AttentionProblem& p) {
  AttentionParameter parameter;
  parameter.q = RowsOf(p.q_heads, p.q_len, p.q_packed);
  parameter.k = RowsOf(p.kv_heads, p.kv_len, p.k_packed);
  parameter.v = RowsOf(p.kv_heads, p.kv_len, p.v_packed);
  parameter.past_k = parameter.past_v = RowsOf(p.kv_heads, p.past_len, false);
  parameter.y = RowsOf(p.q_heads, p.q_len, p.q_packed);
  const auto narrow = [](int64_t value) { return static_cast<int32_t>(value); };
  parameter.batch = narrow(p.batch);
  parameter.q_heads = narrow(p.q_heads);
  parameter.group = narrow(p.q_heads / std::max<int64_t>(p.kv_heads, 1));
  parameter.q_len = narrow(p.q_len);
  parameter.kv_len = narrow(p.kv_len);
  parameter.past_len = narrow(p.past_len);
  parameter.head = narrow(p.head);
  parameter.v_head = narrow(p.v_head);
  parameter.scale = p.scale;
  parameter.softcap = p.softcap;
  parameter.causal = p.causal;
  // Windows as wide as all keys are none.
  const auto window = [&](int64_t width) {
    return narrow(std::min(width, p.past_len + p.kv_len + p.q_len));
  };
  parameter.left_window = window(p.left_window);
  parameter.right_window = window(p.right_window);
  if (p.has_mask) SetMask(p, parameter);
  return parameter;
}

PresentParameter PresentOf(const AttentionProblem& p, int64_t width, bool packed) {
  PresentParameter present;
  const int64_t total = p.past_len + p.kv_len;
  present.past = RowsOf(p.kv_heads, p.past_len, false);
  present.fresh = RowsOf(p.kv_heads, p.kv_len, packed);
  present.past_len = static_cast<int32_t>(p.past_len);
  present.elements = static_cast<uint32_t>(p.batch * p.kv_heads * total * width);
  if (present.elements == 0) return present;
  present.width = cuda::FastDivide::By(static_cast<uint32_t>(width));
  present.total = cuda::FastDivide::By(static_cast<uint32_t>(total));
  present.heads = cuda::FastDivide::By(static_cast<uint32_t>(p.kv_heads));
  return present;
}

class AttentionCuda final : public Kernel {
 public:
  AttentionCuda(const AttentionProblem& problem, cuda::FunctionHandle attend,
                cuda::FunctionHandle present)
      : parameter_(ParameterOf(problem)),
        present_k_(PresentOf(problem, problem.head, problem.k_packed)),
        present_v_(PresentOf(problem, problem.v_head, problem.v_packed)),
        has_mask_(problem.has_mask),
        has_nonpad_(problem.has_nonpad),
        attend_(attend),
        present_(present) {}

  void Run(const KernelArgs& args) const override {
    const auto input = [&](size_t i) {
      return i < args.inputs.size() ? args.inputs[i].data : nullptr;
    };
    WritePresent(present_k_, input(4), input(1), args, 1);
    WritePresent(present_v_, input(5), input(2), args, 2);
    AttentionParameter parameter = parameter_;
    if (parameter.batch == 0 || parameter.q_heads == 0 || parameter.q_len == 0) return;
    parameter.q.data = input(0);
    parameter.k.data = input(1);
    parameter.v.data = input(2);
    if (has_mask_) parameter.mask = input(3);
    parameter.past_k.data = input(4);
    parameter.past_v.data = input(5);
    if (has_nonpad_) parameter.nonpad = static_cast<const int64_t*>(input(6));
    parameter.y.data = args.outputs[0].data;
    constexpr uint32_t kWarps = cuda::kAttentionThreads / cuda::kWarp;
    args.stream->Run(
        attend_,
        {CeilDiv(static_cast<uint32_t>(parameter.q_len), kWarps),
         static_cast<uint32_t>(parameter.q_heads), static_cast<uint32_t>(parameter.batch)},
        cuda::kAttentionThreads, parameter,
        kWarps * static_cast<uint32_t>(parameter.head * sizeof(float)));
  }

 private:
  void WritePresent(PresentParameter present, const void* past, const void* fresh,
                    const KernelArgs& args, size_t output) const {
    if (output >= args.outputs.size() || args.outputs[output].data == nullptr) return;
    if (present.elements == 0) return;
    present.past.data = past;
    present.fresh.data = fresh;
    present.present = args.outputs[output].data;
    args.stream->Run(present_, {CeilDiv(present.elements, kPresentThreads)}, kPresentThreads,
                     present);
  }

  AttentionParameter parameter_;
  PresentParameter present_k_, present_v_;
  bool has_mask_, has_nonpad_;
  cuda::FunctionHandle attend_, present_;
};

}  // namespace

MadeKernel MakeAttentionCuda(const AttentionProblem& problem, const MakeContext& context) {
  if (context.gpu == nullptr) return Unsupported("no GPU was given");
  ERGO_RETURN_IF_ERROR(CheckProblem(problem));
  const auto find = [&](std::string_view name) {
    return context.gpu->Find("attention",
                             fmt::format("ergo_{}_{}", name, Suffix(problem.dtype)).c_str());
  };
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle attend, find("attention"));
  ERGO_ASSIGN_OR_RETURN(const cuda::FunctionHandle present, find("present"));
  return MadeKernel(std::make_unique<AttentionCuda>(problem, attend, present));
}

}  // namespace ergo
