#include "engine/run/evaluation.h"

namespace ergo {

Result<std::unique_ptr<Evaluator>> MakeEvaluator(const Node& node, const PlanOptions& options,
                                                 ParallelFor& parallel) {
  if (auto control = MakeControlEvaluator(node, options, parallel)) return control;
  if (auto selection = MakeSelectionEvaluator(node, options)) return selection;
  return Unsupported("{}: cannot be evaluated", node.Label());
}

}  // namespace ergo
