// SPDX-License-Identifier: Apache-2.0
// TLS on sockets, against a real OpenSSL client in a thread of its own (parameter: the protocol version).
#include <openssl/err.h>
#include <signal.h>

#include <cstring>
#include <functional>
#include <thread>

#include "mango/tls_bio.h"
#include "mango_support.h"

using namespace mango_test;

namespace {

// OpenSSL's own socket BIO, which the clients use, raises it; ours must not.
void block_sigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

class MangoTls : public testing::TestWithParam<int> {
 protected:
  // Connects a client that runs `script` on its SSL in another thread; the server side is `socket` and `ssl`.
  void start(const std::function<void(SSL*)>& script, int receive_buffer = 0) {
    peer_ = std::make_unique<RawPeer>(Engine::port_of(listener_), receive_buffer);
    socket = engine_.accept(listener_);
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(socket, ssl.get()));
    client_ = std::thread([this, script] {
      block_sigpipe();
      Ssl client = client_ssl(client_context_, peer_->fd());
      script(client.get());
    });
  }
  void finish() {
    if (client_.joinable()) client_.join();
  }
  void TearDown() override {
    if (peer_ && client_.joinable()) shutdown(peer_->fd(), SHUT_RDWR);
    finish();
    mango_socket_destroy(socket);
  }

  std::string read_to_end() {
    std::string all;
    std::string buffer(20'000, '\0');
    for (;;) {
      size_t n = 0;
      const mango_status_e status = mango_socket_recv_tls(socket, buffer.data(), buffer.size(), &n);
      if (status == MANGO_STATUS_AGAIN) {
        wait_for(Engine::fd_of(socket), SSL_want(ssl.get()) == SSL_WRITING ? POLLOUT : POLLIN);
        continue;
      }
      last = status;
      if (status != MANGO_STATUS_OK || n == 0) return all;
      all.append(buffer, 0, n);
    }
  }

  // Sends all of it, repeating calls as documented, from a buffer that moves every time.
  void send_everything(const std::string& bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
      const std::string moved = bytes.substr(done);
      size_t n = 0;
      const mango_status_e status = mango_socket_send_tls(socket, moved.data(), moved.size(), &n);
      if (status == MANGO_STATUS_AGAIN) {
        ++agains;
        wait_for(Engine::fd_of(socket), SSL_want(ssl.get()) == SSL_READING ? POLLIN : POLLOUT);
        continue;
      }
      ASSERT_EQ(MANGO_STATUS_OK, status);
      done += n;
    }
  }

  // Completes the handshake and swallows what comes with it.
  void handshake() {
    mango_status_e status = MANGO_STATUS_AGAIN;
    size_t n = 0;
    while ((status = mango_socket_recv_tls(socket, nullptr, 0, &n)) == MANGO_STATUS_AGAIN) {
      wait_for(Engine::fd_of(socket), SSL_want(ssl.get()) == SSL_WRITING ? POLLOUT : POLLIN);
    }
    ASSERT_EQ(MANGO_STATUS_OK, status);
  }

  void nonblocking() { ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, true)); }

  Engine engine_;
  mango_socket_h listener_ = engine_.listen();
  SslContext server_context_ = server_context(GetParam());
  SslContext client_context_ = client_context(GetParam());
  Ssl ssl = server_ssl(server_context_);
  std::unique_ptr<RawPeer> peer_;
  std::thread client_;
  mango_socket_h socket = nullptr;
  mango_status_e last = MANGO_STATUS_OK;
  int agains = 0;
};

// A client's ordinary life: sends, says goodbye.
std::function<void(SSL*)> sender_of(const std::string& bytes) {
  return [bytes](SSL* client) {
    size_t n = 0;
    ASSERT_EQ(1, SSL_write_ex(client, bytes.data(), bytes.size(), &n));
    SSL_shutdown(client);
  };
}

// What comes until close_notify. Any other end is a failure of its own, which explains what is missing.
std::string read_all(SSL* client) {
  std::string all;
  char buffer[20'000];
  size_t n = 0;
  int result = 0;
  while ((result = SSL_read_ex(client, buffer, sizeof(buffer), &n)) == 1) all.append(buffer, n);
  const std::string system_error = strerror(errno);
  EXPECT_EQ(SSL_ERROR_ZERO_RETURN, SSL_get_error(client, result))
      << "after " << all.size() << " bytes: " << ERR_error_string(ERR_peek_error(), nullptr) << ", "
      << system_error;
  return all;
}

// Instead of closing with bytes in flight, which leaves them to the kernel: it resets such connections when
// the machine's TCP memory (tcp_mem) is used up, as it may be while load tests run beside this one.
void say_goodbye(mango_socket_h socket) {
  mango_status_e status = MANGO_STATUS_AGAIN;
  while ((status = mango_socket_shutdown(socket, SHUT_WR)) == MANGO_STATUS_AGAIN)
    wait_for(Engine::fd_of(socket), POLLOUT);
  EXPECT_EQ(MANGO_STATUS_OK, status);
}

}  // namespace

