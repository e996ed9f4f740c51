// SPDX-License-Identifier: Apache-2.0
// How connections end, as the peer sees it: FIN for close and shutdown, RST for abort and reset.
#include "mango_support.h"

using namespace mango_test;

namespace {

struct Pair {
  Engine engine;
  mango_socket_h listener = engine.listen();
  RawPeer peer{Engine::port_of(listener)};
  mango_socket_h socket = engine.accept(listener);
};

// Fills the path to the peer until the kernel takes no more.
void fill(mango_socket_h socket) {
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, true));
  const std::string block(1 << 20, 'x');
  while (mango_socket_send(socket, block.data(), block.size(), nullptr) == MANGO_STATUS_OK) {
  }
}

}  // namespace

TEST(MangoEnd, close_sends_what_is_queued_and_fin) {
  Pair pair;
  const std::string bytes = pattern(100'000);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, bytes.data(), bytes.size(), nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
  std::string got;
  EXPECT_EQ(0, pair.peer.read_to_end(&got));
  EXPECT_EQ(bytes, got);
}

TEST(MangoEnd, destroy_closes) {
  Pair pair;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(pair.socket));
  EXPECT_EQ(0, pair.peer.read_to_end());
}

TEST(MangoEnd, abort_sends_rst_and_keeps_handle_and_descriptor) {
  Pair pair;
  const int fd = Engine::fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
  EXPECT_EQ(ECONNRESET, pair.peer.read_to_end());
  EXPECT_EQ(fd, Engine::fd_of(pair.socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_find(fd, nullptr));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
}

TEST(MangoEnd, abort_drops_unsent_and_unread_bytes) {
  Engine engine;
  mango_socket_h listener = engine.listen();
  RawPeer peer(Engine::port_of(listener), 4096);
  mango_socket_h socket = engine.accept(listener);
  peer.send("never read");
  fill(socket);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(socket));
  EXPECT_EQ(ECONNRESET, peer.read_to_end());
}

TEST(MangoEnd, everything_after_abort_answers_aborted) {
  Pair pair;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
  char byte = 0;
  size_t n = 0;
  const sockaddr_in address = loopback();
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_recv(pair.socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_send(pair.socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_recv_tls(pair.socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_send_tls(pair.socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_connect(pair.socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_bind(pair.socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_listen(pair.socket, 1));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_wait(pair.socket));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_shutdown(pair.socket, SHUT_RDWR));
}

TEST(MangoEnd, abort_after_the_peers_fin_still_sends_rst) {
  Pair pair;
  shutdown(pair.peer.fd(), SHUT_WR);
  char byte = 0;
  size_t n = 1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, &byte, 1, &n));
  ASSERT_EQ(0U, n);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
  EXPECT_NE(0, pair.peer.read_to_end());
}

TEST(MangoEnd, abort_of_a_connection_the_peer_reset_is_ok) {
  Pair pair;
  const linger now{1, 0};
  setsockopt(pair.peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  pair.peer.close();
  wait_for(Engine::fd_of(pair.socket), POLLIN);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
}

TEST(MangoEnd, abort_needs_a_connection) {
  Engine engine;
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_abort(engine.open()));
}

TEST(MangoEnd, the_peers_rst_is_connection_reset) {
  Pair pair;
  const linger now{1, 0};
  setsockopt(pair.peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  pair.peer.close();
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_CONNECTION_RESET, mango_socket_recv(pair.socket, &byte, 1, &n));
}

TEST(MangoEnd, reset_sends_rst_and_the_socket_connects_again) {
  Engine engine;
  mango_socket_h listener = engine.listen();
  RawPeer peer(Engine::port_of(listener));
  mango_socket_h socket = engine.accept(listener);
  const int fd = Engine::fd_of(socket);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_reset(socket));
  EXPECT_EQ(ECONNRESET, peer.read_to_end());
  EXPECT_EQ(fd, Engine::fd_of(socket));
  const sockaddr_in address = loopback(Engine::port_of(listener));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  mango_socket_h other = engine.accept(listener);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(socket, "x", 1, nullptr));
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv(other, &byte, 1, &n));
  EXPECT_EQ('x', byte);
}

TEST(MangoEnd, reset_lets_a_bound_socket_bind_again) {
  Engine engine;
  mango_socket_h listener = engine.listen();
  mango_socket_h socket = engine.open();
  const sockaddr_in any = loopback();
  const sockaddr_in address = loopback(Engine::port_of(listener));
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_bind(socket, as_sockaddr(any), sizeof(any))) << round;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address))) << round;
    mango_socket_h other = engine.accept(listener);
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_reset_blocking(socket, 1000)) << round;
    char byte = 0;
    size_t n = 0;
    EXPECT_EQ(MANGO_STATUS_CONNECTION_RESET, mango_socket_recv(other, &byte, 1, &n));
  }
}

TEST(MangoEnd, reset_lets_an_accepted_socket_bind_and_listen) {
  Pair pair;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_reset(pair.socket));
  const sockaddr_in any = loopback();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_bind(pair.socket, as_sockaddr(any), sizeof(any)));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_listen(pair.socket, 4));
  RawPeer another(Engine::port_of(pair.socket));
  pair.engine.accept(pair.socket);
}

TEST(MangoEnd, reset_ends_an_abort_and_a_listener) {
  Pair pair;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_reset(pair.socket));
  const sockaddr_in address = loopback(Engine::port_of(pair.listener));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_connect(pair.socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_reset(pair.listener));
  mango_socket_h client = pair.engine.open();
  EXPECT_EQ(MANGO_STATUS_CONNECTION_REFUSED,
            mango_socket_connect(client, as_sockaddr(address), sizeof(address)));
}

TEST(MangoEnd, shutdown_sends_fin_and_keeps_receiving) {
  Pair pair;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_shutdown(pair.socket, SHUT_WR));
  EXPECT_EQ(0, pair.peer.read_to_end());
  pair.peer.send("late");
  char buffer[8];
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n));
  EXPECT_EQ("late", std::string(buffer, n));
  EXPECT_EQ(MANGO_STATUS_BROKEN_PIPE, mango_socket_send(pair.socket, "x", 1, &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_shutdown(pair.socket, 77));
}
