// Time limits and back-pressure of a connection, in a time that the test owns.
#include "server/core/connection.h"

#include <gtest/gtest.h>

#include "server/monotonic_clock.h"

namespace ergo {
namespace {

using Phase = Connection::Phase;
using Verdict = Connection::Verdict;
using native::Bytes;

class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() {
    limits_.hello_timeout_ms = 100;
    limits_.frame_timeout_ms = 200;
    limits_.write_stall_timeout_ms = 300;
    limits_.idle_timeout_ms = 1000;
    limits_.drain_grace_ms = 50;
    connection_ = std::make_unique<Connection>(1, limits_, pool_, Ms(0));
  }
  static int64_t Ms(int64_t ms) { return kNsPerSecond + ms * kNsPerMs; }

  void Feed(std::span<const std::byte> bytes) {
    while (connection_->decoder.Next(bytes) == native::Decoder::Outcome::kFrame) {
      pool_.Give(connection_->decoder.TakeFrame().buffer);
    }
  }
  void Open() {
    Bytes hello;
    native::AppendHello({}, hello);
    Feed(hello);
    connection_->phase = Phase::kOpen;
  }
  Bytes Ping() {
    Bytes ping;
    native::AppendPing(1, Bytes(64), ping);
    return ping;
  }
  Verdict Check(int64_t ms, size_t sent = 0, bool draining = false) {
    return connection_->CheckTime(Ms(ms), sent, draining);
  }

  ServerLimits limits_;
  BufferPool pool_{1 << 20};
  std::unique_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, HelloMustComeInTime) {
  EXPECT_EQ(Check(100), Verdict::kFine);
  EXPECT_EQ(Check(101), Verdict::kHelloLate);
  Open();
  EXPECT_EQ(Check(101), Verdict::kFine);
}

TEST_F(ConnectionTest, FrameMustBecomeWholeInTime) {
  Open();
  const Bytes ping = Ping();
  Feed(std::span(ping).first(20));
  EXPECT_EQ(Check(10), Verdict::kFine);
  EXPECT_EQ(Check(210), Verdict::kFine);
  EXPECT_EQ(Check(211), Verdict::kFrameLate);
}

TEST_F(ConnectionTest, DrippingBytesDoNotHelp) {
  Open();
  const Bytes ping = Ping();
  Verdict verdict = Verdict::kFine;
  for (int i = 0; i < 30 && verdict == Verdict::kFine; ++i) {
    Feed(std::span(ping).subspan(static_cast<size_t>(i), 1));
    verdict = Check(i * 10);
  }
  EXPECT_EQ(verdict, Verdict::kFrameLate);
}

TEST_F(ConnectionTest, AlwaysInTheMiddleOfAnotherFrameIsFine) {
  Open();
  Bytes ping = Ping();
  Feed(std::span(ping).first(40));
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Check(i * 50), Verdict::kFine) << i;
    Feed(std::span(ping).subspan(40));
    connection_->active_ns = Ms(i * 50);
    Feed(std::span(ping).first(40));
  }
}

TEST_F(ConnectionTest, WhileTheServerDoesNotReadFramesAreNotLate) {
  Open();
  const Bytes ping = Ping();
  Feed(std::span(ping).first(20));
  connection_->paused = true;
  connection_->in_flight = 1;
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Check(i * 100), Verdict::kFine);
  connection_->paused = false;
  EXPECT_EQ(Check(1000), Verdict::kFine);
  EXPECT_EQ(Check(1201), Verdict::kFrameLate);
}

TEST_F(ConnectionTest, StalledSend) {
  Open();
  connection_->outbox.PushCopy(Ping(), pool_);
  connection_->outbox.BeginSend();
  EXPECT_EQ(Check(0, 10), Verdict::kFine);
  EXPECT_EQ(Check(300, 10), Verdict::kFine);
  EXPECT_EQ(Check(301, 10), Verdict::kStalled);
  EXPECT_EQ(Check(302, 11), Verdict::kFine);
  EXPECT_EQ(Check(602, 11), Verdict::kFine);
}

