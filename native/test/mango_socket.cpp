// SPDX-License-Identifier: Apache-2.0
// Sockets of the kernel engine: opening, connecting, plain bytes, options.
#include <cstring>
#include <thread>

#include "mango_support.h"

using namespace mango_test;

namespace {

// A connected pair: ours, accepted, and the raw peer.
struct Pair {
  Engine engine;
  mango_socket_h listener = engine.listen();
  RawPeer peer{Engine::port_of(listener)};
  mango_socket_h socket = engine.accept(listener);
};

sockaddr_in6 loopback6() {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  return address;
}

}  // namespace

TEST(MangoSocket, sends_and_receives) {
  Pair pair;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, "hello", 5, &n));
  EXPECT_EQ(5U, n);
  char buffer[64] = {};
  EXPECT_EQ(5, recv(pair.peer.fd(), buffer, sizeof(buffer), 0));
  EXPECT_STREQ("hello", buffer);
  pair.peer.send("answer");
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n));
  EXPECT_EQ("answer", std::string(buffer, n));
}

TEST(MangoSocket, gathers_and_scatters) {
  Pair pair;
  char first[] = "ab";
  char second[] = "cdef";
  iovec pieces[2] = {{first, 2}, {second, 4}};
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send_iov(pair.socket, pieces, 2, &n));
  EXPECT_EQ(6U, n);
  char buffer[64] = {};
  EXPECT_EQ(6, recv(pair.peer.fd(), buffer, sizeof(buffer), MSG_WAITALL | MSG_DONTWAIT));
  pair.peer.send("uvwxyz");
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv_iov(pair.socket, pieces, 2, &n));
  EXPECT_EQ(6U, n);
  EXPECT_EQ("uv", std::string(first, 2));
  EXPECT_EQ("wxyz", std::string(second, 4));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send_iov(pair.socket, pieces, -1, &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv_iov(pair.socket, nullptr, 1, &n));
}

TEST(MangoSocket, every_transfer_is_one_system_call) {
  Pair pair;
  pair.peer.send("0123456789");
  wait_for(Engine::fd_of(pair.socket), POLLIN);
  const mango_counters_t before = counters();
  char buffer[4];
  size_t n = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, buffer, n, &n));
  const mango_counters_t after = counters();
  EXPECT_EQ(1U, after.recv_calls - before.recv_calls);
  EXPECT_EQ(1U, after.send_calls - before.send_calls);
  EXPECT_EQ(4U, after.recv_bytes - before.recv_bytes);
  EXPECT_EQ(4U, after.send_bytes - before.send_bytes);
}

TEST(MangoSocket, end_of_stream_is_ok_with_nothing) {
  Pair pair;
  pair.peer.close();
  char buffer[4];
  size_t n = 99;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n));
  EXPECT_EQ(0U, n);
}

TEST(MangoSocket, a_non_blocking_socket_answers_again) {
  Pair pair;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  char buffer[4];
  size_t n = 99;
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n));
  EXPECT_EQ(99U, n);
  const std::string block(1 << 20, 'x');
  mango_status_e status = MANGO_STATUS_OK;
  for (int i = 0; i < 100 && status == MANGO_STATUS_OK; ++i) {
    status = mango_socket_send(pair.socket, block.data(), block.size(), &n);
  }
  EXPECT_EQ(MANGO_STATUS_AGAIN, status);
}

TEST(MangoSocket, accepted_sockets_inherit_non_blocking_and_close_on_exec) {
  Engine engine;
  mango_socket_h listener = engine.listen(true);
  mango_socket_h none = nullptr;
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_socket_accept(listener, nullptr, nullptr, &none));
  RawPeer peer(Engine::port_of(listener));
  wait_for(Engine::fd_of(listener), POLLIN);
  sockaddr_in from{};
  socklen_t length = sizeof(from);
  const mango_counters_t before = counters();
  mango_socket_h socket = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK,
            mango_socket_accept(listener, reinterpret_cast<sockaddr*>(&from), &length, &socket));
  engine.own(socket);
  EXPECT_EQ(1U, counters().accept_calls - before.accept_calls);
  EXPECT_EQ(INADDR_LOOPBACK, ntohl(from.sin_addr.s_addr));
  EXPECT_TRUE(fcntl(Engine::fd_of(socket), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(fcntl(Engine::fd_of(socket), F_GETFD) & FD_CLOEXEC);
}

TEST(MangoSocket, connects_blocking_and_tells_names) {
  Engine engine;
  mango_socket_h listener = engine.listen();
  mango_socket_h socket = engine.open();
  const sockaddr_in address = loopback(Engine::port_of(listener));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_IS_CONNECTED, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  sockaddr_in peer{};
  socklen_t length = sizeof(peer);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_peername(socket, reinterpret_cast<sockaddr*>(&peer), &length));
  EXPECT_EQ(address.sin_port, peer.sin_port);
  int session = -1;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_session(socket, &session));
  EXPECT_GE(session, 0);
}

TEST(MangoSocket, a_non_blocking_connect_reports_its_outcome_when_called_again) {
  Engine engine;
  mango_socket_h listener = engine.listen();
  mango_socket_h socket = engine.open();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, true));
  const sockaddr_in address = loopback(Engine::port_of(listener));
  ASSERT_EQ(MANGO_STATUS_IN_PROGRESS, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  wait_for(Engine::fd_of(socket), POLLOUT);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_IS_CONNECTED, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
}

