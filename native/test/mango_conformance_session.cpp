// SPDX-License-Identifier: Apache-2.0
// Sessions by number: listen, accept, connect, close, abort, reset, wait, poll.
#include <sys/resource.h>
#include <atomic>
#include <thread>

#include "mango_conformance.h"

namespace mango_test {
namespace {

mango_socket_h socket_of(int session) {
  mango_socket_h socket = nullptr;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_find(session, &socket));
  return socket;
}

// A listener by address, and what comes through it.
struct Listening {
  mango_tcp_h tcp;
  sockaddr_in address = loopback();
  explicit Listening(mango_tcp_h handle) : tcp(handle) {
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &address));
    EXPECT_NE(0, address.sin_port) << "the port that was chosen";
  }
  ~Listening() { (void)mango_tcp_listen_close(tcp, &address); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  [[nodiscard]] uint16_t port() const { return ntohs(address.sin_port); }
  [[nodiscard]] int accept(bool non_blocking = false) const {
    int session = -1;
    sockaddr_in at = address;
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_accept(tcp, &at, nullptr, non_blocking, &session));
    return session;
  }
};

}  // namespace

CONFORMANCE(mango_tcp_listen, connections_arrive_at_the_address) {
  Listening listening(tcp);
  RawPeer peer(listening.port());
  const int session = listening.accept();
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  EXPECT_EQ(0, peer.read_to_end());
}

CONFORMANCE(mango_tcp_listen, an_address_in_use_is_refused_and_many_ports_are_not) {
  Listening first(tcp);
  sockaddr_in same = first.address;
  EXPECT_EQ(MANGO_STATUS_ADDRESS_IN_USE, mango_tcp_listen(tcp, &same));
  Listening second(tcp);
  EXPECT_NE(first.address.sin_port, second.address.sin_port);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_listen(tcp, nullptr));
  sockaddr_in ipv6 = loopback();
  ipv6.sin_family = AF_INET6;
  EXPECT_EQ(MANGO_STATUS_FAMILY_NOT_SUPPORTED, mango_tcp_listen(tcp, &ipv6));
  sockaddr_in foreign = loopback();
  foreign.sin_addr.s_addr = inet_addr("192.0.2.1");
  EXPECT_EQ(MANGO_STATUS_ADDRESS_NOT_AVAILABLE, mango_tcp_listen(tcp, &foreign));
}

CONFORMANCE(mango_tcp_listen_close, nobody_is_let_in_any_more_and_sessions_go_on) {
  sockaddr_in address;
  int session = -1;
  {
    Listening listening(tcp);
    address = listening.address;
    RawPeer peer(listening.port());
    session = listening.accept();
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(tcp, &address));
    peer.send("still here");
    EXPECT_EQ("still here", receive_exactly(socket_of(session), 10));
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  }
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_listen_close(tcp, &address));
  const int fd = own_fd(::socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_NE(0, ::connect(fd, as_sockaddr(address), sizeof(address)));
  EXPECT_EQ(ECONNREFUSED, errno);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_listen_close(tcp, nullptr));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &address)) << "free at once";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(tcp, &address));
}

CONFORMANCE(mango_tcp_listen_close, threads_that_wait_are_woken) {
  Listening listening(tcp);
  std::atomic<int> aborted{0};
  std::vector<std::thread> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([&] {
      sockaddr_in at = listening.address;
      int session = -1;
      const mango_status_e status = mango_tcp_accept(tcp, &at, nullptr, false, &session);
      // A thread that comes after the close finds no listener.
      aborted += status == MANGO_STATUS_ABORTED || status == MANGO_STATUS_NOT_FOUND;
    });
  }
  std::this_thread::yield();
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(tcp, &listening.address));
  for (std::thread& thread : waiting) thread.join();
  EXPECT_EQ(3, aborted);
}

CONFORMANCE(mango_tcp_accept, both_addresses_are_told) {
  Listening listening(tcp);
  RawPeer peer(listening.port());
  sockaddr_in ours = listening.address;
  sockaddr_in theirs{};
  int session = -1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_accept(tcp, &ours, &theirs, false, &session));
  sockaddr_in expected{};
  socklen_t length = sizeof(expected);
  getsockname(peer.fd(), reinterpret_cast<sockaddr*>(&expected), &length);
  EXPECT_EQ(expected.sin_port, theirs.sin_port);
  EXPECT_EQ(listening.address.sin_port, ours.sin_port);
  EXPECT_EQ(htonl(INADDR_LOOPBACK), ours.sin_addr.s_addr);
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
}

