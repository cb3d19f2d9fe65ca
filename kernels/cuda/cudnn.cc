// Convolution through cuDNN 9's graph: the convolution, and what follows it, as operations whose
// intermediate tensors are virtual, so that one kernel computes all of them.
#include "kernels/cuda/system_libraries.h"

#if defined(ERGO_HAVE_CUDNN)

#include <cudnn_backend.h>

#include <array>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/shared_library.h"

// clang-format off
#define ERGO_CUDNN_FUNCTIONS(F) \
  F(cudnnCreate) F(cudnnDestroy) F(cudnnSetStream) F(cudnnGetErrorString) \
  F(cudnnBackendCreateDescriptor) F(cudnnBackendDestroyDescriptor) \
  F(cudnnBackendSetAttribute) F(cudnnBackendGetAttribute) F(cudnnBackendFinalize) \
  F(cudnnBackendExecute)
// clang-format on

namespace ergo::cuda {
namespace {

struct Functions {
#define ERGO_CUDNN_FUNCTION(name) decltype(&::name) name##_ = nullptr;
  ERGO_CUDNN_FUNCTIONS(ERGO_CUDNN_FUNCTION)
#undef ERGO_CUDNN_FUNCTION

  Status Check(cudnnStatus_t status, const char* call) const {
    if (status == CUDNN_STATUS_SUCCESS) return {};
    return Unsupported("{}: {}", call, cudnnGetErrorString_(status));
  }
};

constexpr size_t kMaxWorkspaceBytes = size_t{256} << 20;

// A backend descriptor. Attributes set one after the other; the first error is what Finish says.
class Descriptor {
 public:
  Descriptor(const Functions& functions, cudnnBackendDescriptorType_t type) : f_(functions) {
    status_ =
        f_.Check(f_.cudnnBackendCreateDescriptor_(type, &handle_), "cudnnBackendCreateDescriptor");
  }
  ~Descriptor() {
    if (handle_ != nullptr) f_.cudnnBackendDestroyDescriptor_(handle_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  cudnnBackendDescriptor_t Handle() const { return handle_; }

  template <typename Value>
  Descriptor& Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  std::span<const Value> values) {
    if (!status_.ok()) return *this;
    status_ = f_.Check(f_.cudnnBackendSetAttribute_(
                           handle_, name, type, static_cast<int64_t>(values.size()), values.data()),
                       "cudnnBackendSetAttribute");
    return *this;
  }
  template <typename Value>
  Descriptor& Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const Value& value) {
    return Set(name, type, std::span<const Value>(&value, 1));
  }
  Descriptor& Set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    return Set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, other.handle_);
  }
  Status Finish() {
    ERGO_RETURN_IF_ERROR(status_);
    return f_.Check(f_.cudnnBackendFinalize_(handle_), "cudnnBackendFinalize");
  }

 private:
  const Functions& f_;
  cudnnBackendDescriptor_t handle_ = nullptr;
  Status status_;
};

using DescriptorPointer = std::unique_ptr<Descriptor>;

cudnnDataType_t TypeOf(DType dtype) {
  return dtype == DType::kF16    ? CUDNN_DATA_HALF
         : dtype == DType::kBF16 ? CUDNN_DATA_BFLOAT16
                                 : CUDNN_DATA_FLOAT;
}

// Names of the tensors within a graph.
enum Uid : int64_t { kX = 1, kW, kBias, kZ, kY, kFirstVirtual };

class GraphConvolution final : public Convolution {
 public:
  GraphConvolution(const Functions& functions, cudnnHandle_t handle, std::mutex& mutex,
                   const ConvolutionSpec& spec)
      : f_(functions), handle_(handle), mutex_(mutex), spec_(spec) {}

