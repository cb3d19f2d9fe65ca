// Evaluator: runs a node whose results have a size that only their values decide, into new tensors.
//
// Thread safety: one thread at a time.
#ifndef ERGO_ENGINE_RUN_EVALUATION_H_
#define ERGO_ENGINE_RUN_EVALUATION_H_

#include <memory>
#include <span>
#include <vector>

#include "engine/graph/graph.h"
#include "engine/plan/plan.h"
#include "engine/run/trace.h"

namespace ergo {

class Evaluator {
 public:
  virtual ~Evaluator() = default;
  // Inputs as LateRegion::Evaluation lists them: the node's, then what its subgraphs capture.
  // Absent ones have no dtype. Returns a tensor for each output of the node. ResourceExhausted when
  // that takes more than the limits of the plan.
  virtual Result<std::vector<Tensor>> Run(std::span<const TensorView> inputs, Trace* trace) = 0;
};

// `node` and `parallel` outlive it.
Result<std::unique_ptr<Evaluator>> MakeEvaluator(const Node& node, const PlanOptions& options,
                                                 ParallelFor& parallel);

// By operator; null when the node is of another one.
std::unique_ptr<Evaluator> MakeControlEvaluator(const Node& node, const PlanOptions& options,
                                                ParallelFor& parallel);  // If, Loop, Scan
// NonZero, Compress, ...
std::unique_ptr<Evaluator> MakeSelectionEvaluator(const Node& node, const PlanOptions& options);

}  // namespace ergo

#endif  // ERGO_ENGINE_RUN_EVALUATION_H_
