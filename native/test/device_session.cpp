// SPDX-License-Identifier: Apache-2.0
// Sessions of the device as a client has them: one call at a time, each with the result of the system call of
// its name.
#include <netinet/tcp.h>

#include "device_session_support.h"

using namespace session_test;

TEST(DeviceSession, sends_and_receives) {
  const Setting setting;
  const Pair pair(setting);
  EXPECT_EQ(5, send_text(*pair.session, "hello"));
  EXPECT_EQ("hello", pair.peer.read(5));
  pair.peer.send("answer");
  EXPECT_EQ("answer", recv_text(*pair.session));
}

TEST(DeviceSession, gathers_and_scatters) {
  const Setting setting;
  const Pair pair(setting);
  char first[] = "ab";
  char second[] = "cdef";
  const iovec pieces[3] = {{first, 2}, {nullptr, 0}, {second, 4}};
  EXPECT_EQ(6, pair.session->send(pieces, 3, 0));
  EXPECT_EQ("abcdef", pair.peer.read(6));
  pair.peer.send("uvwxyz");
  EXPECT_EQ(6, pair.session->recv(pieces, 3, MSG_WAITALL));
  EXPECT_STREQ("uv", first);
  EXPECT_STREQ("wxyz", second);
}

TEST(DeviceSession, receives_nothing_into_nothing) {
  const Setting setting;
  const Pair pair(setting);
  EXPECT_EQ(0, pair.session->recv(nullptr, 0, 0));
  EXPECT_EQ(0, send_text(*pair.session, ""));
}

TEST(DeviceSession, says_again_when_there_is_nothing) {
  const Setting setting;
  const Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  EXPECT_EQ(failure(EAGAIN), recv_text(*pair.session));
  EXPECT_EQ(0, pair.session->set_nonblocking(false));
  EXPECT_EQ(failure(EAGAIN), recv_text(*pair.session, 10, MSG_DONTWAIT));
}

TEST(DeviceSession, is_readable_while_octets_are_left) {
  const Setting setting;
  const Pair pair(setting);
  pair.peer.send("0123456789");
  EXPECT_EQ("0", recv_text(*pair.session, 1));
  EXPECT_NE(0, wait_for(pair.session->fd(), POLLIN));
  EXPECT_EQ("1", recv_text(*pair.session, 1, MSG_PEEK));
  EXPECT_NE(0, wait_for(pair.session->fd(), POLLIN));
  EXPECT_EQ(9, pair.session->available());
  EXPECT_EQ("123456789", recv_text(*pair.session));
  EXPECT_EQ(0, wait_for(pair.session->fd(), POLLIN, 0));
  EXPECT_EQ(0, pair.session->available());
}

TEST(DeviceSession, waits_for_all) {
  const Setting setting;
  const Pair pair(setting);
  pair.peer.send("half");
  ASSERT_NE(0, wait_for(pair.session->fd(), POLLIN));
  std::future<std::string> all =
      std::async(std::launch::async, [&] { return recv_text(*pair.session, 8, MSG_WAITALL); });
  pair.peer.send("full");
  EXPECT_EQ("halffull", all.get());
}

TEST(DeviceSession, gives_what_came_before_the_end_to_a_receiver_of_all) {
  const Setting setting;
  Pair pair(setting);
  pair.peer.send("part");
  pair.peer.close();
  EXPECT_EQ("part", recv_text(*pair.session, 100, MSG_WAITALL));
  EXPECT_EQ("", recv_text(*pair.session, 100, MSG_WAITALL));
}

TEST(DeviceSession, ends_after_fin) {
  const Setting setting;
  Pair pair(setting, SOCK_CLOEXEC | SOCK_NONBLOCK);
  pair.peer.send("last");
  ASSERT_EQ(0, ::shutdown(pair.peer.fd(), SHUT_WR));
  while ((wait_for(pair.session->fd(), POLLIN | POLLRDHUP) & POLLRDHUP) == 0) {
  }
  EXPECT_EQ("last", recv_text(*pair.session));
  EXPECT_EQ("", recv_text(*pair.session));
  EXPECT_EQ("", recv_text(*pair.session));
  EXPECT_EQ(3, send_text(*pair.session, "yet"));
  EXPECT_EQ("yet", pair.peer.read(3));
}

