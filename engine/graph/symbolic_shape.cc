#include "engine/graph/symbolic_shape.h"

namespace ergo {

std::optional<Shape> SymbolicShape::Concrete() const {
  if (!dims_) return std::nullopt;
  std::vector<int64_t> values;
  for (const Dim& dim : *dims_) {
    if (!dim.Known()) return std::nullopt;
    values.push_back(dim.value);
  }
  Result<Shape> shape = Shape::Make(values);
  if (!shape.ok()) return std::nullopt;
  return *shape;
}

std::string SymbolicShape::ToString() const {
  if (!dims_) return "?";
  std::string text = "[";
  for (size_t i = 0; i < dims_->size(); ++i) {
    text += (i == 0 ? "" : ", ") + (*dims_)[i].ToString();
  }
  return text + "]";
}

bool SameShape(const SymbolicShape& a, const SymbolicShape& b) {
  if (!a.RankKnown() || !b.RankKnown() || a.Rank() != b.Rank()) return false;
  for (int axis = 0; axis < a.Rank(); ++axis) {
    if (!a[axis].SameAs(b[axis])) return false;
  }
  return true;
}

}  // namespace ergo
