// Lowering: from one node of a graph with concrete shapes to steps of a plan.
//
// Each kernel family has a file lower_FAMILY.cc whose functions read a node's attributes, make the
// family's Problem, and Emit it. A lowering may emit several steps with temporaries between them,
// or none at all (Alias: the output is the input's bytes under another shape).
#ifndef ERGO_ENGINE_PLAN_LOWERING_H_
#define ERGO_ENGINE_PLAN_LOWERING_H_

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/graph/graph.h"
#include "kernels/base/kernel.h"

namespace ergo {

// An operand of a step, seen from the node that is being lowered.
struct Operand {
  enum class Kind : uint8_t { kAbsent, kInput, kOutput, kTemporary, kConstant };
  Kind kind = Kind::kAbsent;
  int index = 0;
};
constexpr Operand In(int i) {
  return {Operand::Kind::kInput, i};
}  // absent inputs stay absent
constexpr Operand Out(int i) {
  return {Operand::Kind::kOutput, i};
}
constexpr Operand Absent() {
  return {};
}

class LowerContext {
 public:
  virtual ~LowerContext() = default;

  virtual const Node& GetNode() const = 0;
  virtual bool HasInput(int i) const = 0;
  virtual bool HasOutput(int i) const = 0;
  virtual DType InputType(int i) const = 0;
  virtual const Shape& InputShape(int i) const = 0;
  // Null when absent or not known before the run.
  virtual const Tensor* InputConstant(int i) const = 0;
  virtual DType OutputType(int i) const = 0;
  virtual const Shape& OutputShape(int i) const = 0;

  // Values of a constant integer input; nullopt when absent. Unsupported, naming the input, when it
  // is there but known only at run time.
  Result<std::optional<std::vector<int64_t>>> InputInts(int i) const;
  // The same from the attribute of older opsets, if it is there.
  Result<std::optional<std::vector<int64_t>>> IntsFromAttrOrInput(std::string_view attribute,
                                                                  int i) const;

  // A tensor that lives between steps of this node.
  virtual Operand Temporary(DType dtype, const Shape& shape) = 0;
  // A constant that this node brings along, made at plan time.
  virtual Operand Constant(Tensor tensor) = 0;

  virtual const MakeContext& Make() const = 0;
  virtual const SelectOptions& Select() const = 0;

  // Output `output` is the bytes of input `input` under the output's shape and dtype (as many
  // elements of as many bits). No step, no copy.
  virtual void Alias(int output, int input) = 0;

  // Appends a step that runs `selected`.
  virtual void Append(Selected selected, const KernelCost& cost, std::span<const Operand> inputs,
                      std::span<const Operand> outputs) = 0;

  // Chooses a variant for the problem and appends it: what nearly every lowering ends with. CostOf
  // is found in the problem's namespace.
  template <typename Problem>
  Status Emit(std::span<const KernelVariant<Problem>> variants, const Problem& problem,
              std::initializer_list<Operand> inputs, std::initializer_list<Operand> outputs) {
    return EmitSpan<Problem>(variants, problem, std::span(inputs.begin(), inputs.size()),
                             std::span(outputs.begin(), outputs.size()));
  }
  template <typename Problem>
  Status EmitSpan(std::span<const KernelVariant<Problem>> variants, const Problem& problem,
                  std::span<const Operand> inputs, std::span<const Operand> outputs) {
    ERGO_ASSIGN_OR_RETURN(Selected selected, SelectKernel(variants, problem, Make(), Select()));
    Append(std::move(selected), CostOf(problem), inputs, outputs);
    if (WantsCandidates()) NoteCandidates(ExplainKernels(variants, problem, Make(), Select()));
    return {};
  }

 private:
  // Whether the answers of all variants are to be kept beside the choice, for people; and where
  // they go: to the step that was appended last.
  virtual bool WantsCandidates() const { return false; }
  virtual void NoteCandidates(std::vector<Candidate> candidates) { (void)candidates; }
};

using LowerFn = Status (*)(LowerContext& context);

struct Lowering {
  std::string_view domain, op;
  LowerFn lower;
};

// Null for operators that no family lowers.
const Lowering* FindLowering(std::string_view domain, std::string_view op);
std::vector<const Lowering*> AllLowerings();

// Each family's rows, in its lower_FAMILY.cc. A new family is a line of lowering_families.inc. If
// is lowered by the planner itself.
#define ERGO_LOWERING_FAMILY(name) std::span<const Lowering> name##Lowerings();
#include "engine/plan/lowering_families.inc"
#undef ERGO_LOWERING_FAMILY

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_LOWERING_H_
