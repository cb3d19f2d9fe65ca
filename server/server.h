// Server: offers a Repository of models over the native protocol.
//
//   std::unique_ptr<Repository> models = ...;
//   ERGO_ASSIGN_OR_RETURN(auto server, Server::Start(std::move(models), options));
//   ... server->Endpoints() ...
//   server->Drain();  // from a signal-waiting thread, say
//   server->Wait();
//
// Each ring thread owns a Ring, its connections and everything that belongs to them; nothing is
// shared between ring threads on the way of a request but counters. A request of a model that takes
// less than options.inline_compute_us runs on its ring thread, others on a pool of workers behind
// one bounded queue.
//
// Thread safety: Drain may be called by any thread (not by a signal handler); the rest by one
// thread at a time.
#ifndef ERGO_SERVER_SERVER_H_
#define ERGO_SERVER_SERVER_H_

#include <memory>
#include <vector>

#include "kernels/base/status.h"
#include "server/endpoint.h"
#include "server/models/repository.h"
#include "server/protocol/native/frame.h"
#include "server/server_options.h"

namespace ergo {

class Server {
 public:
  // Binds, starts the threads and serves. InvalidArgument for options that make no sense or an
  // empty repository; DeviceError naming the endpoint that cannot be bound.
  static Result<std::unique_ptr<Server>> Start(std::unique_ptr<Repository> models,
                                               const ServerOptions& options);
  // Drains and waits, if that was not done.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Where it listens, in the order of options.endpoints, ports resolved.
  const std::vector<Endpoint>& Endpoints() const;
  // The backend in use: kUring or kEpoll.
  RingKind Backend() const;
  const Repository& Models() const;

  // Stops accepting, answers everything that was received, closes. Returns at once; Wait waits.
  void Drain();
  // Until a drain is complete.
  void Wait();
  bool Draining() const;

  // The figures of STATS, and HEALTH.
  std::vector<native::Figure> Stats() const;
  native::Health GetHealth() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_SERVER_H_
