// Clients that break the rules, one after the other, while another is served normally.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "server/client/client.h"
#include "server/net/socket.h"
#include "server/server.h"
#include "tests/server/integration/small_models.h"

namespace ergo {
namespace {

using native::Bytes;
using native::ErrorCode;
using native::FrameType;

// A client that can send anything.
class RawClient {
 public:
  explicit RawClient(const Endpoint& endpoint)
      : descriptor_(ConnectTo(endpoint, 2000).value()),
        pool_(1 << 20),
        decoder_(native::Side::kClient, 1 << 28, pool_) {}

  // As much as the socket takes within a second of standing still; returns the bytes taken.
  size_t Send(std::span<const std::byte> bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t now =
          send(descriptor_.Get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now > 0) {
        sent += static_cast<size_t>(now);
        continue;
      }
      pollfd waiting{descriptor_.Get(), POLLOUT, 0};
      if (errno != EAGAIN || poll(&waiting, 1, 1000) == 0) break;
    }
    return sent;
  }

  void Hello() {
    Bytes bytes;
    native::AppendHello({}, bytes);
    Send(bytes);
    EXPECT_EQ(Receive()->header.type, FrameType::kHelloAck);
  }

  // The next frame; nullopt when the server closed the connection or 10 s passed.
  std::optional<native::Frame> Receive() {
    std::byte buffer[4096];
    for (;;) {
      if (decoder_.Next(rest_) == native::Decoder::Outcome::kFrame) return decoder_.TakeFrame();
      pollfd waiting{descriptor_.Get(), POLLIN, 0};
      if (poll(&waiting, 1, 10000) == 0) {
        ADD_FAILURE() << "the server neither answered nor closed";
        return std::nullopt;
      }
      const ssize_t got = recv(descriptor_.Get(), buffer, sizeof(buffer), 0);
      if (got <= 0) return std::nullopt;
      received_.assign(buffer, buffer + got);
      rest_ = received_;
    }
  }

  // Frames until the server closes; the last ERROR among them.
  native::ErrorMessage ReceiveErrorAndEnd() {
    native::ErrorMessage last{ErrorCode::kNone, 0, 0, ""};
    while (auto frame = Receive()) {
      if (frame->header.type == FrameType::kError) {
        last = native::ParseError(frame->Body()).value();
        last_id_ = frame->header.request_id;
      }
    }
    return last;
  }
  uint64_t LastId() const { return last_id_; }

  void ShutdownSending() { shutdown(descriptor_.Get(), SHUT_WR); }

 private:
  Descriptor descriptor_;
  BufferPool pool_;
  native::Decoder decoder_;
  std::vector<std::byte> received_;
  std::span<const std::byte> rest_;
  uint64_t last_id_ = 0;
};

Bytes InferFrame(uint64_t id, std::string_view model, std::vector<native::WireTensor> tensors) {
  native::Infer infer;
  infer.model = model;
  infer.tensors = std::move(tensors);
  const native::TensorLayout layout = native::LayOutTensors(model, infer.tensors, 1u << 30).value();
  Bytes bytes(native::kHeaderBytes + layout.body_bytes);
  native::WriteInferHead(id, 0, infer, layout, bytes);
  return bytes;
}

class HostileTest : public testing::TestWithParam<RingKind> {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.ring = GetParam();
    options.endpoints = {{Endpoint::Kind::kTcp, "127.0.0.1", 0, ""}};
    options.limits.hello_timeout_ms = 300;
    options.limits.frame_timeout_ms = 300;
    options.limits.write_stall_timeout_ms = 400;
    options.limits.drain_grace_ms = 200;
    options.limits.idle_timeout_ms = 30000;
    options.limits.max_connections = 20;
    options.limits.max_send_queue_bytes = 1 << 20;
    options.limits.max_held_bytes = 8 << 20;
    options.limits.max_held_bytes_per_connection = 8 << 20;
    Result<std::unique_ptr<Server>> server = Server::Start(MakeRepository(), options);
    if (!server.ok() && GetParam() == RingKind::kUring) GTEST_SKIP() << "io_uring is blocked here";
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(server).value();
    innocent_ = std::thread([this] { AskInnocently(); });
    // Its connection is there before any of the test's.
    while (innocent_answers_ == 0 && !innocent_failed_) std::this_thread::yield();
  }

  void TearDown() override {
    if (!innocent_.joinable()) return;
    const int before = innocent_answers_;
    // It is still being served after what the test did.
    while (innocent_answers_ < before + 100 && !innocent_failed_) std::this_thread::yield();
    stop_ = true;
    innocent_.join();
    EXPECT_FALSE(innocent_failed_);
  }

