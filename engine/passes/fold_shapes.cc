// Shape arithmetic over dimensions of which only some are numbers: exporters compute the shapes
// that Reshape and Expand take from Shape, Gather, Concat and their like. Element by element it is
// followed what a small integer tensor holds (a number, a named dimension, or some dimension), and
// what comes out as numbers becomes a constant; a Reshape whose target leaves only named dimensions
// that keep their place, and one more, becomes one of 0 and -1.
#include <algorithm>
#include <map>
#include <string>

#include "engine/graph/move_params.h"
#include "engine/graph/op_schema.h"
#include "engine/passes/dim_arithmetic.h"
#include "engine/passes/passes.h"
#include "engine/passes/placeholder_symbols.h"
#include "engine/passes/rewriter.h"

namespace ergo {
namespace {

// Longer tensors hold no shapes.
constexpr int64_t kMaxElements = 64;

// What is known of one element.
struct Element {
  enum class Kind : uint8_t { kUnknown, kNumber, kDim };
  Kind kind = Kind::kUnknown;
  int64_t number = 0;  // kNumber
  std::string symbol;  // kDim: the dimension's name, or "" for one without

  static Element Number(int64_t number) { return {Kind::kNumber, number, ""}; }
  static Element Of(const Dim& dim) {
    return dim.Known() ? Number(dim.value) : Element{Kind::kDim, 0, dim.symbol};
  }
  bool IsNumber() const { return kind == Kind::kNumber; }
  bool Is(int64_t value) const { return IsNumber() && number == value; }
  bool IsDim() const { return kind == Kind::kDim; }
  Dim AsDim() const {
    if (IsNumber()) return number >= 0 ? Dim(number) : Dim();
    return IsDim() && !symbol.empty() ? Dim::Symbol(symbol) : Dim();
  }
};
using Elements = std::vector<Element>;

// Arithmetic of two elements: exact on numbers, what is left of it on dimensions.
Element Combine(std::string_view op, const Element& a, const Element& b) {
  if (a.IsNumber() && b.IsNumber()) {
    int64_t result = 0;
    if (op == "Add" && !__builtin_add_overflow(a.number, b.number, &result)) {
      return Element::Number(result);
    }
    if (op == "Sub" && !__builtin_sub_overflow(a.number, b.number, &result)) {
      return Element::Number(result);
    }
    if (op == "Mul" && !__builtin_mul_overflow(a.number, b.number, &result)) {
      return Element::Number(result);
    }
    if (op == "Div" && a.number >= 0 && b.number > 0) return Element::Number(a.number / b.number);
    return {};
  }
  if ((op == "Add" || op == "Sub") && b.Is(0)) return a;
  if (op == "Add" && a.Is(0)) return b;
  DimSum sum, term;
  if ((op == "Add" || op == "Sub") && sum.Add(a.AsDim()) && term.Add(b.AsDim())) {
    const bool is_sum = op == "Add" ? sum.Add(b.AsDim()) : sum.Subtract(term);
    if (is_sum) return Element::Of(sum.AsDim());
  }
  DimProduct product, factor;
  if ((op == "Mul" || op == "Div") && product.Multiply(a.AsDim()) && factor.Multiply(b.AsDim())) {
    const bool is_product = op == "Mul" ? product.Multiply(b.AsDim()) : product.Divide(factor);
    if (is_product) return Element::Of(product.AsDim());
  }
  // Sums and products of what is not negative are not negative.
  const auto positive = [](const Element& e) {
    return e.IsDim() || (e.IsNumber() && e.number > 0);
  };
  const bool stays = op == "Add" || op == "Mul" || (op == "Div" && b.IsNumber());
  return stays && positive(a) && positive(b) ? Element{Element::Kind::kDim, 0, ""} : Element{};
}

// Whether the elements are equal: a number 0 or 1, or unknown.
Element Equal(const Element& a, const Element& b) {
  if (a.IsNumber() && b.IsNumber()) return Element::Number(a.number == b.number);
  if (a.IsDim() && b.IsDim() && !a.symbol.empty() && a.symbol == b.symbol) {
    return Element::Number(1);
  }
  const bool negative = (a.IsNumber() && a.number < 0) || (b.IsNumber() && b.number < 0);
  return negative && (a.IsDim() || b.IsDim()) ? Element::Number(0) : Element{};
}

class ShapeFolder {
 public:
  // `placeholders` null: dimensions without a name get none.
  ShapeFolder(Graph& graph, PlaceholderSymbols* placeholders)
      : graph_(graph), rewriter_(graph), placeholders_(placeholders) {}

