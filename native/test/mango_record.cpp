// SPDX-License-Identifier: Apache-2.0
// Sessions that go on without their SSL, against OpenSSL as the client (parameter: the cipher suite). The
// client shakes hands in a thread; what it sends afterwards is made in memory, so that tests can cut and bend
// it.
#include <openssl/err.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "mango_support.h"
#include "tls/traffic_keys.h"

using namespace mango_test;

namespace {

struct Suite {
  int version;
  const char* name;
  bool rsa = false;
};

constexpr Suite kAll[] = {
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", true},
    {TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", true},
    {TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", true},
};

SslContext context_for(const Suite& suite) {
  SslContext context =
      server_context(suite.version, Key(suite.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")));
  mango::tls::collect_traffic_keys(context.get());
  return context;
}

void only(SSL_CTX* context, const Suite& suite) {
  const auto set = suite.version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites : SSL_CTX_set_cipher_list;
  ASSERT_EQ(1, set(context, suite.name));
}

class MangoRecord : public testing::TestWithParam<Suite> {
 protected:
  void SetUp() override { only(client_context_.get(), GetParam()); }
  void TearDown() override { mango_socket_destroy(socket); }

  // Shakes hands; the client goes on with `after` in its thread until finish().
  void connect(
      const std::function<void()>& after = [] {}, int receive_buffer = 0) {
    ssl = server_ssl(server_context_);
    peer_ = std::make_unique<RawPeer>(Engine::port_of(listener_), receive_buffer);
    client = client_ssl(client_context_, peer_->fd());
    if (session_) SSL_set_session(client.get(), session_.get());
    socket = engine_.accept(listener_);
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(socket, ssl.get()));
    thread_ = std::thread([this, after] {
      ASSERT_EQ(1, SSL_do_handshake(client.get())) << ERR_error_string(ERR_peek_error(), nullptr);
      after();
    });
    size_t n = 0;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv_tls(socket, nullptr, 0, &n));
  }

  mango_status_e hand_over() {
    const mango::tls::TrafficKeys keys(ssl.get());
    if (!keys.get()) return MANGO_STATUS_NOT_SUPPORTED;
    return mango_socket_set_tls_keys(socket, keys.get());
  }
  // An ordinary session without its SSL, and a client at rest.
  void start() {
    connect();
    finish();
    ASSERT_EQ(MANGO_STATUS_OK, hand_over());
    ssl.reset();
  }
  void finish() {
    if (thread_.joinable()) thread_.join();
  }

  // What the client writes during `act`, instead of sending it.
  std::string written_by(const std::function<void(SSL*)>& act) {
    BIO* memory = BIO_new(BIO_s_mem());
    SSL_set0_wbio(client.get(), memory);
    act(client.get());
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(memory, &bytes);
    std::string written(bytes, static_cast<size_t>(size));
    SSL_set0_wbio(client.get(), BIO_new_socket(peer_->fd(), BIO_NOCLOSE));
    ERR_clear_error();
    return written;
  }
  std::string record_of(const std::string& text) {
    return written_by([&](SSL* ssl_of_client) {
      size_t n = 0;
      ASSERT_EQ(1, SSL_write_ex(ssl_of_client, text.data(), text.size(), &n));
    });
  }
  std::string key_update(int request) {
    return written_by([&](SSL* ssl_of_client) {
      ASSERT_EQ(1, SSL_key_update(ssl_of_client, request));
      ASSERT_EQ(1, SSL_do_handshake(ssl_of_client));
    });
  }

  mango_status_e receive(std::string& bytes, size_t room = 1 << 17) {
    bytes.assign(room, '\0');
    size_t n = 0;
    const mango_status_e status = mango_socket_recv_tls(socket, bytes.data(), room, &n);
    bytes.resize(status == MANGO_STATUS_OK ? n : 0);
    return status;
  }
  std::string receive(size_t size) {
    std::string all;
    std::string piece;
    while (all.size() < size && receive(piece, 50'000) == MANGO_STATUS_OK && !piece.empty()) all += piece;
    return all;
  }
  void send(const std::string& text) {
    size_t n = 0;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send_tls(socket, text.data(), text.size(), &n));
    ASSERT_EQ(text.size(), n);
  }
  std::string client_reads(size_t size) {
    std::string all(size, '\0');
    size_t done = 0;
    size_t n = 0;
    while (done < size && SSL_read_ex(client.get(), all.data() + done, size - done, &n) == 1) done += n;
    all.resize(done);
    return all;
  }
  // The session fails now and for good, and the client understands why.
  void expect_failure(int alert_reason) {
    std::string got;
    EXPECT_EQ(MANGO_STATUS_TLS, receive(got));
    EXPECT_NE(0UL, ERR_peek_error());
    ERR_clear_error();
    EXPECT_EQ(MANGO_STATUS_TLS, receive(got));
    EXPECT_EQ(MANGO_STATUS_TLS, mango_socket_send_tls(socket, "x", 1, nullptr));
    EXPECT_EQ("", client_reads(1));
    EXPECT_EQ(alert_reason, ERR_GET_REASON(ERR_peek_error()));
    ERR_clear_error();
  }
  [[nodiscard]] static bool is_tls13() { return GetParam().version == TLS1_3_VERSION; }
  void nonblocking() { ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, true)); }

  Engine engine_;
  mango_socket_h listener_ = engine_.listen();
  SslContext server_context_ = context_for(GetParam());
  SslContext client_context_ = client_context(GetParam().version);
  std::unique_ptr<SSL_SESSION, Deleter<SSL_SESSION_free>> session_;
  std::unique_ptr<RawPeer> peer_;
  std::thread thread_;
  Ssl client;
  Ssl ssl;
  mango_socket_h socket = nullptr;
};

}  // namespace

TEST_P(MangoRecord, echoes_all_sizes) {
  const size_t sizes[] = {1, 15, 16, 100, 16383, 16384, 16385, 65536, 70'001, 1 << 20};
  connect([&] {
    for (const size_t size : sizes) {
      const std::string bytes = pattern(size);
      size_t n = 0;
      ASSERT_EQ(1, SSL_write_ex(client.get(), bytes.data(), bytes.size(), &n));
      ASSERT_EQ(bytes, client_reads(size));
    }
  });
  ASSERT_EQ(MANGO_STATUS_OK, hand_over());
  ssl.reset();
  for (const size_t size : sizes) {
    const std::string got = receive(size);
    ASSERT_EQ(pattern(size), got);
    send(got);
  }
  finish();
}

TEST_P(MangoRecord, takes_records_byte_by_byte) {
  start();
  nonblocking();
  std::string wire = record_of("hello");
  wire += record_of(pattern(300));
  std::string all;
  for (const char byte : wire) {
    peer_->send(std::string(1, byte));
    wait_for(Engine::fd_of(socket), POLLIN);
    std::string got;
    const mango_status_e status = receive(got);
    ASSERT_TRUE(status == MANGO_STATUS_OK || status == MANGO_STATUS_AGAIN);
    all += got;
  }
  EXPECT_EQ("hello" + pattern(300), all);
}

TEST_P(MangoRecord, what_does_not_fit_is_left_for_the_next_call) {
  start();
  const std::string bytes = pattern(40'000);
  peer_->send(record_of(bytes));
  std::string all;
  std::string got;
  for (size_t room = 1; all.size() < bytes.size(); room = room * 2 + 1) {
    ASSERT_EQ(MANGO_STATUS_OK, receive(got, room));
    all += got;
  }
  EXPECT_EQ(bytes, all);
  nonblocking();
  EXPECT_EQ(MANGO_STATUS_AGAIN, receive(got));
}

TEST_P(MangoRecord, counts_and_keeps_decrypted_bytes) {
  start();
  peer_->send(record_of("0123456789"));
  std::string got;
  ASSERT_EQ(MANGO_STATUS_OK, receive(got, 4));
  EXPECT_EQ("0123", got);
  int available = 0;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_num_avail(socket, &available));
  EXPECT_EQ(6, available);
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_socket_detach(socket));
  EXPECT_EQ(MANGO_STATUS_OK, receive(got));
  EXPECT_EQ("456789", got);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_send(socket, "x", 1, nullptr));
}

