// Client: asks an Ergo server over the native protocol, tcp:// or unix://.
//
// Blocking:      Infer, Ping, GetHealth, ListModels, GetMetadata, GetStats.
// Asynchronous:  Submit many, collect answers with Poll in whatever order the server finishes them.
// The two may be mixed: a blocking call keeps answers to other requests for Poll.
//
//   ERGO_ASSIGN_OR_RETURN(auto client, Client::Connect(endpoint, {}));
//   std::vector<InferTensor> inputs = {{"x", TensorView{data, DType::kF32, Device::kCpu, {1,
//   64}}}}; ERGO_ASSIGN_OR_RETURN(InferResult result, client->Infer({.model = "digits", .inputs =
//   inputs}));
//
// Errors of the returned Status: Unavailable when the connection is lost or the server closed it
// (every further call fails likewise: make a new Client), CorruptData when the server breaks the
// protocol, DeadlineExceeded when options.timeout_ms passed. An ERROR that the server answered to a
// request has the code that ToStatusCode gives and the server's text.
//
// Thread safety: one thread at a time. Two threads want two clients.
#ifndef ERGO_SERVER_CLIENT_CLIENT_H_
#define ERGO_SERVER_CLIENT_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/status.h"
#include "server/endpoint.h"
#include "server/protocol/native/codec.h"

namespace ergo {

struct ClientOptions {
  int connect_timeout_ms = 5000;
  int timeout_ms = 60000;       // of blocking calls, and of Submit while the connection is full
  uint32_t max_body_bytes = 0;  // largest answer taken; 0: 4 GiB - 1
  uint32_t max_in_flight = 0;   // wanted of the server; 0: its choice
};

struct InferTensor {
  std::string_view name;  // "": the input with the number that it has in the list
  TensorView view;
};

struct InferRequest {
  std::string_view model;
  uint32_t version = 0;  // 0: the latest
  std::span<const InferTensor> inputs;
  uint64_t deadline_us = 0;  // from receipt by the server; 0: none
  int8_t priority = 0;
  bool want_names = true;  // output names in the answer
};

// The answer to one INFER. Outputs point into memory that the result owns.
struct InferResult {
  uint64_t request_id = 0;
  Status status;  // not OK: `error` and `retry_after_us` say more, and there are no outputs
  native::ErrorCode error = native::ErrorCode::kNone;
  uint32_t retry_after_us = 0;

  std::vector<InferTensor> outputs;  // in the model's order
  uint64_t queue_ns = 0, compute_ns = 0;
  uint32_t batch_size = 0;
  uint32_t model_version = 0;
  Joules joules;  // this request's share; `reason` set where there is none
  native::EnergyShare energy_share = native::EnergyShare::kNone;

  native::Frame frame;  // owns what `outputs` points to
};

class Client {
 public:
  // Connects and shakes hands. Unavailable naming the endpoint and the cause.
  static Result<std::unique_ptr<Client>> Connect(const Endpoint& endpoint,
                                                 const ClientOptions& options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // What the server granted.
  const native::HelloAck& Granted() const;
  // True after GOAWAY: Submit fails from now on, answers to what is in flight still come. When they
  // have, the client says so to the server, which then closes.
  bool ServerIsDraining() const;

  // Sends the request and returns its id. Blocks while the connection takes no more (reading
  // answers meanwhile); when it returns, the inputs' memory is no longer needed.
  Result<uint64_t> Submit(const InferRequest& request);
  // The next answer, waiting up to `timeout_ms` for it (0: only what is there, -1: for ever);
  // nullopt when none came. An error means that the connection is lost, and with it the answers
  // to all that is in flight.
  Result<std::optional<InferResult>> Poll(int timeout_ms);
  // Requests submitted whose answers Poll has not returned.
  int InFlight() const;
  // To wait on many clients at once with poll(2) for POLLIN, then Poll(0) until it has nothing.
  int Descriptor() const;
  // Ends the sending direction; answers may still be collected.
  void FinishSending();

  // Submit, and wait for this answer. An ERROR answer comes as the Status of the Result.
  Result<InferResult> Infer(const InferRequest& request);

  // Time to the server and back, in ns.
  Result<int64_t> Ping();
  Result<native::Health> GetHealth();
  Result<std::vector<native::ModelListEntry>> ListModels();
  Result<native::Metadata> GetMetadata(std::string_view model, uint32_t version = 0);
  Result<std::vector<native::Figure>> GetStats();

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ergo

#endif  // ERGO_SERVER_CLIENT_CLIENT_H_
