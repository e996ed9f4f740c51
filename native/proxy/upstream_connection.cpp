// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream_connection.h"

#include <algorithm>
#include <utility>

#include "http/h1_client.h"
#include "http/h2_client.h"
#include "http/raw_codec.h"
#include "proxy/exchange.h"
#include "proxy/proxy_header.h"
#include "tls/traffic_keys.h"

namespace mango::proxy {

namespace {

Exchange* exchange_of(const http::Stream& stream) noexcept {
  return static_cast<Exchange*>(stream.user);
}

// "name:443", "[::1]:443", "name".
std::string_view without_port(std::string_view host) noexcept {
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
  return has_port ? host.substr(0, colon) : host;
}

}  // namespace

UpstreamConnection::UpstreamConnection(ServerPool& pool, UpstreamUse use)
    : CodecConnection(pool.worker().io()),
      pool_(pool),
      timer_(*this),
      settings_(pool.settings()),
      use_(use) {}

// --- making the connection
// -----------------------------------------------------------------------------------

bool UpstreamConnection::open(net::Stream stream, const net::Endpoint& endpoint) {
  endpoint_ = endpoint;
  pool_.worker().loop().timers().set(timer_, pool_.timeouts().connect_ms);
  return attach(std::move(stream), true);
}

void UpstreamConnection::on_connected(net::Io io) {
  if (io == net::Io::device) {
    device_was_reset();
  } else if (io != net::Io::ok) {
    ++pool_.counters().connect_errors;
    fail(UpstreamFailure::connect);
  } else if (!send_proxy_header()) {
    fail(UpstreamFailure::reset);
  } else if (pool_.tls() == nullptr) {
    become_ready(pool_.protocol() == config::UpstreamProtocol::http2);
  } else if (!start_client_tls()) {
    fail(UpstreamFailure::tls, "upstream_tls_failed");
  }
}

// The header comes before anything else, TLS too; a connection that sends one serves one client.
bool UpstreamConnection::send_proxy_header() {
  if (pool_.proxy_protocol() == config::ProxyProtocol::none || exchanges_.empty()) return true;
  char memory[ProxyHeaderLimits::kWrittenBytes];
  const Exchange& exchange = *exchanges_.front();
  const size_t size =
      pool_.proxy_protocol() == config::ProxyProtocol::v1
          ? write_proxy_header_v1(exchange.client(), exchange.local(), memory)
          : write_proxy_header_v2(exchange.client(), exchange.local(), exchange.unique_id(), memory);
  return size > 0 && write({memory, size}) && flush();
}

bool UpstreamConnection::start_client_tls() {
  tls::AlpnOffer offer = tls::AlpnOffer::configured;
  if (use_ == UpstreamUse::bytes)
    offer = tls::AlpnOffer::none;
  else if (use_ == UpstreamUse::upgrade && pool_.protocol() == config::UpstreamProtocol::automatic)
    offer = tls::AlpnOffer::http1;
  net::SslPointer ssl = pool_.tls()->connect(without_port(pool_.host()), pool_.key(), offer);
  return ssl && start_tls(std::move(ssl));
}

void UpstreamConnection::on_handshake_done() {
  const std::string_view protocol = tls::negotiated_protocol(stream().ssl());
  if (pool_.protocol() == config::UpstreamProtocol::http2 && use_ != UpstreamUse::bytes && protocol != "h2") {
    fail(UpstreamFailure::tls, "upstream_tls_no_application_protocol");
    return;
  }
  become_ready(protocol == "h2");
}

void UpstreamConnection::become_ready(bool http2) {
  timer_.clear();
  http::Heads& heads = pool_.worker().heads();
  if (use_ == UpstreamUse::bytes) {
    codec_ = std::make_unique<http::RawClientCodec>(*this);
  } else if (http2) {
    batch_output();
    http::Http2Limits limits;  // of floods: as towards clients
    limits.max_concurrent_streams = pool_.http2().max_concurrent_streams;
    limits.stream_window_bytes = pool_.http2().stream_window_bytes;
    limits.connection_window_bytes = pool_.http2().connection_window_bytes;
    auto codec = std::make_unique<http::H2ClientCodec>(limits, heads, *this, pool_.worker().clock());
    codec->open();
    codec_ = std::move(codec);
  } else {
    codec_ = std::make_unique<http::H1ClientCodec>(heads, *this);
  }
  if (use_ == UpstreamUse::request) pool_.learn(http2);
  wake_waiting();
}

// Those that cannot be carried after all look for another connection.
void UpstreamConnection::wake_waiting() {
  const std::vector<Exchange*> waiting = exchanges_;
  for (Exchange* exchange : waiting) {
    if (discarded_) return;
    if (!exchange->waits_for(*this)) continue;
    if (multiplexed() || exchange == waiting.front()) {
      exchange->on_upstream_ready();
    } else {
      remove(*exchange);
      exchange->on_upstream_full();
    }
  }
  if (!discarded_ && exchanges_.empty()) settle();
}

bool UpstreamConnection::takes(UpstreamUse use) const noexcept {
  if (discarded_ || use_ == UpstreamUse::bytes) return false;
  const bool by_alpn = pool_.protocol() == config::UpstreamProtocol::automatic;
  if (use == UpstreamUse::upgrade && by_alpn) return false;  // asks for HTTP/1.1, which every server upgrades
  // Until the peer has said how many it takes the others wait with the first.
  if (codec_ == nullptr || !codec_->settled())
    return use_ == UpstreamUse::request && load() < pool_.expected_streams();
  if (use == UpstreamUse::upgrade && !codec_->tunnels()) return false;
  return codec_->multiplexed() && codec_->capacity() > 0;
}

// --- exchanges
// ------------------------------------------------------------------------------------------------

void UpstreamConnection::assign(Exchange& exchange) {
  exchange.upstream_slot = exchanges_.size();
  exchanges_.push_back(&exchange);
  if (codec_ != nullptr) timer_.clear();
}

http::Stream* UpstreamConnection::start(Exchange& exchange, const http::RequestStart& request) {
  http::Stream* stream = codec_->start(request);
  if (stream != nullptr) stream->user = &exchange;
  return stream;
}

void UpstreamConnection::resume(http::Stream& stream) {
  if (!codec_->resume(stream, *this)) resume_input();
}

void UpstreamConnection::pause() {
  if (!codec_->multiplexed()) pause_input();
}

void UpstreamConnection::remove(Exchange& exchange) noexcept {
  exchanges_.back()->upstream_slot = exchange.upstream_slot;
  std::swap(exchanges_[exchange.upstream_slot], exchanges_.back());
  exchanges_.pop_back();
}

void UpstreamConnection::leave(Exchange& exchange, http::Stream* stream) {
  if (discarded_) return;
  remove(exchange);
  reused_ = true;
  if (stream != nullptr && !codec_->finish(*stream)) {
    discard();
    return;
  }
  settle();
}

// What becomes of a connection that carries nothing.
void UpstreamConnection::settle() {
  if (!exchanges_.empty() || discarded_) return;
  const bool clean = !output_pending() && !input_ended() && !has_kept_input();
  if (codec_ == nullptr || !codec_->reusable() || (!clean && !codec_->multiplexed()))
    discard();
  else
    pool_.put_back(*this);
}

void UpstreamConnection::discard() {
  if (std::exchange(discarded_, true)) return;
  exchanges_.clear();
  timer_.clear();
  if (codec_) codec_->close();
  close_stream();
  pool_.closed(*this);
}

void UpstreamConnection::start_idle_timer(uint32_t idle_ms) {
  pool_.worker().loop().timers().set(timer_, idle_ms);
}

// All exchanges are let go before the first is told, for what one does may end another.
void UpstreamConnection::fail(UpstreamFailure failure, const char* reason) {
  const std::vector<Exchange*> lost = std::move(exchanges_);
  exchanges_.clear();
  discard();
  for (Exchange* exchange : lost) exchange->forget_upstream();
  for (Exchange* exchange : lost) exchange->on_upstream_failed(failure, !reused_, reason);
}

// --- the connection's events
// -----------------------------------------------------------------------------------

size_t UpstreamConnection::on_input(std::span<char> bytes) {
  if (codec_ == nullptr || (exchanges_.empty() && !codec_->multiplexed())) {  // speaking without being asked
    discard();
    return bytes.size();
  }
  if (stream().ssl() != nullptr && tls::may_hand_over_keys(stream().ssl())) {
    const tls::TrafficKeys keys(stream().ssl());
    if (keys.get() != nullptr) mutable_stream().use_tls_keys(*keys.get());
  }
  if (!codec_->multiplexed()) exchanges_.front()->on_upstream_spoke();
  return codec_->receive(bytes, *this);
}

void UpstreamConnection::on_input_end(net::Io io) {
  if (io == net::Io::device) return device_was_reset();
  // A client certificate may be refused when the handshake is long done here (RFC 8446 section 4.4.2).
  if (codec_ == nullptr || io == net::Io::tls) {
    fail(UpstreamFailure::tls, tls::client_tls_error(stream().ssl()));
  } else if (exchanges_.empty()) {
    discard();
  } else if (io != net::Io::eof || !codec_->receive_end(*this)) {
    fail(io == net::Io::eof ? UpstreamFailure::closed : UpstreamFailure::reset);
  }
}

void UpstreamConnection::on_writable() {
  if (codec_ != nullptr) codec_->writable(*this);
}

// A server may answer and close while the request is still being sent: what it said is then in its socket's
// receive buffer, so the end of the input decides, not the failed send.
void UpstreamConnection::on_output_failed(net::Io io) {
  if (io == net::Io::device) return device_was_reset();
  const bool may_have_answered = exchanges_.empty() || (!input_paused() && !input_ended());
  if (may_have_answered && io != net::Io::failed) {
    discard_output();
    return;
  }
  fail(UpstreamFailure::reset);
}

void UpstreamConnection::on_no_memory() {
  fail(UpstreamFailure::no_memory);
}

void UpstreamConnection::on_timer(net::Timer&) {
  if (codec_ == nullptr) ++pool_.counters().connect_errors;
  fail(UpstreamFailure::connect_timeout);
}

// --- the codec's events
// ----------------------------------------------------------------------------------------

void UpstreamConnection::on_interim(http::Stream& stream, http::ResponseHead& head) {
  if (Exchange* exchange = exchange_of(stream)) exchange->on_interim(head);
}

void UpstreamConnection::on_response(http::Stream& stream, http::ResponseHead& head) {
  if (Exchange* exchange = exchange_of(stream)) exchange->on_response(head);
}

size_t UpstreamConnection::on_response_data(http::Stream& stream, std::string_view content) {
  Exchange* exchange = exchange_of(stream);
  if (exchange == nullptr) return content.size();
  const size_t taken = exchange->on_response_data(content);
  if (taken < content.size()) pause();
  return taken;
}

void UpstreamConnection::on_response_end(http::Stream& stream, std::string_view trailers) {
  if (Exchange* exchange = exchange_of(stream)) exchange->on_response_end(trailers);
}

void UpstreamConnection::on_request_writable(http::Stream& stream) {
  if (Exchange* exchange = exchange_of(stream)) exchange->on_upstream_writable();
}

// The stream is gone, or about to: its exchange has no connection any more.
Exchange* UpstreamConnection::lose(http::Stream& stream) noexcept {
  Exchange* exchange = exchange_of(stream);
  stream.user = nullptr;
  if (exchange == nullptr) return nullptr;
  remove(*exchange);
  exchange->forget_upstream();
  return exchange;
}

void UpstreamConnection::on_response_error(http::Stream& stream, const http::Refusal& refusal) {
  Exchange* exchange = lose(stream);
  if (!codec_->multiplexed())
    discard();
  else
    settle();
  if (exchange != nullptr) exchange->on_upstream_failed(UpstreamFailure::bad_response, true, refusal.reason);
}

void UpstreamConnection::on_stream_lost(http::Stream& stream, http::StreamError error) {
  Exchange* exchange = lose(stream);
  settle();
  const bool refused = error == http::StreamError::refused;
  if (exchange != nullptr)
    exchange->on_upstream_failed(refused ? UpstreamFailure::refused : UpstreamFailure::reset, true, nullptr);
}

void UpstreamConnection::on_connection_error(const http::Refusal& refusal) {
  (void)flush();  // the codec said goodbye
  fail(UpstreamFailure::bad_response, refusal.reason);
}

void UpstreamConnection::on_capacity_changed() {
  if (discarded_) return;
  if (codec_->settled() && !std::exchange(settled_, true)) {
    size_t started = 0;
    for (const Exchange* exchange : exchanges_) started += exchange->waits_for(*this) ? 0 : 1;
    pool_.learn_streams(std::max<size_t>(codec_->capacity() + started, 1));
  }
  if (!exchanges_.empty())
    wake_waiting();
  else
    settle();
}

}  // namespace mango::proxy
