// Shard: one ring thread: its ring, its connections, and the requests that they send. Frames are
// decoded, requests placed (here or on a worker), answers encoded, limits kept.
//
// Thread safety: Run is the thread; Finished, Drain and the metrics may be used by others.
#ifndef ERGO_SERVER_CORE_SHARD_H_
#define ERGO_SERVER_CORE_SHARD_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/buffer_pool.h"
#include "server/core/connection.h"
#include "server/core/executor.h"
#include "server/core/job.h"
#include "server/core/worker_pool.h"
#include "server/net/ring.h"
#include "server/observe/metrics.h"
#include "server/schedule/placement.h"
#include "server/server_options.h"

namespace ergo {

// What all shards of a server share. Outlives them.
struct ShardContext {
  const ServerOptions* options = nullptr;
  const Repository* models = nullptr;
  WorkerPool* workers = nullptr;
  CpuTimeRate* rate = nullptr;  // null: energy is unavailable
  std::atomic<int> connections = 0;
  std::atomic<int64_t> held_bytes = 0;  // of request bodies, over all connections
  std::function<native::Health()> health;
  std::function<std::vector<native::Figure>()> stats;
};

class Shard final : public JobSink {
 public:
  // `number`: counts from 0. `listeners`: descriptors of listening sockets, which outlive it.
  Shard(ShardContext& context, size_t number, std::vector<int> listeners);
  ~Shard() override;

  // Makes the ring, tells `started` whether that worked, and serves until a drain is complete.
  void Run(const std::function<void(const Status&)>& started);

  void Drain();                                      // any thread, after `started`
  void Finished(std::unique_ptr<Job> job) override;  // any thread
  const Metrics& GetMetrics() const { return metrics_; }
  RingKind Backend() const { return backend_; }  // after `started`

 private:
  using Bytes = native::Bytes;

  // shard.cc: the loop and the ring's events.
  int64_t WaitNs() const;
  void Handle(const RingEvent& event);
  void HandleAccepted(const RingEvent& event);
  void HandleReceived(Connection& connection, const RingEvent& event);
  void HandleSent(Connection& connection, int error);
  void HandleClosed(Connection& connection);
  void Decode(Connection& connection, std::span<const std::byte> bytes);
  void NameTarget(Connection& connection);
  void CountPartialBody(Connection& connection);
  void QueueSettling(Connection& connection);
  void SettleAll();
  void Settle(Connection& connection);
  void Tick(int64_t now_ns);
  void BeginDrain();
  void SayGoAway(Connection& connection, native::GoAwayReason reason);
  void Finish(Connection& connection);
  void Close(Connection& connection);
  void SendFault(Connection& connection, const native::Fault& fault);
  Connection* Find(ConnectionId id) const;

  // shard_requests.cc: frames and requests.
  void HandleFrame(Connection& connection, native::Frame frame);
  void HandleHello(Connection& connection, std::span<const std::byte> body);
  void HandleMetadata(Connection& connection, const native::Frame& frame);
  void HandleModelList(Connection& connection, uint64_t request_id);
  void HandleInfer(Connection& connection, native::Frame frame);
  // The error to answer with, or kNone.
  native::ErrorMessage Admit(const Connection& connection, Job& job);
  void PlaceJob(std::unique_ptr<Job> job);
  void RunInline();
  void TakeFinished();
  void Answer(std::unique_ptr<Job> job);
  void SendError(Connection& connection, uint64_t request_id, const native::ErrorMessage& error);
  void SendSmall(Connection& connection);
  void Log(const Connection& connection, const Job& job) const;
  std::unique_ptr<Job> NewJob();
  void Recycle(std::unique_ptr<Job> job);

  ShardContext& context_;
  const ServerLimits& limits_;
  std::vector<int> listeners_;
  std::unique_ptr<Ring> ring_;  // made and reset by Run; others use it under finished_mutex_
  RingKind backend_ = RingKind::kAuto;
  BufferPool pool_;
  Metrics metrics_;
  Executor executor_;
  Placement placement_;
  DeadlineQueue<std::unique_ptr<Job>> inline_queue_;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::vector<ConnectionId> to_settle_, settling_;
  std::vector<std::unique_ptr<Job>> idle_jobs_;
  std::vector<size_t> answer_bytes_;  // by model id: size of the last answer's buffer
  Bytes scratch_;                     // one small frame
  int jobs_out_ = 0;                  // not answered yet, whoever has them
  int64_t next_tick_ns_ = 0;
  bool draining_ = false;

  std::atomic<bool> drain_asked_ = false;
  std::mutex finished_mutex_;
  std::vector<std::unique_ptr<Job>> finished_;  // guarded by finished_mutex_
  std::vector<std::unique_ptr<Job>> taken_;     // what was in it
};

}  // namespace ergo

#endif  // ERGO_SERVER_CORE_SHARD_H_
