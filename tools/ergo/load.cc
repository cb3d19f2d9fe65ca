// ergo load.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/client/client.h"
#include "tools/ergo/command.h"
#include "tools/ergo/input_tensors.h"
#include "tools/ergo/load_generator.h"
#include "tools/ergo/number_text.h"
#include "tools/ergo/report.h"
#include "tools/ergo/server_source.h"
#include "tools/ergo/table.h"

namespace ergo::tool {
namespace {

constexpr std::array kQuantiles = {0.5, 0.9, 0.95, 0.99, 0.999};
// A quantile needs about ten samples beyond it to mean something.
constexpr double kSamplesBeyond = 10;

std::string QuantileName(double q) {
  return fmt::format("p{:g}", q * 100);
}

std::string NsText(double ns) {
  return DurationText(ns / 1e3);
}

Json HistogramJson(const LatencyHistogram& histogram) {
  Json document = {{"count", histogram.Count()},
                   {"mean_us", histogram.Mean() / 1e3},
                   {"min_us", static_cast<double>(histogram.Min()) / 1e3}};
  for (const double q : kQuantiles) {
    document[QuantileName(q) + "_us"] = static_cast<double>(histogram.Quantile(q)) / 1e3;
  }
  document["max_us"] = static_cast<double>(histogram.Max()) / 1e3;
  return document;
}

// Latency against percentile, a bar a line, the axis logarithmic in "nines" as HdrHistogram plots
// it.
std::string PercentilePlot(const LatencyHistogram& histogram) {
  constexpr int kWidth = 48;
  std::string plot;
  for (const double q : {0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0}) {
    const auto value = static_cast<double>(q == 0 ? histogram.Min() : histogram.Quantile(q));
    const double share = value / std::max<double>(static_cast<double>(histogram.Max()), 1);
    const auto bar = static_cast<size_t>(std::lround(share * kWidth));
    plot += fmt::format("  {:>6}  {:<{}} {}\n",
                        q == 0   ? "min"
                        : q == 1 ? "max"
                                 : QuantileName(q),
                        std::string(bar, '#'), kWidth, NsText(value));
  }
  return plot;
}

class Load final : public Command {
 public:
  void Define(CLI::App& app) override {
    DefineServerFlags(app, server_);
    app.add_option("--model", model_, "Which model to ask")->type_name("NAME")->required();
    app.add_option("--version", version_, "Which version of it (0: the latest)");
    DefineInputFlags(app, inputs_);
    app.add_option("--connections", connections_, "")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app.add_option("--in-flight", plan_.in_flight, "Requests open on each connection, at most")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app.add_option("--rate", plan_.rate_per_s,
                   "Open loop: requests a second over all connections, due whatever the server "
                   "does; latency counts from when a request was due")
        ->check(CLI::PositiveNumber)
        ->type_name("PER_S");
    app.add_option("--arrivals", arrivals_, "Of the open loop: poisson or constant")
        ->check(CLI::IsMember({"poisson", "constant"}))
        ->capture_default_str();
    app.add_option("--duration", plan_.duration_s, "")
        ->check(CLI::PositiveNumber)
        ->type_name("S")
        ->capture_default_str();
    app.add_option("--warmup", plan_.warmup_s, "Sent first, not counted")
        ->check(CLI::NonNegativeNumber)
        ->type_name("S")
        ->capture_default_str();
    app.add_option("--requests", plan_.max_requests, "Stop after so many (0: by time)")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--seed", plan_.seed, "Of arrivals")->capture_default_str();
    app.add_option("--deadline-us", deadline_us_, "Sent with each request")->type_name("US");
    app.add_option("--slo-us", slo_us_, "Report the share of answers within this")->type_name("US");
    DefineJson(app);
  }

  Result<ExitCode> Run() override {
    plan_.arrivals = arrivals_ == "constant" ? Arrivals::kConstant : Arrivals::kPoisson;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < connections_; ++i) {
      ERGO_ASSIGN_OR_RETURN(auto client, ConnectTo(server_));
      const auto granted = static_cast<int>(client->Granted().max_in_flight);
      if (plan_.in_flight > granted) {
        return InvalidArgument("--in-flight: the server grants {} a connection", granted);
      }
      clients.push_back(std::move(client));
    }
    ERGO_ASSIGN_OR_RETURN(const native::Metadata metadata,
                          clients[0]->GetMetadata(model_, version_));
    const std::vector<Model::Port> ports = PortsOf(metadata);
    if (!inputs_.random && inputs_.inputs.empty()) inputs_.random = plan_.seed;
    ERGO_ASSIGN_OR_RETURN(const GatheredInputs gathered, GatherInputs(ports, inputs_));
    std::vector<InferTensor> tensors;
    for (size_t i = 0; i < ports.size(); ++i) tensors.push_back({"", gathered.tensors[i].View()});
    InferRequest request;
    request.model = model_;
    request.version = version_;
    request.inputs = tensors;
    request.deadline_us = deadline_us_;
    request.want_names = false;
    const bool show_progress = isatty(STDERR_FILENO) != 0 && !Json();
    ERGO_ASSIGN_OR_RETURN(
        const LoadResult result,
        GenerateLoad(clients, request, plan_, [&](double share, const LoadResult& so_far) {
          if (!show_progress) return;
          std::fprintf(stderr, "\r%3.0f %%  %lld answers", share * 100,
                       static_cast<long long>(so_far.ok));
          if (share >= 1) std::fprintf(stderr, "\r\033[K");
          std::fflush(stderr);
        }));
    if (Json()) {
      PrintJson(ToJson(result));
    } else {
      PrintText(ToText(result, gathered));
    }
    ERGO_RETURN_IF_ERROR(FlushReport());
    return result.ok > 0 && result.errors.empty() ? kExitOk : kExitFailed;
  }