  Status Prepare() {
    const auto [height, width] = spec_.out;
    const std::array<int64_t, 4> y = {spec_.batch, spec_.out_channels, height, width};
    const std::array<int64_t, 4> x = {spec_.batch, spec_.in_channels, spec_.in[0], spec_.in[1]};
    const std::array<int64_t, 4> w = {spec_.out_channels, spec_.in_channels / spec_.groups,
                                      spec_.kernel[0], spec_.kernel[1]};
    ERGO_ASSIGN_OR_RETURN(Descriptor * input, Tensor(kX, x, TypeOf(spec_.dtype), false));
    ERGO_ASSIGN_OR_RETURN(Descriptor * weights, Tensor(kW, w, TypeOf(spec_.dtype), false));
    const int followers = (spec_.residual ? 1 : 0) + (spec_.bias ? 1 : 0) + (spec_.relu ? 1 : 0);
    left_ = followers;
    ERGO_ASSIGN_OR_RETURN(Descriptor * value, NextResult(y));
    ERGO_RETURN_IF_ERROR(AddConvolution(*input, *weights, *value));
    if (spec_.residual) {
      ERGO_ASSIGN_OR_RETURN(Descriptor * z, Tensor(kZ, y, TypeOf(spec_.dtype), false));
      ERGO_ASSIGN_OR_RETURN(value, AddPointwise(CUDNN_POINTWISE_ADD, *value, z, y));
    }
    if (spec_.bias) {
      const std::array<int64_t, 4> per_channel = {1, spec_.out_channels, 1, 1};
      ERGO_ASSIGN_OR_RETURN(Descriptor * bias,
                            Tensor(kBias, per_channel, TypeOf(spec_.dtype), false));
      ERGO_ASSIGN_OR_RETURN(value, AddPointwise(CUDNN_POINTWISE_ADD, *value, bias, y));
    }
    if (spec_.relu) {
      ERGO_ASSIGN_OR_RETURN(value, AddPointwise(CUDNN_POINTWISE_RELU_FWD, *value, nullptr, y));
    }
    return ChoosePlan();
  }

  size_t WorkspaceBytes() const override { return workspace_bytes_; }

