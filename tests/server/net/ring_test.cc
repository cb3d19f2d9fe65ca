// Both backends under the same tests. The ring's side runs on its own thread where the test's
// client would block; what it does with each event is told by a small handler.
#include "server/net/ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "server/net/socket.h"

namespace ergo {
namespace {

using Kind = RingEvent::Kind;
constexpr int64_t kSecondNs = 1'000'000'000;

Endpoint LocalTcp() {
  return {Endpoint::Kind::kTcp, "127.0.0.1", 0, ""};
}

// Blocking client socket, for simple tests.
Descriptor ConnectBlocking(const Endpoint& endpoint) {
  Descriptor descriptor = ConnectTo(endpoint, 2000).value();
  fcntl(descriptor.Get(), F_SETFL, fcntl(descriptor.Get(), F_GETFL) & ~O_NONBLOCK);
  timeval patience{20, 0};
  setsockopt(descriptor.Get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(descriptor.Get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  return descriptor;
}

void SendAll(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(sent, 0) << strerror(errno);
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
}

// Up to `bytes`, fewer at the end of the stream.
std::vector<std::byte> ReceiveUpTo(int descriptor, size_t bytes) {
  std::vector<std::byte> received(bytes);
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got = recv(descriptor, received.data() + have, bytes - have, 0);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  received.resize(have);
  return received;
}

std::vector<std::byte> RandomBytes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

iovec Part(std::span<const std::byte> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

class RingTest : public testing::TestWithParam<RingKind> {
 protected:
  void SetUp() override {
    if (GetParam() == RingKind::kUring && !UringWorks()) GTEST_SKIP() << "io_uring is blocked here";
    MakeRing({.kind = GetParam()});
    if (HasFatalFailure()) return;
    listening_ = ListenOn(LocalTcp(), false, true).value();
    ring_->Listen(listening_.descriptor.Get(), 7);
  }

  static bool UringWorks() {
    static const bool works = Ring::Create({.kind = RingKind::kUring}).ok();
    return works;
  }

  void MakeRing(const RingOptions& options) {
    Result<std::unique_ptr<Ring>> ring = Ring::Create(options);
    ASSERT_TRUE(ring.ok()) << ring.status().ToString();
    ring_ = std::move(ring).value();
    ASSERT_EQ(ring_->Kind(), GetParam());
  }

  // Handles events until `done`, or fails after 20 s.
  void RunUntil(const std::function<bool()>& done,
                const std::function<void(const RingEvent&)>& handle) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
      for (const RingEvent& event : ring_->Wait(kSecondNs / 20)) handle(event);
    }
  }

  ConnectionId AcceptOne() {
    ConnectionId accepted = 0;
    RunUntil([&] { return accepted != 0; },
             [&](const RingEvent& event) {
               if (event.kind == Kind::kAccepted) accepted = event.connection;
             });
    return accepted;
  }

  ListeningSocket listening_;  // outlives the ring
  std::unique_ptr<Ring> ring_;
};

// Sends back what it receives, one Send at a time, and closes when the peer has finished.
class Echo {
 public:
  explicit Echo(Ring& ring) : ring_(ring) {}

  void Handle(const RingEvent& event) {
    Peer& peer = peers_[event.connection];
    switch (event.kind) {
      case Kind::kAccepted: ++accepted_; break;
      case Kind::kReceived:
        peer.waiting.emplace_back(event.data.begin(), event.data.end());
        Flush(event.connection, peer);
        break;
      case Kind::kSent:
        peer.sending.clear();
        Flush(event.connection, peer);
        break;
      case Kind::kEnded:
        peer.ended = true;
        Flush(event.connection, peer);
        break;
      case Kind::kClosed:
        peers_.erase(event.connection);
        ++closed_;
        break;
    }
  }

  int Accepted() const { return accepted_; }
  int Closed() const { return closed_; }

 private:
  struct Peer {
    std::deque<std::vector<std::byte>> waiting, sending;
    bool ended = false;
  };

  void Flush(ConnectionId id, Peer& peer) {
    if (!peer.sending.empty()) return;
    if (peer.waiting.empty()) {
      if (peer.ended) ring_.Close(id);
      return;
    }
    peer.sending.swap(peer.waiting);
    std::vector<iovec> parts;
    for (const auto& bytes : peer.sending) parts.push_back(Part(bytes));
    ring_.Send(id, parts);
  }

  Ring& ring_;
  std::map<ConnectionId, Peer> peers_;
  int accepted_ = 0, closed_ = 0;
};

TEST_P(RingTest, EchoesSmallAndLargeTransfersAndClosesAfterHalfClose) {
  const std::vector<std::byte> bytes = RandomBytes(20 << 20, 1);
  std::thread client([&] {
    const Descriptor socket = ConnectBlocking(listening_.bound);
    SendAll(socket.Get(), std::span(bytes).first(3));
    EXPECT_EQ(ReceiveUpTo(socket.Get(), 3),
              std::vector<std::byte>(bytes.begin(), bytes.begin() + 3));
    std::vector<std::byte> received;
    std::thread sender([&] {
      SendAll(socket.Get(), bytes);
      shutdown(socket.Get(), SHUT_WR);
    });
    received = ReceiveUpTo(socket.Get(), bytes.size() + 1);
    sender.join();
    EXPECT_EQ(received.size(), bytes.size());
    EXPECT_TRUE(received == bytes);
  });
  Echo echo(*ring_);
  RunUntil([&] { return echo.Closed() == 1; },
           [&](const RingEvent& event) {
             EXPECT_EQ(event.listener, event.kind == Kind::kAccepted ? 7 : 0);
             echo.Handle(event);
           });
  client.join();
}

TEST_P(RingTest, ManyConnections) {
  constexpr int kConnections = 200, kRounds = 5;
  std::thread client([&] {
    std::vector<Descriptor> sockets;
    for (int i = 0; i < kConnections; ++i) sockets.push_back(ConnectBlocking(listening_.bound));
    for (int round = 0; round < kRounds; ++round) {
      for (int i = 0; i < kConnections; ++i) {
        const auto bytes = RandomBytes(100, static_cast<uint32_t>(i + 1000 * round));
        SendAll(sockets[static_cast<size_t>(i)].Get(), bytes);
      }
      for (int i = 0; i < kConnections; ++i) {
        const auto bytes = RandomBytes(100, static_cast<uint32_t>(i + 1000 * round));
        ASSERT_EQ(ReceiveUpTo(sockets[static_cast<size_t>(i)].Get(), 100), bytes) << i;
      }
    }
  });
  Echo echo(*ring_);
  RunUntil([&] { return echo.Closed() == kConnections; },
           [&](const RingEvent& event) { echo.Handle(event); });
  EXPECT_EQ(echo.Accepted(), kConnections);
  client.join();
}

// Fewer provided buffers than connections that send at once: everything arrives all the same.
TEST_P(RingTest, ShortageOfBuffersLosesNothing) {
  ring_.reset();
  MakeRing({.kind = GetParam(), .entries = 8, .buffer_count = 2, .buffer_bytes = 512});
  ring_->Listen(listening_.descriptor.Get(), 7);
  constexpr int kConnections = 20;
  std::vector<std::thread> clients;
  for (int i = 0; i < kConnections; ++i) {
    clients.emplace_back([this, i] {
      const Descriptor socket = ConnectBlocking(listening_.bound);
      const auto bytes = RandomBytes(50000, static_cast<uint32_t>(i));
      SendAll(socket.Get(), bytes);
      shutdown(socket.Get(), SHUT_WR);
      EXPECT_TRUE(ReceiveUpTo(socket.Get(), bytes.size() + 1) == bytes);
    });
  }
  Echo echo(*ring_);
  RunUntil([&] { return echo.Closed() == kConnections; },
           [&](const RingEvent& event) { echo.Handle(event); });
  for (std::thread& client : clients) client.join();
  EXPECT_GT(ring_->Counters().buffer_shortages, 0u);
}

TEST_P(RingTest, ReceivesDirectlyIntoATarget) {
  const std::vector<std::byte> bytes = RandomBytes(8 << 20, 3);
  std::thread client([&] {
    const Descriptor socket = ConnectBlocking(listening_.bound);
    SendAll(socket.Get(), bytes);
    SendAll(socket.Get(), std::span(bytes).first(10));
    ReceiveUpTo(socket.Get(), 1);  // until the other side closes
  });
  std::vector<std::byte> memory(bytes.size());
  std::vector<std::byte> after;
  size_t have = 0, direct_bytes = 0;
  RunUntil([&] { return after.size() == 10; },
           [&](const RingEvent& event) {
             if (event.kind != Kind::kReceived) return;
             if (event.direct) {
               have += event.bytes;
               direct_bytes += event.bytes;
             } else {
               const size_t take = std::min(event.data.size(), memory.size() - have);
               std::memcpy(memory.data() + have, event.data.data(), take);
               have += take;
               after.insert(after.end(), event.data.begin() + static_cast<ptrdiff_t>(take),
                            event.data.end());
             }
             ring_->ReceiveInto(event.connection, std::span(memory).subspan(have));
             if (after.size() == 10) ring_->Close(event.connection);
           });
  EXPECT_TRUE(memory == bytes);
  EXPECT_TRUE(std::equal(after.begin(), after.end(), bytes.begin()));
  EXPECT_GT(direct_bytes, bytes.size() / 2);
  ring_->Wait(0);
  client.join();
}

TEST_P(RingTest, PausedConnectionStopsThePeerAndResumes) {
  const std::vector<std::byte> bytes = RandomBytes(32 << 20, 4);
  std::atomic<size_t> sent = 0;
  std::thread client([&] {
    const Descriptor socket = ConnectBlocking(listening_.bound);
    for (size_t at = 0; at < bytes.size(); at += 65536) {
      SendAll(socket.Get(), std::span(bytes).subspan(at, 65536));
      sent = at + 65536;
    }
  });
  const ConnectionId id = AcceptOne();
  ring_->PauseReceiving(id);
  size_t received = 0;
  const auto count = [&](const RingEvent& event) {
    if (event.kind == Kind::kReceived) received += event.data.size();
  };
  // Until the sender stands still.
  size_t last = 1;
  for (int quiet = 0; quiet < 5;) {
    for (const RingEvent& event : ring_->Wait(kSecondNs / 20)) count(event);
    quiet = sent == last ? quiet + 1 : 0;
    last = sent;
  }
  EXPECT_LT(sent, bytes.size()) << "sockets swallowed everything; the test needs more bytes";
  const size_t while_paused = received;
  EXPECT_LT(while_paused, size_t{8} << 20);
  ring_->ResumeReceiving(id);
  RunUntil([&] { return received == bytes.size(); }, count);
  client.join();
}

TEST_P(RingTest, SlowReaderBlocksOnlyItsOwnSend) {
  const std::vector<std::byte> bytes = RandomBytes(32 << 20, 5);
  const Descriptor slow = ConnectBlocking(listening_.bound);
  const ConnectionId slow_id = AcceptOne();
  const iovec part = Part(bytes);
  ring_->Send(slow_id, {&part, 1});

  std::thread client([&] {
    const Descriptor socket = ConnectBlocking(listening_.bound);
    SendAll(socket.Get(), std::span(bytes).first(1000));
    shutdown(socket.Get(), SHUT_WR);
    EXPECT_EQ(ReceiveUpTo(socket.Get(), 2000).size(), 1000u);
  });
  Echo echo(*ring_);
  bool slow_sent = false;
  const auto handle = [&](const RingEvent& event) {
    if (event.connection != slow_id) return echo.Handle(event);
    if (event.kind == Kind::kSent) slow_sent = true;
  };
  RunUntil([&] { return echo.Closed() == 1; }, handle);
  client.join();
  EXPECT_FALSE(slow_sent);
  EXPECT_LT(ring_->SentSoFar(slow_id), bytes.size());

  std::thread reader([&] { EXPECT_TRUE(ReceiveUpTo(slow.Get(), bytes.size()) == bytes); });
  RunUntil([&] { return slow_sent; }, handle);
  reader.join();
}

TEST_P(RingTest, CloseDuringSendFreesTheMemoryWithKClosed) {
  auto bytes = std::make_unique<std::vector<std::byte>>(RandomBytes(32 << 20, 6));
  const Descriptor peer = ConnectBlocking(listening_.bound);
  const ConnectionId id = AcceptOne();
  const iovec part = Part(*bytes);
  ring_->Send(id, {&part, 1});
  ring_->Wait(kSecondNs / 50);
  ring_->Close(id);
  bool closed = false;
  RunUntil([&] { return closed; },
           [&](const RingEvent& event) {
             EXPECT_EQ(event.kind, Kind::kClosed);
             EXPECT_EQ(event.connection, id);
             closed = true;
           });
  bytes.reset();  // a backend that still reads it trips the sanitizer
  while (ReceiveUpTo(peer.Get(), 65536).size() == 65536) {
  }
  // Verbs on an id that is gone do nothing.
  ring_->Send(id, {&part, 1});
  ring_->PauseReceiving(id);
  ring_->ResumeReceiving(id);
  ring_->ReceiveInto(id, {});
  ring_->ShutdownSend(id);
  ring_->Close(id);
  EXPECT_TRUE(ring_->Wait(0).empty());
}

TEST_P(RingTest, CloseDuringDirectReceive) {
  std::vector<std::byte> memory(1 << 20);
  const Descriptor peer = ConnectBlocking(listening_.bound);
  const ConnectionId id = AcceptOne();
  ring_->ReceiveInto(id, memory);
  ring_->Wait(kSecondNs / 50);
  ring_->Wait(kSecondNs / 50);
  ring_->Close(id);
  bool closed = false;
  RunUntil([&] { return closed; },
           [&](const RingEvent& event) { closed |= event.kind == Kind::kClosed; });
  EXPECT_EQ(ReceiveUpTo(peer.Get(), 1).size(), 0u);
}

TEST_P(RingTest, ResetByThePeerEndsWithAnError) {
  Descriptor peer = ConnectBlocking(listening_.bound);
  const ConnectionId id = AcceptOne();
  const linger reset{1, 0};
  setsockopt(peer.Get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  peer.Reset();
  bool ended = false;
  RunUntil([&] { return ended; },
           [&](const RingEvent& event) {
             if (event.kind != Kind::kEnded) return;
             EXPECT_EQ(event.error, ECONNRESET);
             ended = true;
           });
  const std::byte byte{};
  const iovec part = Part({&byte, 1});
  ring_->Send(id, {&part, 1});
  bool failed = false;
  RunUntil([&] { return failed; },
           [&](const RingEvent& event) {
             EXPECT_EQ(event.kind, Kind::kSent);
             EXPECT_NE(event.error, 0);
             failed = true;
           });
}

TEST_P(RingTest, ShutdownSendEndsOnlyOneDirection) {
  const Descriptor peer = ConnectBlocking(listening_.bound);
  const ConnectionId id = AcceptOne();
  ring_->ShutdownSend(id);
  EXPECT_EQ(ReceiveUpTo(peer.Get(), 1).size(), 0u);
  const auto bytes = RandomBytes(10, 1);
  SendAll(peer.Get(), bytes);
  size_t received = 0;
  RunUntil([&] { return received == 10; },
           [&](const RingEvent& event) { received += event.data.size(); });
}

TEST_P(RingTest, WakeFromAnotherThread) {
  std::atomic<int> handed_over = 0;
  int seen = 0;
  constexpr int kWakes = 2000;
  std::thread other([&] {
    for (int i = 0; i < kWakes; ++i) {
      ++handed_over;
      ring_->Wake();
      if (i % 100 == 0) std::this_thread::yield();
    }
  });
  // Each Wait could block for ever: a lost Wake makes the test time out.
  while (seen < kWakes) {
    ring_->Wait(-1);
    seen = handed_over;
  }
  other.join();
  // One Wake may still be pending; then nothing keeps Wait from waiting.
  ring_->Wait(0);
  const auto begin = std::chrono::steady_clock::now();
  ring_->Wait(kSecondNs / 20);
  ring_->Wait(kSecondNs / 20);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(40));
}

TEST_P(RingTest, StopListeningKeepsConnections) {
  const Descriptor peer = ConnectBlocking(listening_.bound);
  AcceptOne();
  ring_->StopListening();
  ring_->Wait(kSecondNs / 50);
  const Descriptor late = ConnectBlocking(listening_.bound);  // into the backlog
  const auto bytes = RandomBytes(10, 1);
  SendAll(peer.Get(), bytes);
  size_t received = 0;
  RunUntil([&] { return received == 10; },
           [&](const RingEvent& event) {
             EXPECT_NE(event.kind, Kind::kAccepted);
             received += event.data.size();
           });
}

TEST_P(RingTest, RunsOutOfDescriptorsAndRecovers) {
  std::vector<Descriptor> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(ConnectTo(listening_.bound, 1000).value());
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int lowest_free = fcntl(0, F_DUPFD, 0);
  close(lowest_free);
  const rlimit tight{static_cast<rlim_t>(lowest_free), before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &tight);
  int accepted = 0;
  const auto count = [&](const RingEvent& event) { accepted += event.kind == Kind::kAccepted; };
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(200)) {
    for (const RingEvent& event : ring_->Wait(kSecondNs / 100)) count(event);
  }
  EXPECT_EQ(accepted, 0);
  EXPECT_LT(ring_->Counters().waits, 1000u) << "the ring spins on accept";
  setrlimit(RLIMIT_NOFILE, &before);
  RunUntil([&] { return accepted == 5; }, count);
}

TEST_P(RingTest, AdoptedSocketpair) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  const ConnectionId id = ring_->Adopt(pair[0]);
  const Descriptor peer(pair[1]);
  const auto bytes = RandomBytes(10, 1);
  SendAll(peer.Get(), bytes);
  size_t received = 0;
  RunUntil([&] { return received == 10; },
           [&](const RingEvent& event) {
             EXPECT_EQ(event.connection, id);
             received += event.data.size();
           });
}

INSTANTIATE_TEST_SUITE_P(Backends, RingTest, testing::Values(RingKind::kUring, RingKind::kEpoll),
                         [](const auto& backend) {
                           return std::string(RingKindName(backend.param));
                         });

}  // namespace
}  // namespace ergo