  int Run() {
    for (const ValueId id : graph_.inputs) {
      if (placeholders_ != nullptr) placeholders_->Name(graph_.GetValue(id).shape);
    }
    for (NodeId id = 0; id < graph_.NodeCount(); ++id) Visit(id);
    return folded_ + rewriter_.Finish();
  }

 private:
  void Visit(NodeId id) {
    Node& node = graph_.GetNode(id);
    // What earlier nodes have taught; errors are folding's to tell.
    if (node.subgraphs.empty()) (void)InferNode(graph_, node);
    if (node.outputs.size() == 1) {
      if (std::optional<Elements> elements = Evaluate(node)) {
        if (BecomesConstant(id, *elements) || BecomesEarlier(node, *elements)) return;
        known_[node.outputs[0]] = std::move(*elements);
      }
    }
    if (node.Is("Reshape")) FoldReshape(id);
    if (node.Is("Reshape") || node.Is("Flatten")) TeachWhatIsLeft(node);
    if (node.Is("Concat")) TeachSum(node);
    if (node.Is("Range")) TeachCount(node);
    if (node.Is("Expand")) FoldExpand(id);
    if (node.Is("ConstantOfShape")) Teach(node.outputs[0], ElementsOf(node.inputs[0]));
    if (placeholders_ == nullptr) return;
    for (const ValueId output : graph_.GetNode(id).outputs) {
      if (output != kNoValue) placeholders_->Name(graph_.GetValue(output).shape);
    }
  }

  // The elements of a value, if it is one that holds dimensions.
  std::optional<Elements> ElementsOf(ValueId id) const {
    if (const auto found = known_.find(id); found != known_.end()) return found->second;
    const Tensor* constant = graph_.Constant(id);
    if (constant == nullptr || constant->Elements() > kMaxElements) return std::nullopt;
    Elements elements;
    for (int64_t i = 0; i < constant->Elements(); ++i) {
      const auto at = static_cast<size_t>(i);
      switch (constant->Type()) {
        case DType::kI64: elements.push_back(Element::Number(constant->Span<int64_t>()[at])); break;
        case DType::kI32: elements.push_back(Element::Number(constant->Span<int32_t>()[at])); break;
        case DType::kBool: elements.push_back(Element::Number(constant->Span<bool>()[at])); break;
        default: return std::nullopt;
      }
    }
    return elements;
  }

  std::optional<Elements> Evaluate(const Node& node) const {
    if (node.Is("Shape")) return DimsOf(node);
    if (node.Is("Gather")) return Pick(node);
    if (node.Is("Slice")) return Cut(node);
    if (node.Is("Concat")) return Join(node);
    if (node.Is("Where")) return Choose(node);
    if (node.Is("Cast") || node.Is("Identity") || node.Is("Unsqueeze") || node.Is("Squeeze") ||
        node.Is("Reshape") || node.Is("Flatten")) {
      return ElementsOf(node.inputs[0]);
    }
    if (node.inputs.size() != 2 || !node.domain.empty()) return std::nullopt;
    if (node.op == "Equal") return Zip(node, Equal);
    if (node.op == "Add" || node.op == "Sub" || node.op == "Mul" || node.op == "Div") {
      return Zip(node, [&](const Element& a, const Element& b) { return Combine(node.op, a, b); });
    }
    return std::nullopt;
  }

  std::optional<Elements> DimsOf(const Node& node) const {
    const SymbolicShape& shape = graph_.GetValue(node.inputs[0]).shape;
    if (!shape.RankKnown()) return std::nullopt;
    std::optional<int64_t> end;
    if (node.attributes.contains("end")) end = node.IntAttr("end", 0);
    const AxisRange range = ShapeRange(node.IntAttr("start", 0), end, shape.Rank());
    Elements elements;
    for (int axis = range.first; axis < range.last; ++axis) {
      elements.push_back(Element::Of(shape[axis]));
    }
    return elements;
  }

  std::optional<Elements> Pick(const Node& node) const {
    const auto from = ElementsOf(node.inputs[0]);
    const auto indices = ElementsOf(node.inputs[1]);
    if (!from || !indices || node.IntAttr("axis", 0) != 0 || !IsList(node.inputs[0])) {
      return std::nullopt;
    }
    Elements picked;
    for (const Element& index : *indices) {
      if (!index.IsNumber()) return std::nullopt;
      const auto count = static_cast<int64_t>(from->size());
      const int64_t at = index.number < 0 ? index.number + count : index.number;
      if (at < 0 || at >= count) return std::nullopt;
      picked.push_back((*from)[static_cast<size_t>(at)]);
    }
    return picked;
  }

