// Convolution through oneDNN, which chooses the layouts: X, Z and Y are reordered from and to NCHW
// in each run where it wants blocked ones, constant weights once.
#include <utility>

#include "kernels/base/checked_math.h"
#include "kernels/base/onednn.h"
#include "kernels/conv/conv.h"

namespace ergo {
namespace {

using dnnl::memory;
using Dims = memory::dims;

// Two spatial dimensions, or three where there is depth.
Dims SpatialDims(const Window& window, const Spatial& values, int64_t shift = 0) {
  const bool deep = window.in[0] != 1 || window.kernel[0] != 1 || window.out[0] != 1;
  Dims dims;
  for (size_t axis = deep ? 0 : 1; axis < kSpatialAxes; ++axis) {
    dims.push_back(values[axis] + shift);
  }
  return dims;
}

Dims Concat(Dims front, const Dims& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

// Dense, row-major.
memory::desc Plain(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return {dims, memory::data_type::f32, strides};
}

memory::desc Any(const Dims& dims) {
  return {dims, memory::data_type::f32, memory::format_tag::any};
}

// Some outputs see nothing but padding on an axis.
bool HasEmptyWindows(const Window& window) {
  for (size_t axis = 0; axis < kSpatialAxes; ++axis) {
    for (const int64_t pad : {window.pads_begin[axis], window.pads_end[axis]}) {
      if (pad >= window.Extent(axis)) return true;
    }
  }
  return false;
}

size_t PaddedSize(const memory::desc& desc) {
  return RoundUp(desc.get_size(), kTensorAlignment);
}

class ConvOneDnn final : public Kernel {
 public:
  explicit ConvOneDnn(const ConvProblem& problem, const MakeContext& context)
      : problem_(problem), stream_(OneDnnEngine()) {
    const Window& w = problem.window;
    x_ = Plain(Concat({problem.batch, problem.in_channels}, SpatialDims(w, w.in)));
    y_ = Plain(Concat({problem.batch, problem.out_channels}, SpatialDims(w, w.out)));
    Dims weights{problem.GroupOutChannels(), problem.GroupInChannels()};
    if (problem.groups > 1) weights.insert(weights.begin(), problem.groups);
    weights_ = Plain(Concat(weights, SpatialDims(w, w.kernel)));
    MakePrimitives(context.max_workers);
    if (problem.weights != nullptr && HasWeightsReorder()) PackConstant(context);
  }

  // Why not, or nothing.
  std::string_view Objection() const {
    const std::string_view implementation = primitive_.impl_info_str();
    return implementation.starts_with("ref") ? "only oneDNN's reference takes it" : "";
  }

  size_t WorkspaceBytes() const override {
    size_t bytes = PaddedSize(primitive_.scratchpad_desc());
    if (HasInputReorder()) bytes += PaddedSize(primitive_.src_desc());
    if (HasOutputReorder()) bytes += PaddedSize(primitive_.dst_desc());
    if (HasWeightsReorder() && packed_ == nullptr) bytes += PaddedSize(primitive_.weights_desc());
    return bytes;
  }

  bool MayRunInPlace(int index) const override { return index == 3 && problem_.has_residual; }

  void Run(const KernelArgs& args) const override {
    RunOneDnn(args.parallel.Workers(), [&] { Execute(args); });
  }

 private:
  bool HasInputReorder() const { return primitive_.src_desc() != x_; }
  bool HasOutputReorder() const { return primitive_.dst_desc() != y_; }
  bool HasWeightsReorder() const { return primitive_.weights_desc() != weights_; }

  void MakePrimitives(int max_workers) {
    // The number of threads shapes the scratchpad.
    const OneDnnThreads threads(max_workers);
    const Window& w = problem_.window;
    dnnl::post_ops operations;
    if (problem_.has_residual) operations.append_sum(1.0f);
    AppendActivation(problem_.activation, operations);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(operations);
    // Ours, so that several threads may run the kernel at once.
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const auto desc = [&] {
      const auto kind = dnnl::prop_kind::forward_inference;
      const auto algorithm = dnnl::algorithm::convolution_direct;
      const Dims strides = SpatialDims(w, w.strides), dilations = SpatialDims(w, w.dilations, -1);
      const Dims begin = SpatialDims(w, w.pads_begin), end = SpatialDims(w, w.pads_end);
      const memory::desc x = Any(x_.dims()), y = Any(y_.dims()), weights = Any(weights_.dims());
      using Desc = dnnl::convolution_forward::desc;
      return problem_.has_bias
                 ? Desc(kind, algorithm, x, weights, Plain({problem_.out_channels}), y, strides,
                        dilations, begin, end)
                 : Desc(kind, algorithm, x, weights, y, strides, dilations, begin, end);
    }();
    const dnnl::engine& engine = OneDnnEngine();
    primitive_ = dnnl::convolution_forward::primitive_desc(desc, attributes, engine);
    convolution_ = dnnl::convolution_forward(primitive_);
    const auto reorder = [&](const memory::desc& from, const memory::desc& to) {
      return dnnl::reorder(dnnl::reorder::primitive_desc(engine, from, engine, to));
    };
    reorder_x_ = reorder(x_, primitive_.src_desc());
    reorder_weights_ = reorder(weights_, primitive_.weights_desc());
    reorder_z_ = reorder(y_, primitive_.dst_desc());
    reorder_y_ = reorder(primitive_.dst_desc(), y_);
  }

  void PackConstant(const MakeContext& context) {
    const memory::desc desc = primitive_.weights_desc();
    const std::string format =
        fmt::format("conv_onednn/{}/{}", problem_.ToString(), primitive_.impl_info_str());
    packed_ = PackWeights(
        context.packs, problem_.weights, format, desc.get_size(), [&](AlignedBuffer& packed) {
          Reorder(reorder_weights_, weights_, problem_.weights, desc, packed.Data());
        });
  }

  void Reorder(const dnnl::reorder& reorder, const memory::desc& from_desc, const void* from,
               const memory::desc& to_desc, void* to) const {
    memory source(from_desc, OneDnnEngine(), const_cast<void*>(from));
    memory target(to_desc, OneDnnEngine(), to);
    dnnl::stream stream = stream_;
    reorder.execute(stream, source, target);
  }

  void Execute(const KernelArgs& args) const {
    std::byte* next = args.workspace.data();
    const auto take = [&next](const memory::desc& desc) {
      return std::exchange(next, next + PaddedSize(desc));
    };
    const void* x = args.inputs[0].data;
    if (HasInputReorder()) {
      std::byte* blocked = take(primitive_.src_desc());
      Reorder(reorder_x_, x_, x, primitive_.src_desc(), blocked);
      x = blocked;
    }
    const void* weights = packed_ == nullptr ? args.inputs[1].data : packed_->Data();
    if (HasWeightsReorder() && packed_ == nullptr) {
      std::byte* blocked = take(primitive_.weights_desc());
      Reorder(reorder_weights_, weights_, weights, primitive_.weights_desc(), blocked);
      weights = blocked;
    }
    void* y = HasOutputReorder() ? take(primitive_.dst_desc()) : args.outputs[0].data;
    if (problem_.has_residual && args.inputs[3].data != y) {
      Reorder(reorder_z_, y_, args.inputs[3].data, primitive_.dst_desc(), y);
    }
    Convolve(x, weights, args, take(primitive_.scratchpad_desc()), y);
    if (HasOutputReorder()) {
      Reorder(reorder_y_, primitive_.dst_desc(), y, y_, args.outputs[0].data);
    }
  }

  void Convolve(const void* x, const void* weights, const KernelArgs& args, void* scratch,
                void* y) const {
    const auto at = [](const memory::desc& desc, const void* data) {
      return memory(desc, OneDnnEngine(), const_cast<void*>(data));
    };
    std::unordered_map<int, memory> operands = {
        {DNNL_ARG_SRC, at(primitive_.src_desc(), x)},
        {DNNL_ARG_WEIGHTS, at(primitive_.weights_desc(), weights)},
        {DNNL_ARG_DST, at(primitive_.dst_desc(), y)},
        {DNNL_ARG_SCRATCHPAD, at(primitive_.scratchpad_desc(), scratch)},
    };
    if (problem_.has_bias) {
      operands.emplace(DNNL_ARG_BIAS, at(primitive_.bias_desc(), args.inputs[2].data));
    }
    dnnl::stream stream = stream_;
    convolution_.execute(stream, operands);
  }

  const ConvProblem problem_;
  dnnl::stream stream_;
  memory::desc x_, y_, weights_;  // plain
  dnnl::convolution_forward::primitive_desc primitive_;
  dnnl::convolution_forward convolution_;
  dnnl::reorder reorder_x_, reorder_weights_, reorder_z_, reorder_y_;
  PackedWeights packed_;
};

}  // namespace

MadeKernel MakeConvOneDnn(const ConvProblem& problem, const MakeContext& context) {
  ERGO_RETURN_IF_ERROR(CheckConv(problem));
  if (problem.dtype != DType::kF32) return Unsupported("{} tensors", DTypeName(problem.dtype));
  if (problem.OutputElements() == 0 || problem.InputElements() == 0) {
    return Unsupported("no elements");
  }
  // oneDNN 2.6 takes these and answers wrong.
  if (HasEmptyWindows(problem.window)) return Unsupported("padding as large as the window");
  return CatchOneDnn([&]() -> MadeKernel {
    auto kernel = std::make_unique<ConvOneDnn>(problem, context);
    if (!kernel->Objection().empty()) return Unsupported("{}", kernel->Objection());
    return std::unique_ptr<Kernel>(std::move(kernel));
  });
}

}  // namespace ergo
