#include "server/server.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/energy/attribution.h"
#include "engine/run/thread_pool.h"
#include "server/core/shard.h"
#include "server/core/worker_pool.h"
#include "server/monotonic_clock.h"
#include "server/net/socket.h"

namespace ergo {
namespace {

Status CheckOptions(const ServerOptions& options) {
  const ServerLimits& limits = options.limits;
  if (options.endpoints.empty()) return InvalidArgument("no endpoint to listen on");
  if (options.ring_threads < 1 || options.workers < 1) {
    return InvalidArgument("{} ring threads and {} workers: at least 1 of each is needed",
                           options.ring_threads, options.workers);
  }
  if (options.name.size() > static_cast<size_t>(kMaxModelNameBytes)) {
    return InvalidArgument("the server's name is too long");
  }
  if (limits.max_body_bytes < kMinGrantedBodyBytes ||
      limits.max_in_flight_per_connection < kMinGrantedInFlight) {
    return InvalidArgument(
        "the protocol promises each client bodies of {} bytes and {} requests in flight",
        kMinGrantedBodyBytes, kMinGrantedInFlight);
  }
  const bool positive =
      std::min({limits.max_connections, limits.max_queued_requests, limits.hello_timeout_ms,
                limits.frame_timeout_ms, limits.write_stall_timeout_ms}) > 0 &&
      std::min({limits.max_held_bytes_per_connection, limits.max_held_bytes,
                limits.max_send_queue_bytes}) > 0 &&
      std::min(limits.idle_timeout_ms, limits.drain_grace_ms) >= 0;
  if (!positive) return InvalidArgument("a limit of the server is 0 or negative");
  return {};
}

}  // namespace

class Server::Impl {
 public:
  Impl(std::unique_ptr<Repository> models, const ServerOptions& options)
      : options_(options), models_(std::move(models)) {}
  ~Impl() {
    Drain();
    Wait();
  }

  Status Start() {
    ERGO_RETURN_IF_ERROR(CheckOptions(options_));
    models_->Seal();
    if (models_->Models().empty()) return InvalidArgument("no model to serve");
    ERGO_RETURN_IF_ERROR(Bind());
    if (options_.meter != nullptr) rate_ = std::make_unique<CpuTimeRate>(options_.meter);
    workers_ = std::make_unique<WorkerPool>(options_, *models_, rate_.get());
    started_ns_ = MonotonicNs();
    context_.options = &options_;
    context_.models = models_.get();
    context_.workers = workers_.get();
    context_.rate = rate_.get();
    context_.health = [this] { return GetHealth(); };
    context_.stats = [this] { return Stats(); };
    return StartThreads();
  }

  void Drain() {
    if (draining_.exchange(true)) return;
    for (const auto& shard : shards_) shard->Drain();
  }

  void Wait() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    sockets_.clear();
    socket_files_.clear();
  }

  const std::vector<Endpoint>& Endpoints() const { return endpoints_; }
  RingKind Backend() const { return shards_.front()->Backend(); }
  const Repository& Models() const { return *models_; }
  bool Draining() const { return draining_; }

  std::vector<native::Figure> Stats() const {
    std::vector<const Metrics*> metrics;
    for (const auto& shard : shards_) metrics.push_back(&shard->GetMetrics());
    return CollectFigures(metrics, *models_, OpenConnections(), InFlight());
  }

  native::Health GetHealth() const {
    native::Health health;
    health.state = draining_ ? native::HealthState::kDraining : native::HealthState::kReady;
    health.models = static_cast<uint32_t>(models_->Models().size());
    health.connections = static_cast<uint32_t>(OpenConnections());
    health.requests_in_flight = static_cast<uint32_t>(InFlight());
    health.uptime_ns = static_cast<uint64_t>(MonotonicNs() - started_ns_);
    return health;
  }

 private:
  uint64_t OpenConnections() const {
    return static_cast<uint64_t>(std::max(context_.connections.load(), 0));
  }
  uint64_t InFlight() const {
    uint64_t sum = 0;
    for (const auto& shard : shards_) sum += shard->GetMetrics().jobs_out.Get();
    return sum;
  }

  // TCP: a socket for each ring thread, on one port. Unix: one socket for all.
  Status Bind() {
    const auto threads = static_cast<size_t>(options_.ring_threads);
    listeners_.resize(threads);
    for (const Endpoint& endpoint : options_.endpoints) {
      const bool unix_socket = endpoint.kind == Endpoint::Kind::kUnix;
      const bool share = !unix_socket && threads > 1;
      ERGO_ASSIGN_OR_RETURN(ListeningSocket first, ListenOn(endpoint, share, true));
      const Endpoint bound = first.bound;
      if (unix_socket) socket_files_.emplace_back(endpoint.path);
      sockets_.push_back(std::move(first));
      listeners_[0].push_back(sockets_.back().descriptor.Get());
      for (size_t i = 1; i < threads; ++i) {
        if (share) {
          ERGO_ASSIGN_OR_RETURN(ListeningSocket more, ListenOn(bound, true, false));
          sockets_.push_back(std::move(more));
        }
        listeners_[i].push_back(sockets_.back().descriptor.Get());
      }
      endpoints_.push_back(bound);
    }
    return {};
  }

  Status StartThreads() {
    for (size_t i = 0; i < listeners_.size(); ++i) {
      shards_.push_back(std::make_unique<Shard>(context_, i, std::move(listeners_[i])));
    }
    Status failed;
    size_t running = 0;
    for (; running < shards_.size() && failed.ok(); ++running) {
      std::promise<Status> started;
      std::future<Status> result = started.get_future();
      threads_.emplace_back([this, running, &started] {
        pthread_setname_np(pthread_self(), fmt::format("ergo-ring-{}", running).c_str());
        PinCurrentThread(options_.CpuOf(running));
        shards_[running]->Run([&started](const Status& status) { started.set_value(status); });
      });
      failed = result.get();
      // What the first thread found out about io_uring holds, and is logged, for all.
      if (failed.ok()) options_.ring = shards_[running]->Backend();
    }
    if (failed.ok()) return {};
    draining_ = true;
    for (const auto& shard : shards_) shard->Drain();
    Wait();
    return failed;
  }

  ServerOptions options_;
  std::unique_ptr<Repository> models_;
  std::vector<UnixSocketFile> socket_files_;
  std::vector<ListeningSocket> sockets_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::vector<int>> listeners_;  // of each ring thread
  int64_t started_ns_ = 0;
  std::atomic<bool> draining_ = false;
  std::unique_ptr<CpuTimeRate> rate_;
  ShardContext context_;
  // Workers end before the shards that they answer to.
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<WorkerPool> workers_;
  std::vector<std::thread> threads_;
};

Result<std::unique_ptr<Server>> Server::Start(std::unique_ptr<Repository> models,
                                              const ServerOptions& options) {
  auto impl = std::make_unique<Impl>(std::move(models), options);
  ERGO_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

const std::vector<Endpoint>& Server::Endpoints() const {
  return impl_->Endpoints();
}
RingKind Server::Backend() const {
  return impl_->Backend();
}
const Repository& Server::Models() const {
  return impl_->Models();
}
void Server::Drain() {
  impl_->Drain();
}
void Server::Wait() {
  impl_->Wait();
}
bool Server::Draining() const {
  return impl_->Draining();
}
std::vector<native::Figure> Server::Stats() const {
  return impl_->Stats();
}
native::Health Server::GetHealth() const {
  return impl_->GetHealth();
}

}  // namespace ergo
