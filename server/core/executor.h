// Executor: runs jobs on the thread it belongs to, with a Runner for each model, and writes the
// answer: outputs are computed straight into the frame that will be sent.
//
// Thread safety: one thread at a time. The repository and the rate outlive it.
#ifndef ERGO_SERVER_CORE_EXECUTOR_H_
#define ERGO_SERVER_CORE_EXECUTOR_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engine/energy/attribution.h"
#include "engine/run/model.h"
#include "server/core/job.h"

namespace ergo {

class Executor {
 public:
  // `rate` may be null: energy is unavailable. `first_cpu`: this thread's place in the models' list
  // of processors.
  Executor(const Repository& models, CpuTimeRate* rate, size_t first_cpu);

  // Fills the job's answer, a RESULT or an error. `expired`: its deadline is over.
  void Execute(Job& job, bool expired);

 private:
  void Fail(Job& job, native::ErrorCode code, std::string_view text) const;
  Result<Session*> SessionFor(Job& job);
  // Lays the answer out and makes room for it; false, with the error set, when it is too large.
  bool PrepareResponse(Job& job, native::TensorLayout& layout);
  void RunPlanned(Job& job, Session& session);
  void RunLate(Job& job, Session& session);
  void AccountFor(Job& job, int64_t compute_ns, int64_t cpu_ns) const;
  void FinishResponse(Job& job, const native::TensorLayout& layout);

  CpuTimeRate* rate_;
  size_t first_cpu_;
  std::vector<std::unique_ptr<Runner>> runners_;  // by model id; made on first use
  std::unordered_set<uint64_t> vetted_;  // placement keys whose working memory is within the limit
  // Reused from job to job.
  std::vector<Shape> shapes_;
  std::vector<native::WireTensor> outputs_;
  std::vector<MutableTensorView> views_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_CORE_EXECUTOR_H_
