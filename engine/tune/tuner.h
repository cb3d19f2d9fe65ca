// Tuning: measures every variant that a model's nodes can take, in place, and keeps the fastest for
// each.
//
// For each family's first, second, ... variant a whole plan is made in which every node takes that
// variant if it can. The plans run in turns, A B C, A B C, ..., and each node's steps are timed
// within the run, with the caches as the nodes around leave them. So a model takes as many plans as
// its largest family has variants, however many nodes it has.
#ifndef ERGO_ENGINE_TUNE_TUNER_H_
#define ERGO_ENGINE_TUNE_TUNER_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/plan/kernel_choices.h"
#include "engine/run/model.h"

namespace ergo {

struct TuneOptions {
  int threads = 1;
  int rounds = 25;         // runs of each plan that count
  double min_gain = 0.03;  // a variant has to be so much faster than the one that is chosen anyway
  // Called before each round with its number and that of all rounds; may be empty.
  std::function<void(int round, int rounds)> progress;
};

// What one node could take and takes.
struct TunedNode {
  std::string label;
  std::string usual;   // "conv/implicit_gemm": the variants of its steps without tuning
  std::string chosen;  // the same, with it
  double usual_us = 0, chosen_us = 0;
  int candidates = 0;  // plans that gave it other variants, the usual one included
};

struct TuneReport {
  KernelChoices choices;         // empty where nothing was faster
  std::vector<TunedNode> nodes;  // those that had a choice, in the order of the plan
  // Medians of whole runs, in turns, after the choice.
  double usual_us = 0, tuned_us = 0;
};

// Of an optimized graph, on inputs like those that will come. Errors are those of planning.
// Thread safety: as a Session's; nothing else should run on the machine.
Result<TuneReport> Tune(const Graph& graph, std::span<const TensorView> inputs,
                        const TuneOptions& options);

}  // namespace ergo

#endif  // ERGO_ENGINE_TUNE_TUNER_H_
