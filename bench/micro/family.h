// Family: what the micro-benchmark needs to know of a kernel family: how a problem is written,
// which are worth measuring, and how one is set up. Variants come from the family's own list, so
// that a new one is measured without a change here.
//
// To add a family: a file FAMILY_family.cc that defines `const Family& FAMILYFamily()`, and its
// line in families.inc.
#ifndef ERGO_BENCH_MICRO_FAMILY_H_
#define ERGO_BENCH_MICRO_FAMILY_H_

#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "bench/micro/shape_text.h"
#include "kernels/base/kernel.h"

namespace ergo::micro {

// One problem with operands in memory.
class Case {
 public:
  virtual ~Case() = default;

  virtual size_t VariantCount() const = 0;
  virtual const KernelInfo& Variant(size_t i) const = 0;
  virtual MadeKernel Make(size_t i, const MakeContext& context) const = 0;
  virtual KernelCost Cost() const = 0;

  std::string label;
  bool integer = false;  // products are of bytes: that is the peak to compare with
  std::vector<TensorView> inputs;
  std::vector<MutableTensorView> outputs;
  // How far element `index` of output 0 may be from the reference's `expected`; for f32 outputs.
  // Others are compared bit for bit.
  std::function<double(int64_t index, double expected)> tolerance = [](int64_t, double) {
    return 0.0;
  };

  // Adds an operand: an absent one, one with uniform random numbers in [low, high) (f32) or in
  // [low, high] (u8, i8, i32), one to be written. Returns its memory, which lives as long as the
  // case.
  void AddAbsentInput() { inputs.push_back({}); }
  const float* AddInput(int64_t elements, float low = -1, float high = 1);
  const void* AddIntegers(DType dtype, int64_t elements, int low, int high);
  void AddOutput(DType dtype, int64_t elements);

 private:
  std::vector<AlignedBuffer> memory_;
  std::mt19937 random_{20240607};
};

template <typename Problem>
class ProblemCase final : public Case {
 public:
  explicit ProblemCase(std::span<const KernelVariant<Problem>> variants) : variants_(variants) {}

  Problem problem;

  size_t VariantCount() const override { return variants_.size(); }
  const KernelInfo& Variant(size_t i) const override { return variants_[i].info; }
  MadeKernel Make(size_t i, const MakeContext& context) const override {
    return variants_[i].make(problem, context);
  }
  KernelCost Cost() const override { return CostOf(problem); }

 private:
  std::span<const KernelVariant<Problem>> variants_;
};

using MadeCase = Result<std::unique_ptr<Case>>;

struct Family {
  std::string_view name;
  // How a problem is written, for --help: one line.
  std::string_view syntax;
  std::vector<std::string_view> typical;
  // Small ones for the smoke test.
  std::vector<std::string_view> smoke;
  MadeCase (*make)(ShapeText& shape);
};

std::span<const Family* const> AllFamilies();
const Family* FindFamily(std::string_view name);

// Parses the text and sets the case up; errors name the family.
MadeCase MakeCase(const Family& family, std::string_view shape);

// A magnitude (sum of absolute products of `terms` pairs from [-1, 1)) that is not exceeded.
double ProductMagnitude(int64_t terms);

}  // namespace ergo::micro

#endif  // ERGO_BENCH_MICRO_FAMILY_H_
