// Counting n-grams. ONNX TfIdfVectorizer, opset 9, of integers.
//
// A row of numbers is searched for the n-grams of a pool: items that stand `skip` + 1 apart for
// each skip from 0 to max_skip, 1-grams only once. How often n-gram i was found is added to column
// columns[i] of the row's result, which is then kept (kTf), made 1 where it is not 0 and scaled by
// the column's weight (kIdf), or scaled (kTfIdf).
#ifndef ERGO_KERNELS_NGRAM_NGRAM_H_
#define ERGO_KERNELS_NGRAM_NGRAM_H_

#include <span>
#include <vector>

#include "kernels/base/kernel.h"

namespace ergo {

// Input 0: `dtype` (int32 or int64) [rows, length]. Output 0: float [rows, width], exact up to 2^24
// occurrences.
struct NgramProblem {
  DType dtype = DType::kI64;
  int64_t rows = 1, length = 0, width = 0;
  enum class Weighting { kTf, kIdf, kTfIdf };
  Weighting weighting = Weighting::kTf;
  int64_t min_items = 1, max_items = 1, max_skip = 0;
  std::vector<int64_t> pool;     // all 1-grams, one item after the other, then all 2-grams ...
  std::vector<int64_t> starts;   // where the n-grams of each size begin in the pool
  std::vector<int64_t> columns;  // one for each n-gram, below `width`
  std::vector<float> weights;    // one for each column, or none
};

KernelCost CostOf(const NgramProblem& problem);

// InvalidArgument where the pool, its starts, columns or weights do not fit each other.
std::span<const KernelVariant<NgramProblem>> NgramVariants();

}  // namespace ergo

#endif  // ERGO_KERNELS_NGRAM_NGRAM_H_
