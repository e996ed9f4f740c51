// SPDX-License-Identifier: Apache-2.0
// Sessions and processes: fork, descriptors handed on, and the death of either side.
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "device_session_support.h"

using namespace session_test;

namespace {

int open_links() {
  int links = 0;
  for (int fd = 0; fd < 256; ++fd) {
    sockaddr_un name{};
    socklen_t length = sizeof(name);
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&name), &length) != 0 || name.sun_family != AF_UNIX)
      continue;
    links += std::string(name.sun_path + 1, 10) == "mango-link" ? 1 : 0;
  }
  return links;
}

}  // namespace

TEST(DeviceSessionProcess, a_child_goes_on_with_the_parents_session) {
  const Setting setting;
  Pair pair(setting);
  pair.peer.send("for parent and child");
  EXPECT_EQ("for parent", recv_text(*pair.session, 10));
  EXPECT_TRUE(in_child(
      [&] { return recv_text(*pair.session, 4) == " and" && send_text(*pair.session, "child ") == 6; }));
  EXPECT_EQ("child ", pair.peer.read(6));
  EXPECT_EQ(" child", recv_text(*pair.session));
  EXPECT_EQ(6, send_text(*pair.session, "parent"));
  EXPECT_EQ("parent", pair.peer.read(6));
}

TEST(DeviceSessionProcess, a_child_has_a_link_of_its_own) {
  const Setting setting;
  const Pair pair(setting);
  EXPECT_EQ(1, open_links());
  EXPECT_TRUE(in_child([&] {
    if (open_links() != 0) return false;
    const int idle = 33;
    if (pair.session->set_option(IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) != 0) return false;
    const auto fresh = setting.open();
    return open_links() == 1 && connect_to(*fresh, port_of(*pair.listener)) == 0;
  }));
  EXPECT_EQ(1, open_links());
  int idle = 0;
  socklen_t length = sizeof(idle);
  EXPECT_EQ(0, pair.session->get_option(IPPROTO_TCP, TCP_KEEPIDLE, &idle, &length));
  EXPECT_EQ(33, idle);
}

TEST(DeviceSessionProcess, a_closing_child_leaves_the_connection_to_the_parent) {
  const Setting setting;
  Pair pair(setting);
  EXPECT_TRUE(in_child([&] {
    pair.session.reset();
    return true;
  }));
  EXPECT_EQ(5, send_text(*pair.session, "still"));
  EXPECT_EQ("still", pair.peer.read(5));
}

