// SPDX-License-Identifier: Apache-2.0
// Bytes in and out, with TLS and without.
#include <climits>
#include <thread>

#include "mango_conformance.h"

namespace mango_test {
namespace {

// An OpenSSL client in a thread of its own: says hello, echoes what comes until the end.
class TlsEcho {
 public:
  explicit TlsEcho(int fd) : ssl_(client_ssl(context_, fd)), thread_([this] { run(); }) {}
  ~TlsEcho() { thread_.join(); }
  TlsEcho(const TlsEcho&) = delete;
  TlsEcho& operator=(const TlsEcho&) = delete;

 private:
  void run() {
    char buffer[16384];
    EXPECT_EQ(1, SSL_do_handshake(ssl_.get()));
    for (int n; (n = SSL_read(ssl_.get(), buffer, sizeof(buffer))) > 0;)
      EXPECT_EQ(n, SSL_write(ssl_.get(), buffer, n));
    SSL_shutdown(ssl_.get());
  }
  SslContext context_ = client_context();
  Ssl ssl_;
  std::thread thread_;
};

}  // namespace

CONFORMANCE(mango_socket_send, all_of_it_when_blocking) {
  const Pair pair = connect_pair(4096);
  const std::string bytes = pattern(2'000'000);
  std::string got;
  std::thread reader([&] { EXPECT_EQ(0, pair.peer.read_to_end(&got)); });
  size_t sent = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, bytes.data(), bytes.size(), &sent));
  EXPECT_EQ(bytes.size(), sent);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_shutdown(pair.socket, SHUT_WR));
  reader.join();
  EXPECT_TRUE(bytes == got);
}

CONFORMANCE(mango_socket_send, as_much_as_fits_when_not) {
  const Pair pair = connect_pair(4096);
  const size_t taken = fill(pair.socket);
  EXPECT_EQ(0, poll_events(fd_of(pair.socket), POLLOUT, 0) & POLLOUT) << "full is not writable";
  std::string got(taken, '\0');
  std::thread reader(
      [&] { EXPECT_EQ(static_cast<ssize_t>(taken), recv(pair.peer.fd(), got.data(), taken, MSG_WAITALL)); });
  EXPECT_TRUE(poll_events(fd_of(pair.socket), POLLOUT) & POLLOUT) << "room again";
  reader.join();
  size_t sent = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, "x", 1, &sent));
}

CONFORMANCE(mango_socket_send, to_nobody_it_says_why) {
  size_t sent = 0;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send(open(), nullptr, 1, &sent));
  EXPECT_NE(MANGO_STATUS_OK, mango_socket_send(open(), "x", 1, &sent)) << "not connected";
  const Pair pair = connect_pair();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, nullptr, 0, &sent));
  EXPECT_EQ(0U, sent);
  const linger now{1, 0};
  setsockopt(pair.peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  pair.peer.close();
  ASSERT_TRUE(poll_events(fd_of(pair.socket), POLLIN) & POLLHUP);
  EXPECT_EQ(MANGO_STATUS_CONNECTION_RESET, mango_socket_send(pair.socket, "x", 1, &sent));
  EXPECT_EQ(MANGO_STATUS_BROKEN_PIPE, mango_socket_send(pair.socket, "x", 1, &sent)) << "told once";
}

CONFORMANCE(mango_socket_send_iov, pieces_arrive_as_one_stream) {
  const Pair pair = connect_pair();
  char first[] = "abc";
  char second[] = "defg";
  iovec pieces[] = {{first, 3}, {nullptr, 0}, {second, 4}};
  size_t sent = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send_iov(pair.socket, pieces, 3, &sent));
  EXPECT_EQ(7U, sent);
  char got[8] = {};
  EXPECT_EQ(7, recv(pair.peer.fd(), got, 7, MSG_WAITALL));
  EXPECT_STREQ("abcdefg", got);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send_iov(pair.socket, nullptr, 1, &sent));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send_iov(pair.socket, pieces, -1, &sent));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send_iov(pair.socket, pieces, IOV_MAX + 1, &sent));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send_iov(pair.socket, pieces, 0, &sent));
}

CONFORMANCE(mango_socket_recv, what_is_there_then_the_end) {
  const Pair pair = connect_pair();
  char buffer[16] = {};
  size_t n = 0;
  pair.peer.send("hello");
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, buffer, 2, &n));
  EXPECT_EQ("he", std::string(buffer, n));
  pair.peer.close();
  EXPECT_EQ("llo", receive_exactly(pair.socket, 3));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n));
    EXPECT_EQ(0U, n) << "the end, as often as asked";
  }
  EXPECT_TRUE(poll_events(fd_of(pair.socket), POLLIN | POLLRDHUP) & POLLRDHUP);
}

