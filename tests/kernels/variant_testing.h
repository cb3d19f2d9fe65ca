// Helpers for tests of kernel variants: operands with guarded memory, random contents, several
// workers, and every SIMD target that the machine can run.
#ifndef ERGO_TESTS_KERNELS_VARIANT_TESTING_H_
#define ERGO_TESTS_KERNELS_VARIANT_TESTING_H_

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/base/kernel.h"
#include "kernels/base/simd_targets.h"
#include "kernels/base/visit_dtype.h"

namespace ergo::testing {

// A tensor with its own memory, followed by guard bytes that nobody may write.
class TestTensor {
 public:
  TestTensor(DType dtype, const Shape& shape)
      : dtype_(dtype),
        shape_(shape),
        buffer_(AlignedBuffer::AllocateOrDie(
            static_cast<size_t>(DTypeBytes(dtype, shape.Elements())) + kGuardBytes)) {
    std::memset(buffer_.Data(), kGuard, buffer_.Size());
  }
  template <typename T>
  static TestTensor Of(const Shape& shape, std::initializer_list<T> values) {
    TestTensor tensor(DTypeOf<T>::value, shape);
    EXPECT_EQ(shape.Elements(), static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), tensor.Span<T>().begin());
    return tensor;
  }
  TestTensor(TestTensor&&) = default;
  TestTensor& operator=(TestTensor&&) = default;
  TestTensor Copy() const {
    TestTensor copy(dtype_, shape_);
    std::memcpy(copy.buffer_.Data(), buffer_.Data(), buffer_.Size());
    return copy;
  }

  MutableTensorView View() const {
    return {const_cast<std::byte*>(buffer_.Data()), dtype_, Device::kCpu, shape_};
  }
  template <typename T>
  std::span<T> Span() const {
    return View().Span<T>();
  }
  const Shape& GetShape() const { return shape_; }
  DType Type() const { return dtype_; }

  bool GuardIntact() const {
    const auto used = static_cast<size_t>(View().Bytes());
    for (size_t i = used; i < buffer_.Size(); ++i) {
      if (buffer_.Data()[i] != static_cast<std::byte>(kGuard)) return false;
    }
    return true;
  }

  // Numbers of the interval, uniformly; whole numbers for integer types.
  void FillUniform(std::mt19937& random, double low, double high) {
    VisitDType(dtype_, [&]<typename T>(TypeTag<T>) {
      std::uniform_real_distribution<double> draw(low, high);
      for (T& value : Span<T>()) {
        const double drawn = draw(random);
        if constexpr (std::is_same_v<T, bool>) {
          value = drawn > (low + high) / 2;
        } else if constexpr (std::is_integral_v<T>) {
          value = static_cast<T>(std::llround(drawn));
        } else {
          value = T(static_cast<float>(drawn));
        }
      }
      return 0;
    });
  }

 private:
  static constexpr size_t kGuardBytes = 128;
  static constexpr int kGuard = 0x5a;
  DType dtype_;
  Shape shape_;
  AlignedBuffer buffer_;
};

// Threads of its own for each Run: slow, but as concurrent as can be.
class ThreadedFor final : public ParallelFor {
 public:
  explicit ThreadedFor(int workers) : workers_(workers) {}
  int Workers() const override { return workers_; }
  void Run(int64_t count, FunctionRef<void(int64_t index, int worker)> task) override {
    std::atomic<int64_t> next{0};
    std::vector<std::thread> threads;
    for (int worker = 0; worker < workers_; ++worker) {
      threads.emplace_back([&, worker] {
        for (int64_t index = next++; index < count; index = next++) task(index, worker);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  int workers_;
};

inline void RunKernel(const Kernel& kernel, std::vector<TensorView> inputs,
                      std::vector<MutableTensorView> outputs, ParallelFor& parallel) {
  AlignedBuffer workspace = AlignedBuffer::AllocateOrDie(kernel.WorkspaceBytes());
  std::memset(workspace.Data(), 0xff, workspace.Size());  // NaN: what is read must be written first
  kernel.Run({inputs, outputs, workspace.Bytes(), parallel});
}

inline constexpr int kMostWorkers = 8;

// The reference variant of a family's table for a problem, for as many workers as any test has.
template <typename Problem>
std::unique_ptr<Kernel> MakeReference(std::span<const KernelVariant<Problem>> variants,
                                      const Problem& problem) {
  SelectOptions options;
  options.reference = true;
  Result<Selected> selected = SelectKernel(variants, problem, MakeContext{kMostWorkers}, options);
  EXPECT_TRUE(selected.ok()) << selected.status().ToString();
  return selected.ok() ? std::move(selected->kernel) : nullptr;
}

// Calls body(target name) with each SIMD target in force that this machine can run.
template <typename Body>
void ForEachSimdTarget(const Body& body) {
  for (const SimdTarget& target : RunnableSimdTargets()) {
    ASSERT_TRUE(ForceSimdTarget(target.name).ok());
    SCOPED_TRACE("target " + target.name);
    body(target.name);
    ResetSimdTarget();
  }
}

template <typename T>
double ToDouble(T value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<double>(value);
  } else {
    return static_cast<double>(static_cast<float>(value));
  }
}

// |got - expected| in units in the last place of the larger of |expected| and the smallest normal
// float. 0 for two NaN or equal infinities, huge where only one of them is such.
inline double UlpError(float got, double expected) {
  if (std::isnan(got) || std::isnan(expected))
    return std::isnan(got) == std::isnan(expected) ? 0 : 1e30;
  const auto rounded = static_cast<float>(expected);
  if (std::isinf(got) || std::isinf(rounded)) return got == rounded ? 0 : 1e30;
  const double magnitude =
      std::max(std::fabs(expected), static_cast<double>(std::numeric_limits<float>::min()));
  const double ulp = std::ldexp(1.0, std::ilogb(magnitude) - 23);
  return std::fabs(static_cast<double>(got) - expected) / ulp;
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_KERNELS_VARIANT_TESTING_H_