CONFORMANCE(mango_tcp_accept, without_blocking_it_says_again) {
  Listening listening(tcp);
  sockaddr_in at = listening.address;
  int session = -1;
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_tcp_accept(tcp, &at, nullptr, true, &session));
  EXPECT_EQ(-1, session);
  RawPeer peer(listening.port());
  mango_status_e status = MANGO_STATUS_AGAIN;
  while (status == MANGO_STATUS_AGAIN) {
    at = listening.address;
    status = mango_tcp_accept(tcp, &at, nullptr, true, &session);
  }
  ASSERT_EQ(MANGO_STATUS_OK, status);
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_socket_recv(socket_of(session), &byte, 1, &n)) << "the session neither";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
}

CONFORMANCE(mango_tcp_accept, it_waits_for_whoever_comes) {
  Listening listening(tcp);
  std::thread late([&] {
    std::this_thread::yield();
    RawPeer peer(listening.port());
    peer.send("x");
    EXPECT_EQ(0, peer.read_to_end());
  });
  const int session = listening.accept();
  EXPECT_EQ("x", receive_exactly(socket_of(session), 1));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  late.join();
}

CONFORMANCE(mango_tcp_accept, the_listener_is_found_by_address_by_wildcard_or_as_the_last) {
  sockaddr_in any = loopback();
  any.sin_addr.s_addr = htonl(INADDR_ANY);
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &any));
  Listening last(tcp);
  RawPeer to_any(ntohs(any.sin_port));
  RawPeer to_last(last.port());
  sockaddr_in at = loopback(ntohs(any.sin_port));
  int session = -1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_accept(tcp, &at, nullptr, false, &session));
  EXPECT_EQ(any.sin_port, at.sin_port);
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  at = sockaddr_in{};
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_accept(tcp, &at, nullptr, false, &session));
  EXPECT_EQ(last.address.sin_port, at.sin_port);
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(tcp, &any));
  at = loopback(1);
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_accept(tcp, &at, nullptr, false, &session));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_accept(tcp, nullptr, nullptr, false, &session));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_accept(tcp, &at, nullptr, false, nullptr));
}

CONFORMANCE(mango_tcp_connect, a_session_is_a_socket_known_by_its_number) {
  RawListener server;
  sockaddr_in ours{};
  int session = -1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_connect(tcp, &server.address(), &ours, &session));
  const int fd = own_fd(server.accept());
  sockaddr_in seen{};
  socklen_t length = sizeof(seen);
  getpeername(fd, reinterpret_cast<sockaddr*>(&seen), &length);
  EXPECT_EQ(seen.sin_port, ours.sin_port);
  EXPECT_EQ(seen.sin_addr.s_addr, ours.sin_addr.s_addr);
  mango_socket_h socket = socket_of(session);
  int same = -1;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_session(socket, &same));
  EXPECT_EQ(session, same);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(socket, "hello", 5, nullptr));
  char buffer[5];
  EXPECT_EQ(5, recv(fd, buffer, 5, MSG_WAITALL));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_destroy(socket)) << "the handle went with the session";
}

CONFORMANCE(mango_tcp_connect, what_fails_leaves_nothing_behind) {
  RawListener server;
  sockaddr_in closed = server.address();
  server.close();
  int session = -1;
  EXPECT_EQ(MANGO_STATUS_CONNECTION_REFUSED, mango_tcp_connect(tcp, &closed, nullptr, &session));
  EXPECT_EQ(-1, session);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_connect(tcp, nullptr, nullptr, &session));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_connect(tcp, &closed, nullptr, nullptr));
  closed.sin_family = AF_UNIX;
  EXPECT_EQ(MANGO_STATUS_FAMILY_NOT_SUPPORTED, mango_tcp_connect(tcp, &closed, nullptr, &session));
  mango_tcp_h bare = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_create(&bare));
  closed = loopback(1);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_connect(bare, &closed, nullptr, &session))
      << "no engine";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(bare)) << "no socket is left";
}

CONFORMANCE(mango_tcp_close, bytes_go_out_first_and_the_number_is_free) {
  Listening listening(tcp);
  RawPeer peer(listening.port());
  const int session = listening.accept();
  const std::string bytes = pattern(100'000);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(socket_of(session), bytes.data(), bytes.size(), nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  std::string got;
  EXPECT_EQ(0, peer.read_to_end(&got));
  EXPECT_TRUE(bytes == got);
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_close(tcp, session));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_close(tcp, -1));
}

