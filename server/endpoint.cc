#include "server/endpoint.h"

#include <charconv>

namespace ergo {
namespace {

Status Malformed(std::string_view text) {
  return InvalidArgument("'{}' is not an endpoint: use tcp://HOST:PORT or unix:///PATH", text);
}

}  // namespace

Result<Endpoint> Endpoint::Parse(std::string_view text) {
  constexpr std::string_view kTcpScheme = "tcp://", kUnixScheme = "unix://";
  // sockaddr_un holds 107 characters and a zero.
  constexpr size_t kMaxUnixPath = 107;
  Endpoint endpoint;
  if (text.starts_with(kUnixScheme)) {
    endpoint.kind = Kind::kUnix;
    endpoint.path = text.substr(kUnixScheme.size());
    if (endpoint.path.empty() || endpoint.path.size() > kMaxUnixPath) return Malformed(text);
    return endpoint;
  }
  if (!text.starts_with(kTcpScheme)) return Malformed(text);
  std::string_view rest = text.substr(kTcpScheme.size());
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return Malformed(text);
  std::string_view host = rest.substr(0, colon);
  const std::string_view port = rest.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc() || end != port.data() + port.size() || port.empty()) {
    return Malformed(text);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return Malformed(text);
  endpoint.host = host;
  return endpoint;
}

std::string Endpoint::ToString() const {
  if (kind == Kind::kUnix) return fmt::format("unix://{}", path);
  const bool ipv6 = host.find(':') != std::string::npos;
  return fmt::format("tcp://{}{}{}:{}", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port);
}

}  // namespace ergo
