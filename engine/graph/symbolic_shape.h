// SymbolicShape: what is known of a value's shape before the model's inputs are: nothing, the rank,
// or the rank with each dimension a number, a named symbol ("batch") or unknown.
#ifndef ERGO_ENGINE_GRAPH_SYMBOLIC_SHAPE_H_
#define ERGO_ENGINE_GRAPH_SYMBOLIC_SHAPE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/shape.h"

namespace ergo {

struct Dim {
  int64_t value = -1;  // >= 0 when known
  std::string
      symbol;  // when not known: a name that means the same number wherever it stands, or ""

  Dim() = default;
  Dim(int64_t known) : value(known) {}  // NOLINT: implicit, a number is a dimension
  static Dim Symbol(std::string name) {
    Dim dim;
    dim.symbol = std::move(name);
    return dim;
  }

  bool Known() const { return value >= 0; }
  // Certainly the same number.
  bool SameAs(const Dim& other) const {
    return Known() ? value == other.value
                   : !symbol.empty() && !other.Known() && symbol == other.symbol;
  }
  std::string ToString() const {
    return Known() ? std::to_string(value) : symbol.empty() ? "?" : symbol;
  }
};

class SymbolicShape {
 public:
  SymbolicShape() = default;  // not even the rank is known
  explicit SymbolicShape(std::vector<Dim> dims) : dims_(std::move(dims)) {}
  SymbolicShape(const Shape& shape)  // NOLINT: implicit, a concrete shape is a symbolic one
      : dims_(std::vector<Dim>(shape.Dims().begin(), shape.Dims().end())) {}

  bool RankKnown() const { return dims_.has_value(); }
  // The following need RankKnown().
  int Rank() const { return static_cast<int>(dims_->size()); }
  const Dim& operator[](int axis) const { return (*dims_)[static_cast<size_t>(axis)]; }
  Dim& operator[](int axis) { return (*dims_)[static_cast<size_t>(axis)]; }
  const std::vector<Dim>& Dims() const { return *dims_; }

  // The concrete shape when every dimension is a number (and within the limits), else nullopt.
  std::optional<Shape> Concrete() const;

  // "[batch, 3, ?, 224]", or "?" when not even the rank is known.
  std::string ToString() const;

 private:
  std::optional<std::vector<Dim>> dims_;
};

// Both of the same rank, and all dimensions certainly the same numbers.
bool SameShape(const SymbolicShape& a, const SymbolicShape& b);

}  // namespace ergo

#endif  // ERGO_ENGINE_GRAPH_SYMBOLIC_SHAPE_H_