  void AskInnocently() {
    const auto client = Client::Connect(Address(), {}).value();
    const std::vector<float> x = {1, 2, 3};
    const std::vector<InferTensor> inputs = {{"x", {x.data(), DType::kF32, Device::kCpu, {1, 3}}}};
    while (!stop_) {
      const auto result = client->Infer({.model = "affine", .inputs = inputs});
      if (!result.ok() || result->outputs[0].view.Span<float>()[3] != AffineAnswer(x)[3]) {
        innocent_failed_ = true;
        ADD_FAILURE() << result.status().ToString();
        return;
      }
      ++innocent_answers_;
    }
  }

  const Endpoint& Address() const { return server_->Endpoints()[0]; }

  uint64_t Figure(std::string_view name) const {
    for (const native::Figure& figure : server_->Stats()) {
      if (figure.name == name) return figure.values[0];
    }
    return 0;
  }

  std::unique_ptr<Server> server_;
  std::thread innocent_;
  std::atomic<int> innocent_answers_ = 0;
  std::atomic<bool> stop_ = false, innocent_failed_ = false;
};

TEST_P(HostileTest, Garbage) {
  RawClient client(Address());
  const std::string text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  client.Send(std::as_bytes(std::span(text)));
  EXPECT_EQ(client.ReceiveErrorAndEnd().code, ErrorCode::kMalformed);
}

TEST_P(HostileTest, GarbageAfterHello) {
  RawClient client(Address());
  client.Hello();
  Bytes noise(100000);
  for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<std::byte>(i * 7);
  client.Send(noise);
  EXPECT_EQ(client.ReceiveErrorAndEnd().code, ErrorCode::kMalformed);
}

TEST_P(HostileTest, SilentClientIsSentAway) {
  RawClient client(Address());
  EXPECT_EQ(client.ReceiveErrorAndEnd().code, ErrorCode::kTimeout);
}

TEST_P(HostileTest, HalfAFrame) {
  for (const size_t bytes : {size_t{10}, size_t{32}, size_t{100}}) {
    RawClient client(Address());
    client.Hello();
    const Bytes frame = InferFrame(77, "m", {});
    client.Send(std::span(frame).first(std::min(bytes, frame.size() - 1)));
    EXPECT_EQ(client.ReceiveErrorAndEnd().code, ErrorCode::kTimeout) << bytes;
    EXPECT_EQ(client.LastId(), bytes < 32 ? 0u : 77u);
  }
}

TEST_P(HostileTest, HalfALargeFrameThenGone) {
  RawClient client(Address());
  client.Hello();
  Bytes frame = InferFrame(5, "sums", {{0, "", {nullptr, DType::kU8, Device::kCpu, {5'000'000}}}});
  EXPECT_EQ(client.Send(std::span(frame).first(3'000'000)), 3'000'000u);
}

TEST_P(HostileTest, FrameAboveTheLimit) {
  RawClient client(Address());
  client.Hello();
  Bytes frame = InferFrame(9, "m", {});
  const uint32_t huge = 0xffffffff;
  std::memcpy(frame.data() + 16, &huge, sizeof(huge));
  client.Send(frame);
  EXPECT_EQ(client.ReceiveErrorAndEnd().code, ErrorCode::kTooLarge);
  EXPECT_EQ(client.LastId(), 9u);
}

TEST_P(HostileTest, MalformedBodyNamesTheField) {
  RawClient client(Address());
  client.Hello();
  Bytes frame = InferFrame(3, "m", {});
  frame[native::kHeaderBytes + 20] = std::byte{1};
  client.Send(frame);
  const native::ErrorMessage error = client.ReceiveErrorAndEnd();
  EXPECT_EQ(error.code, ErrorCode::kMalformed);
  EXPECT_NE(error.text.find("reserved"), std::string::npos);
}

TEST_P(HostileTest, VersionAndAuthenticationOfTheFuture) {
  for (const bool version : {true, false}) {
    RawClient client(Address());
    native::Hello hello;
    if (version) hello.version_min = hello.version_max = 2;
    if (!version) hello.auth_kind = 1;
    Bytes bytes;
    native::AppendHello(hello, bytes);
    client.Send(bytes);
    EXPECT_EQ(client.ReceiveErrorAndEnd().code,
              version ? ErrorCode::kUnsupportedVersion : ErrorCode::kUnsupported);
  }
}