 private:
  double Goodput(const LoadResult& result) const {
    return result.measured_s <= 0 ? 0 : static_cast<double>(result.ok) / result.measured_s;
  }

  tool::Json EnergyJson(const LoadResult& result) const {
    tool::Json document = tool::Json::object();
    const auto add = [&](const char* source, double joules, int64_t answers) {
      if (answers == 0) return;
      document[source] = {{"joules_per_request", joules / static_cast<double>(answers)},
                          {"answers", answers}};
    };
    add("measured", result.measured_joules, result.measured_answers);
    add("modelled", result.modelled_joules, result.modelled_answers);
    if (result.unmetered_answers > 0) {
      document["unavailable"] = {{"answers", result.unmetered_answers}};
    }
    return document;
  }

  tool::Json ToJson(const LoadResult& result) const {
    tool::Json document = {{"model", model_},
                           {"connections", connections_},
                           {"in_flight", plan_.in_flight},
                           {"mode", plan_.rate_per_s > 0 ? "open" : "closed"}};
    if (plan_.rate_per_s > 0) {
      document["offered_per_s"] = plan_.rate_per_s;
      document["arrivals"] = arrivals_;
      document["lag"] = HistogramJson(result.lag_ns);
    }
    document["measured_s"] = result.measured_s;
    document["sent"] = result.sent;
    document["ok"] = result.ok;
    document["achieved_per_s"] = Goodput(result);
    document["errors"] = result.errors;
    document["latency"] = HistogramJson(result.latency_ns);
    document["queue"] = HistogramJson(result.queue_ns);
    document["compute"] = HistogramJson(result.compute_ns);
    if (slo_us_ > 0) {
      document["slo_us"] = slo_us_;
      document["share_within_slo"] = result.latency_ns.ShareWithin(slo_us_ * 1000);
    }
    document["mean_batch"] = result.ok > 0 ? result.batch_sum / static_cast<double>(result.ok) : 0;
    document["energy"] = EnergyJson(result);
    return document;
  }

  std::string ToText(const LoadResult& result, const GatheredInputs& gathered) const {
    std::string text;
    for (const std::string& assumed : gathered.assumed)
      text += fmt::format("assumed {}\n", assumed);
    text += plan_.rate_per_s > 0
                ? fmt::format("open loop, {} arrivals: offered {:.1f}/s, answered {:.1f}/s\n",
                              arrivals_, plan_.rate_per_s, Goodput(result))
                : fmt::format("closed loop, {} connections x {} in flight: answered {:.1f}/s\n",
                              connections_, plan_.in_flight, Goodput(result));
    text += fmt::format("{} sent, {} answered in {:.1f} s\n", result.sent, result.ok,
                        result.measured_s);
    for (const auto& [name, count] : result.errors) text += fmt::format("  {} {}\n", count, name);
    Table table;
    table.Column("");
    for (const double q : kQuantiles) table.Column(QuantileName(q), Table::Align::kRight);
    for (const char* header : {"max", "mean"}) table.Column(header, Table::Align::kRight);
    const auto row = [&](const char* name, const LatencyHistogram& histogram) {
      std::vector<std::string> cells = {name};
      for (const double q : kQuantiles) {
        const bool enough = static_cast<double>(histogram.Count()) * (1 - q) >= kSamplesBeyond;
        cells.push_back((enough ? "" : "~") + NsText(static_cast<double>(histogram.Quantile(q))));
      }
      cells.push_back(NsText(static_cast<double>(histogram.Max())));
      cells.push_back(NsText(histogram.Mean()));
      table.Row(std::move(cells));
    };
    row("latency", result.latency_ns);
    row("queue", result.queue_ns);
    row("compute", result.compute_ns);
    if (plan_.rate_per_s > 0) row("lag", result.lag_ns);
    text += table.ToString();
    text += "(~: fewer than ten samples beyond)\n";
    if (slo_us_ > 0) {
      text += fmt::format("within {} us: {:.3f} %\n", slo_us_,
                          100 * result.latency_ns.ShareWithin(slo_us_ * 1000));
    }
    text += PercentilePlot(result.latency_ns);
    return text + EnergyText(result);
  }

  static std::string EnergyText(const LoadResult& result) {
    std::string text;
    const auto add = [&](const char* source, double joules, int64_t answers) {
      if (answers == 0) return;
      text += fmt::format("energy: {:.6g} J a request ({}, mean of {} answers)\n",
                          joules / static_cast<double>(answers), source, answers);
    };
    add("measured", result.measured_joules, result.measured_answers);
    add("modelled", result.modelled_joules, result.modelled_answers);
    if (result.unmetered_answers > 0) {
      text += fmt::format("energy: unavailable for {} answers\n", result.unmetered_answers);
    }
    return text;
  }

  ServerFlags server_;
  std::string model_;
  uint32_t version_ = 0;
  InputFlags inputs_;
  int connections_ = 1;
  LoadPlan plan_;
  std::string arrivals_ = "poisson";
  uint64_t deadline_us_ = 0;
  int64_t slo_us_ = 0;
};

}  // namespace

std::unique_ptr<Command> MakeLoad() {
  return std::make_unique<Load>();
}

}  // namespace ergo::tool
