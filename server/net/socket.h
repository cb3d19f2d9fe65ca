// Sockets for endpoints: listening and connecting, TCP and Unix. All are non-blocking, closed on
// exec, and TCP ones have TCP_NODELAY.
#ifndef ERGO_SERVER_NET_SOCKET_H_
#define ERGO_SERVER_NET_SOCKET_H_

#include <string>

#include "kernels/base/status.h"
#include "server/endpoint.h"
#include "server/net/descriptor.h"

namespace ergo {

struct ListeningSocket {
  Descriptor descriptor;
  Endpoint bound;  // with the port that the system chose
};

// DeviceError naming the endpoint when it cannot be bound: in use, no right, no such address.
//
// `share_port` (TCP) lets several sockets of this process listen on one port (SO_REUSEPORT), the
// kernel spreading connections over them; a port on which somebody else listens is still refused.
// `first` is false for the second and further sockets of a shared port.
//
// Unix: a socket file on which nobody listens any more is replaced; any other file is not touched.
Result<ListeningSocket> ListenOn(const Endpoint& endpoint, bool share_port, bool first);

// Removes the file of a Unix socket that ListenOn made, when the server stops, unless another
// server has put its own there meanwhile.
class UnixSocketFile {
 public:
  UnixSocketFile() = default;
  explicit UnixSocketFile(std::string path);  // notes which file it is
  ~UnixSocketFile();
  UnixSocketFile(UnixSocketFile&& other) noexcept;
  UnixSocketFile& operator=(UnixSocketFile&&) = delete;

 private:
  std::string path_;
  unsigned long device_ = 0, inode_ = 0;
};

// Unavailable naming the endpoint and the cause. Names are resolved; each address is tried.
Result<Descriptor> ConnectTo(const Endpoint& endpoint, int timeout_ms);

// For a connection that a listening TCP socket accepted.
void SetNoDelay(int descriptor);

}  // namespace ergo

#endif  // ERGO_SERVER_NET_SOCKET_H_
