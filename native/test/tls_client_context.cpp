// SPDX-License-Identifier: Apache-2.0
// Streams of the data plane as TLS clients, against OpenSSL as the server in a thread of its own.
#include "tls/client_context.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <thread>

#include "authority_support.h"
#include "tls/ticket_keys.h"
#include "tls/traffic_keys.h"

namespace mango::tls::test {
namespace {

constexpr const char* kGreeting = "ready";

struct ServerSettings {
  int version = TLS1_3_VERSION;
  std::string client_ca_pem;  // "" = no certificate is asked for
  std::string alpn;           // chosen if offered; "" = none
  bool renews = true;  // a ticket on resumed connections too, as OpenSSL does by itself; Node.js does not
};

// What the server saw of one connection.
struct Seen {
  bool accepted = false;
  bool resumed = false;
  std::string sni;
  std::string offered;  // ALPN in wire format
  std::string client;   // common name of its certificate
};

int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                    unsigned in_size, void* arg) {
  const auto& ours = *static_cast<const std::string*>(arg);
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                           static_cast<unsigned>(ours.size()), in, in_size);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Greets each client, answers what it says, and goes when the client goes.
class OpensslServer {
 public:
  OpensslServer(const config::Certificate& certificate, ServerSettings settings)
      : settings_(std::move(settings)), context_(SSL_CTX_new(TLS_server_method())) {
    KeyPair pair;
    std::string error;
    EXPECT_TRUE(KeyPair::parse(certificate, pair, error)) << error;
    SSL_CTX_use_cert_and_key(context_.get(), pair.leaf.get(), pair.key.get(), pair.chain.get(), 1);
    SSL_CTX_set_max_proto_version(context_.get(), settings_.version);
    SSL_CTX_set_session_id_context(context_.get(), reinterpret_cast<const unsigned char*>("test"), 4);
    if (!settings_.alpn.empty()) SSL_CTX_set_alpn_select_cb(context_.get(), choose_protocol, &settings_.alpn);
    SSL_CTX_set_client_hello_cb(context_.get(), on_hello, &seen);
    if (!settings_.renews) tickets_.install(context_.get());
    if (!settings_.client_ca_pem.empty()) ask_for_certificate();
    listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, ::bind(listening_, reinterpret_cast<sockaddr*>(&address), sizeof address));
    EXPECT_EQ(0, ::listen(listening_, 8));
    endpoint.length = sizeof endpoint.storage;
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&endpoint.storage), &endpoint.length);
  }
  ~OpensslServer() {
    finish();
    ::close(listening_);
  }

  // Serves the next connection.
  void serve() {
    finish();
    seen = {};
    thread_ = std::thread([this] { serve_one(); });
  }
  void finish() {
    if (thread_.joinable()) thread_.join();
  }

  net::Endpoint endpoint;
  Seen seen;  // after finish()

 private:
  static int on_hello(SSL* ssl, int*, void* arg) {
    const unsigned char* body = nullptr;
    size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &body, &size) == 1)
      static_cast<Seen*>(arg)->offered.assign(reinterpret_cast<const char*>(body) + 2, size - 2);
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  void ask_for_certificate() {
    BIO* bio = BIO_new_mem_buf(settings_.client_ca_pem.data(), -1);
    const Openssl<X509> authority(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
    BIO_free(bio);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), authority.get());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  void serve_one() {
    const int fd = ::accept(listening_, nullptr, nullptr);
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const net::SslPointer ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), fd);
    seen.accepted = SSL_accept(ssl.get()) == 1;
    if (seen.accepted) {
      look_at(ssl.get());
      SSL_write(ssl.get(), kGreeting, 5);
      char bytes[100];
      for (int n = 0; (n = SSL_read(ssl.get(), bytes, sizeof bytes)) > 0;) {
        if (bytes[0] == 't') SSL_new_session_ticket(ssl.get());
        SSL_write(ssl.get(), bytes, n);
      }
      SSL_shutdown(ssl.get());
    }
    ERR_clear_error();
    ::close(fd);
  }
  void look_at(SSL* ssl) {
    seen.resumed = SSL_session_reused(ssl) == 1;
    seen.sni = server_name(ssl);
    if (const X509* peer = SSL_get0_peer_certificate(ssl)) {
      char name[64] = "";
      X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, sizeof name);
      seen.client = name;
    }
  }

  ServerSettings settings_;
  TicketKeys tickets_{{ticket_key(1)}};
  Openssl<SSL_CTX> context_;
  int listening_ = -1;
  std::thread thread_;
};

