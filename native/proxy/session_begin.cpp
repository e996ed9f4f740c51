// SPDX-License-Identifier: Apache-2.0
// How a session begins: admission, the PROXY header, TLS or the ClientHello to route by, and the choice of
// the codec.
#include "http/h1_server.h"
#include "http/h2_server.h"
#include "http/raw_codec.h"
#include "proxy/exchange.h"
#include "proxy/session.h"
#include "tls/traffic_keys.h"

namespace mango::proxy {

namespace {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // RFC 9113 section 3.4

}  // namespace

void Session::open(net::Stream stream) {
  const ListenerParts& parts = listener_parts();
  secure_ = parts.tls != nullptr;
  const bool proxied = parts.proxies.contains(client_);
  if (proxied || listener_config().mode == config::ListenerMode::tls_passthrough) {
    preamble_ = std::make_unique<Preamble>();
    preamble_->in_proxy_header = proxied;
  }
  if (secure_ && !proxied) {
    net::SslPointer ssl = make_ssl();
    if (!ssl || !stream.start_tls(std::move(ssl))) {
      stream.abort();
      finish_close();
      return;
    }
  }
  if (!attach(std::move(stream), false)) {
    finish_close();
    return;
  }
  if (proxied) limit_input(preamble_->proxy.wanted());
  if (!preamble_ && !secure_) set_state(SessionState::idle);
  // Whom a proxy speaks for is not known yet, but that it takes a place is.
  if ((!proxied && !admits_client()) || !find_room()) return;
  if (!proxied) begin_transport();
  if (state_ != SessionState::closed) schedule();
}

// Decides on a client, once known; false if its session is over or as good as over.
bool Session::admits_client() {
  trusted_ = listener_parts().trusted.contains(client_);
  if (!worker_.bans().empty()) {
    const config::Ban* ban = worker_.bans().client(client_, worker_.unix_ms());
    if (ban != nullptr && apply_ban(*ban)) return false;
  }
  return listener_->view()->snapshot->policies[listener_config().policy].admits(client_) ||
         !apply(config::Trigger::denied, "address_denied");
}

bool Session::find_room() {
  Shared& shared = worker_.shared();
  counted_ = true;
  const uint32_t limit = listener_->view()->document().limits.max_sessions;
  if (shared.sessions.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  // Full: whoever has been idle longest makes room for the newcomer.
  if (worker_.evict_idle()) return true;
  return !apply(config::Trigger::overload, "too_many_sessions");
}

// Where TLS has to wait for a PROXY header it starts here; else it did before the stream was watched.
void Session::begin_transport() {
  if (!secure_) {
    if (!preamble_ && listener_config().mode != config::ListenerMode::http) begin_bytes();
    return;
  }
  if (stream().ssl() != nullptr) return;
  net::SslPointer ssl = make_ssl();
  if (!ssl || !start_tls(std::move(ssl))) end_now(config::ActionKind::abort);
}

net::SslPointer Session::make_ssl() {
  handshake_snapshot_ = listener_->view()->snapshot;
  return listener_parts().tls->accept();
}

// No byte need come first: the server may be the one to speak.
void Session::begin_bytes() {
  auto codec = std::make_unique<http::RawServerCodec>(*this);
  http::Stream& stream = codec->stream();
  codec_ = std::move(codec);
  set_state(SessionState::exchange);
  ++requests_;
  Exchange& exchange = worker_.begin_exchange();
  stream.user = &exchange;
  link(exchange);
  exchange.start_bytes(*this, stream, sni());
}

// --- the protocol
// ------------------------------------------------------------------------------------------------

void Session::use_http1() {
  codec_ = std::make_unique<http::H1ServerCodec>(listener_parts().head_limits, worker_.heads(), *this);
}

void Session::use_http2() {
  batch_output();
  codec_ = std::make_unique<http::H2ServerCodec>(listener_parts().head_limits, listener_parts().http2,
                                                 worker_.heads(), *this, worker_.clock());
}

// Without TLS the first bytes tell (RFC 9113 section 3.3); false if they do not yet.
bool Session::choose_codec(std::span<char> bytes) {
  const std::string_view text(bytes.data(), bytes.size());
  const std::string_view begun = text.substr(0, kHttp2Preface.size());
  if (!listener_config().http2.enabled || secure_ || !kHttp2Preface.starts_with(begun)) {
    use_http1();
    return true;
  }
  if (begun.size() < kHttp2Preface.size()) {
    if (state_ == SessionState::idle) set_state(SessionState::reading);
    return false;
  }
  use_http2();
  return true;
}

const char* Session::protocol() const noexcept {
  if (listener_config().mode != config::ListenerMode::http) return secure_ ? "TLS" : "TCP";
  return multiplexed() ? "HTTP/2.0" : "HTTP/1.1";
}

// --- TLS
// ----------------------------------------------------------------------------------------------------

void Session::on_handshake_done() {
  SSL* ssl = stream().ssl();
  tls_facts_ = tls::facts(ssl);
  sni_ = tls::server_name(ssl);
  for (char& c : sni_) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;  // one name, one ban
  const bool http2 = tls::negotiated_protocol(ssl) == "h2";
  listener_->counters.handshake.observe_ns(worker_.loop().refresh_now() - opened_ms_ * 1'000'000);
  count_handshake("ok", tls::group_name(ssl));
  free_ssl();
  handshake_snapshot_.reset();
  set_state(SessionState::idle);
  if (!worker_.bans().empty()) {
    const config::Ban* ban = worker_.bans().sni(sni(), worker_.unix_ms());
    if (ban != nullptr && apply_ban(*ban)) return;
  }
  if (listener_config().mode == config::ListenerMode::http)
    http2 ? use_http2() : use_http1();
  else
    begin_bytes();
}

// Where the engine goes on with the keys alone; else the SSL stays and all works the same.
void Session::free_ssl() {
  const tls::TrafficKeys keys(stream().ssl());
  if (keys.get() != nullptr) mutable_stream().use_tls_keys(*keys.get());
}

void Session::count_handshake(const char* result, const char* group) {
  worker_.counters().rare.count_handshake(
      {listener_->name(), tls_facts_.version, group, tls_facts_.cipher, tls_facts_.resumed, result});
}

// --- what comes before
// --------------------------------------------------------------------------------------------

size_t Session::on_preamble(std::span<char> bytes) {
  return preamble_->in_proxy_header ? read_proxy_header(bytes) : read_client_hello(bytes);
}

// Never a byte behind the header is read: that may be a ClientHello, which the engine wants from the socket.
size_t Session::read_proxy_header(std::span<char> bytes) {
  switch (preamble_->proxy.feed(bytes)) {
    case ProxyHeaderReader::Step::more:
      limit_input(preamble_->proxy.wanted());
      break;
    case ProxyHeaderReader::Step::refused:
      apply(config::Trigger::protocol_error, preamble_->proxy.reason());
      break;
    case ProxyHeaderReader::Step::done:
      take_proxy_header();
      break;
  }
  return bytes.size();
}

void Session::take_proxy_header() {
  limit_input(net::WorkerIo::kScratchBytes);
  proxied_ = std::make_unique<ProxyHeader>(preamble_->proxy.header());
  preamble_->in_proxy_header = false;
  if (proxied_->has_addresses) {
    const net::Endpoint& source = proxied_->source;
    (void)Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&source.storage), source.length, client_);
    client_text_ = source.address();
    client_port_ = source.port();
  }
  if (listener_config().mode != config::ListenerMode::tls_passthrough) preamble_.reset();
  if (!preamble_ && !secure_) set_state(SessionState::idle);
  if (admits_client()) begin_transport();
}