TEST_P(MangoRecord, many_records_cost_one_call_each_way) {
  start();
  std::string wire;
  for (int i = 0; i < 8; ++i) wire += record_of("0123456789");
  peer_->send(wire);
  wait_for(Engine::fd_of(socket), POLLIN);
  mango_counters_t before = counters();
  std::string got;
  ASSERT_EQ(MANGO_STATUS_OK, receive(got));
  EXPECT_EQ(80U, got.size());
  EXPECT_EQ(1U, counters().recv_calls - before.recv_calls);
  before = counters();
  send(pattern(64 * 1024));
  EXPECT_EQ(1U, counters().send_calls - before.send_calls);
  EXPECT_EQ(pattern(64 * 1024), client_reads(64 * 1024));
}

TEST_P(MangoRecord, bytes_right_behind_the_handshake_are_kept) {
  connect([&] {
    size_t n = 0;
    ASSERT_EQ(1, SSL_write_ex(client.get(), "early", 5, &n));
  });
  ASSERT_EQ(MANGO_STATUS_OK, hand_over());
  EXPECT_EQ("early", receive(5));
  finish();
}

TEST_P(MangoRecord, sends_through_tiny_buffers_to_a_slow_reader) {
  const std::string bytes = pattern(600'000);
  std::string got;
  connect([&] { got = client_reads(bytes.size()); }, 4096);
  ASSERT_EQ(MANGO_STATUS_OK, hand_over());
  nonblocking();
  const int tiny = 4096;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_option(socket, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny)));
  int agains = 0;
  for (size_t done = 0; done < bytes.size();) {
    const std::string moved = bytes.substr(done);
    size_t n = 0;
    const mango_status_e status = mango_socket_send_tls(socket, moved.data(), moved.size(), &n);
    if (status == MANGO_STATUS_AGAIN) {
      ++agains;
      wait_for(Engine::fd_of(socket), POLLOUT);
      continue;
    }
    ASSERT_EQ(MANGO_STATUS_OK, status);
    done += n;
  }
  EXPECT_GT(agains, 0);
  finish();
  EXPECT_EQ(bytes, got);
}

