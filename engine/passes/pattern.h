// Pattern: what a value must look like for a rewrite, written the way it is computed:
//
//   static const Pattern kSilu = Op("Mul", {Op("Sigmoid", {Any("x")}), Any("x")});
//   Matcher matcher(rewriter);
//   if (matcher.Match(node_id, kSilu)) ... matcher["x"] ...
//
// A name that stands twice means the same value. Operands of commutative operators match in either
// order. Arguments are matched in the order in which they are written, and what an earlier one has
// chosen is not reconsidered: write the more particular first.
//
// A match is refused when somebody else uses a value within it, for then the rewrite would compute
// twice.
//
// Thread safety: patterns are immutable; a Matcher belongs to one thread.
#ifndef ERGO_ENGINE_PASSES_PATTERN_H_
#define ERGO_ENGINE_PASSES_PATTERN_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/passes/rewriter.h"

namespace ergo {

class Matcher;

// True if the value matches; may bind names in the matcher.
using Pattern = std::function<bool(Matcher& matcher, ValueId value)>;

class Matcher {
 public:
  explicit Matcher(Rewriter& rewriter) : rewriter_(rewriter) {}

  // Matches what the node, if it is still there, computes as its first output. Forgets the match
  // before.
  bool Match(NodeId root, const Pattern& pattern);

  // What the name is bound to. It is bound: a bug otherwise.
  ValueId operator[](std::string_view name) const;
  // kNoValue when it is not bound: its alternative was not taken.
  ValueId Find(std::string_view name) const;
  // The value of a name bound by Scalar.
  float ScalarOf(std::string_view name) const;
  // The node that computes a bound value, which is not an input or a constant: a bug otherwise.
  const Node& NodeOf(std::string_view name) const;

  // Replaces the root of the last match; the nodes within it are dropped.
  void Replace(Node replacement);

  // For patterns.
  const Graph& GetGraph() const { return rewriter_.GetGraph(); }
  bool Bind(std::string_view name, ValueId value);
  // Matches the pattern; a failure leaves no binding behind.
  bool Try(const Pattern& pattern, ValueId value);
  // Null unless a node that may be matched computes the value as its first output.
  const Node* Enter(ValueId value);

 private:
  bool NobodyElseUsesInner() const;

  Rewriter& rewriter_;
  NodeId root_ = -1;
  std::vector<std::pair<std::string, ValueId>> bound_;
  std::vector<NodeId> entered_;  // may name a node twice
};

// Any value.
Pattern Any(std::string name);
// A constant.
Pattern Constant(std::string name);
// A constant of one element.
Pattern Scalar(std::string name);
// A constant of one element, `value` as nearly as its type or five decimal digits
// have it.
Pattern Number(double value);
// The first output of a node of ai.onnx with exactly these inputs.
Pattern Op(std::string op, std::vector<Pattern> inputs);
// The same, if the test likes the node: its attributes, or the axes that it reads from a constant.
using NodeTest = std::function<bool(const Graph& graph, const Node& node)>;
Pattern OpIf(std::string op, std::vector<Pattern> inputs, NodeTest test);
// What matches any of them; the first is taken.
Pattern OneOf(std::vector<Pattern> alternatives);
// Gives what the pattern matches a name.
Pattern Named(std::string name, Pattern pattern);

// x * factor, also as a division.
Pattern Scaled(Pattern x, double factor);
// x * x, also as a power.
Pattern Square(const Pattern& x);
// 1 / sqrt(x), in any of its forms.
Pattern ReciprocalSqrt(const Pattern& x);

// A reduction with keepdims along known axes, given as an attribute or a constant input.
Pattern Reduction(std::string op, Pattern x);

// The axes that such a reduction reduces, in [0, rank), sorted; nullopt when it drops them, or they
// or the rank are not known.
std::optional<std::vector<int>> ReducedAxes(const Graph& graph, const Node& node);

// The value of a constant of one element.
std::optional<double> ScalarValue(const Graph& graph, ValueId id);

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_PATTERN_H_