TEST_P(MangoTls, receives_large_bodies_blocking) {
  const std::string bytes = pattern(1 << 20);
  start(sender_of(bytes));
  EXPECT_EQ(bytes, read_to_end());
  EXPECT_EQ(MANGO_STATUS_OK, last);
  EXPECT_EQ(GetParam(), SSL_version(ssl.get()));
}

TEST_P(MangoTls, receives_large_bodies_non_blocking) {
  const std::string bytes = pattern(1 << 20);
  start(sender_of(bytes));
  nonblocking();
  EXPECT_EQ(bytes, read_to_end());
  EXPECT_EQ(MANGO_STATUS_OK, last);
}

TEST_P(MangoTls, sends_large_bodies_blocking) {
  const std::string bytes = pattern(1 << 20);
  std::string got;
  start([&](SSL* client) { got = read_all(client); });
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send_tls(socket, bytes.data(), bytes.size(), &n));
  EXPECT_EQ(bytes.size(), n);
  say_goodbye(socket);
  finish();
  EXPECT_EQ(bytes, got);
}

TEST_P(MangoTls, sends_through_tiny_buffers_to_a_slow_reader) {
  const std::string bytes = pattern(600'000);
  std::string got;
  start([&](SSL* client) { got = read_all(client); }, 4096);
  nonblocking();
  const int tiny = 4096;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_option(socket, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny)));
  send_everything(bytes);
  EXPECT_GT(agains, 0);
  say_goodbye(socket);
  finish();
  EXPECT_EQ(bytes, got);
}

TEST_P(MangoTls, a_claimed_send_must_be_repeated_with_at_least_its_bytes) {
  start([](SSL* client) { SSL_do_handshake(client); }, 4096);
  nonblocking();
  handshake();
  const int tiny = 4096;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_option(socket, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny)));
  const std::string bytes = pattern(64 * 1024);
  size_t n = 0;
  mango_status_e status = MANGO_STATUS_OK;
  for (int i = 0; i < 200 && status == MANGO_STATUS_OK; ++i) {
    status = mango_socket_send_tls(socket, bytes.data(), bytes.size(), &n);
  }
  ASSERT_EQ(MANGO_STATUS_AGAIN, status);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send_tls(socket, bytes.data(), 1, &n));
  EXPECT_EQ(MANGO_STATUS_AGAIN, mango_socket_send_tls(socket, bytes.data(), bytes.size(), &n));
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_socket_detach(socket));
}

TEST_P(MangoTls, shakes_hands_byte_by_byte) {
  BIO* far = nullptr;
  BIO* near = nullptr;
  ASSERT_EQ(1, BIO_new_bio_pair(&near, 0, &far, 0));
  Ssl client(SSL_new(client_context_.get()));
  SSL_set_bio(client.get(), near, near);
  SSL_set_connect_state(client.get());
  RawPeer wire(Engine::port_of(listener_));
  socket = engine_.accept(listener_);
  nonblocking();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(socket, ssl.get()));
  size_t n = 0;
  const auto serve = [&] { return mango_socket_recv_tls(socket, nullptr, 0, &n); };
  const auto carry_to_server = [&] {
    char byte = 0;
    while (BIO_read(far, &byte, 1) == 1) {
      ASSERT_EQ(1, send(wire.fd(), &byte, 1, MSG_NOSIGNAL));
      wait_for(Engine::fd_of(socket), POLLIN);
      const mango_status_e status = serve();
      ASSERT_TRUE(status == MANGO_STATUS_OK || status == MANGO_STATUS_AGAIN) << mango_status_name(status);
      if (status == MANGO_STATUS_OK) break;
      ASSERT_EQ(SSL_READING, SSL_want(ssl.get()));
    }
  };
  const auto carry_to_client = [&] {
    char buffer[16384];
    const ssize_t got = recv(wire.fd(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got <= 0) return;
    ASSERT_EQ(got, BIO_write(far, buffer, static_cast<int>(got)));
  };
  for (int i = 0; i < 20 && !(SSL_is_init_finished(client.get()) && SSL_is_init_finished(ssl.get())); ++i) {
    (void)SSL_do_handshake(client.get());
    carry_to_server();
    carry_to_client();
  }
  EXPECT_TRUE(SSL_is_init_finished(client.get()));
  EXPECT_TRUE(SSL_is_init_finished(ssl.get()));
  BIO_free(far);
}

