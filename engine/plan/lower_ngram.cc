#include <array>

#include "engine/plan/lowering.h"
#include "kernels/ngram/ngram.h"

namespace ergo {
namespace {

Status LowerTfIdf(LowerContext& context) {
  const Node& node = context.GetNode();
  const Shape& x = context.InputShape(0);
  const Shape& y = context.OutputShape(0);
  const std::vector<int64_t>* pool = node.IntsAttr("pool_int64s");
  const std::vector<int64_t>* starts = node.IntsAttr("ngram_counts");
  if (pool == nullptr) return Unsupported("n-grams of strings");
  if (starts == nullptr) return InvalidArgument("needs ngram_counts");
  NgramProblem problem;
  problem.dtype = context.InputType(0);
  problem.rows = x.Rank() == 2 ? x[0] : 1;
  problem.length = x.Rank() == 0 ? 1 : x[x.Rank() - 1];
  problem.width = y[y.Rank() - 1];
  const std::string mode = node.StringAttr("mode", "TF");
  using Weighting = NgramProblem::Weighting;
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") return InvalidArgument("mode '{}'", mode);
  problem.weighting = mode == "TF"    ? Weighting::kTf
                      : mode == "IDF" ? Weighting::kIdf
                                      : Weighting::kTfIdf;
  problem.min_items = node.IntAttr("min_gram_length", 1);
  problem.max_items = node.IntAttr("max_gram_length", 1);
  problem.max_skip = node.IntAttr("max_skip_count", 0);
  problem.pool = *pool;
  problem.starts = *starts;
  problem.columns = *node.IntsAttr("ngram_indexes");
  if (const std::vector<float>* weights = node.FloatsAttr("weights")) problem.weights = *weights;
  return context.Emit(NgramVariants(), problem, {In(0)}, {Out(0)});
}

constexpr std::array kLowerings = {Lowering{"", "TfIdfVectorizer", LowerTfIdf}};

}  // namespace

std::span<const Lowering> NgramLowerings() {
  return kLowerings;
}

}  // namespace ergo