TEST_P(MangoRecord, close_notify_from_the_client_is_the_end) {
  start();
  peer_->send(record_of("abc"));
  peer_->send(written_by([](SSL* c) { SSL_shutdown(c); }));
  std::string got;
  EXPECT_EQ(MANGO_STATUS_OK, receive(got));
  EXPECT_EQ("abc", got);
  EXPECT_EQ(MANGO_STATUS_OK, receive(got));
  EXPECT_EQ("", got);
  EXPECT_EQ(MANGO_STATUS_OK, receive(got));
  EXPECT_EQ("", got);
  send("the other direction is open");
}

TEST_P(MangoRecord, shutdown_and_close_say_close_notify_once) {
  start();
  send("bye");
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_shutdown(socket, SHUT_WR));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
  EXPECT_EQ("bye", client_reads(3));
  EXPECT_EQ("", client_reads(1));
  EXPECT_EQ(SSL_RECEIVED_SHUTDOWN, SSL_get_shutdown(client.get()));
  EXPECT_EQ(0UL, ERR_peek_error());
}

TEST_P(MangoRecord, a_fin_without_close_notify_is_truncation) {
  start();
  peer_->send(record_of("abc"));
  peer_->send(record_of("cut").substr(0, 20));
  shutdown(peer_->fd(), SHUT_WR);
  std::string got;
  EXPECT_EQ(MANGO_STATUS_OK, receive(got));
  EXPECT_EQ("abc", got);
  EXPECT_EQ(MANGO_STATUS_TLS_TRUNCATED, receive(got));
  EXPECT_EQ(MANGO_STATUS_TLS_TRUNCATED, receive(got));
}