struct Outcome {
  bool done = false;
  std::string error;  // of the handshake
  std::string alpn;
  std::string greeting;
  bool resumed = false;
};

class ClientContextTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string error;
    engine_ = net::Engine::open("", error);
    ASSERT_NE(nullptr, engine_) << error;
    tls.ca_pem = authority.pem();
    serve_with({.alt_names = "DNS:app.test,DNS:*.wild.test,DNS:f*.test,IP:127.0.0.1,URI:spiffe://app"});
  }

  void serve_with(const Issue& issue, ServerSettings settings = {}) {
    server.emplace(authority.issue(issue), std::move(settings));
  }
  std::unique_ptr<ClientContext> client(
      config::UpstreamProtocol protocol = config::UpstreamProtocol::http1) const {
    std::string error;
    std::unique_ptr<ClientContext> made =
        ClientContext::build(tls, protocol, error, []() noexcept { return now; });
    EXPECT_NE(nullptr, made) << error;
    return made;
  }

  static void wait_for(int fd, bool writable) {
    pollfd watched{fd, static_cast<short>(writable ? POLLOUT : POLLIN), 0};
    ASSERT_EQ(1, ::poll(&watched, 1, 20'000));
  }
  // A stream whose handshake has ended, one way or the other.
  net::Stream open(net::SslPointer ssl, Outcome& outcome) {
    net::Stream stream;
    server->serve();
    const net::Io io = stream.connect(*engine_, server->endpoint);
    if (io == net::Io::again) wait_for(stream.fd(), true);
    EXPECT_EQ(net::Io::ok, stream.finish_connect());
    EXPECT_FALSE(stream.handshaking());
    EXPECT_TRUE(stream.start_tls(std::move(ssl)));
    EXPECT_TRUE(stream.handshaking());
    net::Transfer got{net::Io::again};
    while (stream.handshaking() && got.io == net::Io::again) {
      got = stream.recv(room_);
      EXPECT_EQ(0U, got.bytes);
      if (stream.handshaking() && got.io == net::Io::again) wait_for(stream.fd(), stream.waits_for_write());
    }
    outcome.done = !stream.handshaking();
    if (!outcome.done) outcome.error = client_tls_error(stream.ssl());
    return stream;
  }
  std::string receive(net::Stream& stream, size_t size) {
    std::string all;
    while (all.size() < size) {
      const net::Transfer got = stream.recv(room_);
      if (got.io == net::Io::again) {
        wait_for(stream.fd(), false);
      } else if (got.io == net::Io::ok) {
        all.append(room_.data(), got.bytes);
      } else {
        break;
      }
    }
    return all;
  }
  std::string exchange(net::Stream& stream, std::string_view text) {
    EXPECT_EQ(net::Io::ok, stream.send(text).io);
    return receive(stream, text.size());
  }
  static void hand_over(net::Stream& stream) {
    const TrafficKeys keys(stream.ssl());
    ASSERT_NE(nullptr, keys.get());
    ASSERT_TRUE(stream.use_tls_keys(*keys.get()));
    EXPECT_EQ(nullptr, stream.ssl());
  }
  // One connection from its beginning to its end.
  Outcome visit(const ClientContext& context, std::string_view host = "app.test",
                AlpnOffer offer = AlpnOffer::configured, std::string_view key = "one",
                bool handed_over = false) {
    Outcome outcome;
    net::Stream stream = open(context.connect(host, key, offer), outcome);
    if (outcome.done) {
      outcome.alpn = negotiated_protocol(stream.ssl());
      outcome.resumed = facts(stream.ssl()).resumed;
      outcome.greeting = receive(stream, 5);
      EXPECT_TRUE(may_hand_over_keys(stream.ssl()));
      if (handed_over) hand_over(stream);
    }
    stream.close();
    server->finish();
    return outcome;
  }
  std::string error_of(std::string_view host = "app.test") { return visit(*client(), host).error; }

  static inline ClientSessions::Clock::time_point now;  // of the sessions

  Authority authority;
  config::UpstreamTls tls;
  std::optional<OpensslServer> server;

 private:
  std::unique_ptr<net::Engine> engine_;
  std::array<char, 1 << 15> room_{};
};

TEST_F(ClientContextTest, ShakesHandsOverAStream) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    serve_with({.alt_names = "DNS:app.test"}, {.version = version});
    const Outcome outcome = visit(*client());
    EXPECT_TRUE(outcome.done) << outcome.error;
    EXPECT_EQ(kGreeting, outcome.greeting);
    EXPECT_EQ("app.test", server->seen.sni);
  }
}

