#include "server/net/socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "server/net/ring_kind.h"

namespace ergo {
namespace {

class UnixSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "ergo_socket_test_" + std::to_string(getpid());
    std::filesystem::create_directory(folder_);
    endpoint_ = {Endpoint::Kind::kUnix, "", 0, folder_ + "/socket"};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  Endpoint endpoint_;
};

TEST_F(UnixSocketTest, ListensConnectsAndRemovesItsFile) {
  {
    const ListeningSocket listening = ListenOn(endpoint_, false, true).value();
    const UnixSocketFile file(endpoint_.path);
    EXPECT_TRUE(ConnectTo(endpoint_, 100).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(endpoint_.path));
}

TEST_F(UnixSocketTest, StaleFileIsReplaced) {
  { const ListeningSocket gone = ListenOn(endpoint_, false, true).value(); }
  ASSERT_TRUE(std::filesystem::exists(endpoint_.path));
  EXPECT_EQ(ConnectTo(endpoint_, 100).status().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(ListenOn(endpoint_, false, true).ok());
}

TEST_F(UnixSocketTest, LiveServerIsNotReplaced) {
  const ListeningSocket first = ListenOn(endpoint_, false, true).value();
  const Status status = ListenOn(endpoint_, false, true).status();
  EXPECT_EQ(status.code(), StatusCode::kDeviceError);
  EXPECT_NE(status.message().find(endpoint_.path), std::string::npos);
  EXPECT_TRUE(ConnectTo(endpoint_, 100).ok());
}

TEST_F(UnixSocketTest, OtherFilesAreNotTouched) {
  std::ofstream(endpoint_.path) << "precious";
  EXPECT_FALSE(ListenOn(endpoint_, false, true).ok());
  std::string text;
  std::ifstream(endpoint_.path) >> text;
  EXPECT_EQ(text, "precious");
}

TEST_F(UnixSocketTest, SuccessorsFileIsNotRemoved) {
  {
    const ListeningSocket old = ListenOn(endpoint_, false, true).value();
    const UnixSocketFile file(endpoint_.path);
    unlink(endpoint_.path.c_str());
    const ListeningSocket successor = ListenOn(endpoint_, false, true).value();
  }
  EXPECT_TRUE(std::filesystem::exists(endpoint_.path));
}

TEST(TcpSocketTest, PortIsResolvedAndTakenOnce) {
  const Endpoint any{Endpoint::Kind::kTcp, "127.0.0.1", 0, ""};
  const ListeningSocket first = ListenOn(any, false, true).value();
  EXPECT_NE(first.bound.port, 0);
  const Status status = ListenOn(first.bound, false, true).status();
  EXPECT_EQ(status.code(), StatusCode::kDeviceError);
  EXPECT_NE(status.message().find(first.bound.ToString()), std::string::npos);
}

TEST(TcpSocketTest, SharedPortIsSharedWithinTheServerOnly) {
  const Endpoint any{Endpoint::Kind::kTcp, "127.0.0.1", 0, ""};
  const ListeningSocket first = ListenOn(any, true, true).value();
  EXPECT_TRUE(ListenOn(first.bound, true, false).ok());
  EXPECT_FALSE(ListenOn(first.bound, true, true).ok());
}

TEST(TcpSocketTest, Ipv6AndNames) {
  const Result<ListeningSocket> six = ListenOn({Endpoint::Kind::kTcp, "::1", 0, ""}, false, true);
  if (six.ok()) {
    EXPECT_TRUE(ConnectTo(six->bound, 1000).ok());
  }
  const ListeningSocket four =
      ListenOn({Endpoint::Kind::kTcp, "127.0.0.1", 0, ""}, false, true).value();
  EXPECT_TRUE(ConnectTo({Endpoint::Kind::kTcp, "localhost", four.bound.port, ""}, 1000).ok());
}

TEST(TcpSocketTest, ErrorsNameTheEndpoint) {
  Endpoint closed{Endpoint::Kind::kTcp, "127.0.0.1", 0, ""};
  closed.port = ListenOn(closed, false, true).value().bound.port;
  const Status status = ConnectTo(closed, 1000).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find(closed.ToString()), std::string::npos);
  EXPECT_FALSE(ListenOn({Endpoint::Kind::kTcp, "no.such.host.invalid", 1, ""}, false, true).ok());
}

TEST(RingKindTest, Names) {
  EXPECT_EQ(RingKindFromName("uring"), RingKind::kUring);
  EXPECT_EQ(RingKindFromName("epoll"), RingKind::kEpoll);
  EXPECT_EQ(RingKindFromName("auto"), RingKind::kAuto);
  EXPECT_EQ(RingKindFromName("kqueue"), std::nullopt);
}

}  // namespace
}  // namespace ergo
