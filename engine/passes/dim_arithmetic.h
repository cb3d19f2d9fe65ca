// Products of dimensions, of which some are only names: what Reshape makes of [batch, 12, 64] when
// it joins the first two axes is 12 times batch, and when it parts them again, batch.
#ifndef ERGO_ENGINE_PASSES_DIM_ARITHMETIC_H_
#define ERGO_ENGINE_PASSES_DIM_ARITHMETIC_H_

#include <optional>
#include <string>
#include <vector>

#include "engine/graph/symbolic_shape.h"

namespace ergo {

class DimProduct {
 public:
  DimProduct() = default;  // 1

  // False, and nothing changed, for a dimension of which nothing is known, or is 0, or too large a
  // product.
  bool Multiply(const Dim& dim);
  // False, and nothing changed, where the quotient is no product.
  bool Divide(const DimProduct& by);

  // A number, a name, or a placeholder.
  Dim AsDim() const;

 private:
  int64_t number_ = 1;
  std::vector<std::string> symbols_;  // sorted
};

class DimSum {
 public:
  DimSum() = default;  // 0

  // False, and nothing changed, for a dimension of which nothing is known, or a sum too large.
  bool Add(const Dim& dim);
  // False, and nothing changed, where the difference might be negative.
  bool Subtract(const DimSum& other);

  Dim AsDim() const;

 private:
  int64_t number_ = 0;
  std::vector<std::string> symbols_;  // sorted
};

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_DIM_ARITHMETIC_H_