TEST(MangoSocket, a_refused_connect_says_so) {
  Engine engine;
  mango_socket_h listener = engine.listen();
  const sockaddr_in address = loopback(Engine::port_of(listener));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(listener));
  mango_socket_h socket = engine.open();
  EXPECT_EQ(MANGO_STATUS_CONNECTION_REFUSED,
            mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
}

TEST(MangoSocket, ipv6_keeps_descriptor_options_and_mode) {
  Engine engine;
  mango_socket_h listener = engine.open();
  const int fd = Engine::fd_of(listener);
  const int on = 1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_option(listener, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(listener, true));
  const sockaddr_in6 address = loopback6();
  ASSERT_EQ(MANGO_STATUS_OK,
            mango_socket_bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_listen(listener, 4));
  EXPECT_EQ(fd, Engine::fd_of(listener));
  EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  for (const auto& [level, name] :
       {std::pair<int, int>{SOL_SOCKET, SO_KEEPALIVE}, std::pair<int, int>{IPPROTO_IPV6, IPV6_V6ONLY}}) {
    int value = 0;
    socklen_t length = sizeof(value);
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_option(listener, level, name, &value, &length));
    EXPECT_EQ(1, value) << "level " << level;
  }
  sockaddr_in6 bound{};
  socklen_t length = sizeof(bound);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_name(listener, reinterpret_cast<sockaddr*>(&bound), &length));
  mango_socket_h client = engine.open();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_connect(client, reinterpret_cast<sockaddr*>(&bound), length));
}

TEST(MangoSocket, other_address_families_are_refused) {
  Engine engine;
  sockaddr address{};
  address.sa_family = AF_UNIX;
  EXPECT_EQ(MANGO_STATUS_FAMILY_NOT_SUPPORTED, mango_socket_bind(engine.open(), &address, sizeof(address)));
  address.sa_family = AF_UNSPEC;
  EXPECT_EQ(MANGO_STATUS_FAMILY_NOT_SUPPORTED,
            mango_socket_connect(engine.open(), &address, sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_connect(engine.open(), nullptr, 0));
}

TEST(MangoSocket, needs_an_engine_and_opens_once_at_a_time) {
  mango_tcp_h tcp = nullptr;
  mango_socket_h bare = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_create(&tcp));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(tcp, &bare));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_open(bare, nullptr));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_destroy(bare));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(tcp));
  Engine engine;
  mango_socket_h socket = engine.open();
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_socket_open(socket, nullptr));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_close(socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr));
}

TEST(MangoSocket, tells_how_much_can_be_received) {
  Pair pair;
  pair.peer.send("12345");
  wait_for(Engine::fd_of(pair.socket), POLLIN);
  int available = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_num_avail(pair.socket, &available));
  EXPECT_EQ(5, available);
}

TEST(MangoSocket, detach_leaves_the_connection_to_the_caller) {
  Pair pair;
  const int fd = Engine::fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_detach(pair.socket));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_socket_find(fd, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_close(pair.socket));
  pair.peer.send("still here");
  char buffer[64];
  EXPECT_EQ(10, recv(fd, buffer, sizeof(buffer), 0));
  ::close(fd);
}

TEST(MangoSocket, wait_returns_when_the_peer_has_acknowledged) {
  Pair pair;
  const std::string bytes = pattern(3 << 20);
  std::string got;
  std::thread reader([&] { pair.peer.read_to_end(&got); });
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, bytes.data(), bytes.size(), &n));
  EXPECT_EQ(bytes.size(), n);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_wait(pair.socket));
  tcp_info info{};
  socklen_t length = sizeof(info);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_option(pair.socket, IPPROTO_TCP, TCP_INFO, &info, &length));
  EXPECT_EQ(0U, info.tcpi_unacked);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_shutdown(pair.socket, SHUT_WR));
  reader.join();
  EXPECT_EQ(bytes, got);
}

TEST(MangoSocket, wait_fails_when_the_peer_resets) {
  Engine engine;
  mango_socket_h listener = engine.listen();
  RawPeer peer(Engine::port_of(listener), 4096);
  mango_socket_h socket = engine.accept(listener);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, true));
  const std::string block(1 << 20, 'x');
  while (mango_socket_send(socket, block.data(), block.size(), nullptr) == MANGO_STATUS_OK) {
  }
  std::thread killer([&] {
    const linger now{1, 0};
    setsockopt(peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    peer.close();
  });
  EXPECT_EQ(MANGO_STATUS_CONNECTION_RESET, mango_socket_wait(socket));
  killer.join();
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_wait(engine.open()));
}

TEST(MangoSocket, different_sockets_of_one_tcp_work_in_different_threads) {
  Engine engine;
  mango_socket_h listener = engine.listen();
  const uint16_t port = Engine::port_of(listener);
  const auto client = [&] {
    for (int i = 0; i < 50; ++i) {
      mango_socket_h socket = nullptr;
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(engine.tcp, &socket));
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr));
      const sockaddr_in address = loopback(port);
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
      size_t n = 0;
      char byte = 'x';
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(socket, &byte, 1, &n));
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv(socket, &byte, 1, &n));
      (void)mango_socket_find(0, nullptr);
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(socket));
    }
  };
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) clients.emplace_back(client);
  for (int i = 0; i < 200; ++i) {
    mango_socket_h socket = nullptr;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_accept(listener, nullptr, nullptr, &socket));
    char byte = 0;
    size_t n = 0;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv(socket, &byte, 1, &n));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(socket, &byte, 1, &n));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(socket));
  }
  for (std::thread& thread : clients) thread.join();
}