CONFORMANCE(mango_socket_recv, bytes_before_errors) {
  const Pair pair = connect_pair();
  char buffer[16];
  size_t n = 0;
  const linger now{1, 0};
  pair.peer.send("last words");
  EXPECT_EQ("last", receive_exactly(pair.socket, 4));
  setsockopt(pair.peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  pair.peer.close();
  ASSERT_TRUE(poll_events(fd_of(pair.socket), 0) & POLLHUP);
  mango_status_e status = MANGO_STATUS_OK;
  for (int i = 0; i < 10 && status == MANGO_STATUS_OK; ++i) {
    status = mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n);
  }
  EXPECT_EQ(MANGO_STATUS_CONNECTION_RESET, status);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, buffer, sizeof(buffer), &n)) << "told once";
  EXPECT_EQ(0U, n);
}

CONFORMANCE(mango_socket_recv, bad_arguments_and_states) {
  const Pair pair = connect_pair();
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv(pair.socket, nullptr, 1, &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv(pair.socket, &byte, 1, nullptr));
  pair.peer.send("x");  // with nothing there, Linux waits even for nothing
  ASSERT_TRUE(poll_events(fd_of(pair.socket), POLLIN) & POLLIN);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, &byte, 0, &n));
  EXPECT_EQ(0U, n);
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_recv(open(), &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_recv(listen(), &byte, 1, &n));
}

CONFORMANCE(mango_socket_recv, a_long_stream_comes_whole) {
  const Pair pair = connect_pair();
  const std::string bytes = pattern(5'000'000);
  std::thread writer([&] {
    pair.peer.send(bytes);
    shutdown(pair.peer.fd(), SHUT_WR);
  });
  EXPECT_TRUE(bytes == receive_exactly(pair.socket, bytes.size()));
  EXPECT_EQ("", receive_exactly(pair.socket, 1));
  writer.join();
}

CONFORMANCE(mango_socket_recv_iov, pieces_are_filled_in_order) {
  const Pair pair = connect_pair();
  char first[3] = {};
  char second[8] = {};
  iovec pieces[] = {{first, 3}, {nullptr, 0}, {second, 8}};
  size_t n = 0;
  pair.peer.send("abcdef");
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv_iov(pair.socket, pieces, 3, &n));
  EXPECT_EQ(6U, n);
  EXPECT_EQ("abc", std::string(first, 3));
  EXPECT_STREQ("def", second);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv_iov(pair.socket, nullptr, 1, &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv_iov(pair.socket, pieces, -1, &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv_iov(pair.socket, pieces, IOV_MAX + 1, &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv_iov(pair.socket, pieces, 1, nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_socket_recv_iov(pair.socket, pieces, 3, &n));
}

CONFORMANCE(mango_socket_get_num_avail, as_many_as_a_receive_would_find) {
  const Pair pair = connect_pair();
  int n = -1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_num_avail(pair.socket, &n));
  EXPECT_EQ(0, n);
  pair.peer.send("hello");
  ASSERT_TRUE(poll_events(fd_of(pair.socket), POLLIN) & POLLIN);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_num_avail(pair.socket, &n));
  EXPECT_EQ(5, n);
  EXPECT_EQ("hello", receive_exactly(pair.socket, 5));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_num_avail(listen(), &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_num_avail(pair.socket, nullptr));
}

CONFORMANCE(mango_socket_wait, until_the_peers_tcp_has_it_all) {
  const Pair pair = connect_pair(4096);
  const size_t taken = fill(pair.socket);
  std::string got(taken, '\0');
  std::thread reader(
      [&] { EXPECT_EQ(static_cast<ssize_t>(taken), recv(pair.peer.fd(), got.data(), taken, MSG_WAITALL)); });
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_wait(pair.socket)) << "blocks though the socket does not";
  reader.join();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_wait(pair.socket)) << "nothing to wait for";
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_wait(open()));
}

