// Tests of CUDA variants: a kernel made for a GPU and run on copies of its operands. The GPU is
// emulated; with the environment variable ERGO_TEST_GPU set it is the machine's, and where there is
// none the whole binary says so and ends with kNoGpuExitCode, which ctest shows as skipped.
#ifndef ERGO_TESTS_EMULATOR_CUDA_TESTING_H_
#define ERGO_TESTS_EMULATOR_CUDA_TESTING_H_

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "tests/emulator/emulated_driver.h"
#include "tests/kernels/variant_testing.h"

namespace ergo::testing {

inline constexpr int kNoGpuExitCode = 77;

class CudaBench {
 public:
  CudaBench() {
    if (std::getenv("ERGO_TEST_GPU") != nullptr) {
      Result<std::shared_ptr<cuda::Gpu>> gpu = cuda::OpenSystemGpu(0);
      if (!gpu.ok()) {
        std::printf("no GPU: %s\n", gpu.status().ToString().c_str());
        std::exit(kNoGpuExitCode);
      }
      gpu_ = std::move(gpu).value();
    } else {
      gpu_ = cuda::emulated::OpenEmulatedGpu(driver_);
    }
    stream_ = cuda::Stream::Create(*gpu_).value();
  }

  MakeContext Context() const {
    MakeContext context;
    context.gpu = gpu_.get();
    return context;
  }

  // The CUDA variant of a family for the problem, by name; a failure and null where it declines.
  template <typename Problem>
  std::unique_ptr<Kernel> Make(std::span<const KernelVariant<Problem>> variants,
                               const Problem& problem, std::string_view variant = "cuda") {
    for (const KernelVariant<Problem>& each : variants) {
      if (each.info.variant != variant) continue;
      EXPECT_EQ(each.info.device, Device::kCuda);
      MadeKernel made = each.make(problem, Context());
      EXPECT_TRUE(made.ok()) << made.status().ToString();
      return made.ok() ? std::move(made).value() : nullptr;
    }
    ADD_FAILURE() << "there is no variant " << variant;
    return nullptr;
  }

  // Copies the inputs to the device, runs the kernel with poisoned outputs and workspace, and
  // copies the outputs back. `in_place`: the number of the input whose memory output 0 takes.
  void Run(const Kernel& kernel, const std::vector<TensorView>& inputs,
           const std::vector<MutableTensorView>& outputs, int in_place = -1) {
    std::vector<cuda::DeviceBuffer> memory;
    std::vector<TensorView> device_inputs = inputs;
    for (TensorView& input : device_inputs) {
      if (input.data == nullptr) continue;
      input.data = OnDevice(memory, input.Bytes(), input.data);
      input.device = Device::kCuda;
    }
    std::vector<MutableTensorView> device_outputs = outputs;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].data == nullptr) continue;
      device_outputs[i].data =
          i == 0 && in_place >= 0
              ? const_cast<void*>(device_inputs[static_cast<size_t>(in_place)].data)
              : OnDevice(memory, outputs[i].Bytes(), nullptr);
      device_outputs[i].device = Device::kCuda;
    }
    void* workspace = OnDevice(memory, static_cast<int64_t>(kernel.WorkspaceBytes()), nullptr);
    SerialFor serial;
    kernel.Run({device_inputs,
                device_outputs,
                {static_cast<std::byte*>(workspace), kernel.WorkspaceBytes()},
                serial,
                stream_.get()});
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].data == nullptr) continue;
      stream_->Copy(outputs[i].data, device_outputs[i].data,
                    static_cast<size_t>(outputs[i].Bytes()));
    }
    const Status finished = stream_->Finish();
    EXPECT_TRUE(finished.ok()) << finished.ToString();
  }

 private:
  void* OnDevice(std::vector<cuda::DeviceBuffer>& memory, int64_t bytes, const void* contents) {
    memory.push_back(
        cuda::DeviceBuffer::Allocate(gpu_->GetDriver(), static_cast<size_t>(bytes)).value());
    if (contents != nullptr) {
      stream_->Copy(memory.back().Data(), contents, static_cast<size_t>(bytes));
    } else {
      stream_->Fill(memory.back().Data(), 0xff, static_cast<size_t>(bytes));
    }
    return memory.back().Data();
  }

  cuda::emulated::EmulatedDriver driver_;
  std::shared_ptr<cuda::Gpu> gpu_;
  std::unique_ptr<cuda::Stream> stream_;
};

// The reference variant's results for the same operands.
template <typename Problem>
void RunReference(std::span<const KernelVariant<Problem>> variants, const Problem& problem,
                  const std::vector<TensorView>& inputs,
                  const std::vector<MutableTensorView>& outputs) {
  SerialFor serial;
  const std::unique_ptr<Kernel> reference = MakeReference(variants, problem);
  if (reference) RunKernel(*reference, inputs, outputs, serial);
}

// |got - expected| in units of what a number of this type can tell apart; 0 for two NaN.
inline double ErrorUlps(const TestTensor& got, const TestTensor& expected, int64_t i) {
  double a = 0, b = 0;
  VisitDType(got.Type(), [&]<typename T>(TypeTag<T>) {
    a = ToDouble(got.Span<T>()[static_cast<size_t>(i)]);
    b = ToDouble(expected.Span<T>()[static_cast<size_t>(i)]);
    return 0;
  });
  if (std::isnan(a) && std::isnan(b)) return 0;
  if (a == b) return 0;
  if (!std::isfinite(a) || !std::isfinite(b)) return HUGE_VAL;
  if (!IsFloatingPoint(got.Type())) return HUGE_VAL;
  const int digits = got.Type() == DType::kF32 ? 24 : got.Type() == DType::kF16 ? 11 : 8;
  const double smallest = got.Type() == DType::kF16 ? 0x1p-14 : 0x1p-126;
  const double magnitude = std::max(std::fabs(b), smallest);
  return std::fabs(a - b) / std::ldexp(1.0, std::ilogb(magnitude) - (digits - 1));
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_EMULATOR_CUDA_TESTING_H_
