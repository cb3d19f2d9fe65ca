// gemm of f32 through oneDNN's matmul; constant B is packed into the layout that it likes best.
#include <cstring>
#include <utility>

#include "kernels/base/onednn.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_tasks.h"

namespace ergo {
namespace {

using dnnl::memory;
using Dims = memory::dims;

// [batch..., rows, columns]; axes along which the batch stride is 0 broadcast, with size 1.
memory::desc MatrixDesc(const Shape& batch, std::span<const int64_t> batch_strides, int64_t rows,
                        int64_t columns, int64_t row_stride, bool transposed) {
  Dims dims, strides;
  for (int axis = 0; axis < batch.Rank(); ++axis) {
    const int64_t stride = batch_strides[static_cast<size_t>(axis)];
    dims.push_back(stride == 0 ? 1 : batch[axis]);
    strides.push_back(stride == 0 ? rows * columns : stride);
  }
  dims.insert(dims.end(), {rows, columns});
  strides.push_back(transposed ? 1 : row_stride);
  strides.push_back(transposed ? row_stride : 1);
  return {dims, memory::data_type::f32, strides};
}

memory::desc ResultDesc(const GemmProblem& p) {
  Shape shape = p.batch;
  shape.Append(p.m);
  shape.Append(p.n);
  const auto strides = shape.RowMajorStrides();
  return MatrixDesc(p.batch, strides, p.m, p.n, p.n, false);
}

memory::desc BiasDesc(const GemmProblem& p) {
  Dims dims(static_cast<size_t>(p.batch.Rank()), 1);
  const bool by_row = p.bias == GemmBias::kPerRow || p.bias == GemmBias::kFull;
  const bool by_column = p.bias == GemmBias::kPerColumn || p.bias == GemmBias::kFull;
  dims.push_back(by_row ? p.m : 1);
  dims.push_back(by_column ? p.n : 1);
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return {dims, memory::data_type::f32, strides};
}

class GemmOneDnn final : public Kernel {
 public:
  GemmOneDnn(const CanonicalGemm& canonical, const MakeContext& context)
      : problem_(canonical.problem), swapped_(canonical.swapped), stream_(OneDnnEngine()) {
    const GemmProblem& p = problem_;
    a_ = MatrixDesc(p.batch, p.a_batch_strides, p.m, p.k, p.ARowStride(), p.trans_a);
    b_ = MatrixDesc(p.batch, p.b_batch_strides, p.k, p.n, p.BRowStride(), p.trans_b);
    MakePrimitive(context.max_workers);
    if (p.constant_b != nullptr) PackConstant(context);
  }

  // Why not, or nothing.
  std::string_view Objection() const {
    const std::string_view implementation = primitive_.impl_info_str();
    return implementation.starts_with("ref") ? "only oneDNN's reference takes it" : "";
  }

  size_t WorkspaceBytes() const override { return primitive_.scratchpad_desc().get_size(); }
  bool MayRunInPlace(int index) const override { return index == 3 && problem_.residual; }
  void Run(const KernelArgs& args) const override {
    RunOneDnn(args.parallel.Workers(), [&] { Execute(args); });
  }

 private:
  void MakePrimitive(int max_workers) {
    // The number of threads shapes the scratchpad.
    const OneDnnThreads threads(max_workers);
    dnnl::post_ops operations;
    if (problem_.residual) operations.append_sum(1.0f);
    AppendActivation(problem_.activation, operations);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(operations);
    // Ours, so that several threads may run the kernel at once.
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const memory::desc any(b_.dims(), memory::data_type::f32, memory::format_tag::any);
    const memory::desc& b = problem_.constant_b != nullptr ? any : b_;
    using Desc = dnnl::matmul::desc;
    const Desc desc = problem_.bias == GemmBias::kNone
                          ? Desc(a_, b, ResultDesc(problem_))
                          : Desc(a_, b, BiasDesc(problem_), ResultDesc(problem_));
    primitive_ = dnnl::matmul::primitive_desc(desc, attributes, OneDnnEngine());
    matmul_ = dnnl::matmul(primitive_);
  }

  void PackConstant(const MakeContext& context) {
    const memory::desc desc = primitive_.weights_desc();
    if (desc == b_) return;
    const GemmProblem& p = problem_;
    const std::string format =
        fmt::format("gemm_onednn/{}/m{}/{}", primitive_.impl_info_str(), p.m, WeightsFormat(p));
    packed_ = PackWeights(context.packs, p.constant_b, format, desc.get_size(),
                          [&](AlignedBuffer& packed) {
                            memory from(b_, OneDnnEngine(), const_cast<void*>(p.constant_b));
                            memory to(desc, OneDnnEngine(), packed.Data());
                            dnnl::stream stream = stream_;
                            dnnl::reorder(from, to).execute(stream, from, to);
                          });
  }

  void Execute(const KernelArgs& args) const {
    const auto at = [](const memory::desc& desc, const void* data) {
      return memory(desc, OneDnnEngine(), const_cast<void*>(data));
    };
    const MutableTensorView& d = args.outputs[0];
    // oneDNN adds the residual to where it writes.
    if (problem_.residual && args.inputs[3].data != d.data) {
      std::memcpy(d.data, args.inputs[3].data, static_cast<size_t>(d.Bytes()));
    }
    const void* a = args.inputs[swapped_ ? 1 : 0].data;
    const void* b = packed_ != nullptr ? packed_->Data() : args.inputs[swapped_ ? 0 : 1].data;
    std::unordered_map<int, memory> operands = {
        {DNNL_ARG_SRC, at(a_, a)},
        {DNNL_ARG_WEIGHTS, at(primitive_.weights_desc(), b)},
        {DNNL_ARG_DST, at(primitive_.dst_desc(), d.data)},
        {DNNL_ARG_SCRATCHPAD, at(primitive_.scratchpad_desc(), args.workspace.data())},
    };
    if (problem_.bias != GemmBias::kNone) {
      operands.emplace(DNNL_ARG_BIAS, at(primitive_.bias_desc(), args.inputs[2].data));
    }
    dnnl::stream stream = stream_;
    matmul_.execute(stream, operands);
  }

  const GemmProblem problem_;
  const bool swapped_;
  dnnl::stream stream_;
  memory::desc a_, b_;
  dnnl::matmul::primitive_desc primitive_;
  dnnl::matmul matmul_;
  PackedWeights packed_;
};

}  // namespace

MadeKernel MakeGemmOneDnn(const GemmProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckGemm(problem));
  if (problem.dtype != DType::kF32) {
    return Unsupported("{} is not float32", DTypeName(problem.dtype));
  }
  if (problem.batch.Elements() * problem.m * problem.n == 0 || problem.k == 0) {
    return Unsupported("no elements");
  }
  if (problem.alpha != 1 || problem.beta != 1) return Unsupported("scaled by alpha or beta");
  return CatchOneDnn([&]() -> MadeKernel {
    auto kernel = std::make_unique<GemmOneDnn>(Canonicalize(problem), context);
    if (!kernel->Objection().empty()) return Unsupported("{}", kernel->Objection());
    return std::unique_ptr<Kernel>(std::move(kernel));
  });
}

}  // namespace ergo
