// SPDX-License-Identifier: Apache-2.0
// A socket's life, and what can be asked of it.
#include "mango_conformance.h"

namespace mango_test {

CONFORMANCE(mango_socket_create, a_handle_without_a_descriptor) {
  mango_socket_h socket = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(tcp, &socket));
  int fd = -1;
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_get_fd(socket, &fd)) << "not open";
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_create(tcp, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_create(socket, &socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_destroy(socket));
}

CONFORMANCE(mango_socket_open, a_descriptor_close_on_exec_and_blocking) {
  mango_socket_h socket = create();
  int fd = -1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, &fd));
  EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
  EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_socket_open(socket, &fd)) << "open already";
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr)) << "again, and the number is optional";
}

CONFORMANCE(mango_socket_close, bytes_go_out_and_then_the_end) {
  const Pair pair = connect_pair();
  const std::string bytes = pattern(300'000);
  std::string got;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, bytes.data(), 100'000, nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
  EXPECT_EQ(0, pair.peer.read_to_end(&got));
  EXPECT_TRUE(bytes.substr(0, 100'000) == got);
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_close(pair.socket)) << "not open";
}

CONFORMANCE(mango_socket_close, unread_bytes_make_it_a_reset) {
  const Pair pair = connect_pair();
  pair.peer.send("never read");
  ASSERT_TRUE(poll_events(fd_of(pair.socket), POLLIN) & POLLIN);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
  EXPECT_EQ(ECONNRESET, pair.peer.read_to_end());
}

CONFORMANCE(mango_socket_close, whoever_shuts_down_first_and_reads_to_the_end_loses_nothing) {
  const Pair pair = connect_pair();
  pair.peer.send("request");
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, "answer", 6, nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_shutdown(pair.socket, SHUT_WR));
  std::string got;
  EXPECT_EQ(0, pair.peer.read_to_end(&got));
  pair.peer.close();
  EXPECT_EQ("request", receive_exactly(pair.socket, 7));
  EXPECT_EQ("", receive_exactly(pair.socket, 1));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
  EXPECT_EQ("answer", got);
}

CONFORMANCE(mango_socket_destroy, an_open_socket_is_closed_first) {
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(pair.socket));
  EXPECT_EQ(0, pair.peer.read_to_end());
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_socket_find(fd, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_destroy(pair.socket));
}

CONFORMANCE(mango_socket_detach, the_connection_is_the_callers_alone) {
  const Pair pair = connect_pair();
  const int fd = own_fd(fd_of(pair.socket));
  pair.peer.send("for the new owner");
  ASSERT_TRUE(poll_events(fd, POLLIN) & POLLIN);
  std::string first;
  if (on_device()) first = receive_exactly(pair.socket, 17).substr(0, 4);  // its rings must be empty
  mango_status_e status = MANGO_STATUS_BUSY;
  while (status == MANGO_STATUS_BUSY) status = mango_socket_detach(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, status);
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_socket_find(fd, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_close(pair.socket));
  if (first.empty()) {
    first.resize(4);
    EXPECT_EQ(4, recv(fd, first.data(), 4, 0)) << "plain TCP from here on";
  }
  EXPECT_EQ("for ", first);
  ASSERT_EQ(5, send(fd, "hello", 5, MSG_NOSIGNAL));
  char buffer[5];
  EXPECT_EQ(5, recv(pair.peer.fd(), buffer, 5, MSG_WAITALL));
}

CONFORMANCE(mango_socket_detach, bytes_that_would_be_lost_keep_it_here) {
  if (!on_device()) GTEST_SKIP() << "the kernel holds all bytes of a socket without TLS";
  const Pair pair = connect_pair();
  pair.peer.send("waiting");
  ASSERT_TRUE(poll_events(fd_of(pair.socket), POLLIN) & POLLIN);
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_socket_detach(pair.socket));
  EXPECT_EQ("waiting", receive_exactly(pair.socket, 7)) << "nothing happened to it";
}

CONFORMANCE(mango_socket_get_fd, the_number_of_a_real_descriptor) {
  mango_socket_h socket = open();
  int fd = -1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_fd(socket, &fd));
  EXPECT_NE(-1, fcntl(fd, F_GETFD));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_fd(socket, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_get_fd(create(), &fd));
}

CONFORMANCE(mango_socket_get_session, unique_while_open) {
  int first = -1;
  int second = -1;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_session(open(), &first));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_session(open(), &second));
  EXPECT_NE(first, second);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_session(open(), nullptr));
}

CONFORMANCE(mango_socket_find, only_open_sockets_are_known) {
  mango_socket_h socket = open();
  const int fd = fd_of(socket);
  mango_socket_h found = nullptr;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_find(fd, &found));
  EXPECT_EQ(socket, found);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_find(fd, nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
  for (const int none : {fd, -1, 0x7FFFFFFF, 0})
    EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_socket_find(none, &found));
}

