#include "server/observe/metrics.h"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace ergo {
namespace {

using native::Figure;
using native::FigureKind;

constexpr uint64_t kNanojoulesPerMicrojoule = 1000;

template <typename Get>
uint64_t Sum(std::span<const Metrics* const> threads, Get get) {
  uint64_t sum = 0;
  for (const Metrics* thread : threads) sum += get(*thread).Get();
  return sum;
}

template <typename Get>
Figure HistogramFigure(std::string name, std::span<const Metrics* const> threads, Get get) {
  Figure figure{std::move(name), FigureKind::kHistogram, {0, 0}};
  for (const Metrics* thread : threads) figure.values[1] += get(*thread).Sum();
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    uint64_t count = 0;
    for (const Metrics* thread : threads) count += get(*thread).Count(bucket);
    if (count == 0) continue;
    figure.values[0] += count;
    figure.values.push_back(Histogram::UpperBound(bucket));
    figure.values.push_back(count);
  }
  return figure;
}

}  // namespace

void Metrics::RecordResult(int model, const native::ResultBlock& block) {
  constexpr double kNanojoulesPerJoule = 1e9;
  results.Add(1);
  queue_ns.Record(block.queue_ns);
  compute_ns.Record(block.compute_ns);
  Model(model).requests.Add(1);
  Model(model).compute_ns.Record(block.compute_ns);
  if (block.energy_source == EnergySource::kUnavailable) return;
  const auto nanojoules = static_cast<uint64_t>(block.joules * kNanojoulesPerJoule);
  (block.energy_source == EnergySource::kMeasured ? measured_nj : modelled_nj).Add(nanojoules);
}

std::vector<Figure> CollectFigures(std::span<const Metrics* const> threads,
                                   const Repository& models, uint64_t open_connections,
                                   uint64_t requests_in_flight) {
  std::vector<Figure> figures;
  const auto counter = [&](std::string name, auto get, uint64_t divisor = 1) {
    figures.push_back({std::move(name), FigureKind::kCounter, {Sum(threads, get) / divisor}});
  };
  counter(
      "requests", [](const Metrics& m) -> auto& { return m.requests; });
  counter(
      "results", [](const Metrics& m) -> auto& { return m.results; });
  for (size_t code = 1; code < static_cast<size_t>(native::kErrorCodes); ++code) {
    counter(
        fmt::format("errors.{}", native::ErrorCodeName(static_cast<native::ErrorCode>(code))),
        [code](const Metrics& m) -> auto& { return m.errors[code]; });
  }
  counter(
      "answers.dropped", [](const Metrics& m) -> auto& { return m.dropped; });
  counter(
      "runs.inline", [](const Metrics& m) -> auto& { return m.inline_runs; });
  counter(
      "connections.accepted", [](const Metrics& m) -> auto& { return m.connections_accepted; });
  counter(
      "connections.refused", [](const Metrics& m) -> auto& { return m.connections_refused; });
  counter(
      "connections.closed", [](const Metrics& m) -> auto& { return m.connections_closed; });
  figures.push_back({"connections.open", FigureKind::kGauge, {open_connections}});
  figures.push_back({"requests.in_flight", FigureKind::kGauge, {requests_in_flight}});
  counter(
      "bytes.received", [](const Metrics& m) -> auto& { return m.bytes_received; });
  counter(
      "bytes.sent", [](const Metrics& m) -> auto& { return m.bytes_sent; });
  counter(
      "energy.measured_uj", [](const Metrics& m) -> auto& { return m.measured_nj; },
      kNanojoulesPerMicrojoule);
  counter(
      "energy.modelled_uj", [](const Metrics& m) -> auto& { return m.modelled_nj; },
      kNanojoulesPerMicrojoule);
  figures.push_back(HistogramFigure(
      "queue_ns", threads, [](const Metrics& m) -> auto& { return m.queue_ns; }));
  figures.push_back(HistogramFigure(
      "compute_ns", threads, [](const Metrics& m) -> auto& { return m.compute_ns; }));
  for (const auto& model : models.Models()) {
    const std::string prefix = fmt::format("model.{}.{}", model->name, model->version);
    const int id = model->id;
    counter(
        prefix + ".requests", [id](const Metrics& m) -> auto& { return m.Model(id).requests; });
    figures.push_back(HistogramFigure(
        prefix + ".compute_ns",
        threads, [id](const Metrics& m) -> auto& { return m.Model(id).compute_ns; }));
  }
  return figures;
}

}  // namespace ergo
