#include "server/net/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace ergo {
namespace {

constexpr int kBacklog = 4096;
constexpr int kSocketFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

std::string ErrorText(int error) {
  return std::system_category().message(error);
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> Resolve(const Endpoint& endpoint, bool passive) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  addrinfo* list = nullptr;
  const std::string port = std::to_string(endpoint.port);
  const int error = getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &list);
  if (error != 0) {
    return Error(StatusCode::kUnavailable, "{}: {}", endpoint.ToString(), gai_strerror(error));
  }
  return Addresses(list);
}

sockaddr_un UnixAddress(const Endpoint& endpoint) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ERGO_CHECK(endpoint.path.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, endpoint.path.data(), endpoint.path.size());
  return address;
}

void Enable(int descriptor, int level, int option) {
  const int on = 1;
  setsockopt(descriptor, level, option, &on, sizeof(on));
}

// 0 or an errno.
int BindAndListen(const addrinfo& address, bool share_port, bool listen_too, Descriptor& out) {
  out.Reset(socket(address.ai_family, kSocketFlags, address.ai_protocol));
  if (!out.Valid()) return errno;
  Enable(out.Get(), SOL_SOCKET, SO_REUSEADDR);
  if (share_port) Enable(out.Get(), SOL_SOCKET, SO_REUSEPORT);
  if (address.ai_family == AF_INET6) Enable(out.Get(), IPPROTO_IPV6, IPV6_V6ONLY);
  SetNoDelay(out.Get());  // accepted sockets inherit it on Linux
  if (bind(out.Get(), address.ai_addr, address.ai_addrlen) != 0) return errno;
  return !listen_too || listen(out.Get(), kBacklog) == 0 ? 0 : errno;
}

Result<uint16_t> LocalPort(int descriptor) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return Error(StatusCode::kDeviceError, "getsockname: {}", ErrorText(errno));
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

Result<ListeningSocket> ListenTcp(const Endpoint& endpoint, bool share_port, bool first) {
  ERGO_ASSIGN_OR_RETURN(const Addresses addresses, Resolve(endpoint, true));
  ListeningSocket result;
  int error = 0;
  // SO_REUSEPORT would let a second server of the same user steal half of the connections in
  // silence: that nobody listens there is first tried without it.
  if (share_port && first) error = BindAndListen(*addresses, false, true, result.descriptor);
  if (error == 0) error = BindAndListen(*addresses, share_port, true, result.descriptor);
  if (error != 0) {
    return Error(StatusCode::kDeviceError, "cannot listen on {}: {}", endpoint.ToString(),
                 ErrorText(error));
  }
  result.bound = endpoint;
  ERGO_ASSIGN_OR_RETURN(result.bound.port, LocalPort(result.descriptor.Get()));
  return result;
}

// True when the path is a socket file to which nobody listens.
bool IsStale(const Endpoint& endpoint) {
  struct stat status {};
  if (lstat(endpoint.path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const Descriptor probe(socket(AF_UNIX, kSocketFlags, 0));
  const sockaddr_un address = UnixAddress(endpoint);
  return connect(probe.Get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
         errno == ECONNREFUSED;
}

Result<ListeningSocket> ListenUnix(const Endpoint& endpoint) {
  const sockaddr_un address = UnixAddress(endpoint);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  ListeningSocket result{Descriptor(socket(AF_UNIX, kSocketFlags, 0)), endpoint};
  int failed = bind(result.descriptor.Get(), generic, sizeof(address));
  if (failed != 0 && errno == EADDRINUSE && IsStale(endpoint)) {
    unlink(endpoint.path.c_str());
    failed = bind(result.descriptor.Get(), generic, sizeof(address));
  }
  if (failed != 0 || listen(result.descriptor.Get(), kBacklog) != 0) {
    return Error(StatusCode::kDeviceError, "cannot listen on {}: {}", endpoint.ToString(),
                 ErrorText(errno));
  }
  return result;
}

// 0 or an errno; waits for the connection.
int FinishConnect(int descriptor, int connected, int timeout_ms) {
  if (connected == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{descriptor, POLLOUT, 0};
  int ready = 0;
  do {
    ready = poll(&waiting, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

Status ConnectError(const Endpoint& endpoint, int error) {
  return Error(StatusCode::kUnavailable, "cannot connect to {}: {}", endpoint.ToString(),
               ErrorText(error));
}

}  // namespace

void SetNoDelay(int descriptor) {
  Enable(descriptor, IPPROTO_TCP, TCP_NODELAY);
}

Result<ListeningSocket> ListenOn(const Endpoint& endpoint, bool share_port, bool first) {
  if (endpoint.kind == Endpoint::Kind::kUnix) return ListenUnix(endpoint);
  return ListenTcp(endpoint, share_port, first);
}

UnixSocketFile::UnixSocketFile(std::string path) : path_(std::move(path)) {
  struct stat status {};
  if (lstat(path_.c_str(), &status) == 0) {
    device_ = status.st_dev;
    inode_ = status.st_ino;
  }
}

UnixSocketFile::UnixSocketFile(UnixSocketFile&& other) noexcept
    : path_(std::exchange(other.path_, "")), device_(other.device_), inode_(other.inode_) {}

UnixSocketFile::~UnixSocketFile() {
  struct stat status {};
  if (path_.empty() || lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) unlink(path_.c_str());
}

Result<Descriptor> ConnectTo(const Endpoint& endpoint, int timeout_ms) {
  if (endpoint.kind == Endpoint::Kind::kUnix) {
    Descriptor descriptor(socket(AF_UNIX, kSocketFlags, 0));
    const sockaddr_un address = UnixAddress(endpoint);
    const int connected =
        connect(descriptor.Get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    if (connected != 0) return ConnectError(endpoint, errno);
    return descriptor;
  }
  ERGO_ASSIGN_OR_RETURN(const Addresses addresses, Resolve(endpoint, false));
  int error = EADDRNOTAVAIL;
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    Descriptor descriptor(socket(address->ai_family, kSocketFlags, address->ai_protocol));
    if (!descriptor.Valid()) {
      error = errno;
      continue;
    }
    SetNoDelay(descriptor.Get());
    const int connected = connect(descriptor.Get(), address->ai_addr, address->ai_addrlen);
    error = FinishConnect(descriptor.Get(), connected, timeout_ms);
    if (error == 0) return descriptor;
  }
  return ConnectError(endpoint, error);
}

}  // namespace ergo