TEST_F(ConnectionTest, AnotherSendOfTheSameLengthIsProgress) {
  Open();
  for (int i = 0; i < 20; ++i) {
    connection_->outbox.PushCopy(Ping(), pool_);
    connection_->outbox.BeginSend();
    ASSERT_EQ(Check(i * 100, 10), Verdict::kFine) << i;
    connection_->outbox.Sent(pool_);
    connection_->active_ns = Ms(i * 100);
  }
}

TEST_F(ConnectionTest, IdleOnlyWithNothingInFlight) {
  Open();
  EXPECT_EQ(Check(1000), Verdict::kFine);
  connection_->in_flight = 1;
  EXPECT_EQ(Check(5000), Verdict::kFine);
  connection_->in_flight = 0;
  EXPECT_EQ(Check(5000), Verdict::kIdle);
  connection_->idle_timeout_ms = 0;
  EXPECT_EQ(Check(500000), Verdict::kFine);
}

TEST_F(ConnectionTest, DrainWaitsForAnswersThenGivesTimeToClose) {
  Open();
  connection_->in_flight = 1;
  EXPECT_EQ(Check(0, 0, true), Verdict::kFine);
  EXPECT_EQ(Check(500, 0, true), Verdict::kFine);
  connection_->in_flight = 0;
  EXPECT_EQ(Check(510, 0, true), Verdict::kFine);
  EXPECT_EQ(Check(560, 0, true), Verdict::kFine);
  EXPECT_EQ(Check(561, 0, true), Verdict::kDrained);
}

TEST_F(ConnectionTest, LingersForAWhile) {
  connection_->phase = Phase::kLingering;
  connection_->linger_begin_ns = Ms(0);
  EXPECT_EQ(Check(50), Verdict::kFine);
  EXPECT_EQ(Check(51), Verdict::kLingered);
}

TEST_F(ConnectionTest, LimitsOfOneConnection) {
  EXPECT_FALSE(connection_->AtLimit());
  connection_->in_flight = limits_.max_in_flight_per_connection;
  EXPECT_TRUE(connection_->AtLimit());
  connection_->in_flight = 0;
  connection_->held_bytes = limits_.max_held_bytes_per_connection;
  EXPECT_TRUE(connection_->AtLimit());
  connection_->held_bytes = 0;
  limits_.max_send_queue_bytes = 10;
  connection_->outbox.PushCopy(Ping(), pool_);
  EXPECT_TRUE(connection_->AtLimit());
}

TEST(OutboxTest, KeepsOrderAndWhatIsBeingSent) {
  BufferPool pool(1 << 20);
  Outbox outbox;
  const auto byte = [](int value) { return Bytes(10, static_cast<std::byte>(value)); };
  outbox.PushCopy(byte(1), pool);
  outbox.PushCopy(byte(2), pool);  // shares the buffer of the first
  AlignedBuffer own = AlignedBuffer::AllocateOrDie(1024);
  own.Data()[5] = std::byte{3};
  outbox.Push(std::move(own), 5, 1);
  EXPECT_EQ(outbox.Bytes(), 21u);
  const auto parts = outbox.BeginSend();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].iov_len, 20u);
  EXPECT_EQ(static_cast<std::byte*>(parts[0].iov_base)[10], std::byte{2});
  EXPECT_EQ(*static_cast<std::byte*>(parts[1].iov_base), std::byte{3});
  outbox.PushCopy(byte(4), pool);  // not into a buffer that the kernel reads
  EXPECT_EQ(parts[0].iov_len, 20u);
  EXPECT_EQ(outbox.Sent(pool), 21u);
  EXPECT_EQ(outbox.Bytes(), 10u);
  ASSERT_EQ(outbox.BeginSend().size(), 1u);
  EXPECT_EQ(outbox.Sent(pool), 10u);
  EXPECT_TRUE(outbox.Empty());
}

}  // namespace
}  // namespace ergo