// --- verification
// -------------------------------------------------------------------------------------------

TEST_F(ClientContextTest, VerifiesTheName) {
  for (const char* good : {"app.test", "APP.Test", "app.test.", "a.wild.test", "127.0.0.1"})
    EXPECT_EQ("", error_of(good)) << good;
  for (const char* bad :
       {"other.test", "a.b.wild.test", "wild.test", "foo.test", "127.0.0.2", "[::1]", "leaf"})
    EXPECT_EQ("upstream_certificate_name_mismatch", error_of(bad)) << bad;
}

TEST_F(ClientContextTest, TakesNoNameFromTheSubject) {
  serve_with({.alt_names = "", .common_name = "app.test"});
  EXPECT_EQ("upstream_certificate_name_mismatch", error_of());
}

TEST_F(ClientContextTest, PrefersTheConfiguredName) {
  tls.server_name = "app.test";
  EXPECT_EQ("", error_of("10.0.0.1"));
  EXPECT_EQ("app.test", server->seen.sni);
}

TEST_F(ClientContextTest, SendsNoAddressAsAName) {
  EXPECT_EQ("", error_of("127.0.0.1"));
  EXPECT_EQ("", server->seen.sni);
}

TEST_F(ClientContextTest, RefusesOtherAuthorities) {
  server.emplace(certificate("self-signed", {}), ServerSettings{});
  EXPECT_EQ("upstream_certificate_unknown_authority", error_of());
  server.emplace(Authority().issue({.alt_names = "DNS:app.test"}), ServerSettings{});
  EXPECT_EQ("upstream_certificate_unknown_authority", error_of()) << "of the same name";
}

TEST_F(ClientContextTest, BelievesWhatItWasToldToBelieve) {
  const config::Certificate leaf = authority.issue({.alt_names = "DNS:app.test"});
  tls.ca_pem = leaf.cert_pem;  // the server's own certificate
  server.emplace(leaf, ServerSettings{});
  EXPECT_EQ("", error_of());
}

TEST_F(ClientContextTest, RefusesCertificatesOutOfTheirTime) {
  serve_with({.alt_names = "DNS:app.test", .begins_s = -7200, .ends_s = -3600});
  EXPECT_EQ("upstream_certificate_expired", error_of());
  serve_with({.alt_names = "DNS:app.test", .begins_s = 3600, .ends_s = 7200});
  EXPECT_EQ("upstream_certificate_not_yet_valid", error_of());
}

TEST_F(ClientContextTest, PinsNames) {
  for (const char* pin : {"app.test", "APP.test", "127.0.0.1", "spiffe://app", "*.wild.test"}) {
    tls.alt_names = {"elsewhere.test", pin};
    EXPECT_EQ("", error_of()) << pin;
  }
  for (const char* pin : {"elsewhere.test", "a.wild.test", "127.0.0.2", "spiffe://APP", "leaf"}) {
    tls.alt_names = {pin};
    EXPECT_EQ("upstream_certificate_not_pinned", error_of()) << pin;
  }
  tls.alt_names = {"app.test"};
  EXPECT_EQ("upstream_certificate_name_mismatch", error_of("other.test")) << "pins come on top of the name";
}

TEST_F(ClientContextTest, VerifiesNothingOnlyWhenToldSo) {
  tls.verify = false;
  tls.ca_pem.clear();
  EXPECT_EQ("", error_of("other.test"));
  EXPECT_EQ("other.test", server->seen.sni);
}

TEST_F(ClientContextTest, NeedsANameToVerify) {
  EXPECT_EQ(nullptr, client()->connect("", "one"));
  EXPECT_EQ(nullptr, client()->connect(std::string(300, 'a'), "one"));
  EXPECT_EQ(nullptr, client()->connect(std::string_view("app\0.test", 9), "one"));
}