TEST_P(MangoTls, one_receive_brings_in_many_records) {
  start([](SSL* client) {
    char go = 0;
    size_t got = 0;
    ASSERT_EQ(1, SSL_read_ex(client, &go, 1, &got));
    for (int i = 0; i < 8; ++i) {  // fewer segments than the initial congestion window
      size_t n = 0;
      ASSERT_EQ(1, SSL_write_ex(client, "0123456789", 10, &n));
    }
  });
  handshake();
  size_t n = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send_tls(socket, "!", 1, &n));
  finish();
  const mango_counters_t before = counters();
  char buffer[1024];
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv_tls(socket, buffer, sizeof(buffer), &n));
  EXPECT_EQ(80U, n);
  EXPECT_EQ(1U, counters().recv_calls - before.recv_calls);
}

TEST_P(MangoTls, four_records_leave_with_one_send) {
  std::string got;
  start([&](SSL* client) { got = read_all(client); });
  handshake();
  const std::string bytes = pattern(64 * 1024);
  const mango_counters_t before = counters();
  size_t n = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send_tls(socket, bytes.data(), bytes.size(), &n));
  EXPECT_EQ(bytes.size(), n);
  EXPECT_EQ(1U, counters().send_calls - before.send_calls);
  say_goodbye(socket);
  finish();
  EXPECT_EQ(bytes, got);
}

TEST_P(MangoTls, a_small_buffer_leaves_the_rest_for_the_next_call) {
  start(sender_of("0123456789"));
  handshake();
  finish();
  char buffer[4];
  size_t n = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv_tls(socket, buffer, sizeof(buffer), &n));
  EXPECT_EQ(4U, n);
  int available = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_num_avail(socket, &available));
  EXPECT_GE(available, 6);
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_socket_detach(socket));
  EXPECT_EQ("456789", read_to_end());
}

TEST_P(MangoTls, a_fin_without_close_notify_is_truncation) {
  start([this](SSL* client) {
    size_t n = 0;
    ASSERT_EQ(1, SSL_write_ex(client, "abc", 3, &n));
    shutdown(peer_->fd(), SHUT_WR);
  });
  EXPECT_EQ("abc", read_to_end());
  EXPECT_EQ(MANGO_STATUS_TLS_TRUNCATED, last);
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_TLS_TRUNCATED, mango_socket_recv_tls(socket, &byte, 1, &n));
}

TEST_P(MangoTls, a_close_notify_is_the_end) {
  start(sender_of("abc"));
  EXPECT_EQ("abc", read_to_end());
  EXPECT_EQ(MANGO_STATUS_OK, last);
}

TEST_P(MangoTls, close_says_close_notify) {
  int outcome = 0;
  start([&](SSL* client) {
    char byte = 0;
    size_t n = 0;
    const int result = SSL_read_ex(client, &byte, 1, &n);
    outcome = SSL_get_error(client, result);
  });
  handshake();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
  finish();
  EXPECT_EQ(SSL_ERROR_ZERO_RETURN, outcome);
}

TEST_P(MangoTls, abort_is_rst_for_the_tls_peer) {
  int error = 0;
  start([&](SSL* client) {
    char byte = 0;
    size_t n = 0;
    errno = 0;
    (void)SSL_read_ex(client, &byte, 1, &n);
    error = errno;
  });
  handshake();
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(socket));
  finish();
  EXPECT_EQ(ECONNRESET, error);
}

TEST_P(MangoTls, garbage_fails_and_the_peer_gets_our_alert) {
  RawPeer wire(Engine::port_of(listener_));
  socket = engine_.accept(listener_);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(socket, ssl.get()));
  wire.send(std::string("\x16\x03\x01\x00\x05hello", 10));
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_TLS, mango_socket_recv_tls(socket, &byte, 1, &n));
  EXPECT_NE(0UL, ERR_peek_error());
  ERR_clear_error();
  unsigned char alert[7] = {};
  ASSERT_EQ(7, recv(wire.fd(), alert, sizeof(alert), MSG_WAITALL));
  EXPECT_EQ(SSL3_RT_ALERT, alert[0]);
  EXPECT_EQ(MANGO_STATUS_TLS, mango_socket_send_tls(socket, &byte, 1, &n));
}

