// SPDX-License-Identifier: Apache-2.0
// Getting an address and a peer; and the abrupt ends.
#include <thread>

#include "mango_conformance.h"

namespace mango_test {

CONFORMANCE(mango_socket_bind, port_zero_is_a_port_of_the_systems_choice) {
  mango_socket_h socket = open();
  const sockaddr_in address = loopback();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_bind(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_NE(0, Engine::port_of(socket));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_bind(socket, as_sockaddr(address), sizeof(address)))
      << "bound already";
}

CONFORMANCE(mango_socket_bind, addresses_that_cannot_be_are_refused) {
  RawListener taken;
  mango_socket_h socket = open();
  const auto bind_to = [&](const sockaddr_in& address) {
    return mango_socket_bind(socket, as_sockaddr(address), sizeof(address));
  };
  EXPECT_EQ(MANGO_STATUS_ADDRESS_IN_USE, bind_to(taken.address()));
  sockaddr_in foreign = loopback();
  foreign.sin_addr.s_addr = inet_addr("192.0.2.1");
  EXPECT_EQ(MANGO_STATUS_ADDRESS_NOT_AVAILABLE, bind_to(foreign));
  sockaddr_in unix_family = loopback();
  unix_family.sin_family = AF_UNIX;
  EXPECT_EQ(MANGO_STATUS_FAMILY_NOT_SUPPORTED, bind_to(unix_family));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_bind(socket, nullptr, 16));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_bind(socket, as_sockaddr(foreign), 1));
  EXPECT_EQ(MANGO_STATUS_OK, bind_to(loopback())) << "none of this harmed the socket";
}

CONFORMANCE(mango_socket_bind, an_ipv6_address_makes_it_an_ipv6_socket) {
  mango_socket_h socket = open();
  const int fd = fd_of(socket);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  const mango_status_e status = mango_socket_bind(socket, name, sizeof(address));
  if (status == MANGO_STATUS_ADDRESS_NOT_AVAILABLE) GTEST_SKIP() << "no IPv6 here";
  ASSERT_EQ(MANGO_STATUS_OK, status);
  EXPECT_EQ(fd, fd_of(socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_listen(socket, 1));
  socklen_t length = sizeof(address);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_name(socket, reinterpret_cast<sockaddr*>(&address), &length));
  mango_socket_h client = open();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_connect(client, name, sizeof(address)));
  accept(socket);
}

CONFORMANCE(mango_socket_listen, only_what_has_no_peer_can_listen) {
  mango_socket_h listener = listen();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_listen(listener, 5)) << "the backlog may change";
  EXPECT_EQ(MANGO_STATUS_IS_CONNECTED, mango_socket_listen(connect_pair().socket, 5));
  mango_socket_h unbound = open();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_listen(unbound, 5)) << "on a port of the system's choice";
  EXPECT_NE(0, Engine::port_of(unbound));
}

CONFORMANCE(mango_socket_accept, the_peer_is_told_and_the_mode_inherited) {
  for (const bool nonblocking : {false, true}) {
    mango_socket_h listener = listen(nonblocking);
    RawPeer peer(Engine::port_of(listener));
    ASSERT_TRUE(poll_events(fd_of(listener), POLLIN) & POLLIN);
    sockaddr_in address{};
    sockaddr_in expected{};
    socklen_t length = sizeof(address);
    getsockname(peer.fd(), reinterpret_cast<sockaddr*>(&expected), &length);
    mango_socket_h client = nullptr;
    ASSERT_EQ(MANGO_STATUS_OK,
              mango_socket_accept(listener, reinterpret_cast<sockaddr*>(&address), &length, &client));
    EXPECT_EQ(expected.sin_port, address.sin_port);
    EXPECT_EQ(nonblocking ? O_NONBLOCK : 0, fcntl(fd_of(client), F_GETFL) & O_NONBLOCK);
    EXPECT_EQ(FD_CLOEXEC, fcntl(fd_of(client), F_GETFD));
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_destroy(client));
  }
}

