// Functions of one value that exporters spell out, and the operators that stand for them.
#ifndef ERGO_ENGINE_PASSES_RECOGNIZE_UNARY_H_
#define ERGO_ENGINE_PASSES_RECOGNIZE_UNARY_H_

#include <string>
#include <vector>

#include "engine/passes/pattern.h"

namespace ergo {

struct UnaryForm {
  Pattern pattern;  // of the result, in terms of "x"
  std::string op;
  int opset;
  // Sets the operator's attributes; false where the scalars of the match are not the operator's.
  // May be null.
  std::function<bool(const Matcher& match, Node& node)> finish = nullptr;
};

// Replaces what matches one of the forms, the first that does. The operands are floating point, and
// no constant of the form may have more axes than x.
Result<int> RecognizeUnary(Graph& graph, const std::vector<UnaryForm>& forms);

}  // namespace ergo

#endif  // ERGO_ENGINE_PASSES_RECOGNIZE_UNARY_H_
