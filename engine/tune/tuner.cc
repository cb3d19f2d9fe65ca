#include "engine/tune/tuner.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <utility>

#include "engine/run/session.h"
#include "engine/run/trace.h"
#include "kernels/registry.h"

namespace ergo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUpRounds = 3;

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// A plan, what runs it, and how long its nodes took.
class Contender {
 public:
  static Result<std::unique_ptr<Contender>> Make(const Graph& graph, KernelChoices choices,
                                                 std::span<const Shape> shapes, PackCache& packs,
                                                 ThreadPool& pool) {
    auto contender = std::make_unique<Contender>();
    contender->choices_ = std::move(choices);
    PlanOptions options;
    options.max_workers = pool.Workers();
    options.packs = &packs;
    options.choices = &contender->choices_;
    ERGO_ASSIGN_OR_RETURN(contender->plan_, BuildPlan(graph, shapes, options));
    ERGO_ASSIGN_OR_RETURN(contender->session_, Session::Create(*contender->plan_, pool));
    contender->trace_ = std::make_unique<Trace>(contender->plan_->steps.size());
    return contender;
  }

  const Plan& GetPlan() const { return *plan_; }

  // The variants of each node's steps, "conv=winograd4,gemm=simd".
  std::map<std::string, std::string> Variants() const {
    std::map<std::string, std::string> variants;
    for (const Step& step : plan_->steps) {
      if (step.kernel == nullptr) continue;
      std::string& of_node = variants[step.label];
      const std::string one = fmt::format("{}={}", step.info.family, step.info.variant);
      if (of_node.find(one) == std::string::npos) of_node += (of_node.empty() ? "" : ",") + one;
    }
    return variants;
  }

  Status Run(std::span<const TensorView> inputs, bool counts) {
    trace_->Clear();
    const Clock::time_point begin = Clock::now();
    ERGO_RETURN_IF_ERROR(session_->RunToTensors(inputs, trace_.get()).status());
    if (!counts) return {};
    whole_us_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    std::map<std::string, double> us;
    for (const Trace::Event& event : trace_->Events()) {
      us[event.step->label] += static_cast<double>(event.end_ns - event.begin_ns) / 1e3;
    }
    for (const auto& [label, sum] : us) node_us_[label].push_back(sum);
    return {};
  }

  double NodeUs(const std::string& label) const {
    const auto found = node_us_.find(label);
    return found == node_us_.end() ? 0 : Median(found->second);
  }
  double WholeUs() const { return Median(whole_us_); }

 private:
  KernelChoices choices_;
  std::unique_ptr<Plan> plan_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Trace> trace_;
  std::vector<double> whole_us_;
  std::map<std::string, std::vector<double>> node_us_;
};

// "conv=a,gemm=b": the variants number `place` of the families, "" where none has so many.
std::string VariantsAt(size_t place, const std::vector<std::string_view>& families) {
  std::map<std::string_view, std::vector<std::string_view>> variants;
  for (const KernelInfo& kernel : AllKernels()) {
    if (kernel.variant != "reference") variants[kernel.family].push_back(kernel.variant);
  }
  std::string forced;
  for (const std::string_view family : families) {
    const auto& all = variants[family];
    if (place >= all.size()) continue;
    forced += fmt::format("{}{}={}", forced.empty() ? "" : ",", family, all[place]);
  }
  return forced;
}

// Of `forced`, the part that is for families of the node's steps.
std::string ForFamilies(std::string_view forced, std::string_view variants) {
  std::string kept;
  for (size_t end = 0; !forced.empty(); forced.remove_prefix(std::min(end + 1, forced.size()))) {
    end = std::min(forced.find(','), forced.size());
    const std::string_view one = forced.substr(0, end);
    const std::string_view family = one.substr(0, one.find('=') + 1);
    const size_t at = variants.find(family);
    if (at == std::string_view::npos || (at > 0 && variants[at - 1] != ',')) continue;
    kept += fmt::format("{}{}", kept.empty() ? "" : ",", one);
  }
  return kept;
}

class Tuner {
 public:
  Tuner(const Graph& graph, std::span<const TensorView> inputs, const TuneOptions& options)
      : graph_(graph), inputs_(inputs), options_(options), pool_({options.threads, 50, {}}) {
    for (const TensorView& input : inputs) shapes_.push_back(input.shape);
  }