TEST(DeviceSession, says_reset_after_what_was_received) {
  const Setting setting;
  Pair pair(setting);
  pair.peer.send("before");
  ASSERT_NE(0, wait_for(pair.session->fd(), POLLIN));
  pair.peer.rst();
  while ((wait_for(pair.session->fd(), POLLIN) & POLLHUP) == 0) {
  }
  EXPECT_EQ("before", recv_text(*pair.session));
  EXPECT_EQ(failure(ECONNRESET), recv_text(*pair.session));
  EXPECT_EQ("", recv_text(*pair.session));
  EXPECT_EQ(-1, send_text(*pair.session, "x"));
  EXPECT_EQ(EPIPE, errno);
}

TEST(DeviceSession, tells_an_error_once) {
  const Setting setting;
  Pair pair(setting);
  pair.peer.rst();
  while ((wait_for(pair.session->fd(), POLLIN) & POLLHUP) == 0) {
  }
  EXPECT_EQ(ECONNRESET, pending_error(*pair.session));
  EXPECT_EQ(0, pending_error(*pair.session));
  EXPECT_EQ("", recv_text(*pair.session));
}

TEST(DeviceSession, shuts_down_sending) {
  const Setting setting;
  Pair pair(setting);
  EXPECT_EQ(4, send_text(*pair.session, "last"));
  EXPECT_EQ(0, pair.session->shutdown(SHUT_WR));
  EXPECT_EQ("last", pair.peer.read(100));
  EXPECT_EQ(-1, send_text(*pair.session, "more"));
  EXPECT_EQ(EPIPE, errno);
  pair.peer.send("answer");
  EXPECT_EQ("answer", recv_text(*pair.session));
  EXPECT_EQ(0, pair.session->shutdown(SHUT_WR));
}

TEST(DeviceSession, shuts_down_receiving) {
  const Setting setting;
  const Pair pair(setting);
  pair.peer.send("x");
  ASSERT_NE(0, wait_for(pair.session->fd(), POLLIN));
  EXPECT_EQ(0, pair.session->shutdown(SHUT_RD));
  EXPECT_NE(0, wait_for(pair.session->fd(), POLLIN));
  EXPECT_EQ("x", recv_text(*pair.session));
  EXPECT_EQ("", recv_text(*pair.session));
  EXPECT_EQ(3, send_text(*pair.session, "out"));
  EXPECT_EQ("out", pair.peer.read(3));
}

TEST(DeviceSession, shuts_nothing_down_that_is_not_connected) {
  const Setting setting;
  const auto session = setting.open();
  EXPECT_EQ(-1, session->shutdown(SHUT_RDWR));
  EXPECT_EQ(ENOTCONN, errno);
  EXPECT_EQ(-1, session->shutdown(42));
  EXPECT_EQ(EINVAL, errno);
}

TEST(DeviceSession, closes_orderly) {
  const Setting setting;
  Pair pair(setting);
  EXPECT_EQ(4, send_text(*pair.session, "last"));
  pair.session.reset();
  int error = 0;
  EXPECT_EQ("last", pair.peer.read(100, &error));
  EXPECT_EQ(0, error);
}

TEST(DeviceSession, resets_when_closed_with_octets_unread) {
  const Setting setting;
  Pair pair(setting);
  pair.peer.send("unread");
  ASSERT_NE(0, wait_for(pair.session->fd(), POLLIN));
  pair.session.reset();
  int error = 0;
  EXPECT_EQ("", pair.peer.read(100, &error));
  EXPECT_EQ(ECONNRESET, error);
}

