// The real server on real sockets, asked by the real client, on both backends.
#include "server/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <thread>

#include "server/client/client.h"
#include "tests/server/integration/small_models.h"

namespace ergo {
namespace {

using native::ErrorCode;

TensorView View(const std::vector<float>& values, const Shape& shape) {
  return {values.data(), DType::kF32, Device::kCpu, shape};
}

std::vector<float> Floats(const TensorView& view) {
  const auto span = view.Span<float>();
  return {span.begin(), span.end()};
}

class ServerTest : public testing::TestWithParam<RingKind> {
 protected:
  void Start(ServerOptions options = {}) {
    options.ring = GetParam();
    if (options.endpoints.empty()) {
      options.endpoints = {{Endpoint::Kind::kTcp, "127.0.0.1", 0, ""}};
    }
    Result<std::unique_ptr<Server>> server = Server::Start(MakeRepository(), options);
    if (!server.ok() && GetParam() == RingKind::kUring) GTEST_SKIP() << "io_uring is blocked here";
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(server).value();
    ASSERT_EQ(server_->Backend(), GetParam());
  }

  std::unique_ptr<Client> Connect(const ClientOptions& options = {}) {
    Result<std::unique_ptr<Client>> client = Client::Connect(server_->Endpoints()[0], options);
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    return std::move(client).value();
  }

  uint64_t Figure(std::string_view name) {
    for (const native::Figure& figure : server_->Stats()) {
      if (figure.name == name) return figure.values[0];
    }
    ADD_FAILURE() << "no figure " << name;
    return 0;
  }

  std::unique_ptr<Server> server_;
};

TEST_P(ServerTest, AnswersWithItsCost) {
  MeterOptions meter;
  meter.kind = "modelled";
  const OpenedMeter opened = OpenMeter(meter);
  ServerOptions options;
  options.meter = opened.meter.get();
  Start(options);
  if (!server_) return;
  const auto client = Connect();
  for (int rows = 1; rows <= 5; ++rows) {
    std::vector<float> x(static_cast<size_t>(rows) * 3);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) - 2;
    const std::vector<InferTensor> inputs = {{"x", View(x, {rows, 3})}};
    // Twice: on a worker first, then, known to be quick, on the ring's thread.
    for (int run = 0; run < 2; ++run) {
      const Result<InferResult> result = client->Infer({.model = "affine", .inputs = inputs});
      ASSERT_TRUE(result.ok()) << result.status().ToString();
      ASSERT_EQ(result->outputs.size(), 1u);
      EXPECT_EQ(result->outputs[0].name, "y");
      EXPECT_EQ(result->outputs[0].view.shape, Shape({rows, 4}));
      EXPECT_EQ(Floats(result->outputs[0].view), AffineAnswer(x));
      EXPECT_EQ(result->model_version, 1u);
      EXPECT_EQ(result->batch_size, 1u);
      EXPECT_GT(result->compute_ns, 0u);
      EXPECT_EQ(result->joules.source, EnergySource::kModelled);
      EXPECT_GT(result->joules.value, 0);
      EXPECT_EQ(result->energy_share, native::EnergyShare::kProcessorTime);
    }
  }
  EXPECT_EQ(Figure("results"), 10u);
  EXPECT_EQ(Figure("model.affine.1.requests"), 10u);
  EXPECT_EQ(Figure("model.affine.1.compute_ns"), 10u);
}

TEST_P(ServerTest, WithoutAMeterEnergyIsUnavailable) {
  Start();
  if (!server_) return;
  const std::vector<float> x = {1, 2, 3};
  const std::vector<InferTensor> inputs = {{"", View(x, {1, 3})}};
  const auto result = Connect()->Infer({.model = "affine", .inputs = inputs, .want_names = false});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->joules.source, EnergySource::kUnavailable);
  EXPECT_FALSE(result->joules.reason.empty());
  EXPECT_EQ(result->outputs[0].name, "");
}