  Status Run(const Operands& operands, Stream& stream) const override {
    std::vector<int64_t> uids = {kX, kW, kY};
    std::vector<const void*> pointers = {operands.x, operands.w, operands.y};
    if (spec_.bias) uids.push_back(kBias), pointers.push_back(operands.bias);
    if (spec_.residual) uids.push_back(kZ), pointers.push_back(operands.z);
    Descriptor pack(f_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.Set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
             std::span<const void* const>(pointers))
        .Set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::span<const int64_t>(uids))
        .Set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, operands.workspace);
    ERGO_RETURN_IF_ERROR(pack.Finish());
    // The handle carries the stream.
    std::lock_guard lock(mutex_);
    ERGO_RETURN_IF_ERROR(
        f_.Check(f_.cudnnSetStream_(handle_, static_cast<cudaStream_t>(stream.Handle().value)),
                 "cudnnSetStream"));
    return f_.Check(f_.cudnnBackendExecute_(handle_, plan_->Handle(), pack.Handle()),
                    "cudnnBackendExecute");
  }

 private:
  Result<Descriptor*> Tensor(int64_t uid, const std::array<int64_t, 4>& dims, cudnnDataType_t type,
                             bool is_virtual) {
    std::array<int64_t, 4> strides{};
    constexpr std::array<size_t, 4> kChannelsFirst = {3, 2, 1, 0}, kChannelsLast = {1, 3, 2, 0};
    int64_t stride = 1;
    for (const size_t axis : spec_.channels_last ? kChannelsLast : kChannelsFirst) {
      strides[axis] = stride;
      stride *= dims[axis];
    }
    constexpr int64_t kAlignmentBytes = 16;
    descriptors_.push_back(std::make_unique<Descriptor>(f_, CUDNN_BACKEND_TENSOR_DESCRIPTOR));
    Descriptor& tensor = *descriptors_.back();
    tensor.Set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, uid)
        .Set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type)
        .Set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::span<const int64_t>(dims))
        .Set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::span<const int64_t>(strides))
        .Set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, kAlignmentBytes)
        .Set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, is_virtual);
    ERGO_RETURN_IF_ERROR(tensor.Finish());
    return &tensor;
  }

  // Of the next operation: Y for the last, else a virtual tensor in float.
  Result<Descriptor*> NextResult(const std::array<int64_t, 4>& dims) {
    if (left_-- == 0) return Tensor(kY, dims, TypeOf(spec_.dtype), false);
    return Tensor(next_virtual_++, dims, CUDNN_DATA_FLOAT, true);
  }

  Status AddConvolution(const Descriptor& x, const Descriptor& w, const Descriptor& y) {
    descriptors_.push_back(std::make_unique<Descriptor>(f_, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR));
    Descriptor& convolution = *descriptors_.back();
    constexpr int64_t kAxes = 2;
    convolution.Set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
        .Set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
        .Set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, kAxes)
        .Set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64,
             std::span<const int64_t>(spec_.dilations))
        .Set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64,
             std::span<const int64_t>(spec_.strides))
        .Set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64,
             std::span<const int64_t>(spec_.pads_begin))
        .Set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64,
             std::span<const int64_t>(spec_.pads_end));
    ERGO_RETURN_IF_ERROR(convolution.Finish());
    auto operation =
        std::make_unique<Descriptor>(f_, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    operation->Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1.0f)
        .Set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 0.0f);
    return AddOperation(std::move(operation));
  }

  Result<Descriptor*> AddPointwise(cudnnPointwiseMode_t mode, const Descriptor& x,
                                   const Descriptor* b, const std::array<int64_t, 4>& dims) {
    ERGO_ASSIGN_OR_RETURN(Descriptor * y, NextResult(dims));
    descriptors_.push_back(std::make_unique<Descriptor>(f_, CUDNN_BACKEND_POINTWISE_DESCRIPTOR));
    Descriptor& pointwise = *descriptors_.back();
    pointwise.Set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode)
        .Set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    ERGO_RETURN_IF_ERROR(pointwise.Finish());
    auto operation = std::make_unique<Descriptor>(f_, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation->Set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise)
        .Set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
        .Set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, *y);
    if (b != nullptr) operation->Set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    ERGO_RETURN_IF_ERROR(AddOperation(std::move(operation)));
    return y;
  }

  Status AddOperation(DescriptorPointer operation) {
    ERGO_RETURN_IF_ERROR(operation->Finish());
    operations_.push_back(operation->Handle());
    descriptors_.push_back(std::move(operation));
    return {};
  }

  // The first configuration of the heuristics that makes a plan within the workspace.
  Status ChoosePlan() {
    Descriptor graph(f_, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph
        .Set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
             std::span<const cudnnBackendDescriptor_t>(operations_))
        .Set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle_);
    ERGO_RETURN_IF_ERROR(graph.Finish());
    for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
      Descriptor heuristics(f_, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
      heuristics.Set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
          .Set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
      if (!heuristics.Finish().ok()) continue;
      if (TryConfigurations(heuristics)) return {};
    }
    return Unsupported("cuDNN has no plan for this convolution");
  }

  bool TryConfigurations(const Descriptor& heuristics) {
    constexpr size_t kConfigurations = 8;
    std::vector<DescriptorPointer> configurations;
    std::vector<cudnnBackendDescriptor_t> handles;
    for (size_t i = 0; i < kConfigurations; ++i) {
      configurations.push_back(
          std::make_unique<Descriptor>(f_, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
      handles.push_back(configurations.back()->Handle());
    }
    int64_t found = 0;
    if (f_.cudnnBackendGetAttribute_(heuristics.Handle(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                     CUDNN_TYPE_BACKEND_DESCRIPTOR, kConfigurations, &found,
                                     handles.data()) != CUDNN_STATUS_SUCCESS) {
      return false;
    }
    for (size_t i = 0; i < static_cast<size_t>(found) && i < kConfigurations; ++i) {
      if (TryPlan(*configurations[i])) return true;
    }
    return false;
  }

  // Whether the engine of a configuration rounds float32 on the way in, to tf32 or less; true where
  // it does not say.
  bool RoundsInputs(const Descriptor& configuration) {
    Descriptor engine(f_, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t handle = engine.Handle();
    std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
    int64_t count = 0;
    if (f_.cudnnBackendGetAttribute_(configuration.Handle(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                     &handle) != CUDNN_STATUS_SUCCESS ||
        f_.cudnnBackendGetAttribute_(handle, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                     CUDNN_TYPE_NUMERICAL_NOTE, notes.size(), &count,
                                     notes.data()) != CUDNN_STATUS_SUCCESS) {
      return true;
    }
    for (size_t i = 0; i < notes.size() && i < static_cast<size_t>(count); ++i) {
      if (notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE ||
          notes[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) {
        return true;
      }
    }
    return false;
  }

  bool TryPlan(const Descriptor& configuration) {
    const bool exact = spec_.dtype == DType::kF32 && !spec_.tf32;
    if (exact && RoundsInputs(configuration)) return false;
    auto plan = std::make_unique<Descriptor>(f_, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    plan->Set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle_)
        .Set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    if (!plan->Finish().ok()) return false;
    int64_t bytes = 0, count = 0;
    if (f_.cudnnBackendGetAttribute_(plan->Handle(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                     CUDNN_TYPE_INT64, 1, &count, &bytes) != CUDNN_STATUS_SUCCESS ||
        static_cast<size_t>(bytes) > kMaxWorkspaceBytes) {
      return false;
    }
    workspace_bytes_ = static_cast<size_t>(bytes);
    plan_ = std::move(plan);
    return true;
  }

  const Functions& f_;
  cudnnHandle_t handle_;
  std::mutex& mutex_;
  ConvolutionSpec spec_;
  std::vector<DescriptorPointer> descriptors_;
  std::vector<cudnnBackendDescriptor_t> operations_;
  DescriptorPointer plan_;
  size_t workspace_bytes_ = 0;
  int left_ = 0;
  int64_t next_virtual_ = kFirstVirtual;
};

class LoadedCudnn final : public Cudnn {
 public:
  explicit LoadedCudnn(SharedLibrary library) : library_(std::move(library)) {}
  ~LoadedCudnn() override {
    if (handle_ != nullptr) f_.cudnnDestroy_(handle_);
  }

  Status Start() {
#define ERGO_CUDNN_FUNCTION(name) ERGO_RETURN_IF_ERROR(library_.Find(#name, f_.name##_));
    ERGO_CUDNN_FUNCTIONS(ERGO_CUDNN_FUNCTION)
#undef ERGO_CUDNN_FUNCTION
    return f_.Check(f_.cudnnCreate_(&handle_), "cudnnCreate");
  }

  Result<std::unique_ptr<Convolution>> Make(const ConvolutionSpec& spec) override {
    auto convolution = std::make_unique<GraphConvolution>(f_, handle_, mutex_, spec);
    ERGO_RETURN_IF_ERROR(convolution->Prepare());
    return std::unique_ptr<Convolution>(std::move(convolution));
  }

 private:
  SharedLibrary library_;
  Functions f_;
  cudnnHandle_t handle_ = nullptr;
  std::mutex mutex_;
};

}  // namespace

Result<std::unique_ptr<Cudnn>> OpenCudnn() {
  Result<SharedLibrary> library = SharedLibrary::Open("libcudnn.so.9");
  if (!library.ok()) return Unsupported("{}", library.status().message());
  auto loaded = std::make_unique<LoadedCudnn>(std::move(library).value());
  const Status started = loaded->Start();
  if (!started.ok()) return Unsupported("{}", started.message());
  return std::unique_ptr<Cudnn>(std::move(loaded));
}

}  // namespace ergo::cuda

#else

namespace ergo::cuda {

Result<std::unique_ptr<Cudnn>> OpenCudnn() {
  return Unsupported("this binary was built without cuDNN");
}

}  // namespace ergo::cuda

#endif
