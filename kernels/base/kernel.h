// Kernel and its variants: the contract between a kernel family and everything that uses it.
//
// A family (gemm, conv, ...) has
//   * a Problem: a plain struct that says what is to be computed, with concrete shapes, dtypes and,
//     where they are known ahead of time, the constant operands (weights);
//   * a list of variants, FAMILY_variants.inc, best first and the reference last. A variant's
//     `make` looks at a Problem and returns a Kernel for exactly this problem, or Unsupported with
//     the reason why it declines;
//   * CostOf(Problem): the arithmetic and the compulsory memory traffic, for rooflines and traces.
//
// A Kernel has two phases. Making it may allocate, pack weights and fail. Run does not allocate,
// throws nothing, takes no lock but ParallelFor's, and cannot fail: the problem was checked.
//
// Thread safety: a made Kernel is immutable; any number of threads may Run it at once, each with
// its own operands and workspace.
#ifndef ERGO_KERNELS_BASE_KERNEL_H_
#define ERGO_KERNELS_BASE_KERNEL_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/pack_cache.h"
#include "kernels/base/parallel_for.h"
#include "kernels/base/status.h"
#include "kernels/base/tensor_view.h"

namespace ergo {

namespace cuda {
class Gpu;
class Stream;
}  // namespace cuda

// One row of a family's list.
struct KernelInfo {
  std::string_view family;   // "gemm"
  std::string_view variant;  // "simd"; unique within the family
  Device device;
  std::string_view dtypes;     // for people: "f32", "u8 i8 -> i32"
  std::string_view layout;     // for people: "row-major", "nchw"
  std::string_view requires_;  // for people: "", "AVX2 or better", "sm_90"
};

// What a kernel has to do at the least, independent of how.
struct KernelCost {
  int64_t flops = 0;       // or integer operations; a multiply-add counts 2
  int64_t bytes_read = 0;  // each operand once
  int64_t bytes_written = 0;
};

struct KernelArgs {
  // In the order and with the shapes and dtypes that the family's contract and the problem state.
  // Operands that were given as constants when the kernel was made are still passed.
  std::span<const TensorView> inputs;
  std::span<const MutableTensorView> outputs;
  std::span<std::byte> workspace;  // at least WorkspaceBytes(), aligned to kTensorAlignment
  ParallelFor& parallel;
  // Where a kernel of Device::kCuda puts its work, its operands being on that device; Run returns
  // before the work is done. Null for kernels of the CPU.
  cuda::Stream* stream = nullptr;
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  // Scratch memory that Run needs with the `max_workers` of MakeContext. Contents need not survive.
  virtual size_t WorkspaceBytes() const { return 0; }

  // True when output 0 may be the very same memory as input `index`. Any other overlap is
  // forbidden.
  virtual bool MayRunInPlace(int index) const {
    (void)index;
    return false;
  }

  virtual void Run(const KernelArgs& args) const = 0;
};

struct MakeContext {
  // Upper bound of args.parallel.Workers() in Run: sizes per-worker workspaces.
  int max_workers = 1;
  // Where packed weights go; null: the kernel keeps its own. Outlives the kernel.
  PackCache* packs = nullptr;
  // Make what can compute the problem even where another variant is expected to be faster. Choosing
  // from the list leaves it off; who names a variant, tests it or measures it sets it.
  bool even_if_slow = false;
  // What variants of Device::kCuda are made for; null: they decline. Outlives the kernel.
  cuda::Gpu* gpu = nullptr;
};

using MadeKernel = Result<std::unique_ptr<Kernel>>;

template <typename Problem>
struct KernelVariant {
  KernelInfo info;
  MadeKernel (*make)(const Problem& problem, const MakeContext& context);
};

// What became of one variant for one problem; `reason` says why it was declined.
struct Candidate {
  KernelInfo info;
  bool accepted = false;
  std::string reason;
};

// Steers the choice; the default takes the first variant that accepts.
struct SelectOptions {
  Device device = Device::kCpu;
  bool reference = false;  // only variants named "reference"
  // "gemm=onednn,conv=simd": for these families only the named variant. From --kernel.
  std::string forced;

  // The variant that `forced` names for the family, or "".
  std::string_view ForcedVariant(std::string_view family) const;
  // "" when this variant may be asked; otherwise why it may not.
  std::string Excludes(const KernelInfo& info) const;
  // What this variant is asked with: one that `forced` names is made even if it is slow.
  MakeContext ContextFor(const KernelInfo& info, const MakeContext& context) const {
    MakeContext asked = context;
    asked.even_if_slow |= ForcedVariant(info.family) == info.variant;
    return asked;
  }
};

struct Selected {
  std::unique_ptr<Kernel> kernel;
  KernelInfo info;
};

// The first variant that makes a kernel for `problem`. Unsupported, listing every variant's reason,
// when none does; any other error of a variant ends the search and is returned as it is.
template <typename Problem>
Result<Selected> SelectKernel(std::span<const KernelVariant<Problem>> variants,
                              const Problem& problem, const MakeContext& context,
                              const SelectOptions& options) {
  std::string reasons;
  for (const KernelVariant<Problem>& variant : variants) {
    std::string reason = options.Excludes(variant.info);
    if (reason.empty()) {
      MadeKernel made = variant.make(problem, options.ContextFor(variant.info, context));
      if (made.ok()) return Selected{std::move(made).value(), variant.info};
      if (made.status().code() != StatusCode::kUnsupported) {
        return std::move(made).status().WithContext(variant.info.variant);
      }
      reason = made.status().message();
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", variant.info.variant, reason);
  }
  return Unsupported("no kernel: {}", reasons.empty() ? "the family has no variant" : reasons);
}

// Every variant, and why those that declined did.
template <typename Problem>
std::vector<Candidate> ExplainKernels(std::span<const KernelVariant<Problem>> variants,
                                      const Problem& problem, const MakeContext& context,
                                      const SelectOptions& options) {
  std::vector<Candidate> candidates;
  for (const KernelVariant<Problem>& variant : variants) {
    Candidate candidate{variant.info, false, options.Excludes(variant.info)};
    if (candidate.reason.empty()) {
      const MadeKernel made = variant.make(problem, options.ContextFor(variant.info, context));
      candidate.accepted = made.ok();
      if (!made.ok()) candidate.reason = made.status().message();
    }
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_KERNEL_H_
