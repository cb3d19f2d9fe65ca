// For tests of kernels that move elements: random bytes, walks over coordinates, and the check that
// every variant, on every SIMD target and with one or several workers, gives exactly the bytes
// expected.
#ifndef ERGO_TESTS_KERNELS_MOVE_MOVE_TESTING_H_
#define ERGO_TESTS_KERNELS_MOVE_MOVE_TESTING_H_

#include <vector>

#include "tests/kernels/variant_testing.h"

namespace ergo::testing {

using Coordinates = std::vector<int64_t>;

inline int64_t OffsetOf(const Shape& shape, const Coordinates& at) {
  int64_t offset = 0;
  for (int axis = 0; axis < shape.Rank(); ++axis) {
    offset = offset * shape[axis] + at[static_cast<size_t>(axis)];
  }
  return offset;
}

// Calls body(coordinates) for every element, last axis fastest.
template <typename Body>
void ForCoordinates(const Shape& shape, const Body& body) {
  Coordinates at(static_cast<size_t>(shape.Rank()), 0);
  for (int64_t i = 0; i < shape.Elements(); ++i) {
    body(static_cast<const Coordinates&>(at));
    for (int axis = shape.Rank() - 1; axis >= 0; --axis) {
      if (++at[static_cast<size_t>(axis)] < shape[axis]) break;
      at[static_cast<size_t>(axis)] = 0;
    }
  }
}

inline TestTensor RandomBytes(DType dtype, const Shape& shape, std::mt19937& random) {
  TestTensor tensor(dtype, shape);
  auto* bytes = static_cast<uint8_t*>(tensor.View().data);
  for (int64_t i = 0; i < tensor.View().Bytes(); ++i) bytes[i] = static_cast<uint8_t>(random());
  return tensor;
}

inline std::byte* ElementOf(const TestTensor& tensor, int64_t index) {
  return static_cast<std::byte*>(tensor.View().data) + DTypeBytes(tensor.Type(), index);
}

inline void SetElement(const TestTensor& to, int64_t to_index, const TestTensor& from,
                       int64_t from_index) {
  std::memcpy(ElementOf(to, to_index), ElementOf(from, from_index),
              static_cast<size_t>(DTypeBytes(to.Type(), 1)));
}

inline Shape RandomShape(std::mt19937& random, int rank, int64_t largest, int64_t smallest = 1) {
  Shape shape;
  for (int axis = 0; axis < rank; ++axis) {
    shape.Append(std::uniform_int_distribution<int64_t>(smallest, largest)(random));
  }
  return shape;
}

inline int RandomInt(std::mt19937& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

// Outputs that must be there come with the bytes they must have.
template <typename Problem>
void ExpectExact(std::span<const KernelVariant<Problem>> variants, const Problem& problem,
                 const std::vector<TestTensor>& inputs, const std::vector<TestTensor>& expected) {
  int made_count = 0;
  ForEachSimdTarget([&](const std::string&) {
    for (const KernelVariant<Problem>& variant : variants) {
      SCOPED_TRACE(std::string(variant.info.variant));
      const MadeKernel made = variant.make(problem, MakeContext{3, nullptr});
      if (!made.ok()) {
        ASSERT_EQ(made.status().code(), StatusCode::kUnsupported) << made.status().ToString();
        continue;
      }
      ++made_count;
      SerialFor serial;
      ThreadedFor threaded(3);
      for (ParallelFor* parallel :
           {static_cast<ParallelFor*>(&serial), static_cast<ParallelFor*>(&threaded)}) {
        std::vector<TensorView> in;
        for (const TestTensor& input : inputs) in.push_back(input.View());
        std::vector<TestTensor> results;
        std::vector<MutableTensorView> out;
        for (const TestTensor& tensor : expected) {
          results.emplace_back(tensor.Type(), tensor.GetShape());
          out.push_back(results.back().View());
        }
        RunKernel(**made, in, out, *parallel);
        for (size_t i = 0; i < expected.size(); ++i) {
          ASSERT_TRUE(results[i].GuardIntact());
          ASSERT_EQ(std::memcmp(ElementOf(results[i], 0), ElementOf(expected[i], 0),
                                static_cast<size_t>(expected[i].View().Bytes())),
                    0)
              << "output " << i << " with " << parallel->Workers() << " workers";
        }
      }
    }
  });
  EXPECT_GT(made_count, 0);
}

}  // namespace ergo::testing

#endif  // ERGO_TESTS_KERNELS_MOVE_MOVE_TESTING_H_