CONFORMANCE(mango_socket_wait, a_connection_that_dies_ends_it) {
  const Pair pair = connect_pair(4096);
  fill(pair.socket);
  std::thread killer([&] {
    const linger now{1, 0};
    setsockopt(pair.peer.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    pair.peer.close();
  });
  EXPECT_EQ(MANGO_STATUS_CONNECTION_RESET, mango_socket_wait(pair.socket));
  killer.join();
}

CONFORMANCE(mango_socket_set_ssl, one_at_a_time_and_null_takes_it_off) {
  const Pair pair = connect_pair();
  const SslContext server = server_context();
  const Ssl ssl = server_ssl(server);
  const Ssl another = server_ssl(server);
  char byte = 0;
  size_t n = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(pair.socket, ssl.get()));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(pair.socket, ssl.get())) << "the same";
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_socket_set_ssl(pair.socket, another.get()));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send(pair.socket, "x", 1, &n)) << "not beside TLS";
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv(pair.socket, &byte, 1, &n));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(pair.socket, nullptr));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, "x", 1, &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_set_ssl(create(), ssl.get())) << "not open";
}

CONFORMANCE(mango_socket_send_tls, blocking_it_does_the_handshake_and_sends_all) {
  const Pair pair = connect_pair();
  TlsEcho peer(pair.peer.fd());
  const SslContext server = server_context();
  const Ssl ssl = server_ssl(server);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(pair.socket, ssl.get()));
  const std::string bytes = pattern(60'000);
  size_t n = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send_tls(pair.socket, bytes.data(), bytes.size(), &n));
  EXPECT_EQ(bytes.size(), n);
  std::string got(bytes.size(), '\0');
  for (size_t at = 0; at < got.size(); at += n) {
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv_tls(pair.socket, got.data() + at, got.size() - at, &n));
    ASSERT_NE(0U, n);
  }
  EXPECT_TRUE(bytes == got);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_shutdown(pair.socket, SHUT_WR)) << "close_notify goes first";
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_recv_tls(pair.socket, got.data(), got.size(), &n));
  EXPECT_EQ(0U, n) << "the peer's close_notify";
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
}

CONFORMANCE(mango_socket_send_tls, it_needs_an_ssl) {
  const Pair pair = connect_pair();
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send_tls(pair.socket, "x", 1, &n));
  const SslContext server = server_context();
  const Ssl ssl = server_ssl(server);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(pair.socket, ssl.get()));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send_tls(pair.socket, nullptr, 1, &n));
  pair.peer.send("this is no TLS at all");
  EXPECT_EQ(MANGO_STATUS_TLS, mango_socket_send_tls(pair.socket, "x", 1, &n));
}

CONFORMANCE(mango_socket_recv_tls, without_blocking_it_says_again_until_the_handshake_is_done) {
  const Pair pair = connect_pair();
  const SslContext server = server_context();
  const Ssl ssl = server_ssl(server);
  char byte = 0;
  size_t n = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(pair.socket, ssl.get()));
  ASSERT_EQ(MANGO_STATUS_AGAIN, mango_socket_recv_tls(pair.socket, &byte, 1, &n));
  EXPECT_EQ(SSL_READING, SSL_want(ssl.get()));
  TlsEcho peer(pair.peer.fd());
  mango_status_e status = MANGO_STATUS_AGAIN;
  while (!SSL_is_init_finished(ssl.get())) {
    (void)poll_events(fd_of(pair.socket), SSL_want(ssl.get()) == SSL_WRITING ? POLLOUT : POLLIN);
    status = mango_socket_recv_tls(pair.socket, &byte, 1, &n);
    ASSERT_EQ(MANGO_STATUS_AGAIN, status);
  }
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send_tls(pair.socket, "x", 1, &n));
  while ((status = mango_socket_recv_tls(pair.socket, &byte, 1, &n)) == MANGO_STATUS_AGAIN)
    (void)poll_events(fd_of(pair.socket), POLLIN);
  EXPECT_EQ(MANGO_STATUS_OK, status);
  EXPECT_EQ('x', byte);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
}

CONFORMANCE(mango_socket_recv_tls, an_end_without_close_notify_is_truncation) {
  const Pair pair = connect_pair();
  const SslContext server = server_context();
  const Ssl ssl = server_ssl(server);
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv_tls(pair.socket, &byte, 1, &n)) << "no SSL";
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(pair.socket, ssl.get()));
  std::thread peer([&] {
    const SslContext trusting = client_context();
    const Ssl theirs = client_ssl(trusting, pair.peer.fd());
    EXPECT_EQ(1, SSL_do_handshake(theirs.get()));
    shutdown(pair.peer.fd(), SHUT_WR);
  });
  EXPECT_EQ(MANGO_STATUS_TLS_TRUNCATED, mango_socket_recv_tls(pair.socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv_tls(pair.socket, nullptr, 1, &n));
  peer.join();
}

}  // namespace mango_test
