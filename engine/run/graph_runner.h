// GraphRunner: runs a graph on whatever shapes come, planning for each combination once. What the
// late part of a plan and the bodies of control flow run on.
//
// Thread safety: one thread at a time.
#ifndef ERGO_ENGINE_RUN_GRAPH_RUNNER_H_
#define ERGO_ENGINE_RUN_GRAPH_RUNNER_H_

#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/plan/plan.h"
#include "engine/run/session.h"
#include "engine/run/trace.h"

namespace ergo {

class GraphRunner {
 public:
  // `graph` and `parallel` outlive it. bound[i]: the values of input i decide shapes, so they are
  // part of what a plan is made for; empty: none.
  GraphRunner(const Graph& graph, std::vector<bool> bound, const PlanOptions& options,
              ParallelFor& parallel);
  ~GraphRunner();

  // Any dtypes and shapes that the graph can be planned for. Errors: BuildPlan's.
  Result<std::vector<Tensor>> Run(std::span<const TensorView> inputs, Trace* trace);

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const Plan> plan;
    std::unique_ptr<Session> session;
  };

  std::string KeyOf(std::span<const TensorView> inputs) const;
  Result<Entry> Make(std::span<const TensorView> inputs) const;

  const Graph& graph_;
  std::vector<bool> bound_;
  PlanOptions options_;
  ParallelFor& parallel_;
  std::list<Entry> entries_;  // most recently used first
};

}  // namespace ergo

#endif  // ERGO_ENGINE_RUN_GRAPH_RUNNER_H_
