#include "tools/ergo/server_source.h"

#include <CLI/CLI.hpp>

namespace ergo::tool {

void DefineServerFlags(CLI::App& app, ServerFlags& flags) {
  app.add_option("--server", flags.endpoint, "tcp://HOST:PORT or unix:///PATH")
      ->type_name("ENDPOINT")
      ->capture_default_str();
  app.add_option("--timeout-ms", flags.timeout_ms, "How long to wait for an answer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

Result<std::unique_ptr<Client>> ConnectTo(const ServerFlags& flags) {
  Result<Endpoint> endpoint = Endpoint::Parse(flags.endpoint);
  if (!endpoint.ok()) return std::move(endpoint).status().WithContext("--server");
  ClientOptions options;
  options.timeout_ms = flags.timeout_ms;
  return Client::Connect(*endpoint, options);
}

std::vector<Model::Port> PortsOf(const native::Metadata& metadata) {
  std::vector<Model::Port> ports;
  for (const native::PortInfo& input : metadata.inputs) {
    ports.push_back({input.name, input.dtype, input.shape});
  }
  return ports;
}

}  // namespace ergo::tool
