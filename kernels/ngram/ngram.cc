#include "kernels/ngram/ngram.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "kernels/base/function_kernel.h"

namespace ergo {
namespace {

// The pool as a tree of items; a node may end an n-gram.
class NgramTree {
 public:
  static constexpr int kRoot = 0;
  static constexpr int kNone = -1;

  void Add(std::span<const int64_t> items, int64_t ngram) {
    int node = kRoot;
    for (const int64_t item : items) {
      const auto [found, added] =
          nodes_[static_cast<size_t>(node)].next.try_emplace(item, static_cast<int>(nodes_.size()));
      node = found->second;
      if (added) nodes_.emplace_back();
    }
    nodes_[static_cast<size_t>(node)].ngram = ngram;
  }

  int Next(int node, int64_t item) const {
    const auto& next = nodes_[static_cast<size_t>(node)].next;
    const auto found = next.find(item);
    return found == next.end() ? kNone : found->second;
  }

  int64_t Ngram(int node) const { return nodes_[static_cast<size_t>(node)].ngram; }

 private:
  struct Node {
    std::unordered_map<int64_t, int> next;
    int64_t ngram = kNone;
  };
  std::vector<Node> nodes_ = std::vector<Node>(1);
};

template <typename T>
void CountRow(const NgramProblem& p, const NgramTree& tree, const T* row, float* counts) {
  int64_t least = p.min_items;
  for (int64_t apart = 1; apart <= p.max_skip + 1 && least <= p.max_items; ++apart) {
    for (int64_t start = 0; start + apart * (least - 1) < p.length; ++start) {
      int node = NgramTree::kRoot;
      int64_t items = 0;
      for (int64_t i = start; i < p.length && items < p.max_items; i += apart) {
        node = tree.Next(node, row[i]);
        if (node == NgramTree::kNone) break;
        ++items;
        const int64_t ngram = tree.Ngram(node);
        if (items >= least && ngram >= 0) counts[p.columns[static_cast<size_t>(ngram)]] += 1;
      }
    }
    // Skips make no other 1-grams.
    least = std::max<int64_t>(least, 2);
  }
}

void Weigh(const NgramProblem& p, std::span<float> counts) {
  if (p.weighting == NgramProblem::Weighting::kTf) return;
  for (size_t column = 0; column < counts.size(); ++column) {
    float& count = counts[column];
    if (p.weighting == NgramProblem::Weighting::kIdf) count = count > 0 ? 1.0f : 0.0f;
    if (!p.weights.empty()) count *= p.weights[column];
  }
}

template <typename T>
void RunNgrams(const NgramProblem& p, const NgramTree& tree, const KernelArgs& args) {
  const T* in = args.inputs[0].As<T>();
  auto* out = args.outputs[0].As<float>();
  args.parallel.Run(p.rows, [&](int64_t row, int) {
    float* counts = out + row * p.width;
    std::fill_n(counts, p.width, 0.0f);
    CountRow(p, tree, in + row * p.length, counts);
    Weigh(p, {counts, static_cast<size_t>(p.width)});
  });
}

Result<NgramTree> BuildTree(const NgramProblem& p) {
  const auto total = static_cast<int64_t>(p.pool.size());
  NgramTree tree;
  size_t ngram = 0;
  for (size_t i = 0; i < p.starts.size(); ++i) {
    const int64_t begin = p.starts[i];
    const int64_t end = i + 1 < p.starts.size() ? p.starts[i + 1] : total;
    const auto items = static_cast<int64_t>(i) + 1;
    if (begin < 0 || end < begin || end > total || (end - begin) % items != 0) {
      return InvalidArgument("{}-grams from {} to {} of a pool of {}", items, begin, end, total);
    }
    for (int64_t at = begin; at < end; at += items, ++ngram) {
      if (ngram >= p.columns.size()) break;
      if (items < p.min_items || items > p.max_items) continue;
      tree.Add(std::span(p.pool).subspan(static_cast<size_t>(at), static_cast<size_t>(items)),
               static_cast<int64_t>(ngram));
    }
  }
  return tree;
}

MadeKernel MakeNgramReference(const NgramProblem& problem, const MakeContext&) {
  for (const int64_t column : problem.columns) {
    if (column < 0 || column >= problem.width) {
      return InvalidArgument("column {} of {}", column, problem.width);
    }
  }
  if (!problem.weights.empty() && static_cast<int64_t>(problem.weights.size()) < problem.width) {
    return InvalidArgument("{} weights for {} columns", problem.weights.size(), problem.width);
  }
  if (problem.min_items < 1 || problem.max_skip < 0) {
    return InvalidArgument("n-grams of {} items, {} skips", problem.min_items, problem.max_skip);
  }
  ERGO_ASSIGN_OR_RETURN(NgramTree tree, BuildTree(problem));
  if (problem.dtype == DType::kI64) {
    return MakeFunctionKernel([problem, tree = std::move(tree)](const KernelArgs& args) {
      RunNgrams<int64_t>(problem, tree, args);
    });
  }
  if (problem.dtype == DType::kI32) {
    return MakeFunctionKernel([problem, tree = std::move(tree)](const KernelArgs& args) {
      RunNgrams<int32_t>(problem, tree, args);
    });
  }
  return Unsupported("n-grams of {}", DTypeName(problem.dtype));
}

constexpr std::array kNgramVariants = {
#define ERGO_KERNEL_VARIANT(name, device, dtypes, layout, needs, make) \
  KernelVariant<NgramProblem>{{"ngram", name, device, dtypes, layout, needs}, make},
#include "kernels/ngram/ngram_variants.inc"
#undef ERGO_KERNEL_VARIANT
};

}  // namespace

std::span<const KernelVariant<NgramProblem>> NgramVariants() {
  return kNgramVariants;
}

KernelCost CostOf(const NgramProblem& p) {
  return {p.rows * p.length * p.max_items * (p.max_skip + 1),
          DTypeBytes(p.dtype, p.rows * p.length), DTypeBytes(DType::kF32, p.rows * p.width)};
}

}  // namespace ergo