CONFORMANCE(mango_tcp_close, it_closes_sockets_too_and_their_handles_stay) {
  mango_socket_h socket = connect_pair().socket;
  int session = -1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_session(socket, &session));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_close(make_tcp(), session)) << "not another handle's";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_close(socket)) << "closed";
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr)) << "not destroyed";
}

CONFORMANCE(mango_tcp_abort, the_peer_sees_a_reset_and_the_number_stays) {
  Listening listening(tcp);
  RawPeer peer(listening.port());
  const int session = listening.accept();
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_abort(tcp, session));
  EXPECT_EQ(ECONNRESET, peer.read_to_end());
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_recv(socket_of(session), &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_abort(tcp, session)) << "aborted already";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_abort(tcp, session));
}

CONFORMANCE(mango_tcp_session_reset, the_session_is_as_if_freshly_opened) {
  RawListener server;
  for (const suseconds_t timeout : {suseconds_t{0}, suseconds_t{-1}, suseconds_t{1'000'000}}) {
    int session = -1;
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_connect(tcp, &server.address(), nullptr, &session));
    const int fd = own_fd(server.accept());
    mango_status_e status = mango_tcp_session_reset(tcp, session, timeout);
    while (status == MANGO_STATUS_IN_PROGRESS) status = mango_tcp_session_reset(tcp, session, timeout);
    ASSERT_EQ(MANGO_STATUS_OK, status) << timeout;
    char byte = 0;
    EXPECT_EQ(-1, recv(fd, &byte, 1, 0));
    EXPECT_EQ(ECONNRESET, errno);
    const sockaddr_in& address = server.address();
    EXPECT_EQ(MANGO_STATUS_OK,
              mango_socket_connect(socket_of(session), as_sockaddr(address), sizeof(address)));
    own_fd(server.accept());
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  }
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_session_reset(tcp, -1, 0));
}

CONFORMANCE(mango_tcp_session_reset, a_time_before_now_is_refused) {
  mango_socket_h socket = connect_pair().socket;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_session_reset(tcp, fd_of(socket), -2));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(socket, "x", 1, nullptr)) << "untouched";
}

CONFORMANCE(mango_tcp_wait, it_returns_when_all_is_acknowledged) {
  Listening listening(tcp);
  RawPeer peer(listening.port());
  const int session = listening.accept();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(socket_of(session), "hello", 5, nullptr));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_wait(tcp, session));
  char buffer[8];
  EXPECT_EQ(5, recv(peer.fd(), buffer, sizeof(buffer), MSG_DONTWAIT)) << "it is there by now";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_wait(tcp, session));
}

CONFORMANCE(mango_tcp_poll, sockets_and_ordinary_descriptors_together) {
  const Pair pair = connect_pair();
  int pipe_ends[2];
  ASSERT_EQ(0, pipe(pipe_ends));
  own_fd(pipe_ends[0]);
  own_fd(pipe_ends[1]);
  pollfd fds[] = {{fd_of(pair.socket), POLLIN, 0}, {pipe_ends[0], POLLIN, 0}, {-1, POLLIN, 7}};
  int ready = -1;
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_poll(tcp, fds, 3, 0, &ready));
  EXPECT_EQ(0, ready);
  EXPECT_EQ(0, fds[2].revents) << "a negative descriptor is skipped";
  pair.peer.send("x");
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_poll(tcp, fds, 3, 10'000, &ready));
  EXPECT_EQ(1, ready);
  EXPECT_EQ(POLLIN, fds[0].revents);
  ASSERT_EQ(1, write(pipe_ends[1], "x", 1));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_poll(tcp, fds, 3, -1, &ready));
  EXPECT_EQ(2, ready);
  fds[0].events = POLLOUT;
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_poll(tcp, fds, 1, -1, &ready));
  EXPECT_EQ(POLLOUT, fds[0].revents & POLLOUT);
}

CONFORMANCE(mango_tcp_poll, bad_arguments_are_refused) {
  pollfd none{-1, 0, 0};
  int ready = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_poll(tcp, nullptr, 0, 0, &ready));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_poll(tcp, nullptr, 1, 0, &ready));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_poll(tcp, &none, 1, 0, nullptr));
  rlimit files{};
  ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &files));
  std::vector<pollfd> too_many(files.rlim_cur + 1, none);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_poll(tcp, too_many.data(), too_many.size(), 0, &ready));
  pollfd closed{fd_of(open()), POLLIN, 0};
  mango_socket_h socket = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_find(closed.fd, &socket));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_poll(tcp, &closed, 1, 0, &ready));
  EXPECT_EQ(POLLNVAL, closed.revents);
}

}  // namespace mango_test