// Asks for answers and never takes them: the server stops reading from it, then lets it go.
TEST_P(HostileTest, ReaderThatNeverReads) {
  RawClient client(Address());
  client.Hello();
  const std::vector<float> x(3 * 4000, 1.0f);
  Bytes stream;
  for (uint64_t id = 1; id <= 20; ++id) {
    Bytes frame =
        InferFrame(id, "affine", {{0, "", {x.data(), DType::kF32, Device::kCpu, {4000, 3}}}});
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  size_t sent = 0;
  constexpr size_t kTooMuch = size_t{200} << 20;
  while (sent < kTooMuch) {
    const size_t now = client.Send(stream);
    sent += now;
    if (now < stream.size()) break;
  }
  EXPECT_LT(sent, kTooMuch) << "the server reads on without being read";
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (Figure("connections.closed") == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "the stalled connection stays";
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// Back-pressure goes on and off many times; no byte is lost or taken out of order.
TEST_P(HostileTest, FloodOfPingsIsAnsweredInOrder) {
  RawClient client(Address());
  client.Hello();
  constexpr uint64_t kPings = 30'000;
  std::thread sender([&client] {
    Bytes stream;
    for (uint64_t id = 1; id <= kPings; ++id) {
      native::AppendPing(id, Bytes(id % 1024), stream);
      if (stream.size() < 300'000 && id < kPings) continue;
      EXPECT_EQ(client.Send(stream), stream.size());
      stream.clear();
    }
  });
  for (uint64_t id = 1; id <= kPings; ++id) {
    const auto frame = client.Receive();
    if (!frame || frame->header.type != FrameType::kPong || frame->header.request_id != id) {
      ADD_FAILURE() << "instead of the answer to " << id;
      break;
    }
    if (id % 3000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  sender.join();
}

TEST_P(HostileTest, MoreConnectionsThanAllowed) {
  std::vector<std::unique_ptr<Client>> clients;
  Status refused;
  for (int i = 0; i < 40 && refused.ok(); ++i) {
    auto client = Client::Connect(Address(), {});
    if (client.ok())
      clients.push_back(std::move(client).value());
    else
      refused = client.status();
  }
  EXPECT_EQ(clients.size(), 19u);  // and the innocent one
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted) << refused.ToString();
  clients.clear();
  // Places become free again.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!Client::Connect(Address(), {}).ok()) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// Many large frames are begun and none is finished: what they hold is bounded, and given back.
TEST_P(HostileTest, UnfinishedFramesDoNotTakeAllMemory) {
  std::vector<std::unique_ptr<RawClient>> clients;
  const Bytes frame =
      InferFrame(5, "sums", {{0, "", {nullptr, DType::kU8, Device::kCpu, {4'000'000}}}});
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<RawClient>(Address()));
    clients.back()->Hello();
    clients.back()->Send(std::span(frame).first(3'000'000));
  }
  // 5 times 3 MB begun, 8 MiB are given: some are told so at once, the others time out.
  int overloaded = 0;
  for (auto& client : clients) {
    bool told = false;
    while (auto answer = client->Receive()) {
      if (answer->header.type != FrameType::kError) continue;
      told |= native::ParseError(answer->Body()).value().code == ErrorCode::kOverloaded;
    }
    overloaded += told;
  }
  EXPECT_GE(overloaded, 1);
  EXPECT_LT(overloaded, 5);
}

TEST_P(HostileTest, HalfCloseIsAnsweredFirst) {
  RawClient client(Address());
  client.Hello();
  const float x[] = {1, 2, 3};
  Bytes stream;
  for (uint64_t id = 1; id <= 50; ++id) {
    const Bytes frame = InferFrame(id, "affine", {{0, "", {x, DType::kF32, Device::kCpu, {1, 3}}}});
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  client.Send(stream);
  client.ShutdownSending();
  int answers = 0;
  while (auto frame = client.Receive()) answers += frame->header.type == FrameType::kResult;
  EXPECT_EQ(answers, 50);
}

TEST_P(HostileTest, ConnectionsThatComeAndGo) {
  for (int i = 0; i < 300; ++i) {
    RawClient client(Address());
    if (i % 3 == 0) client.Hello();
    const Bytes frame = InferFrame(1, "affine", {});
    if (i % 2 == 0) client.Send(std::span(frame).first(static_cast<size_t>(i) % frame.size()));
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, HostileTest, testing::Values(RingKind::kUring, RingKind::kEpoll),
                         [](const auto& backend) {
                           return std::string(RingKindName(backend.param));
                         });

}  // namespace
}  // namespace ergo
