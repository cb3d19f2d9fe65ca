// Products of dimensions, of which some are only names: what Reshape makes of [batch, 12, 64] when
// it joins the first two axes is 12 times batch, and when it parts them again, batch.
#ifndef ERGO_ENGINE_PASSES_DIM_PRODUCT_H_
#define ERGO_ENGINE_PASSES_DIM_PRODUCT_H_

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

  // The product as a dimension: a number, a name, or a placeholder (placeholder_symbols.h) which is
  // the same for equal products and which Multiply takes apart again.
  Dim AsDim() const;

 private:
  int64_t number_ = 1;
  std::vector<std::string> symbols_;  // sorted
};

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_DIM_PRODUCT_H_