CONFORMANCE(mango_socket_accept, nobody_there) {
  mango_socket_h listener = listen(true);
  mango_socket_h client = nullptr;
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_socket_accept(listener, nullptr, nullptr, &client));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_accept(open(), nullptr, nullptr, &client)) << "deaf";
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_accept(listener, nullptr, nullptr, nullptr));
  sockaddr_in address{};
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT,
            mango_socket_accept(listener, reinterpret_cast<sockaddr*>(&address), nullptr, &client));
}

CONFORMANCE(mango_socket_accept, it_blocks_until_somebody_comes) {
  mango_socket_h listener = listen();
  std::thread late([port = Engine::port_of(listener)] {
    std::this_thread::yield();
    RawPeer peer(port);
    EXPECT_EQ(0, peer.read_to_end());
  });
  mango_socket_h client = nullptr;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_accept(listener, nullptr, nullptr, &client));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_destroy(client));
  late.join();
}

CONFORMANCE(mango_socket_connect, blocking_it_is_done_when_it_returns) {
  RawListener server;
  const sockaddr_in& address = server.address();
  mango_socket_h socket = open();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_IS_CONNECTED, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  own_fd(server.accept());
}

CONFORMANCE(mango_socket_connect, without_blocking_the_outcome_comes_by_calling_again) {
  RawListener server;
  const sockaddr_in& address = server.address();
  mango_socket_h socket = open();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, true));
  ASSERT_EQ(MANGO_STATUS_IN_PROGRESS, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(POLLOUT, poll_events(fd_of(socket), POLLOUT));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_IS_CONNECTED, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  own_fd(server.accept());
}

CONFORMANCE(mango_socket_connect, an_unanswered_one_is_under_way) {
  RawListener full(0);
  std::list<RawPeer> crowd;
  const sockaddr_in address = full.address();
  mango_socket_h socket = open();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, true));
  crowd.emplace_back(ntohs(address.sin_port));  // the queue takes one more than it should
  ASSERT_EQ(MANGO_STATUS_IN_PROGRESS, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(0, poll_events(fd_of(socket), POLLOUT, 0)) << "not writable before it is connected";
  EXPECT_EQ(MANGO_STATUS_ALREADY, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_abort(socket)) << "given up";
}

CONFORMANCE(mango_socket_connect, a_refusal_is_told_and_another_try_allowed) {
  sockaddr_in closed;
  {
    RawListener gone;
    closed = gone.address();
  }
  RawListener server;
  for (const bool nonblocking : {false, true}) {
    mango_socket_h socket = open();
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, nonblocking));
    mango_status_e status = mango_socket_connect(socket, as_sockaddr(closed), sizeof(closed));
    if (status == MANGO_STATUS_IN_PROGRESS) {
      EXPECT_TRUE(poll_events(fd_of(socket), POLLOUT) & (POLLERR | POLLHUP));
      status = mango_socket_connect(socket, as_sockaddr(closed), sizeof(closed));
    }
    EXPECT_EQ(MANGO_STATUS_CONNECTION_REFUSED, status);
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, false));
    const sockaddr_in& address = server.address();
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
    own_fd(server.accept());
  }
}

CONFORMANCE(mango_socket_connect, addresses_nobody_can_reach) {
  mango_socket_h socket = open();
  sockaddr_in address = loopback();
  address.sin_family = AF_UNSPEC;
  EXPECT_EQ(MANGO_STATUS_FAMILY_NOT_SUPPORTED,
            mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_connect(socket, nullptr, sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_connect(socket, as_sockaddr(address), 0));
}

CONFORMANCE(mango_socket_abort, the_peer_sees_a_reset_and_every_call_says_aborted) {
  const Pair pair = connect_pair();
  char byte = 0;
  size_t n = 0;
  const sockaddr_in address = loopback();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
  EXPECT_EQ(ECONNRESET, pair.peer.read_to_end());
  EXPECT_TRUE(poll_events(fd_of(pair.socket), POLLIN) & POLLHUP);
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_recv(pair.socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_send(pair.socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_wait(pair.socket));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_shutdown(pair.socket, SHUT_RDWR));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_connect(pair.socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_bind(pair.socket, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_listen(pair.socket, 1));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket)) << "aborted already";
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_find(fd_of(pair.socket), nullptr)) << "open until closed";
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_abort(open()));
}