TEST(DeviceSession, resets_when_it_lingers_for_no_time) {
  const Setting setting;
  Pair pair(setting);
  const linger none{1, 0};
  EXPECT_EQ(0, pair.session->set_option(SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
  pair.session.reset();
  int error = 0;
  EXPECT_EQ("", pair.peer.read(100, &error));
  EXPECT_EQ(ECONNRESET, error);
}

TEST(DeviceSession, aborts) {
  const Setting setting;
  Pair pair(setting);
  pair.peer.send("dropped");
  ASSERT_NE(0, wait_for(pair.session->fd(), POLLIN));
  EXPECT_EQ(0, pair.session->abort());
  int error = 0;
  EXPECT_EQ("", pair.peer.read(100, &error));
  EXPECT_EQ(ECONNRESET, error);
  EXPECT_EQ(failure(ENOTCONN), recv_text(*pair.session));
  EXPECT_EQ(-1, send_text(*pair.session, "x"));
  EXPECT_EQ(EPIPE, errno);
  EXPECT_NE(0, wait_for(pair.session->fd(), POLLIN) & POLLHUP);
}

TEST(DeviceSession, aborts_behind_what_was_sent) {
  const Setting setting;
  const Pair pair(setting);
  EXPECT_EQ(6, send_text(*pair.session, "answer"));
  EXPECT_EQ(0, pair.session->abort());
  int error = 0;
  EXPECT_EQ("answer", pair.peer.read(100, &error));
  EXPECT_EQ(ECONNRESET, error);
}

TEST(DeviceSession, renews_under_the_same_descriptor) {
  const Setting setting;
  Pair pair(setting);
  const int fd = pair.session->fd();
  const int on = 1;
  ASSERT_EQ(0, pair.session->set_option(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
  EXPECT_EQ(0, pair.session->renew());
  EXPECT_EQ(fd, pair.session->fd());
  int error = 0;
  EXPECT_EQ("", pair.peer.read(100, &error));
  EXPECT_EQ(ECONNRESET, error);
  const Peer other = Peer::listening();
  EXPECT_EQ(0, connect_to(*pair.session, other.port())) << errno;
  const Peer accepted = other.accept();
  EXPECT_EQ(2, send_text(*pair.session, "hi"));
  EXPECT_EQ("hi", accepted.read(2));
  int kept = 0;
  socklen_t length = sizeof(kept);
  EXPECT_EQ(0, pair.session->get_option(SOL_SOCKET, SO_KEEPALIVE, &kept, &length));
  EXPECT_EQ(1, kept);
}

TEST(DeviceSession, detaches_the_connection) {
  const Setting setting;
  Pair pair(setting);
  const int fd = pair.session->fd();
  pair.peer.send("x");
  ASSERT_NE(0, wait_for(fd, POLLIN));
  EXPECT_EQ(-1, pair.session->detach());
  EXPECT_EQ(EBUSY, errno);
  EXPECT_EQ("x", recv_text(*pair.session));
  EXPECT_EQ(0, pair.session->detach()) << errno;
  pair.session.reset();
  EXPECT_EQ(4, ::send(fd, "free", 4, 0));
  EXPECT_EQ("free", pair.peer.read(4));
  ::close(fd);
}

TEST(DeviceSession, has_names) {
  const Setting setting;
  const auto listener = setting.listener();
  const auto session = setting.open();
  sockaddr_in name{};
  socklen_t length = sizeof(name);
  EXPECT_EQ(-1, session->get_peer(reinterpret_cast<sockaddr*>(&name), &length));
  EXPECT_EQ(ENOTCONN, errno);
  ASSERT_EQ(0, connect_to(*session, port_of(*listener)));
  EXPECT_EQ(0, session->get_peer(reinterpret_cast<sockaddr*>(&name), &length));
  EXPECT_EQ(sizeof(name), length);
  EXPECT_EQ(port_of(*listener), ntohs(name.sin_port));
  const std::unique_ptr<Session> accepted(
      listener->accept(reinterpret_cast<sockaddr*>(&name), &length, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted);
  EXPECT_EQ(port_of(*session), ntohs(name.sin_port));
  EXPECT_EQ(port_of(*accepted), port_of(*listener));
  length = 2;
  EXPECT_EQ(0, accepted->get_name(reinterpret_cast<sockaddr*>(&name), &length));
  EXPECT_EQ(sizeof(name), length);
}

TEST(DeviceSession, refuses_an_address_in_use) {
  const Setting setting;
  const auto listener = setting.listener();
  const auto second = setting.open();
  const bool bound = bind_to(*second, loopback(port_of(*listener))) == 0;
  EXPECT_TRUE(!bound || second->listen(1) != 0);
  EXPECT_EQ(EADDRINUSE, errno);
}

TEST(DeviceSession, binds_again_what_was_just_closed) {
  const Setting setting;
  auto listener = setting.listener();
  const uint16_t port = port_of(*listener);
  for (int i = 0; i < 20; ++i) {
    listener.reset();
    listener = setting.open();
    ASSERT_EQ(0, bind_to(*listener, loopback(port))) << errno;
    ASSERT_EQ(0, listener->listen(16)) << errno;
  }
}

TEST(DeviceSession, keeps_options) {
  const Setting setting;
  const Pair pair(setting);
  const auto get = [&](int level, int name) {
    int value = -1;
    socklen_t length = sizeof(value);
    EXPECT_EQ(0, pair.session->get_option(level, name, &value, &length)) << name << " " << errno;
    return value;
  };
  const auto set = [&](int level, int name, int value) {
    return pair.session->set_option(level, name, &value, sizeof(value));
  };
  EXPECT_EQ(0, get(IPPROTO_TCP, TCP_NODELAY));
  EXPECT_EQ(0, set(IPPROTO_TCP, TCP_NODELAY, 1));
  EXPECT_EQ(1, get(IPPROTO_TCP, TCP_NODELAY));
  EXPECT_EQ(0, set(IPPROTO_TCP, TCP_KEEPIDLE, 77));
  EXPECT_EQ(77, get(IPPROTO_TCP, TCP_KEEPIDLE));
  EXPECT_EQ(SOCK_STREAM, get(SOL_SOCKET, SO_TYPE));
  EXPECT_EQ(IPPROTO_TCP, get(SOL_SOCKET, SO_PROTOCOL));
  EXPECT_EQ(AF_INET, get(SOL_SOCKET, SO_DOMAIN));
  EXPECT_EQ(0, get(SOL_SOCKET, SO_ACCEPTCONN));
  EXPECT_EQ(-1, set(IPPROTO_TCP, 9999, 1));
  EXPECT_EQ(ENOPROTOOPT, errno);
  tcp_info info{};
  socklen_t length = sizeof(info);
  EXPECT_EQ(0, pair.session->get_option(IPPROTO_TCP, TCP_INFO, &info, &length));
  EXPECT_EQ(TCP_ESTABLISHED, info.tcpi_state);
}

TEST(DeviceSession, counts_what_is_not_acknowledged) {
  const Setting setting;
  const Pair pair(setting);
  EXPECT_EQ(5, send_text(*pair.session, "hello"));
  EXPECT_EQ("hello", pair.peer.read(5));
  int left = 1;
  while (left > 0) left = pair.session->unacknowledged();
  EXPECT_EQ(0, left);
}

TEST(DeviceSession, connects) {
  const Setting setting;
  const Peer listener = Peer::listening();
  const auto session = setting.open();
  EXPECT_EQ(0, connect_to(*session, listener.port())) << errno;
  EXPECT_EQ(-1, connect_to(*session, listener.port()));
  EXPECT_EQ(EISCONN, errno);
  const Peer peer = listener.accept();
  EXPECT_EQ(2, send_text(*session, "hi"));
  EXPECT_EQ("hi", peer.read(2));
}

TEST(DeviceSession, connects_without_waiting) {
  const Setting setting;
  const Peer listener = Peer::listening();
  const auto session = setting.open(SOCK_CLOEXEC | SOCK_NONBLOCK);
  EXPECT_EQ(-1, connect_to(*session, listener.port()));
  EXPECT_EQ(EINPROGRESS, errno);
  EXPECT_EQ(POLLOUT, wait_for(session->fd(), POLLOUT));
  EXPECT_EQ(0, pending_error(*session));
  EXPECT_EQ(0, connect_to(*session, listener.port()));
  EXPECT_EQ(-1, connect_to(*session, listener.port()));
  EXPECT_EQ(EISCONN, errno);
  EXPECT_EQ(failure(EAGAIN), recv_text(*session));
}

TEST(DeviceSession, is_refused_and_may_try_again) {
  const Setting setting;
  const auto session = setting.open();
  EXPECT_EQ(-1, connect_to(*session, unused_port()));
  EXPECT_EQ(ECONNREFUSED, errno);
  const Peer listener = Peer::listening();
  const int fd = session->fd();
  EXPECT_EQ(0, connect_to(*session, listener.port())) << errno;
  EXPECT_EQ(fd, session->fd());
  const Peer peer = listener.accept();
  peer.send("welcome");
  EXPECT_EQ("welcome", recv_text(*session));
}

TEST(DeviceSession, is_refused_without_waiting) {
  const Setting setting;
  const auto session = setting.open(SOCK_CLOEXEC | SOCK_NONBLOCK);
  const uint16_t port = unused_port();
  EXPECT_EQ(-1, connect_to(*session, port));
  EXPECT_EQ(EINPROGRESS, errno);
  EXPECT_NE(0, wait_for(session->fd(), POLLOUT) & (POLLERR | POLLHUP));
  EXPECT_EQ(ECONNREFUSED, pending_error(*session));
  EXPECT_EQ(0, pending_error(*session));
  EXPECT_EQ(-1, connect_to(*session, port));
  EXPECT_EQ(ECONNABORTED, errno);
  EXPECT_EQ(-1, connect_to(*session, port));
  EXPECT_EQ(EINPROGRESS, errno);
  EXPECT_NE(0, wait_for(session->fd(), POLLOUT) & (POLLERR | POLLHUP));
  EXPECT_EQ(-1, connect_to(*session, port));
  EXPECT_EQ(ECONNREFUSED, errno);
}

TEST(DeviceSession, says_already_while_connecting) {
  const Setting setting;
  const auto session = setting.open(SOCK_CLOEXEC | SOCK_NONBLOCK);
  sockaddr_in nowhere = loopback(9);
  nowhere.sin_addr.s_addr = htonl(0xC0000201);  // 192.0.2.1, which nobody has
  const auto* address = reinterpret_cast<const sockaddr*>(&nowhere);
  ASSERT_EQ(-1, session->connect(address, sizeof(nowhere)));
  ASSERT_EQ(EINPROGRESS, errno);
  if (wait_for(session->fd(), POLLOUT, 200) != 0) GTEST_SKIP() << "no route for packets to get lost on";
  EXPECT_EQ(-1, session->connect(address, sizeof(nowhere)));
  EXPECT_EQ(EALREADY, errno);
  EXPECT_EQ(-1, send_text(*session, "x"));
  EXPECT_EQ(EAGAIN, errno);
  EXPECT_EQ(failure(EAGAIN), recv_text(*session));
}

TEST(DeviceSession, refuses_what_its_state_does_not_allow) {
  const Setting setting;
  const auto session = setting.open(SOCK_CLOEXEC | SOCK_NONBLOCK);
  EXPECT_EQ(failure(ENOTCONN), recv_text(*session));
  EXPECT_EQ(-1, send_text(*session, "x"));
  EXPECT_EQ(EPIPE, errno);
  EXPECT_EQ(nullptr, session->accept(nullptr, nullptr, 0));
  EXPECT_EQ(EINVAL, errno);
  const sockaddr_in6 other{.sin6_family = AF_INET6};
  EXPECT_EQ(-1, session->connect(reinterpret_cast<const sockaddr*>(&other), sizeof(other)));
  EXPECT_EQ(EAFNOSUPPORT, errno);
  const auto listener = setting.listener(SOCK_CLOEXEC | SOCK_NONBLOCK);
  EXPECT_EQ(nullptr, listener->accept(nullptr, nullptr, 0));
  EXPECT_EQ(EAGAIN, errno);
  EXPECT_EQ(-1, connect_to(*listener, 1));
  EXPECT_EQ(EISCONN, errno);
}

TEST(DeviceSession, speaks_ipv6) {
  const Setting setting;
  const std::unique_ptr<Session> listener(setting.client->open(AF_INET6, SOCK_CLOEXEC));
  ASSERT_TRUE(listener);
  sockaddr_in6 address{.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  if (listener->bind(reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    GTEST_SKIP() << "no IPv6";
  ASSERT_EQ(0, listener->listen(1));
  socklen_t length = sizeof(address);
  ASSERT_EQ(0, listener->get_name(reinterpret_cast<sockaddr*>(&address), &length));
  const std::unique_ptr<Session> session(setting.client->open(AF_INET6, SOCK_CLOEXEC));
  ASSERT_EQ(0, session->connect(reinterpret_cast<const sockaddr*>(&address), length));
  const auto accepted = accept_on(*listener);
  EXPECT_EQ(1, send_text(*session, "6"));
  EXPECT_EQ("6", recv_text(*accepted));
}

TEST(DeviceSession, gives_accepted_descriptors_their_flags) {
  const Setting setting;
  for (const int flags : {0, int{SOCK_CLOEXEC}, int{SOCK_NONBLOCK}, SOCK_CLOEXEC | SOCK_NONBLOCK}) {
    const Pair pair(setting, flags);
    EXPECT_EQ((flags & SOCK_CLOEXEC) != 0, (::fcntl(pair.session->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT_EQ((flags & SOCK_NONBLOCK) != 0, (::fcntl(pair.session->fd(), F_GETFL) & O_NONBLOCK) != 0);
    const auto opened = setting.open(flags);
    EXPECT_EQ((flags & SOCK_CLOEXEC) != 0, (::fcntl(opened->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT_EQ((flags & SOCK_NONBLOCK) != 0, (::fcntl(opened->fd(), F_GETFL) & O_NONBLOCK) != 0);
  }
}

TEST(DeviceSession, stops_listening_when_shut_down) {
  const Setting setting;
  const auto listener = setting.listener();
  const uint16_t port = port_of(*listener);
  EXPECT_EQ(0, listener->shutdown(SHUT_RDWR)) << errno;
  EXPECT_EQ(nullptr, listener->accept(nullptr, nullptr, 0));
  EXPECT_EQ(EINVAL, errno);
  const auto session = setting.open();
  EXPECT_EQ(-1, connect_to(*session, port));
  EXPECT_EQ(ECONNREFUSED, errno);
}

TEST(DeviceSession, leaves_no_descriptor_and_no_memory_behind) {
  const Setting setting;
  const auto descriptors = [] {
    int open = 0;
    for (int fd = 0; fd < 256; ++fd) open += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return open;
  };
  { const Pair warm(setting); }
  const int before = descriptors();
  for (int i = 0; i < 200; ++i) {
    Pair pair(setting);
    EXPECT_EQ(1, send_text(*pair.session, "x"));
    EXPECT_EQ("x", pair.peer.read(1));
    if (i % 2 == 0) {
      EXPECT_EQ(0, pair.session->renew());
    }
  }
  EXPECT_EQ(before, descriptors());
}

TEST(DeviceSession, answers_that_there_is_no_device) {
  Control nowhere("mango-test.nowhere");
  const auto client = Client::make(nowhere, 0);
  EXPECT_EQ(MANGO_STATUS_IPC_UNAVAILABLE, client->connect());
  EXPECT_EQ(nullptr, client->open(AF_INET, 0));
  EXPECT_EQ(kIpcUnavailable, errno);
  const Setting setting;
  Control control(setting.device.control_path());
  const auto other = Client::make(control, 7);
  EXPECT_NE(MANGO_STATUS_OK, other->connect());
}