TEST_F(ClientContextTest, SaysWhatItCannotUse) {
  std::string error;
  tls.ca_pem = "nothing";
  EXPECT_EQ(nullptr, ClientContext::build(tls, config::UpstreamProtocol::http1, error));
  EXPECT_NE(std::string::npos, error.find("tls.ca")) << error;
  tls.ca_pem = authority.pem();
  tls.cert_pem = authority.pem();
  tls.key_pem = "nothing";
  EXPECT_EQ(nullptr, ClientContext::build(tls, config::UpstreamProtocol::http1, error));
  EXPECT_NE(std::string::npos, error.find("private key")) << error;
  EXPECT_EQ(0U, ERR_peek_error());
}

TEST_F(ClientContextTest, HoldsToItsLowestVersion) {
  serve_with({.alt_names = "DNS:app.test"}, {.version = TLS1_2_VERSION});
  tls.min_version = config::kTls13;
  EXPECT_EQ("upstream_tls_unsupported_protocol", error_of());
}

TEST_F(ClientContextTest, ShowsItsCertificate) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    serve_with({.alt_names = "DNS:app.test"}, {.version = version, .client_ca_pem = authority.pem()});
    const config::Certificate own = authority.issue({.alt_names = "", .common_name = "edge"});
    tls.cert_pem = own.cert_pem;
    tls.key_pem = own.key_pem;
    EXPECT_EQ("", error_of());
    EXPECT_EQ("edge", server->seen.client);
  }
}

// In TLS 1.3 the client is done before the server has judged its certificate: the end comes with the first
// read.
TEST_F(ClientContextTest, TellsThatItsCertificateIsRefused) {
  serve_with({.alt_names = "DNS:app.test"}, {.version = TLS1_2_VERSION, .client_ca_pem = authority.pem()});
  EXPECT_NE("", error_of());
  serve_with({.alt_names = "DNS:app.test"}, {.client_ca_pem = authority.pem()});
  Outcome outcome;
  const std::unique_ptr<ClientContext> context = client();
  net::Stream stream = open(context->connect("app.test", "one"), outcome);
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ("", receive(stream, 5));
  EXPECT_STREQ("upstream_client_certificate_refused", client_tls_error(stream.ssl()));
}

TEST_F(ClientContextTest, TellsServersThatSpeakNoTls) {
  const std::unique_ptr<ClientContext> context = client();
  const net::SslPointer ssl = context->connect("app.test", "one");
  BIO* in = BIO_new(BIO_s_mem());
  BIO_puts(in, "HTTP/1.1 400 Bad Request\r\n\r\n");
  SSL_set_bio(ssl.get(), in, BIO_new(BIO_s_mem()));
  EXPECT_NE(1, SSL_do_handshake(ssl.get()));
  EXPECT_STREQ("upstream_not_tls", client_tls_error(ssl.get()));
  EXPECT_EQ(0U, ERR_peek_error());
}

// --- ALPN
// ---------------------------------------------------------------------------------------------------

TEST_F(ClientContextTest, OffersWhatItSpeaks) {
  using config::UpstreamProtocol;
  const std::string h1("\x08http/1.1");
  const std::string h2("\x02h2");
  const auto offered = [&](UpstreamProtocol protocol, AlpnOffer offer) {
    EXPECT_TRUE(visit(*client(protocol), "app.test", offer).done);
    return server->seen.offered;
  };
  EXPECT_EQ(h1, offered(UpstreamProtocol::http1, AlpnOffer::configured));
  EXPECT_EQ(h2, offered(UpstreamProtocol::http2, AlpnOffer::configured));
  EXPECT_EQ(h2 + h1, offered(UpstreamProtocol::automatic, AlpnOffer::configured));
  EXPECT_EQ(h1, offered(UpstreamProtocol::automatic, AlpnOffer::http1));
  EXPECT_EQ("", offered(UpstreamProtocol::http1, AlpnOffer::none));
}

TEST_F(ClientContextTest, TellsWhatWasNegotiated) {
  const std::unique_ptr<ClientContext> both = client(config::UpstreamProtocol::automatic);
  serve_with({.alt_names = "DNS:app.test"}, {.alpn = "\x02h2"});
  EXPECT_EQ("h2", visit(*both).alpn);
  EXPECT_EQ("upstream_tls_no_application_protocol", visit(*both, "app.test", AlpnOffer::http1).error);
  serve_with({.alt_names = "DNS:app.test"}, {.alpn = "\x08http/1.1"});
  EXPECT_EQ("http/1.1", visit(*both).alpn);
  serve_with({.alt_names = "DNS:app.test"});
  EXPECT_EQ("", visit(*both).alpn);
}