CONFORMANCE(mango_socket_get_name, the_address_and_port_in_use) {
  mango_socket_h listener = listen();
  sockaddr_in address{};
  socklen_t length = sizeof(address);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_name(listener, name, &length));
  EXPECT_EQ(sizeof(address), length);
  EXPECT_EQ(htonl(INADDR_LOOPBACK), address.sin_addr.s_addr);
  EXPECT_NE(0, address.sin_port);
  length = 2;  // cut to what there is room for
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_name(listener, name, &length));
  EXPECT_EQ(sizeof(address), length);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_name(listener, nullptr, &length));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_name(listener, name, nullptr));
}

CONFORMANCE(mango_socket_get_peername, the_other_end_once_there_is_one) {
  const Pair pair = connect_pair();
  sockaddr_in address{};
  sockaddr_in expected{};
  socklen_t length = sizeof(address);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  getsockname(pair.peer.fd(), reinterpret_cast<sockaddr*>(&expected), &length);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_peername(pair.socket, name, &length));
  EXPECT_EQ(expected.sin_port, address.sin_port);
  EXPECT_EQ(expected.sin_addr.s_addr, address.sin_addr.s_addr);
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_get_peername(open(), name, &length));
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_get_peername(listen(), name, &length));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_peername(pair.socket, nullptr, &length));
}

CONFORMANCE(mango_socket_get_option, what_the_system_says) {
  const Pair pair = connect_pair();
  int value = -1;
  socklen_t length = sizeof(value);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_option(pair.socket, SOL_SOCKET, SO_ERROR, &value, &length));
  EXPECT_EQ(0, value);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_option(pair.socket, SOL_SOCKET, SO_TYPE, &value, &length));
  EXPECT_EQ(SOCK_STREAM, value);
  tcp_info info{};
  length = sizeof(info);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_option(pair.socket, IPPROTO_TCP, TCP_INFO, &info, &length));
  EXPECT_EQ(TCP_ESTABLISHED, info.tcpi_state);
  length = sizeof(value);
  EXPECT_EQ(MANGO_STATUS_UNKNOWN_OPTION,
            mango_socket_get_option(pair.socket, IPPROTO_TCP, 9999, &value, &length));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT,
            mango_socket_get_option(pair.socket, SOL_SOCKET, SO_TYPE, nullptr, &length));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT,
            mango_socket_get_option(pair.socket, SOL_SOCKET, SO_TYPE, &value, nullptr));
}

CONFORMANCE(mango_socket_set_option, it_can_be_read_back_before_and_after_connecting) {
  mango_socket_h fresh = open();
  const int on = 1;
  for (mango_socket_h socket : {fresh, connect_pair().socket}) {
    for (const auto& [level, option] : {std::pair{SOL_SOCKET, SO_KEEPALIVE}, {IPPROTO_TCP, TCP_NODELAY}}) {
      int value = 0;
      socklen_t length = sizeof(value);
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_option(socket, level, option, &on, sizeof(on)));
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_option(socket, level, option, &value, &length));
      EXPECT_NE(0, value);
    }
  }
  EXPECT_EQ(MANGO_STATUS_UNKNOWN_OPTION, mango_socket_set_option(fresh, IPPROTO_TCP, 9999, &on, sizeof(on)));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT,
            mango_socket_set_option(fresh, SOL_SOCKET, SO_KEEPALIVE, nullptr, 4));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_set_option(fresh, SOL_SOCKET, SO_KEEPALIVE, &on, 1));
}

CONFORMANCE(mango_socket_set_option, a_receive_timeout_ends_a_blocking_call) {
  const Pair pair = connect_pair();
  const timeval soon{0, 1000};
  ASSERT_EQ(MANGO_STATUS_OK,
            mango_socket_set_option(pair.socket, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_socket_recv(pair.socket, &byte, 1, &n));
}

CONFORMANCE(mango_socket_set_nonblocking, calls_that_would_wait_say_again) {
  const Pair pair = connect_pair();
  char byte = 0;
  size_t n = 7;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_socket_recv(pair.socket, &byte, 1, &n));
  EXPECT_EQ(7U, n) << "outputs are written on success only";
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, false));
  pair.peer.send("x");
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, &byte, 1, &n));
}

CONFORMANCE(mango_socket_get_sequence, numbers_go_on_by_the_bytes_exchanged) {
  const Pair pair = connect_pair();
  uint32_t tx[2] = {};
  uint32_t rx[2] = {};
  const mango_status_e status = mango_socket_get_sequence(pair.socket, &tx[0], &rx[0]);
  if (status == MANGO_STATUS_NOT_PERMITTED) GTEST_SKIP() << "needs CAP_NET_ADMIN";
  ASSERT_EQ(MANGO_STATUS_OK, status);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, "hello", 5, nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_wait(pair.socket));
  pair.peer.send("hi");
  EXPECT_EQ("hi", receive_exactly(pair.socket, 2));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_sequence(pair.socket, &tx[1], &rx[1]));
  EXPECT_EQ(5U, tx[1] - tx[0]);
  EXPECT_EQ(2U, rx[1] - rx[0]);
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_get_sequence(open(), &tx[0], &rx[0]));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_sequence(pair.socket, nullptr, &rx[0]));
}

}  // namespace mango_test
