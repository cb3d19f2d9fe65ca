// NodeLowering: the LowerContext that records what lowering one node gives. The planner turns the
// record into steps of a plan; folding runs it at once.
#ifndef ERGO_ENGINE_PLAN_NODE_LOWERING_H_
#define ERGO_ENGINE_PLAN_NODE_LOWERING_H_

#include <utility>
#include <vector>

#include "engine/plan/lowering.h"

namespace ergo {

class NodeLowering final : public LowerContext {
 public:
  struct RecordedStep {
    Selected selected;
    KernelCost cost;
    std::vector<Operand> inputs, outputs;
    std::vector<Candidate> candidates;  // where they were asked for
  };
  struct RecordedTemporary {
    DType dtype;
    Shape shape;
  };

  // `graph`, `node` and `select` outlive it.
  NodeLowering(const Graph& graph, const Node& node, const MakeContext& make,
               const SelectOptions& select)
      : graph_(graph), node_(node), make_(make), select_(select) {}

  // Asks every variant for its answer, not only up to the first that takes a problem.
  void Explain() { explain_ = true; }

  // Lowers the node. Needs concrete types and shapes of all its operands: Unsupported, naming the
  // value, where one is not known before the run. Errors name the node.
  Status Run();

  const std::vector<RecordedStep>& Steps() const { return steps_; }
  std::vector<RecordedStep> TakeSteps() { return std::move(steps_); }
  const std::vector<RecordedTemporary>& Temporaries() const { return temporaries_; }
  const std::vector<Tensor>& Constants() const { return constants_; }
  // (output, input) pairs.
  const std::vector<std::pair<int, int>>& Aliases() const { return aliases_; }

  const Node& GetNode() const override { return node_; }
  bool HasInput(int i) const override { return node_.HasInput(static_cast<size_t>(i)); }
  bool HasOutput(int i) const override { return node_.Output(static_cast<size_t>(i)) != kNoValue; }
  DType InputType(int i) const override;
  const Shape& InputShape(int i) const override;
  const Tensor* InputConstant(int i) const override;
  // Inputs that InputConstant was asked for in vain.
  const std::vector<size_t>& MissingConstants() const { return missing_; }
  DType OutputType(int i) const override;
  const Shape& OutputShape(int i) const override;
  Operand Temporary(DType dtype, const Shape& shape) override;
  Operand Constant(Tensor tensor) override;
  const MakeContext& Make() const override { return make_; }
  const SelectOptions& Select() const override { return select_; }
  void Alias(int output, int input) override;
  void Append(Selected selected, const KernelCost& cost, std::span<const Operand> inputs,
              std::span<const Operand> outputs) override;

 private:
  bool WantsCandidates() const override { return explain_; }
  void NoteCandidates(std::vector<Candidate> candidates) override {
    steps_.back().candidates = std::move(candidates);
  }
  Status CollectShapes(const std::vector<ValueId>& ids, std::vector<Shape>& shapes) const;

  const Graph& graph_;
  const Node& node_;
  MakeContext make_;
  const SelectOptions& select_;
  std::vector<Shape> input_shapes_, output_shapes_;
  std::vector<RecordedStep> steps_;
  std::vector<RecordedTemporary> temporaries_;
  std::vector<Tensor> constants_;
  std::vector<std::pair<int, int>> aliases_;
  mutable std::vector<size_t> missing_;
  bool explain_ = false;
};

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_NODE_LOWERING_H_