TEST_P(MangoRecord, a_changed_bit_anywhere_in_the_body_is_answered_with_bad_record_mac) {
  start();
  std::string wire = record_of("some text");
  wire[wire.size() / 2] ^= 1;
  peer_->send(wire);
  expect_failure(SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
}

TEST_P(MangoRecord, a_repeated_record_is_answered_with_bad_record_mac) {
  start();
  const std::string wire = record_of("some text");
  peer_->send(wire + wire);
  EXPECT_EQ("some text", receive(9));
  expect_failure(SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
}

TEST_P(MangoRecord, an_oversized_record_is_refused_by_its_header) {
  start();
  peer_->send(std::string("\x17\x03\x03\x48\x01", 5));
  expect_failure(SSL_R_TLSV1_ALERT_RECORD_OVERFLOW);
}

TEST_P(MangoRecord, a_bare_change_cipher_spec_is_unexpected) {
  start();
  peer_->send(std::string("\x14\x03\x03\x00\x01\x01", 6));
  expect_failure(SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE);
}

TEST_P(MangoRecord, follows_key_updates) {
  if (!is_tls13()) GTEST_SKIP() << "TLS 1.3 only";
  start();
  for (int i = 0; i < 100; ++i) {
    const std::string text = "update " + std::to_string(i);
    peer_->send(key_update(i % 3 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED));
    peer_->send(record_of(text));
    ASSERT_EQ(text, receive(text.size()));
    send(text);
    ASSERT_EQ(text, client_reads(text.size()));
  }
}

TEST_P(MangoRecord, answers_several_requests_for_keys_once) {
  if (!is_tls13()) GTEST_SKIP() << "TLS 1.3 only";
  start();
  std::string wire;
  for (int i = 0; i < 20; ++i) wire += key_update(SSL_KEY_UPDATE_REQUESTED);
  wire += record_of("x");
  peer_->send(wire);
  wait_for(Engine::fd_of(socket), POLLIN);
  const mango_counters_t before = counters();
  EXPECT_EQ("x", receive(1));
  EXPECT_EQ(27U, counters().send_bytes - before.send_bytes);
  send("y");
  EXPECT_EQ("y", client_reads(1));
}

TEST_P(MangoRecord, refuses_key_updates_without_end) {
  if (!is_tls13()) GTEST_SKIP() << "TLS 1.3 only";
  start();
  std::string wire;
  for (int i = 0; i < 33; ++i) wire += key_update(SSL_KEY_UPDATE_NOT_REQUESTED);
  peer_->send(wire);
  expect_failure(SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE);
}

TEST_P(MangoRecord, refuses_renegotiation) {
  if (is_tls13()) GTEST_SKIP() << "TLS 1.2 only";
  start();
  peer_->send(written_by([](SSL* c) {
    ASSERT_EQ(1, SSL_renegotiate(c));
    BIO* network = SSL_get_rbio(c);
    BIO_up_ref(network);
    SSL_set0_rbio(c, BIO_new(BIO_s_mem()));  // no answer yet
    EXPECT_NE(1, SSL_do_handshake(c));
    SSL_set0_rbio(c, network);
  }));
  expect_failure(SSL_R_NO_RENEGOTIATION);
}

TEST_P(MangoRecord, a_fatal_alert_from_the_client_is_a_failure_without_an_answer) {
  start();
  std::string answer = record_of("x");
  peer_->send(answer);
  EXPECT_EQ("x", receive(1));
  send("tampered with on the way");
  std::string wire = written_by([](SSL* c) {  // the client fails, and says so
    BIO* network = SSL_get_rbio(c);
    BIO_up_ref(network);
    BIO* bent = BIO_new(BIO_s_mem());
    BIO_write(bent, "\x17\x03\x03\x00\x20 0123456789012345678901234567890", 37);
    SSL_set0_rbio(c, bent);
    char byte = 0;
    size_t n = 0;
    while (SSL_read_ex(c, &byte, 1, &n) == 1) {
    }
    SSL_set0_rbio(c, network);
  });
  peer_->send(wire);
  const mango_counters_t before = counters();
  std::string got;
  EXPECT_EQ(MANGO_STATUS_TLS, receive(got));
  EXPECT_EQ(SSL_R_SSLV3_ALERT_BAD_RECORD_MAC, ERR_GET_REASON(ERR_peek_error()));
  ERR_clear_error();
  EXPECT_EQ(0U, counters().send_calls - before.send_calls);
}

TEST_P(MangoRecord, goes_on_after_any_number_of_tickets) {
  for (const size_t tickets : {size_t{0}, size_t{1}, size_t{2}, size_t{5}}) {
    ASSERT_EQ(1, SSL_CTX_set_num_tickets(server_context_.get(), tickets));
    start();
    send("tickets");
    EXPECT_EQ("tickets", client_reads(7)) << tickets;
    mango_socket_destroy(socket);
  }
}

TEST_P(MangoRecord, goes_on_after_a_resumption) {
  start();
  send("first");
  ASSERT_EQ("first", client_reads(5));
  session_.reset(SSL_get1_session(client.get()));
  SSL_shutdown(client.get());
  mango_socket_destroy(socket);
  connect();
  finish();
  ASSERT_EQ(1, SSL_session_reused(ssl.get()));
  ASSERT_EQ(MANGO_STATUS_OK, hand_over());
  send("second");
  EXPECT_EQ("second", client_reads(6));
  peer_->send(record_of("third"));
  EXPECT_EQ("third", receive(5));
}

TEST_P(MangoRecord, goes_on_after_a_client_certificate) {
  const int must = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(server_context_.get(), must, [](int, X509_STORE_CTX*) { return 1; });
  SSL_CTX_set_session_id_context(server_context_.get(), reinterpret_cast<const unsigned char*>("test"), 4);
  const SslContext other = server_context();
  SSL_CTX_use_certificate(client_context_.get(), SSL_CTX_get0_certificate(other.get()));
  SSL_CTX_use_PrivateKey(client_context_.get(), SSL_CTX_get0_privatekey(other.get()));
  start();
  send("who are you");
  EXPECT_EQ("who are you", client_reads(11));
}

TEST_P(MangoRecord, a_suite_that_is_not_known_leaves_the_ssl_in_place) {
  const Suite other{GetParam().version, is_tls13() ? "TLS_AES_128_CCM_SHA256" : "ECDHE-ECDSA-AES128-CCM"};
  server_context_ = context_for(other);
  only(server_context_.get(), other);
  only(client_context_.get(), other);
  connect();
  finish();
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, hand_over());
  mango_tls_keys_t keys{};
  keys.version = static_cast<uint16_t>(GetParam().version);
  keys.cipher_suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl.get()));
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, mango_socket_set_tls_keys(socket, &keys));
  send("still there");
  EXPECT_EQ("still there", client_reads(11));
}

TEST_P(MangoRecord, keys_are_taken_once_and_only_after_the_handshake) {
  mango_tls_keys_t keys{};
  keys.version = 0x0303;
  keys.cipher_suite = 0xC02B;
  connect();
  finish();
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_set_tls_keys(socket, nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, hand_over());
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_set_tls_keys(socket, &keys));
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_socket_set_ssl(socket, ssl.get()));
  RawPeer fresh(Engine::port_of(listener_));
  const Ssl unfinished = server_ssl(server_context_);
  mango_socket_h other = engine_.accept(listener_);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(other, unfinished.get()));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_set_tls_keys(other, &keys));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(other));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_set_tls_keys(other, &keys));
}

INSTANTIATE_TEST_SUITE_P(Suites, MangoRecord, testing::ValuesIn(kAll), [](const auto& suite) {
  std::string name = suite.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});