// --- sessions
// -----------------------------------------------------------------------------------------------

TEST_F(ClientContextTest, ResumesSessions) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    serve_with({.alt_names = "DNS:app.test,DNS:b.test"}, {.version = version});
    const std::unique_ptr<ClientContext> context = client(config::UpstreamProtocol::automatic);
    EXPECT_FALSE(visit(*context).resumed);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(visit(*context).resumed) << version << " " << i;
    EXPECT_TRUE(server->seen.resumed);
    EXPECT_FALSE(visit(*context, "b.test").resumed) << "another name";
    EXPECT_FALSE(visit(*context, "app.test", AlpnOffer::configured, "two").resumed) << "another server";
    EXPECT_FALSE(visit(*context, "app.test", AlpnOffer::http1).resumed) << "another offer";
    EXPECT_FALSE(visit(*client()).resumed) << "another context";
  }
}

TEST_F(ClientContextTest, KeepsSessionsOverAReloadThatChangedNothing) {
  const std::unique_ptr<ClientContext> before = client();
  EXPECT_TRUE(visit(*before).done);
  const std::unique_ptr<ClientContext> same = client();
  same->adopt_sessions(*before);
  EXPECT_TRUE(visit(*same).resumed);
  tls.alt_names = {"elsewhere.test"};
  const std::unique_ptr<ClientContext> stricter = client();
  stricter->adopt_sessions(*same);
  EXPECT_EQ("upstream_certificate_not_pinned", visit(*stricter).error);
}

TEST_F(ClientContextTest, ResumesForEverWithServersThatRenewNoTicket) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool handed_over : {false, true}) {
      serve_with({.alt_names = "DNS:app.test"}, {.version = version, .renews = false});
      const std::unique_ptr<ClientContext> context = client();
      EXPECT_FALSE(visit(*context).resumed);
      for (int i = 0; i < 5; ++i)
        EXPECT_TRUE(visit(*context, "app.test", AlpnOffer::configured, "one", handed_over).resumed) << i;
    }
  }
}

TEST_F(ClientContextTest, LendsATicketOfTls13ToOneConnection) {
  serve_with({.alt_names = "DNS:app.test"}, {.version = TLS1_3_VERSION});
  const std::unique_ptr<ClientContext> context = client();
  EXPECT_TRUE(visit(*context).done);  // brings two tickets
  std::vector<net::SslPointer> ssls;
  for (int i = 0; i < 3; ++i) ssls.push_back(context->connect("app.test", "one"));
  EXPECT_NE(nullptr, SSL_get0_session(ssls[0].get()));
  EXPECT_NE(nullptr, SSL_get0_session(ssls[1].get()));
  EXPECT_EQ(nullptr, SSL_get0_session(ssls[2].get()));
}

TEST_F(ClientContextTest, ForgetsATicketThatCameToNothing) {
  serve_with({.alt_names = "DNS:app.test"}, {.version = TLS1_3_VERSION, .renews = false});
  const std::unique_ptr<ClientContext> context = client();
  EXPECT_TRUE(visit(*context).done);  // brings one ticket
  EXPECT_NE(nullptr, SSL_get0_session(context->connect("app.test", "one").get())) << "never connected";
  EXPECT_EQ(nullptr, SSL_get0_session(context->connect("app.test", "one").get()));
  EXPECT_TRUE(visit(*context).done);
  const config::Certificate leaf = authority.issue({.alt_names = "DNS:app.test"});
  server.emplace(leaf, ServerSettings{.renews = true});  // with other keys
  EXPECT_FALSE(visit(*context).resumed);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(visit(*context).resumed) << i;
}