// The bytes stay where they are: they are the first content of the exchange they decide on.
size_t Session::read_client_hello(std::span<char> bytes) {
  switch (preamble_->hello.read(bytes)) {
    case tls::ClientHelloReader::Step::more:
      return 0;
    case tls::ClientHelloReader::Step::refused:
      count_handshake("error");
      (void)put(preamble_->hello.alert());
      apply(config::Trigger::handshake_error, preamble_->hello.reason());
      return bytes.size();
    case tls::ClientHelloReader::Step::done:
      break;
  }
  sni_ = preamble_->hello.server_name();
  preamble_.reset();
  set_state(SessionState::idle);
  const config::Ban* ban = worker_.bans().empty() ? nullptr : worker_.bans().sni(sni(), worker_.unix_ms());
  if (ban != nullptr && apply_ban(*ban)) return bytes.size();
  begin_bytes();
  return state_ == SessionState::exchange || state_ == SessionState::tunnel ? codec_->receive(bytes, *this)
                                                                            : bytes.size();
}

net::Endpoint Session::client_endpoint() const {
  if (proxied_ && proxied_->has_addresses) return proxied_->source;
  net::Endpoint peer;
  const bool v6 = client_text_.find(':') != std::string::npos;
  (void)net::Endpoint::parse(
      (v6 ? "[" + client_text_ + "]" : client_text_) + ":" + std::to_string(client_port_), peer);
  return peer;
}

net::Endpoint Session::local_endpoint() const {
  if (proxied_ && proxied_->has_addresses) return proxied_->destination;
  return stream().local();
}

}  // namespace mango::proxy
