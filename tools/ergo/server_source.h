// A server as commands reach it.
#ifndef ERGO_TOOLS_ERGO_SERVER_SOURCE_H_
#define ERGO_TOOLS_ERGO_SERVER_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "engine/run/model.h"
#include "server/client/client.h"

namespace CLI {
class App;
}  // namespace CLI

namespace ergo::tool {

struct ServerFlags {
  std::string endpoint = "tcp://127.0.0.1:7077";
  int timeout_ms = 60000;
};
void DefineServerFlags(CLI::App& app, ServerFlags& flags);

// InvalidArgument for a malformed endpoint, Unavailable when nobody answers there.
Result<std::unique_ptr<Client>> ConnectTo(const ServerFlags& flags);

// What a server tells of a model's inputs, as a loaded model would tell it.
std::vector<Model::Port> PortsOf(const native::Metadata& metadata);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_SERVER_SOURCE_H_
