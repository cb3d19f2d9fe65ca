// Endpoint: where a server listens or a client connects: tcp://HOST:PORT or unix://PATH.
#ifndef ERGO_SERVER_ENDPOINT_H_
#define ERGO_SERVER_ENDPOINT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/base/status.h"

namespace ergo {

struct Endpoint {
  enum class Kind : uint8_t { kTcp, kUnix };
  Kind kind = Kind::kTcp;
  std::string host;   // kTcp: a name or address, without the brackets of IPv6
  uint16_t port = 0;  // kTcp: 0 lets the system choose when listening
  std::string path;   // kUnix

  // InvalidArgument that shows the two forms.
  static Result<Endpoint> Parse(std::string_view text);
  std::string ToString() const;
};

}  // namespace ergo

#endif  // ERGO_SERVER_ENDPOINT_H_