TEST_P(ServerTest, OtherQuestions) {
  Start();
  if (!server_) return;
  const auto client = Connect();
  EXPECT_GT(client->Ping().value(), 0);
  const native::Health health = client->GetHealth().value();
  EXPECT_EQ(health.state, native::HealthState::kReady);
  EXPECT_EQ(health.models, 4u);
  EXPECT_EQ(health.connections, 1u);
  const auto models = client->ListModels().value();
  ASSERT_EQ(models.size(), 4u);
  EXPECT_EQ(models[0].name, "affine");
  EXPECT_EQ(models[3].name, "sums");
  EXPECT_EQ(models[3].version, 3u);
  const native::Metadata metadata = client->GetMetadata("sums").value();
  EXPECT_EQ(metadata.model_version, 3u);
  ASSERT_EQ(metadata.inputs.size(), 2u);
  EXPECT_EQ(metadata.inputs[1].name, "b");
  EXPECT_EQ(metadata.inputs[1].shape.ToString(), "[n]");
  EXPECT_EQ(metadata.outputs[1].name, "difference");
  EXPECT_EQ(client->GetMetadata("sums", 1).value().model_version, 1u);
  EXPECT_EQ(client->GetMetadata("sums", 2).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(client->GetStats().value().empty());
  EXPECT_EQ(client->Granted().name, "ergo");
  EXPECT_TRUE(client->Ping().ok());
}

TEST_P(ServerTest, RequestErrorsLeaveTheConnectionAlone) {
  Start();
  if (!server_) return;
  const auto client = Connect();
  const std::vector<float> x = {1, 2, 3, 4};
  const std::vector<int32_t> ints = {1, 2, 3};
  const TensorView wrong_type{ints.data(), DType::kI32, Device::kCpu, {1, 3}};
  struct Case {
    const char* model;
    uint32_t version;
    std::vector<InferTensor> inputs;
    StatusCode code;
    const char* text;
  };
  const std::vector<Case> cases = {
      {"no\nsuch", 0, {}, StatusCode::kNotFound, "no\\x0asuch"},
      {"affine", 9, {{"x", View(x, {1, 3})}}, StatusCode::kNotFound, "version 9"},
      {"affine", 0, {}, StatusCode::kInvalidArgument, "'x' (float32 [n, 3]) is missing"},
      {"affine", 0, {{"z", View(x, {1, 3})}}, StatusCode::kInvalidArgument, "it has 'x'"},
      {"affine", 0, {{"x", wrong_type}}, StatusCode::kInvalidArgument, "int32, expected float32"},
      {"affine", 0, {{"x", View(x, {1, 4})}}, StatusCode::kInvalidArgument, "[1, 4]"},
      {"affine", 0, {{"x", View(x, {3})}}, StatusCode::kInvalidArgument, "[3]"},
      {"affine",
       0,
       {{"x", View(x, {1, 3})}, {"x", View(x, {1, 3})}},
       StatusCode::kInvalidArgument,
       "given twice"},
      {"affine",
       0,
       {{"x", View(x, {1, 3})}, {"", View(x, {1, 3})}},
       StatusCode::kInvalidArgument,
       "input 1 given"},
      {"sums", 0, {{"a", View(x, {4})}, {"b", View(x, {3})}}, StatusCode::kInvalidArgument, "[3]"},
  };
  for (const Case& bad : cases) {
    const auto result =
        client->Infer({.model = bad.model, .version = bad.version, .inputs = bad.inputs});
    ASSERT_FALSE(result.ok()) << bad.text;
    EXPECT_EQ(result.status().code(), bad.code) << result.status().ToString();
    EXPECT_NE(result.status().message().find(bad.text), std::string::npos)
        << result.status().ToString();
  }
  const std::vector<InferTensor> inputs = {{"x", View(x, {1, 3})}};
  EXPECT_TRUE(client->Infer({.model = "affine", .inputs = inputs}).ok());
}

TEST_P(ServerTest, LargeTensorsBothWays) {
  Start();
  if (!server_) return;
  const auto client = Connect();
  constexpr int64_t kCount = 3'000'000;
  std::vector<float> a(kCount), b(kCount);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(i % 1000);
    b[i] = static_cast<float>(i % 7);
  }
  const std::vector<InferTensor> inputs = {{"b", View(b, {kCount})}, {"a", View(a, {kCount})}};
  for (int run = 0; run < 3; ++run) {
    const auto result = client->Infer({.model = "sums", .inputs = inputs});
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    const auto sum = result->outputs[0].view.Span<float>();
    const auto difference = result->outputs[1].view.Span<float>();
    for (size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(sum[i], a[i] + b[i]) << i;
      ASSERT_EQ(difference[i], a[i] - b[i]) << i;
    }
  }
}