CONFORMANCE(mango_socket_abort, unsent_and_unread_bytes_are_dropped) {
  const Pair pair = connect_pair(4096);
  pair.peer.send("never read");
  fill(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
  EXPECT_EQ(ECONNRESET, pair.peer.read_to_end());
}

CONFORMANCE(mango_socket_reset, the_socket_connects_and_listens_again) {
  RawListener server;
  const sockaddr_in& address = server.address();
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  const auto reset = [&] {
    mango_status_e status = mango_socket_reset(pair.socket);
    while (status == MANGO_STATUS_IN_PROGRESS) status = mango_socket_reset(pair.socket);
    return status;
  };
  ASSERT_EQ(MANGO_STATUS_OK, reset());
  EXPECT_EQ(ECONNRESET, pair.peer.read_to_end());
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(pair.socket, as_sockaddr(address), sizeof(address)))
        << round;
    const int other = own_fd(server.accept());
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, "x", 1, nullptr));
    char byte = 0;
    EXPECT_EQ(1, recv(other, &byte, 1, 0));
    ASSERT_EQ(MANGO_STATUS_OK, reset()) << round;
  }
  EXPECT_EQ(fd, fd_of(pair.socket));
  const sockaddr_in any = loopback();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_bind(pair.socket, as_sockaddr(any), sizeof(any)));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_listen(pair.socket, 4));
  RawPeer another(Engine::port_of(pair.socket));
  accept(pair.socket);
}

CONFORMANCE(mango_socket_reset, options_and_mode_stay) {
  RawListener server;
  const sockaddr_in& address = server.address();
  mango_socket_h socket = open();
  const int on = 1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_option(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
  own_fd(server.accept());
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, true));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_reset_blocking(socket, 1'000'000));
  int value = 0;
  socklen_t length = sizeof(value);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_option(socket, IPPROTO_TCP, TCP_NODELAY, &value, &length));
  EXPECT_EQ(1, value);
  EXPECT_NE(0, fcntl(fd_of(socket), F_GETFL) & O_NONBLOCK);
}

CONFORMANCE(mango_socket_reset_blocking, it_returns_when_done) {
  RawListener server;
  const sockaddr_in& address = server.address();
  const sockaddr_in any = loopback();
  mango_socket_h socket = open();
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_bind(socket, as_sockaddr(any), sizeof(any))) << round;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(socket, as_sockaddr(address), sizeof(address))) << round;
    const int other = own_fd(server.accept());
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_reset_blocking(socket, 1'000'000)) << round;
    char byte = 0;
    EXPECT_EQ(-1, recv(other, &byte, 1, 0));
    EXPECT_EQ(ECONNRESET, errno);
  }
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_reset_blocking(create(), 1)) << "not open";
}

CONFORMANCE(mango_socket_shutdown, each_direction_by_itself) {
  const Pair pair = connect_pair();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_shutdown(pair.socket, SHUT_WR));
  EXPECT_EQ(0, pair.peer.read_to_end());
  EXPECT_EQ(MANGO_STATUS_BROKEN_PIPE, mango_socket_send(pair.socket, "x", 1, nullptr));
  pair.peer.send("still");
  EXPECT_EQ("still", receive_exactly(pair.socket, 5));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_shutdown(pair.socket, SHUT_RD));
  EXPECT_EQ("", receive_exactly(pair.socket, 1)) << "the end";
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_shutdown(open(), SHUT_WR));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_shutdown(connect_pair().socket, 7));
}

}  // namespace mango_test