TEST_P(MangoTls, an_alert_from_the_peer_is_a_tls_failure) {
  RawPeer wire(Engine::port_of(listener_));
  socket = engine_.accept(listener_);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(socket, ssl.get()));
  wire.send(std::string("\x15\x03\x01\x00\x02\x02\x28", 7));
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_TLS, mango_socket_recv_tls(socket, &byte, 1, &n));
  ERR_clear_error();
}

TEST_P(MangoTls, an_ssl_freed_too_early_detaches_itself) {
  start([](SSL* client) { (void)SSL_do_handshake(client); });
  handshake();
  ssl.reset();
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv_tls(socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(socket, "x", 1, &n));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
}

TEST_P(MangoTls, one_ssl_at_a_time_and_no_plain_calls_beside_it) {
  start([](SSL* client) { (void)SSL_do_handshake(client); });
  Ssl other = server_ssl(server_context_);
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_socket_set_ssl(socket, other.get()));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(socket, ssl.get()));
  char byte = 0;
  size_t n = 0;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send(socket, "x", 1, &n));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv(socket, &byte, 1, &n));
  handshake();
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(socket, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_recv_tls(socket, &byte, 1, &n));
}

TEST_P(MangoTls, an_ssl_whose_handshake_is_done_can_be_attached) {
  const std::string bytes = pattern(5000);
  peer_ = std::make_unique<RawPeer>(Engine::port_of(listener_));
  socket = engine_.accept(listener_);
  client_ = std::thread([&] {
    Ssl client = client_ssl(client_context_, peer_->fd());
    sender_of(bytes)(client.get());
  });
  SSL_set_fd(ssl.get(), Engine::fd_of(socket));
  ASSERT_EQ(1, SSL_do_handshake(ssl.get()));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(socket, ssl.get()));
  EXPECT_EQ(bytes, read_to_end());
}

TEST_P(MangoTls, the_owner_may_call_openssl_itself) {
  start(sender_of("direct"));
  ASSERT_EQ(1, SSL_do_handshake(ssl.get()));
  char buffer[16];
  size_t n = 0;
  ASSERT_EQ(1, SSL_read_ex(ssl.get(), buffer, sizeof(buffer), &n));
  EXPECT_EQ("direct", std::string(buffer, n));
}

TEST_P(MangoTls, acts_as_a_client_too) {
  Ssl server = server_ssl(server_context_);
  mango_socket_h connecting = engine_.open();
  const sockaddr_in address = loopback(Engine::port_of(listener_));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(connecting, as_sockaddr(address), sizeof(address)));
  mango_socket_h accepted = engine_.accept(listener_);
  std::thread echo([&] {
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(accepted, server.get()));
    char buffer[64];
    size_t n = 0;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv_tls(accepted, buffer, sizeof(buffer), &n));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send_tls(accepted, buffer, n, nullptr));
  });
  Ssl client(SSL_new(client_context_.get()));
  SSL_set_connect_state(client.get());
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(connecting, client.get()));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send_tls(connecting, "ping", 4, nullptr));
  char buffer[64];
  size_t n = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv_tls(connecting, buffer, sizeof(buffer), &n));
  EXPECT_EQ("ping", std::string(buffer, n));
  echo.join();
  mango_socket_close(connecting);
  mango_socket_close(accepted);
}

TEST_P(MangoTls, tells_when_the_handshake_waits_for_room_to_write) {
  for (int i = 0; i < 80; ++i) {  // a chain that no small buffer takes at once
    ASSERT_EQ(
        1, SSL_CTX_add1_chain_cert(server_context_.get(), SSL_CTX_get0_certificate(server_context_.get())));
  }
  ssl = server_ssl(server_context_);
  const int tiny = 4096;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_option(listener_, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny)));
  start(sender_of("through"), 4096);
  nonblocking();
  int waits_for_room = 0;
  mango_status_e status = MANGO_STATUS_AGAIN;
  size_t n = 0;
  while ((status = mango_socket_recv_tls(socket, nullptr, 0, &n)) == MANGO_STATUS_AGAIN) {
    const bool writing = SSL_want(ssl.get()) == SSL_WRITING;
    waits_for_room += writing;
    wait_for(Engine::fd_of(socket), writing ? POLLOUT : POLLIN);
  }
  EXPECT_EQ(MANGO_STATUS_OK, status) << ERR_error_string(ERR_peek_error(), nullptr);
  EXPECT_GT(waits_for_room, 0);
  EXPECT_EQ("through", read_to_end());
}

INSTANTIATE_TEST_SUITE_P(Versions, MangoTls, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "tls12" : "tls13";
                         });