  Result<TuneReport> Run() {
    ERGO_RETURN_IF_ERROR(MakeContenders());
    rounds_ = 2 * (options_.rounds + kWarmUpRounds);
    ERGO_RETURN_IF_ERROR(Measure());
    TuneReport report = Choose();
    ERGO_RETURN_IF_ERROR(Confirm(report));
    return report;
  }

 private:
  Status MakeContenders() {
    ERGO_RETURN_IF_ERROR(Add({}));
    const auto usual = contenders_[0]->Variants();
    std::vector<std::string_view> families;
    for (const Step& step : contenders_[0]->GetPlan().steps) {
      if (step.kernel == nullptr || std::ranges::count(families, step.info.family) > 0) continue;
      families.push_back(step.info.family);
    }
    for (size_t place = 0;; ++place) {
      const std::string forced = VariantsAt(place, families);
      if (forced.empty()) return {};
      KernelChoices choices;
      for (const auto& [label, variants] : usual) {
        std::string own = ForFamilies(forced, variants);
        if (!own.empty()) choices.Set(label, std::move(own));
      }
      ERGO_RETURN_IF_ERROR(Add(std::move(choices)));
      const auto variants = contenders_.back()->Variants();
      const bool seen =
          std::any_of(contenders_.begin(), contenders_.end() - 1,
                      [&](const auto& other) { return other->Variants() == variants; });
      if (seen) contenders_.pop_back();
    }
  }

  Status Add(KernelChoices choices) {
    ERGO_ASSIGN_OR_RETURN(auto contender,
                          Contender::Make(graph_, std::move(choices), shapes_, packs_, pool_));
    contenders_.push_back(std::move(contender));
    return {};
  }

  Status Measure() {
    for (int round = -kWarmUpRounds; round < options_.rounds; ++round) {
      if (options_.progress) options_.progress(done_++, rounds_);
      for (const auto& contender : contenders_) {
        ERGO_RETURN_IF_ERROR(contender->Run(inputs_, round >= 0));
      }
    }
    return {};
  }

  TuneReport Choose() const {
    TuneReport report;
    std::vector<std::map<std::string, std::string>> variants;
    for (const auto& contender : contenders_) variants.push_back(contender->Variants());
    std::vector<std::string_view> seen;
    for (const Step& step : contenders_[0]->GetPlan().steps) {
      if (step.kernel == nullptr || std::ranges::count(seen, step.label) > 0) continue;
      seen.push_back(step.label);
      TunedNode node;
      node.label = step.label;
      node.usual = node.chosen = variants[0].at(step.label);
      node.usual_us = node.chosen_us = contenders_[0]->NodeUs(step.label);
      node.candidates = 1;
      for (size_t i = 1; i < contenders_.size(); ++i) {
        const auto own = variants[i].find(step.label);
        if (own == variants[i].end() || own->second == node.usual) continue;
        ++node.candidates;
        const double us = contenders_[i]->NodeUs(step.label);
        if (us >= node.chosen_us || us >= node.usual_us * (1 - options_.min_gain)) continue;
        node.chosen_us = us;
        node.chosen = own->second;
      }
      if (node.candidates == 1) continue;
      if (node.chosen != node.usual) report.choices.Set(node.label, node.chosen);
      report.nodes.push_back(std::move(node));
    }
    return report;
  }

  // Both plans whole, in turns: what is not faster after all is not kept.
  Status Confirm(TuneReport& report) {
    contenders_.resize(1);
    ERGO_RETURN_IF_ERROR(Add({}));
    ERGO_RETURN_IF_ERROR(Add(report.choices));
    contenders_.erase(contenders_.begin());  // times anew
    ERGO_RETURN_IF_ERROR(Measure());
    report.usual_us = contenders_[0]->WholeUs();
    report.tuned_us = contenders_[1]->WholeUs();
    if (report.tuned_us >= report.usual_us) {
      report.choices = {};
      report.tuned_us = report.usual_us;
    }
    return {};
  }

  const Graph& graph_;
  std::span<const TensorView> inputs_;
  const TuneOptions& options_;
  std::vector<Shape> shapes_;
  ThreadPool pool_;
  PackCache packs_;
  std::vector<std::unique_ptr<Contender>> contenders_;  // the usual plan first
  int done_ = 0, rounds_ = 0;
};

}  // namespace

Result<TuneReport> Tune(const Graph& graph, std::span<const TensorView> inputs,
                        const TuneOptions& options) {
  return Tuner(graph, inputs, options).Run();
}

}  // namespace ergo