TEST_F(ClientContextTest, VerifiesAgainInTime) {
  for (const bool renews : {false, true}) {
    serve_with({.alt_names = "DNS:app.test"}, {.renews = renews});
    const std::unique_ptr<ClientContext> context = client();
    EXPECT_FALSE(visit(*context).resumed);
    const auto begin = now;
    for (const int64_t age :
         {int64_t{1}, ClientSessions::kMaxAgeSeconds / 2, ClientSessions::kMaxAgeSeconds - 1}) {
      now = begin + std::chrono::seconds(age);
      EXPECT_TRUE(visit(*context).resumed) << age;
    }
    now = begin + std::chrono::seconds(ClientSessions::kMaxAgeSeconds);
    EXPECT_FALSE(visit(*context).resumed) << "however often it was renewed";
    EXPECT_TRUE(visit(*context).resumed);
  }
}

TEST_F(ClientContextTest, BoundsItsSessions) {
  const SessionPointer session(SSL_SESSION_new());
  SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION);
  const unsigned char id[] = {1};
  SSL_SESSION_set1_id(session.get(), id, sizeof id);
  ClientSessions sessions;
  for (size_t i = 0; i < 2 * ClientSessions::kMaxKeys; ++i) sessions.put(std::to_string(i), session.get());
  EXPECT_EQ(ClientSessions::kMaxKeys, sessions.size());
  ClientSessions of_one;
  for (size_t i = 0; i < 2 * ClientSessions::kMaxPerKey; ++i) of_one.put("one", session.get());
  EXPECT_EQ(ClientSessions::kMaxPerKey, of_one.size());
  EXPECT_EQ(nullptr, of_one.take("two").session);
  for (size_t i = 0; i < ClientSessions::kMaxPerKey; ++i) EXPECT_NE(nullptr, of_one.take("one").session);
  EXPECT_EQ(nullptr, of_one.take("one").session);
  EXPECT_EQ(0U, of_one.size());
}

TEST_F(ClientContextTest, MayBeGoneBeforeItsConnections) {
  std::unique_ptr<ClientContext> context = client();
  net::SslPointer ssl = context->connect("app.test", "one");
  context.reset();
  Outcome outcome;
  net::Stream stream = open(std::move(ssl), outcome);
  EXPECT_TRUE(outcome.done) << outcome.error;
  EXPECT_EQ(kGreeting, receive(stream, 5));  // with the tickets before it
}

// --- keys
// ---------------------------------------------------------------------------------------------------

TEST_F(ClientContextTest, GoesOnWithItsKeysAlone) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const int said : {0, 1, 5}) {
      serve_with({.alt_names = "DNS:app.test"}, {.version = version});
      const std::unique_ptr<ClientContext> context = client();
      Outcome outcome;
      net::Stream stream = open(context->connect("app.test", "one"), outcome);
      ASSERT_TRUE(outcome.done) << outcome.error;
      const bool is_tls13 = version == TLS1_3_VERSION;
      EXPECT_EQ(!is_tls13, may_hand_over_keys(stream.ssl())) << "a ticket of TLS 1.3 has not been read yet";
      const bool at_once = !is_tls13 && said == 0;
      if (!at_once) {
        EXPECT_EQ(kGreeting, receive(stream, 5));
      }
      for (int i = 0; i < said; ++i) EXPECT_EQ("early", exchange(stream, "early"));
      ASSERT_TRUE(may_hand_over_keys(stream.ssl()));
      hand_over(stream);
      if (at_once) {
        EXPECT_EQ(kGreeting, receive(stream, 5));
      }
      EXPECT_EQ("hello", exchange(stream, "hello"));
      EXPECT_EQ("ticket", exchange(stream, "ticket")) << "one comes before the echo and is dropped";
      EXPECT_EQ("again", exchange(stream, "again"));
      stream.close();
      server->finish();
      EXPECT_TRUE(visit(*context).resumed) << "freeing the SSL does not spoil the session";
    }
  }
}

TEST_F(ClientContextTest, KeepsTheSslWhoseKeysWereUpdated) {
  const std::unique_ptr<ClientContext> context = client();
  Outcome outcome;
  net::Stream stream = open(context->connect("app.test", "one"), outcome);
  EXPECT_EQ(kGreeting, receive(stream, 5));
  ASSERT_EQ(1, SSL_key_update(stream.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED));
  EXPECT_EQ("hello", exchange(stream, "hello"));
  EXPECT_EQ(nullptr, TrafficKeys(stream.ssl()).get());
  EXPECT_EQ("again", exchange(stream, "again"));
}

}  // namespace
}  // namespace mango::tls::test