  std::optional<Elements> Cut(const Node& node) const {
    const auto from = ElementsOf(node.inputs[0]);
    if (!from || !IsList(node.inputs[0])) return std::nullopt;
    // One axis there is, so each list has one entry, and which axis it is is clear.
    const auto one = [&](std::string_view attribute, size_t input,
                         int64_t fallback) -> std::optional<int64_t> {
      if (const auto* values = node.IntsAttr(attribute)) {
        return values->size() == 1 ? std::optional(values->front()) : std::nullopt;
      }
      if (!node.HasInput(input)) return fallback;
      const auto elements = ElementsOf(node.inputs[input]);
      if (!elements || elements->size() != 1 || !elements->front().IsNumber()) return std::nullopt;
      return elements->front().number;
    };
    const auto start = one("starts", 1, 0), end = one("ends", 2, 0), step = one("steps", 4, 1);
    if (!start || !end || !step || *step == 0) return std::nullopt;
    const move::AxisSlice slice =
        ClampSlice(*start, *end, *step, static_cast<int64_t>(from->size()));
    Elements cut;
    for (int64_t i = 0; i < slice.count; ++i) {
      cut.push_back((*from)[static_cast<size_t>(slice.start + i * slice.step)]);
    }
    return cut;
  }

  std::optional<Elements> Join(const Node& node) const {
    Elements joined;
    for (const ValueId input : node.inputs) {
      const SymbolicShape& shape = graph_.GetValue(input).shape;
      if (!IsList(input) || !shape[0].Known() || shape[0].value > kMaxElements) return std::nullopt;
      Elements part = ElementsOf(input).value_or(Elements(static_cast<size_t>(shape[0].value)));
      joined.insert(joined.end(), part.begin(), part.end());
    }
    if (joined.size() > static_cast<size_t>(kMaxElements)) return std::nullopt;
    return joined;
  }

  std::optional<Elements> Choose(const Node& node) const {
    const auto condition = ElementsOf(node.inputs[0]);
    const auto yes = ElementsOf(node.inputs[1]), no = ElementsOf(node.inputs[2]);
    if (!condition || !yes || !no) return std::nullopt;
    const size_t count = std::max({condition->size(), yes->size(), no->size()});
    Elements chosen;
    for (size_t i = 0; i < count; ++i) {
      const Element* c = At(*condition, i, count);
      const Element* a = At(*yes, i, count);
      const Element* b = At(*no, i, count);
      if (c == nullptr || a == nullptr || b == nullptr) return std::nullopt;
      chosen.push_back(!c->IsNumber() ? Element{} : c->number != 0 ? *a : *b);
    }
    return chosen;
  }

  template <typename Op>
  std::optional<Elements> Zip(const Node& node, const Op& op) const {
    const auto a = ElementsOf(node.inputs[0]), b = ElementsOf(node.inputs[1]);
    if (!a || !b) return std::nullopt;
    const size_t count = std::max(a->size(), b->size());
    Elements zipped;
    for (size_t i = 0; i < count; ++i) {
      const Element* left = At(*a, i, count);
      const Element* right = At(*b, i, count);
      if (left == nullptr || right == nullptr) return std::nullopt;
      zipped.push_back(op(*left, *right));
    }
    return zipped;
  }

  // Element i of a list that broadcasts to `count` elements.
  static const Element* At(const Elements& elements, size_t i, size_t count) {
    if (elements.size() == count) return &elements[i];
    return elements.size() == 1 ? &elements[0] : nullptr;
  }

  bool IsList(ValueId id) const {
    const SymbolicShape& shape = graph_.GetValue(id).shape;
    return shape.RankKnown() && shape.Rank() == 1;
  }

