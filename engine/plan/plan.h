// Plan: a model made ready for concrete input shapes: steps in order, a kernel chosen and prepared
// for each (weights packed), and a place for every tensor in one arena whose bytes are reused as
// tensors die. Immutable: any number of Sessions run the same Plan at once.
//
// BuildPlan binds the input shapes, folds what has become constant (shape arithmetic above all),
// infers concrete shapes, lowers each node to kernels, and lays out the arena.
//
// Thread safety: a built Plan is immutable.
#ifndef ERGO_ENGINE_PLAN_PLAN_H_
#define ERGO_ENGINE_PLAN_PLAN_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/graph/budget.h"
#include "engine/graph/graph.h"
#include "engine/plan/kernel_choices.h"
#include "kernels/base/kernel.h"

namespace ergo {

struct PlanOptions {
  int max_workers = 1;         // ParallelFor::Workers() of the sessions that will run the plan
  SelectOptions kernels;       // device, forced variants
  PackCache* packs = nullptr;  // shared by the plans of one model; outlives the plan
  // Variants of single nodes, where `kernels` names none; what cannot take its own takes the usual
  // one. May be null; outlives the plan.
  const KernelChoices* choices = nullptr;
  ResourceLimits limits;  // of the plan, and of each of its runs
  bool explain = false;   // fill Step::candidates: every kernel is made, chosen or not
  // Nodes that have kernels for it run on this device, all others on the CPU. May be null; outlives
  // the plan, whose sessions run on it.
  cuda::Gpu* gpu = nullptr;
};

// Where a tensor's bytes are during a run.
struct PlanTensor {
  enum class Storage : uint8_t {
    kAbsent,    // an optional operand that is not there
    kInput,     // the caller's input number `index`
    kOutput,    // the caller's output number `index`
    kConstant,  // `constant`
    kArena,     // `offset` bytes into the arena
  };
  Storage storage = Storage::kAbsent;
  int index = 0;
  size_t offset = 0;
  int buffer = 0;  // tensors of one number share their bytes
  Tensor constant;
  DType dtype = DType::kUndefined;
  Shape shape;
  std::string name;  // of the graph's value, for traces and inspect
};

class Plan;

// If: runs one of two plans, chosen by a bool tensor at run time. The step's inputs are the
// condition, then what feeds the inputs of then_plan, then what feeds those of else_plan; its
// outputs are the outputs of either.
struct Branch {
  std::unique_ptr<Plan> then_plan, else_plan;
};

struct Step {
  std::string label;                 // "Conv 'conv_3'"
  std::string op;                    // "Conv"
  std::vector<int> inputs, outputs;  // indices into Plan::tensors
  // Exactly one of the two.
  std::unique_ptr<Kernel> kernel;
  std::unique_ptr<Branch> branch;
  KernelInfo info;                    // of the kernel
  std::vector<Candidate> candidates;  // all variants and why they declined; see PlanOptions
  KernelCost cost;
  // Within the arena: the kernel's workspace, or the arena of the branch that runs.
  size_t workspace_offset = 0, workspace_bytes = 0;
};

// The part of a model whose shapes are known only when the values before it are: everything that
// depends on a result of data-dependent size (NonZero, Loop) or on values that decide shapes
// (Reshape to a shape that is a model input). It is planned when those values are there, and such
// plans are cached like those of a model.
struct LateRegion {
  // Where an operand comes from when the plan's steps have run.
  struct Feed {
    int tensor = -1;      // of the plan, or
    int evaluation = -1;  // number of an evaluation, and
    int output = 0;       // which of its outputs
  };
  // A node whose result has a size of its own making, run after the steps. Its inputs, then what
  // its subgraphs capture, one subgraph after the other.
  struct Evaluation {
    Node node;
    std::vector<Feed> inputs;
  };
  std::vector<Evaluation> evaluations;
  Graph rest;                       // its inputs are what it needs of the part before
  std::vector<Feed> feeds;          // parallel to rest.inputs
  std::vector<bool> bound;          // parallel to rest.inputs: the values decide shapes
  std::vector<int> output_numbers;  // of the model, parallel to rest.outputs
};

class Plan {
 public:
  struct Port {  // an input or output of the model
    std::string name;
    DType dtype;
    Shape shape;
    bool late = false;  // an output whose shape is known only after the run; `shape` means nothing
  };
  std::vector<Port> inputs, outputs;
  std::vector<PlanTensor> tensors;
  std::vector<Step> steps;
  size_t arena_bytes = 0;     // what a Session allocates, workspaces and branches included
  size_t tensor_bytes = 0;    // sum over all arena tensors: what the arena would take without reuse
  size_t constant_bytes = 0;  // constants that steps still read
  int folded_nodes = 0;       // nodes of the graph whose results became constants here
  int layout_conversions = 0;        // copies from one layout of images to the other
  PlanOptions options;               // that the plan was made with
  std::unique_ptr<LateRegion> late;  // null where everything is planned: the common case
};

// Errors: InvalidArgument where shapes do not fit the graph, Unsupported naming the node, its
// operator and what is missing, ResourceExhausted where the plan or a run of it takes more than
// options.limits. Does not change `graph`; the plan keeps the constants it needs
// alive.
Result<std::unique_ptr<Plan>> BuildPlan(const Graph& graph, std::span<const Shape> input_shapes,
                                        const PlanOptions& options);

// Everything in `graph` that could not be planned, found without knowing input shapes: operators
// without schema or lowering. Empty: nothing known against it.
struct UnsupportedNode {
  std::string node, op, reason;
  int opset = 0;
};
std::vector<UnsupportedNode> FindUnsupported(const Graph& graph);

}  // namespace ergo

#endif  // ERGO_ENGINE_PLAN_PLAN_H_
