// Metrics: what one ring thread counts. Each thread has its own, written without locks; readers add
// them up.
//
// Thread safety: one writer, any number of readers.
#ifndef ERGO_SERVER_OBSERVE_METRICS_H_
#define ERGO_SERVER_OBSERVE_METRICS_H_

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "server/models/repository.h"
#include "server/observe/histogram.h"
#include "server/protocol/native/frame.h"

namespace ergo {

struct ModelMetrics {
  Counter requests;
  Histogram compute_ns;
};

class Metrics {
 public:
  explicit Metrics(size_t models) : models_(models) {}

  Counter requests, results, dropped;
  std::array<Counter, native::kErrorCodes> errors;
  Counter connections_accepted, connections_refused, connections_closed;
  Counter bytes_received, bytes_sent;
  Counter inline_runs;
  Gauge jobs_out;  // requests received and not answered
  Histogram queue_ns, compute_ns;
  Counter measured_nj, modelled_nj;
  ModelMetrics& Model(int id) { return models_[static_cast<size_t>(id)]; }
  const ModelMetrics& Model(int id) const { return models_[static_cast<size_t>(id)]; }

  // A RESULT goes out.
  void RecordResult(int model, const native::ResultBlock& block);
  void RecordError(native::ErrorCode code) { errors[static_cast<size_t>(code)].Add(1); }

 private:
  std::vector<ModelMetrics> models_;
};

// The figures of STATS, added up over threads; named as in PROTOCOL.md. Gauges come from outside.
std::vector<native::Figure> CollectFigures(std::span<const Metrics* const> threads,
                                           const Repository& models, uint64_t open_connections,
                                           uint64_t requests_in_flight);

}  // namespace ergo

#endif  // ERGO_SERVER_OBSERVE_METRICS_H_
