// Job: one INFER request on its way from the ring thread that received it, maybe through a worker,
// back to that thread.
#ifndef ERGO_SERVER_CORE_JOB_H_
#define ERGO_SERVER_CORE_JOB_H_

#include <cstdint>
#include <vector>

#include "kernels/base/aligned_buffer.h"
#include "server/models/repository.h"
#include "server/net/ring.h"
#include "server/protocol/native/codec.h"
#include "server/schedule/deadline_queue.h"

namespace ergo {

class JobSink;

// Owned by one thread at a time; the queues between them hand it over.
struct Job {
  JobSink* home = nullptr;  // where it goes when it is done
  ConnectionId connection = 0;
  uint64_t request_id = 0;
  bool want_names = false;
  uint32_t max_body_bytes = 0;  // of the answer
  native::Frame frame;          // keeps what `infer` points to
  native::Infer infer;
  const ServedModel* model = nullptr;
  std::vector<TensorView> inputs;  // in the model's order
  uint64_t placement_key = 0;
  int64_t received_ns = 0;
  int64_t deadline_ns = kNoDeadline;

  // The answer. `error.code` kNone: a whole RESULT frame at kFrameOffset of `response`.
  native::ErrorMessage error;
  native::ResultBlock block;
  bool late = false;  // part of the run was planned while it ran
  AlignedBuffer response;
  size_t response_bytes = 0;

  // The frame's header goes before an aligned body.
  static constexpr size_t kFrameOffset = kTensorAlignment - native::kHeaderBytes;
};

// Takes finished jobs. Thread safety: Finished may be called by any thread.
class JobSink {
 public:
  virtual ~JobSink() = default;
  virtual void Finished(std::unique_ptr<Job> job) = 0;
};

}  // namespace ergo

#endif  // ERGO_SERVER_CORE_JOB_H_
