// Model: a Graph that is ready to serve: its plans, one for each combination of input shapes seen
// (kept in a bounded cache), all sharing packed weights. Runner: one worker's sessions on it.
//
// This is the engine's door for everybody above: tools, server, tests.
#ifndef ERGO_ENGINE_RUN_MODEL_H_
#define ERGO_ENGINE_RUN_MODEL_H_

#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/graph/dim_range.h"
#include "engine/graph/graph.h"
#include "engine/plan/plan.h"
#include "engine/run/limits.h"
#include "engine/run/session.h"
#include "engine/run/thread_pool.h"

namespace ergo {

struct ModelOptions {
  int threads = 1;  // per run; a Runner's pool has as many
  SelectOptions kernels;
  size_t max_plans = kDefaultMaxPlans;  // combinations of input shapes kept ready
  ResourceLimits limits;                // of each plan, and of each run
  // Where nodes run that have kernels for it; null: everything runs on the CPU.
  std::shared_ptr<cuda::Gpu> gpu;
  // Processors for the threads of Runners, see Runner's constructor. Empty: the system decides.
  std::vector<int> pin_cpus;
};

// Thread safety: all members may be called concurrently.
class Model {
 public:
  struct Port {
    std::string name;
    DType dtype;
    SymbolicShape shape;
  };

  // Infers shapes. The graph should have been through Optimize already. Unsupported listing every
  // node that cannot run; CorruptData for ranges of dimensions that make no sense.
  static Result<std::unique_ptr<Model>> Create(Graph graph, const ModelOptions& options);

  const std::vector<Port>& Inputs() const { return inputs_; }
  const std::vector<Port>& Outputs() const { return outputs_; }
  // By symbol: the numbers that it takes, where whoever converted the model said so.
  const std::vector<DimRange>& DimRanges() const { return dim_ranges_; }
  const Graph& GetGraph() const { return graph_; }
  const ModelOptions& Options() const { return options_; }

  // InvalidArgument naming the input whose rank or known dimensions do not fit, or symbols that
  // stand for two numbers at once or for one outside of their range.
  Status CheckShapes(std::span<const Shape> input_shapes) const;

  // From the cache or new. The least recently used plan goes when there are more than max_plans
  // (whoever still runs it keeps it alive).
  Result<std::shared_ptr<const Plan>> PlanFor(std::span<const Shape> input_shapes);

  // Plans all combinations of input shapes that there are, or the first max_plans of them, small
  // dimensions first, so that no request has to wait for that. Errors are PlanFor's.
  struct PlannedAhead {
    size_t planned = 0;
    std::string missing;  // what is not planned and why; "" when nothing is left to plan
  };
  Result<PlannedAhead> PlanAhead();

  size_t PackedWeightBytes() const { return packs_.TotalBytes(); }

 private:
  Model(Graph graph, std::vector<DimRange> ranges, const ModelOptions& options);

  Graph graph_;
  ModelOptions options_;
  std::vector<Port> inputs_, outputs_;
  std::vector<DimRange> dim_ranges_;
  PackCache packs_;
  KernelChoices choices_;
  struct CachedPlan {
    std::vector<Shape> shapes;
    std::shared_ptr<const Plan> plan;
  };
  std::mutex mutex_;
  std::list<CachedPlan> plans_;  // most recently used first
};

// Sessions of one worker thread on one model, kept by input shapes.
// Thread safety: one thread at a time. The model outlives it.
class Runner {
 public:
  // Worker i of its pool is pinned to processor pin_cpus[(first_cpu + i) % size] of the model's
  // options. Worker 0 is whoever calls Run: the caller pins itself, or does not.
  explicit Runner(Model& model, size_t first_cpu = 0);
  ~Runner();

  // The session for these input shapes: planned and made on first use, found without allocating
  // afterwards. Valid until the next call with other shapes.
  Result<Session*> SessionFor(std::span<const Shape> input_shapes);

  // Convenience: checks the inputs, runs, and returns the outputs in new tensors.
  Result<std::vector<Tensor>> Run(std::span<const TensorView> inputs, Trace* trace = nullptr);

 private:
  struct Entry {
    std::vector<Shape> shapes;
    std::shared_ptr<const Plan> plan;
    std::unique_ptr<Session> session;
  };
  Model& model_;
  ThreadPool pool_;
  std::list<Entry> entries_;  // most recently used first, at most max_plans
};

}  // namespace ergo

#endif  // ERGO_ENGINE_RUN_MODEL_H_