  // The node's result as a constant, if all of it are numbers.
  bool BecomesConstant(NodeId id, const Elements& elements) {
    Value& value = graph_.GetValue(graph_.GetNode(id).outputs[0]);
    const std::optional<Shape> shape = value.shape.Concrete();
    if (!shape || shape->Elements() != static_cast<int64_t>(elements.size()) ||
        !std::ranges::all_of(elements, &Element::IsNumber)) {
      return false;
    }
    if (value.dtype == DType::kI64) {
      value.constant = Numbers<int64_t>(elements, *shape);
    } else if (value.dtype == DType::kI32) {
      value.constant = Numbers<int32_t>(elements, *shape);
    } else if (value.dtype == DType::kBool) {
      value.constant = Numbers<uint8_t>(elements, *shape).Reinterpreted(DType::kBool, *shape);
    } else {
      return false;
    }
    rewriter_.Drop(id);
    ++folded_;
    return true;
  }

  // Uses an earlier value that certainly holds the same: shapes of different values agree.
  bool BecomesEarlier(const Node& node, const Elements& elements) {
    const Value& value = graph_.GetValue(node.outputs[0]);
    std::string key = fmt::format("{}{}", DTypeName(value.dtype), value.shape.ToString());
    for (const Element& element : elements) {
      if (!element.IsNumber() && element.symbol.empty()) return false;
      key += element.IsNumber() ? fmt::format("\n{}", element.number) : "\n=" + element.symbol;
    }
    const auto [found, added] = earlier_.emplace(std::move(key), node.outputs[0]);
    if (added || rewriter_.Uses(node.outputs[0]) == 0) return false;
    return rewriter_.Forward(node.outputs[0], found->second);
  }

  template <typename T>
  static Tensor Numbers(const Elements& elements, const Shape& shape) {
    std::vector<T> numbers;
    for (const Element& element : elements) numbers.push_back(static_cast<T>(element.number));
    return Tensor::FromValues<T>(shape, std::span<const T>(numbers));
  }

  // Dimensions of a value that inference does not know, but the elements of its shape operand do.
  void Teach(ValueId id, const std::optional<Elements>& dims) {
    SymbolicShape& shape = graph_.GetValue(id).shape;
    if (!dims) return;
    if (!shape.RankKnown()) shape = SymbolicShape(std::vector<Dim>(dims->size()));
    if (static_cast<size_t>(shape.Rank()) != dims->size()) return;
    for (int axis = 0; axis < shape.Rank(); ++axis) {
      if (!shape[axis].Known() && shape[axis].symbol.empty()) {
        shape[axis] = (*dims)[static_cast<size_t>(axis)].AsDim();
      }
    }
  }

  void SetShapeOperand(NodeId id, const std::vector<int64_t>& target) {
    Node node = graph_.GetNode(id);
    node.inputs[1] =
        graph_.AddConstant(graph_.UniqueName(node.name + "/shape"),
                           Tensor::FromValues<int64_t>(Shape{static_cast<int64_t>(target.size())},
                                                       std::span<const int64_t>(target)));
    rewriter_.Replace(id, std::move(node));
  }

  void FoldReshape(NodeId id) {
    const Node& node = graph_.GetNode(id);
    const std::optional<Elements> target = ElementsOf(node.inputs[1]);
    if (!target || graph_.Constant(node.inputs[1]) != nullptr) return;
    // Where 0 means an empty axis, that is not what it will mean.
    const bool empties = node.IntAttr("allowzero", 0) != 0;
    if (empties && std::ranges::any_of(*target, [](const Element& e) { return e.Is(0); })) return;
    const SymbolicShape from = graph_.GetValue(node.inputs[0]).shape;
    Elements dims = *target;
    std::vector<int64_t> folded;
    bool left = std::ranges::any_of(*target, [](const Element& e) { return e.Is(-1); });
    bool complete = true;
    for (size_t i = 0; i < target->size(); ++i) {
      const Element& element = (*target)[i];
      const bool in_place = from.RankKnown() && i < static_cast<size_t>(from.Rank());
      if (element.Is(0)) dims[i] = in_place ? Element::Of(from[static_cast<int>(i)]) : Element{};
      if (element.IsNumber()) {
        folded.push_back(element.number);
      } else if (in_place && element.IsDim() && element.AsDim().SameAs(from[static_cast<int>(i)])) {
        folded.push_back(0);
      } else if (element.IsDim() && !left) {
        folded.push_back(-1);
        left = true;
      } else {
        complete = false;
      }
    }
    Teach(node.outputs[0], dims);
    if (complete) SetShapeOperand(id, folded);
    if (complete) graph_.GetNode(id).attributes.erase("allowzero");
  }