TEST_P(ServerTest, ManyConnectionsManyInFlight) {
  ServerOptions options;
  options.ring_threads = 2;
  options.workers = 2;
  Start(options);
  if (!server_) return;
  constexpr int kConnections = 64, kInFlight = 32, kThreads = 4;
  std::atomic<int> answered = 0;
  const auto ask = [&](int thread) {
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<std::map<uint64_t, std::vector<float>>> expected(kConnections / kThreads);
    for (size_t c = 0; c < expected.size(); ++c) {
      clients.push_back(Connect());
      for (int i = 0; i < kInFlight; ++i) {
        const int rows = 1 + i % 4;
        std::vector<float> x(static_cast<size_t>(rows) * 3);
        for (float& value : x) value = static_cast<float>((thread + i * 7) % 50);
        const std::vector<InferTensor> inputs = {{"x", View(x, {rows, 3})}};
        const auto id = clients[c]->Submit({.model = "affine", .inputs = inputs});
        ASSERT_TRUE(id.ok()) << id.status().ToString();
        expected[c][*id] = AffineAnswer(x);
      }
    }
    for (size_t c = 0; c < expected.size(); ++c) {
      while (!expected[c].empty()) {
        Result<std::optional<InferResult>> polled = clients[c]->Poll(20000);
        ASSERT_TRUE(polled.ok()) << polled.status().ToString();
        ASSERT_TRUE(polled->has_value());
        const InferResult& result = **polled;
        ASSERT_TRUE(result.status.ok()) << result.status.ToString();
        ASSERT_EQ(Floats(result.outputs[0].view), expected[c].at(result.request_id));
        expected[c].erase(result.request_id);
        ++answered;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(ask, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, kConnections * kInFlight);
  EXPECT_EQ(Figure("results"), static_cast<uint64_t>(kConnections * kInFlight));
  EXPECT_EQ(Figure("requests.in_flight"), 0u);
}

TEST_P(ServerTest, DeadlinesPassInTheQueue) {
  ServerOptions options;
  options.inline_compute_us = 0;
  Start(options);
  if (!server_) return;
  const auto client = Connect();
  const std::vector<float> x(256 * 256, 0.001f);
  const std::vector<InferTensor> slow = {{"x", View(x, {256, 256})}};
  ASSERT_TRUE(client->Submit({.model = "power", .inputs = slow}).ok());
  const std::vector<InferTensor> quick = {{"x", View(x, {1, 3})}};
  const uint64_t late =
      client->Submit({.model = "affine", .inputs = quick, .deadline_us = 1}).value();
  const uint64_t patient =
      client->Submit({.model = "affine", .inputs = quick, .deadline_us = 60'000'000}).value();
  std::map<uint64_t, ErrorCode> codes;
  while (client->InFlight() > 0) {
    const auto polled = client->Poll(20000);
    ASSERT_TRUE(polled.ok() && polled->has_value());
    codes[(*polled)->request_id] = (*polled)->error;
  }
  EXPECT_EQ(codes.at(late), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(codes.at(patient), ErrorCode::kNone);
}

TEST_P(ServerTest, FullQueueRefusesAtOnce) {
  ServerOptions options;
  options.inline_compute_us = 0;
  options.limits.max_queued_requests = 4;
  Start(options);
  if (!server_) return;
  const auto client = Connect();
  const std::vector<float> x(256 * 256, 0.001f);
  const std::vector<InferTensor> inputs = {{"x", View(x, {256, 256})}};
  constexpr int kRequests = 30;
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(client->Submit({.model = "power", .inputs = inputs}).ok());
  }
  int good = 0, refused = 0;
  while (client->InFlight() > 0) {
    const auto polled = client->Poll(20000);
    ASSERT_TRUE(polled.ok() && polled->has_value());
    good += (*polled)->error == ErrorCode::kNone;
    refused += (*polled)->error == ErrorCode::kOverloaded;
    if ((*polled)->error == ErrorCode::kOverloaded) {
      EXPECT_GT((*polled)->retry_after_us, 0u);
    }
  }
  EXPECT_EQ(good + refused, kRequests);
  EXPECT_GE(good, 5);
  EXPECT_GT(refused, 0);
}

TEST_P(ServerTest, MoreInFlightThanGrantedWaits) {
  Start();
  if (!server_) return;
  const auto client = Connect({.max_in_flight = 32});
  EXPECT_EQ(client->Granted().max_in_flight, 32u);
  const std::vector<float> x = {1, 2, 3};
  const std::vector<InferTensor> inputs = {{"x", View(x, {1, 3})}};
  constexpr int kRequests = 3000;
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(client->Submit({.model = "affine", .inputs = inputs}).ok());
  }
  for (int i = 0; i < kRequests; ++i) {
    const auto polled = client->Poll(20000);
    ASSERT_TRUE(polled.ok() && polled->has_value()) << i;
    ASSERT_TRUE((*polled)->status.ok()) << (*polled)->status.ToString();
  }
}

TEST_P(ServerTest, AnswersLargerThanTheClientTakesAreRefused) {
  Start();
  if (!server_) return;
  const auto client = Connect({.max_body_bytes = 4096});
  const std::vector<float> x(6000, 1);
  const std::vector<InferTensor> inputs = {{"x", View(x, {2000, 3})}};
  const auto result = client->Infer({.model = "affine", .inputs = inputs});
  EXPECT_EQ(result.status().code(), StatusCode::kResourceExhausted);
  EXPECT_NE(result.status().message().find("RESULT_TOO_LARGE"), std::string::npos);
  EXPECT_TRUE(client->Ping().ok());
}

// The server is told to stop while all clients ask as fast as they can. Every request that was
// submitted has exactly one fate: a right answer, DRAINING, or a connection that ended after
// GOAWAY.
TEST_P(ServerTest, DrainLosesNothing) {
  ServerOptions options;
  options.ring_threads = 2;
  Start(options);
  if (!server_) return;
  constexpr int kThreads = 4, kInFlight = 32;
  std::atomic<uint64_t> good = 0, draining = 0, lost = 0;
  std::atomic<bool> warm = false;
  const auto ask = [&] {
    const auto client = Connect();
    const std::vector<float> x = {1, 2, 3};
    const std::vector<InferTensor> inputs = {{"x", View(x, {1, 3})}};
    bool stopped = false;
    for (;;) {
      while (!stopped && client->InFlight() < kInFlight) {
        stopped = !client->Submit({.model = "affine", .inputs = inputs}).ok();
      }
      if (client->InFlight() == 0) break;
      const auto polled = client->Poll(20000);
      if (!polled.ok()) {
        lost += static_cast<uint64_t>(client->InFlight());
        break;
      }
      ASSERT_TRUE(polled->has_value());
      const InferResult& result = **polled;
      if (result.status.ok()) {
        ASSERT_EQ(Floats(result.outputs[0].view), AffineAnswer(x));
        if (++good > 2000) warm = true;
      } else {
        ASSERT_EQ(result.error, ErrorCode::kDraining) << result.status.ToString();
        ++draining;
      }
    }
    EXPECT_TRUE(client->ServerIsDraining());
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(ask);
  while (!warm) std::this_thread::yield();
  server_->Drain();
  server_->Wait();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(Figure("requests"), good + draining);
  EXPECT_EQ(Figure("results"), good);
  EXPECT_EQ(Figure("answers.dropped"), 0u);
  EXPECT_FALSE(Client::Connect(server_->Endpoints()[0], {.connect_timeout_ms = 500}).ok());
}

TEST_P(ServerTest, UnixSocketAndSeveralEndpoints) {
  const std::string path =
      testing::TempDir() + "ergo_server_test_" + std::to_string(getpid()) + ".sock";
  ServerOptions options;
  options.ring_threads = 2;
  options.endpoints = {{Endpoint::Kind::kUnix, "", 0, path},
                       {Endpoint::Kind::kTcp, "127.0.0.1", 0, ""}};
  Start(options);
  if (!server_) return;
  const std::vector<float> x = {1, 2, 3};
  const std::vector<InferTensor> inputs = {{"x", View(x, {1, 3})}};
  for (const Endpoint& endpoint : server_->Endpoints()) {
    const auto client = Client::Connect(endpoint, {});
    ASSERT_TRUE(client.ok()) << client.status().ToString();
    EXPECT_TRUE((*client)->Infer({.model = "affine", .inputs = inputs}).ok());
  }
  server_.reset();
  EXPECT_NE(access(path.c_str(), F_OK), 0) << "the socket's file is still there";
}

INSTANTIATE_TEST_SUITE_P(Backends, ServerTest, testing::Values(RingKind::kUring, RingKind::kEpoll),
                         [](const auto& backend) {
                           return std::string(RingKindName(backend.param));
                         });

TEST(ServerStartTest, RefusesWhatMakesNoSense) {
  ServerOptions options;
  EXPECT_EQ(Server::Start(MakeRepository(), options).status().code(), StatusCode::kInvalidArgument);
  options.endpoints = {{Endpoint::Kind::kTcp, "127.0.0.1", 0, ""}};
  EXPECT_FALSE(Server::Start(std::make_unique<Repository>(ModelOptions{}), options).ok());
  options.workers = 0;
  EXPECT_FALSE(Server::Start(MakeRepository(), options).ok());
  options.workers = 1;
  options.limits.max_in_flight_per_connection = 1;
  EXPECT_FALSE(Server::Start(MakeRepository(), options).ok());
  options.limits = {};
  const auto first = Server::Start(MakeRepository(), options);
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  options.endpoints = (*first)->Endpoints();
  EXPECT_EQ(Server::Start(MakeRepository(), options).status().code(), StatusCode::kDeviceError);
}

}  // namespace
}  // namespace ergo