TEST(DeviceSessionProcess, a_child_takes_the_connection_over) {
  const Setting setting;
  Pair pair(setting);
  pair.peer.send("question");
  int gate[2];
  ASSERT_EQ(0, ::pipe2(gate, O_CLOEXEC));
  const pid_t child = ::fork();
  if (child == 0) {
    char go = 0;
    const bool told = ::read(gate[0], &go, 1) == 1;
    const bool done =
        told && recv_text(*pair.session) == "question" && send_text(*pair.session, "answer") == 6;
    pair.session.reset();
    ::_exit(done ? 0 : 1);
  }
  pair.session.reset();
  ASSERT_EQ(1, ::write(gate[1], "g", 1));
  EXPECT_EQ("answer", pair.peer.read(100));
  int status = -1;
  EXPECT_EQ(child, ::waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  ::close(gate[0]);
  ::close(gate[1]);
}

TEST(DeviceSessionProcess, two_processes_accept_on_one_listener) {
  constexpr int kEach = 10;
  const Setting setting;
  const auto listener = setting.listener();
  const auto serve = [&](char name) {
    for (int i = 0; i < kEach; ++i) {
      const std::unique_ptr<Session> session(listener->accept(nullptr, nullptr, SOCK_CLOEXEC));
      if (!session || send_text(*session, std::string(1, name)) != 1) return false;
      const int on = 1;
      if (session->set_option(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0) return false;
      if (recv_text(*session) != "bye") return false;
    }
    return true;
  };
  pid_t children[2];
  for (int i = 0; i < 2; ++i) {
    children[i] = ::fork();
    if (children[i] == 0) ::_exit(serve(static_cast<char>('a' + i)) ? 0 : 1);
  }
  int served = 0;
  for (int i = 0; i < 2 * kEach; ++i) {
    const Peer peer = Peer::connected(port_of(*listener));
    served += static_cast<int>(peer.read(1).size());
    peer.send("bye");
    EXPECT_EQ("", peer.read(1));
  }
  EXPECT_EQ(2 * kEach, served);
  for (const pid_t child : children) {
    int status = -1;
    EXPECT_EQ(child, ::waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
  }
}

TEST(DeviceSessionProcess, an_epoll_set_is_inherited) {
  const Setting setting;
  const Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  const Descriptor set(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLIN, .data = {}};
  ASSERT_EQ(0, ::epoll_ctl(set.get(), EPOLL_CTL_ADD, pair.session->fd(), &event));
  pair.peer.send("x");
  EXPECT_TRUE(in_child([&] {
    return ::epoll_wait(set.get(), &event, 1, kPatienceMs) == 1 && recv_text(*pair.session) == "x" &&
           ::epoll_wait(set.get(), &event, 1, 0) == 0;
  }));
  EXPECT_EQ(0, ::epoll_wait(set.get(), &event, 1, 0));
}

TEST(DeviceSessionProcess, a_descriptor_is_enough_to_attach) {
  const Setting setting;
  Pair pair(setting);
  pair.peer.send("first second");
  EXPECT_EQ("first", recv_text(*pair.session, 5));
  const auto other = Client::make(const_cast<Control&>(setting.control), 0);
  const int fd = ::dup(pair.session->fd());
  const std::unique_ptr<Session> attached(other->attach(fd));
  ASSERT_TRUE(attached) << errno;
  EXPECT_EQ(fd, attached->fd());
  EXPECT_FALSE(attached->nonblocking());
  EXPECT_EQ(pair.session->id(), attached->id());
  pair.session.reset();
  EXPECT_EQ(" second", recv_text(*attached));
  EXPECT_EQ(2, send_text(*attached, "ok"));
  EXPECT_EQ("ok", pair.peer.read(2));
  EXPECT_EQ(0, attached->renew()) << errno;
}

TEST(DeviceSessionProcess, no_other_descriptor_attaches) {
  const Setting setting;
  const Peer tcp = Peer::listening();
  EXPECT_EQ(nullptr, setting.client->attach(tcp.fd()));
  EXPECT_EQ(ENOTSOCK, errno);
  int ends[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
  const Descriptor one(ends[0]);
  const Descriptor other(ends[1]);
  EXPECT_EQ(nullptr, setting.client->attach(one.get()));
  EXPECT_EQ(ENOTSOCK, errno);
  sockaddr_un liar{};
  liar.sun_family = AF_UNIX;
  const std::string name = std::string(1, '\0') + kSessionNamePrefix + "1.0.0";
  std::memcpy(liar.sun_path, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  ASSERT_EQ(0, ::bind(other.get(), reinterpret_cast<const sockaddr*>(&liar), length));
  EXPECT_EQ(nullptr, setting.client->attach(one.get()));
  EXPECT_GE(::fcntl(one.get(), F_GETFD), 0);
}

TEST(DeviceSessionProcess, a_released_descriptor_goes_on_without_its_session) {
  const Setting setting;
  Pair pair(setting);
  const int fd = pair.session->release_fd();
  pair.session.reset();
  pair.peer.send("x");
  EXPECT_NE(0, wait_for(fd, POLLIN));
  const std::unique_ptr<Session> again(setting.client->attach(fd));
  ASSERT_TRUE(again);
  EXPECT_EQ("x", recv_text(*again));
}

TEST(DeviceSessionProcess, a_session_moves_to_another_descriptor) {
  const Setting setting;
  Pair pair(setting);
  const int old = pair.session->fd();
  const int fresh = ::dup(old);
  pair.session->move_to_fd(fresh);
  ::close(old);
  pair.peer.send("x");
  EXPECT_EQ("x", recv_text(*pair.session));
  EXPECT_EQ(1, send_text(*pair.session, "y"));
  EXPECT_EQ("y", pair.peer.read(1));
}

TEST(DeviceSessionProcess, a_client_that_dies_resets_and_one_that_exits_ends) {
  const Setting setting;
  const auto listener = setting.listener();
  for (const bool orderly : {false, true}) {
    const Peer peer = Peer::connected(port_of(*listener));
    EXPECT_TRUE(in_child([&] {
      const Session* session = accept_on(*listener).release();
      if (orderly) mark_all_orderly();
      return session != nullptr;
    }));
    int error = 0;
    EXPECT_EQ("", peer.read(1, &error));
    EXPECT_EQ(orderly ? 0 : ECONNRESET, error);
  }
}

TEST(DeviceSessionProcess, the_devices_death_ends_every_call_at_once) {
  Setting setting;
  Pair pair(setting);
  const auto fresh = setting.open();
  const auto second = setting.open();
  ASSERT_EQ(0, connect_to(*second, port_of(*pair.listener)));
  const auto accepted = accept_on(*pair.listener);
  pair.peer.send("left");
  ASSERT_NE(0, wait_for(pair.session->fd(), POLLIN));
  setting.device.kill();
  EXPECT_NE(0, wait_for(pair.session->fd(), POLLIN) & POLLHUP);
  EXPECT_EQ("left", recv_text(*pair.session));
  const auto is_reset = [](auto result) {
    return result == static_cast<decltype(result)>(-1) && errno == kDeviceReset;
  };
  (void)send_text(*second, "x");  // the first to a dead device may go as the first to a dead peer does
  EXPECT_TRUE(is_reset(send_text(*second, "x"))) << errno;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(failure(kDeviceReset), recv_text(*pair.session));
    EXPECT_TRUE(is_reset(send_text(*pair.session, "x"))) << errno;
    EXPECT_TRUE(is_reset(send_text(*second, "x"))) << errno;
    EXPECT_EQ(failure(kDeviceReset), recv_text(*second));
    EXPECT_TRUE(is_reset(pair.session->shutdown(SHUT_WR))) << errno;
    EXPECT_TRUE(is_reset(pair.session->unacknowledged())) << errno;
    EXPECT_TRUE(is_reset(pair.session->available())) << errno;
    EXPECT_TRUE(is_reset(pair.session->abort())) << errno;
    EXPECT_TRUE(is_reset(pair.session->detach())) << errno;
    EXPECT_EQ(kDeviceReset, pending_error(*pair.session));
    EXPECT_EQ(nullptr, pair.listener->accept(nullptr, nullptr, 0));
    EXPECT_EQ(kDeviceReset, errno);
    EXPECT_TRUE(is_reset(bind_to(*fresh, loopback()))) << errno;
    EXPECT_TRUE(is_reset(fresh->listen(1))) << errno;
    EXPECT_TRUE(is_reset(connect_to(*fresh, 1))) << errno;
    const int on = 1;
    EXPECT_TRUE(is_reset(fresh->set_option(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)))) << errno;
    sockaddr_in name{};
    socklen_t length = sizeof(name);
    EXPECT_TRUE(is_reset(fresh->get_name(reinterpret_cast<sockaddr*>(&name), &length))) << errno;
    EXPECT_TRUE(is_reset(pair.session->get_peer(reinterpret_cast<sockaddr*>(&name), &length))) << errno;
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, pair.session->tell(MANGO_IPC_MSG_TCP_CLOSE));
  }
  EXPECT_EQ(nullptr, setting.client->open(AF_INET, 0));
  EXPECT_EQ(kIpcUnavailable, errno);
}

TEST(DeviceSessionProcess, the_devices_death_wakes_whoever_waits) {
  Setting setting(kLeastRingBytes);
  Pair pair(setting);
  std::future<std::string> receiver =
      std::async(std::launch::async, [&] { return recv_text(*pair.session); });
  std::future<int> sender = std::async(std::launch::async, [&] {
    ssize_t n = 1;
    while (n > 0) n = send_text(*pair.session, std::string(1'000'000, 'x'));
    return errno;
  });
  std::future<int> acceptor = std::async(
      std::launch::async, [&] { return pair.listener->accept(nullptr, nullptr, 0) == nullptr ? errno : 0; });
  EXPECT_EQ(std::future_status::timeout, sender.wait_for(std::chrono::milliseconds(50)));
  setting.device.kill();
  EXPECT_EQ(failure(kDeviceReset), receiver.get());
  EXPECT_EQ(kDeviceReset, sender.get());
  EXPECT_EQ(kDeviceReset, acceptor.get());
}

TEST(DeviceSessionProcess, a_client_finds_the_device_that_is_back) {
  const std::string path = "mango-test.back." + std::to_string(::getpid());
  auto device = std::make_unique<DeviceProcess>(kRingBytes, path);
  Control control(path);
  const auto client = Client::make(control, 0);
  const std::unique_ptr<Session> old(client->open(AF_INET, SOCK_CLOEXEC));
  ASSERT_TRUE(old);
  device.reset();
  EXPECT_EQ(nullptr, client->open(AF_INET, SOCK_CLOEXEC));
  device = std::make_unique<DeviceProcess>(kRingBytes, path);
  const std::unique_ptr<Session> fresh(client->open(AF_INET, SOCK_CLOEXEC));
  ASSERT_TRUE(fresh) << errno;
  const int on = 1;
  EXPECT_EQ(-1, old->set_option(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
  EXPECT_EQ(kDeviceReset, errno);
  EXPECT_EQ(0, old->renew()) << errno;
  EXPECT_EQ(0, bind_to(*old, loopback()));
  EXPECT_EQ(0, old->listen(1));
  EXPECT_EQ(0, connect_to(*fresh, port_of(*old)));
}

TEST(DeviceSessionProcess, a_device_that_does_not_answer_is_given_up) {
  const Setting setting;
  const auto session = setting.open();
  setting.device.stop();
  const int on = 1;
  EXPECT_EQ(-1, session->set_option(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
  EXPECT_EQ(kIpcUnavailable, errno);
  setting.device.resume();
  EXPECT_EQ(0, session->set_option(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on))) << errno;
}

#ifndef __SANITIZE_THREAD__  // whose own thread a child that may only exit() leaves behind
// With seccomp's strict mode every system call but read, write and exit kills.
TEST(DeviceSessionProcess, a_busy_session_makes_no_system_call) {
  const Setting setting;
  const Pair pair(setting);
  pair.peer.send("abcd");
  ASSERT_NE(0, wait_for(pair.session->fd(), POLLIN));
  ASSERT_EQ(1, send_text(*pair.session, "0"));  // the channel is there
  const pid_t child = ::fork();
  if (child == 0) {
    if (send_text(*pair.session, "1") != 1) ::_exit(2);
    char octet[2] = {};
    const iovec piece{octet, 2};
    ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    const bool received = pair.session->recv(&piece, 1, 0) == 2 && octet[1] == 'b';
    ::syscall(SYS_exit, received ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(child, ::waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  EXPECT_EQ("01", pair.peer.read(2));
}
#endif