  // The one dimension that is not known follows from the number of elements.
  void TeachWhatIsLeft(const Node& node) {
    const SymbolicShape& from = graph_.GetValue(node.inputs[0]).shape;
    SymbolicShape& to = graph_.GetValue(node.outputs[0]).shape;
    if (!from.RankKnown() || !to.RankKnown()) return;
    DimProduct all, others;
    for (const Dim& dim : from.Dims()) {
      if (!all.Multiply(dim)) return;
    }
    int left = -1;
    for (int axis = 0; axis < to.Rank(); ++axis) {
      if (others.Multiply(to[axis])) continue;
      if (left >= 0 || to[axis].Known()) return;
      left = axis;
    }
    if (left >= 0 && all.Divide(others)) to[left] = all.AsDim();
  }

  void TeachSum(const Node& node) {
    SymbolicShape& to = graph_.GetValue(node.outputs[0]).shape;
    if (!to.RankKnown()) return;
    const Result<int> axis = NormalizeAxis(node.IntAttr("axis", 1), to.Rank());
    if (!axis.ok() || to[*axis].Known()) return;
    DimSum sum;
    for (const ValueId input : node.inputs) {
      const SymbolicShape& from = graph_.GetValue(input).shape;
      if (!from.RankKnown() || from.Rank() != to.Rank() || !sum.Add(from[*axis])) return;
    }
    to[*axis] = sum.AsDim();
  }

  // Positions from one dimension to the sum of it and another, one by one.
  void TeachCount(const Node& node) {
    const auto start = ElementsOf(node.inputs[0]), limit = ElementsOf(node.inputs[1]);
    const auto step = ElementsOf(node.inputs[2]);
    if (!start || !limit || !step || start->size() != 1 || limit->size() != 1 ||
        step->size() != 1 || !step->front().Is(1)) {
      return;
    }
    DimSum count, before;
    if (!count.Add(limit->front().AsDim()) || !before.Add(start->front().AsDim()) ||
        !count.Subtract(before)) {
      return;
    }
    SymbolicShape& shape = graph_.GetValue(node.outputs[0]).shape;
    if (shape.RankKnown() && shape.Rank() == 1 && !shape[0].Known()) shape[0] = count.AsDim();
  }

  // A dimension that the operand has already need not be asked for.
  void FoldExpand(NodeId id) {
    const Node& node = graph_.GetNode(id);
    const std::optional<Elements> target = ElementsOf(node.inputs[1]);
    const SymbolicShape from = graph_.GetValue(node.inputs[0]).shape;
    if (!target || !from.RankKnown() || graph_.Constant(node.inputs[1]) != nullptr) return;
    Elements dims = *target;
    std::vector<int64_t> folded;
    bool complete = true;
    const int shift = static_cast<int>(target->size()) - from.Rank();
    for (size_t i = 0; i < target->size(); ++i) {
      const Element& element = (*target)[i];
      const int axis = static_cast<int>(i) - shift;
      const bool one = axis < 0 || from[axis].SameAs(Dim(1));
      if (!one) dims[i] = element.Is(1) ? Element::Of(from[axis]) : Element{};
      if (element.IsNumber()) {
        folded.push_back(element.number);
      } else if (!one && element.AsDim().SameAs(from[axis])) {
        folded.push_back(1);
        dims[i] = element;
      } else {
        complete = false;
      }
    }
    if (shift >= 0) Teach(node.outputs[0], dims);
    if (complete) SetShapeOperand(id, folded);
  }

  Graph& graph_;
  Rewriter rewriter_;
  PlaceholderSymbols* placeholders_;
  std::map<ValueId, Elements> known_;
  std::map<std::string, ValueId> earlier_;  // by what they hold
  int folded_ = 0;
};

Result<int> FoldShapesOfBody(Graph& graph) {
  ERGO_ASSIGN_OR_RETURN(const int inner, RunOnSubgraphs(graph, FoldShapesOfBody));
  return inner + ShapeFolder(graph, nullptr).Run();
}

}  // namespace

Result<int> FoldShapes(Graph& graph) {
  // A body may run many times, and its dimensions be others each time: they get no names.
  int inner = 0;
  for (Node& node : graph.Nodes()) {
    for (Subgraph& subgraph : node.subgraphs) {
      ERGO_ASSIGN_OR_RETURN(const int folded, FoldShapesOfBody(*subgraph.graph));
      inner += folded;
    }
  }
  PlaceholderSymbols placeholders(graph);
  return inner + ShapeFolder(graph, &placeholders).Run();
}

}  // namespace ergo
