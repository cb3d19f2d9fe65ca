// TfIdfVectorizer.
#include <algorithm>
#include <array>

#include "engine/graph/op_schema.h"

namespace ergo {
namespace {

Status InferTfIdf(InferContext& context) {
  const std::vector<int64_t>* columns = context.GetNode().IntsAttr("ngram_indexes");
  if (columns == nullptr || columns->empty()) return InvalidArgument("needs ngram_indexes");
  const int64_t last = *std::ranges::max_element(*columns);
  if (last < 0 || last >= kMaxTensorElements) {
    return InvalidArgument("ngram_indexes up to {}", last);
  }
  const SymbolicShape& x = context.InputShape(0);
  if (!x.RankKnown()) return context.SetOutput(0, DType::kF32, SymbolicShape());
  if (x.Rank() > 2) return InvalidArgument("an input of rank {}", x.Rank());
  std::vector<Dim> dims = {Dim(last + 1)};
  if (x.Rank() == 2) dims.insert(dims.begin(), x[0]);
  return context.SetOutput(0, DType::kF32, SymbolicShape(std::move(dims)));
}

constexpr std::array kSchemas = {OpSchema{"", "TfIdfVectorizer", 9, 1, 1, 1, 1, InferTfIdf}};

}  // namespace

std::span<const OpSchema> NgramSchemas() {
  return kSchemas;
}

}  // namespace ergo
