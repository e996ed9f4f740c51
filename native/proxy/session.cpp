// SPDX-License-Identifier: Apache-2.0
// The course of a session: accept, handshake, requests, idleness, end. Policy: session_policy.cpp.
#include "proxy/session.h"

#include <cassert>

#include "proxy/exchange.h"
#include "proxy/upstream.h"
#include "tls/traffic_keys.h"

namespace mango::proxy {

std::string_view to_string(SessionState state) noexcept {
  switch (state) {
    case SessionState::handshake:
      return "handshake";
    case SessionState::idle:
      return "idle";
    case SessionState::reading:
      return "reading";
    case SessionState::exchange:
      return "exchange";
    case SessionState::tunnel:
      return "tunnel";
    case SessionState::closing:
      return "closing";
    case SessionState::tarpit:
      return "tarpit";
    case SessionState::aborted:
    case SessionState::closed:
      break;
  }
  return "aborted";
}

Session::Session(Worker& worker, std::shared_ptr<Listener> listener, uint64_t id, const net::Endpoint& peer)
    : net::Connection(worker.io()),
      worker_(worker),
      listener_(std::move(listener)),
      codec_(listener_parts().head_limits, worker.heads()),
      timer_(*this),
      id_(id),
      client_text_(peer.address()),
      opened_ms_(worker.loop().now_ms()),
      active_ms_(opened_ms_),
      phase_ms_(opened_ms_),
      client_port_(peer.port()) {
  (void)Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&peer.storage), peer.length, client_);
  ++listener_->counters.active;
}

// Ends only move forward; within a life the session goes round from idle over reading and exchange.
void Session::set_state(SessionState next) noexcept {
  using S = SessionState;
  const bool ending = next == S::closing || next == S::tarpit || next == S::aborted || next == S::closed;
  assert(state_ != S::closed && (state_ != S::aborted || next == S::closed));
  assert(ending ||
         (next == S::idle && (state_ == S::handshake || state_ == S::exchange || state_ == S::reading)) ||
         (next == S::reading && state_ == S::idle) ||
         (next == S::exchange && (state_ == S::reading || state_ == S::idle)) ||
         (next == S::tunnel && state_ == S::exchange));
  if (state_ == S::tarpit) worker_.shared().tarpits.fetch_sub(1, std::memory_order_relaxed);
  state_ = next;
  phase_ms_ = worker_.loop().now_ms();
  worker_.file_session(*this, next == S::idle || next == S::handshake);
}

void Session::open(net::Stream stream) {
  const tls::ServerContext* tls = listener_parts().tls.get();
  secure_ = tls != nullptr;
  trusted_ = listener_parts().trusted.contains(client_);
  if (tls != nullptr) {
    handshake_snapshot_ = listener_->view()->snapshot;
    net::SslPointer ssl = tls->accept();
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
  if (!secure_) set_state(SessionState::idle);
  if (!admit()) return;
  schedule();
}

bool Session::access_logged() const noexcept {
  return worker_.shared().access_log.enabled() && listener_->view()->document().access_log;
}

std::string_view Session::route_name() const noexcept {
  if (exchange_ != nullptr) return exchange_->route_name();
  return last_route_ == nullptr ? std::string_view() : last_route_->name;
}

std::string_view Session::upstream_name() const noexcept {
  if (exchange_ != nullptr) return exchange_->upstream_name();
  return last_server_ == nullptr ? std::string_view() : last_server_->upstream();
}

void Session::log_members(JsonLine& line) const {
  line.number("timeMs", worker_.unix_ms())
      .number("session", id_)
      .text("listener", listener_->name())
      .text("client", client_text_)
      .number("clientPort", client_port_);
  if (*tls_facts_.version == 0) return;
  line.text("tlsVersion", tls_facts_.version)
      .text("tlsCipher", tls_facts_.cipher)
      .boolean("tlsResumed", tls_facts_.resumed)
      .text("sni", sni_);
}

// --- TLS
// ----------------------------------------------------------------------------------------------------

void Session::on_handshake_done() {
  SSL* ssl = stream().ssl();
  tls_facts_ = tls::facts(ssl);
  sni_ = tls::server_name(ssl);
  for (char& c : sni_) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;  // one name, one ban
  listener_->counters.handshake.observe_ns(worker_.loop().refresh_now() - opened_ms_ * 1'000'000);
  count_handshake("ok", tls::group_name(ssl));
  free_ssl();
  handshake_snapshot_.reset();
  set_state(SessionState::idle);
  if (worker_.bans().empty()) return;
  if (const config::Ban* ban = worker_.bans().sni(sni(), worker_.unix_ms())) apply_ban(*ban);
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

// --- input
// --------------------------------------------------------------------------------------------------

size_t Session::on_input(std::span<char> bytes) {
  active_ms_ = worker_.loop().now_ms();
  size_t used = bytes.size();
  switch (state_) {
    case SessionState::idle:
      set_state(SessionState::reading);
      [[fallthrough]];
    case SessionState::reading:
    case SessionState::exchange:
      used = codec_.receive(bytes, *this);
      break;
    case SessionState::tunnel:
      used = exchange_->on_tunnel_data({bytes.data(), bytes.size()});
      if (used < bytes.size()) pause_input();
      break;
    case SessionState::closing:
      linger_bytes_ += bytes.size();
      if (linger_bytes_ > kLingerBytes) finish_close();
      break;
    default:
      break;  // tarpit, aborted: dropped
  }
  if (exchange_ != nullptr && !request_open_ && used < bytes.size() && state_ == SessionState::exchange)
    early_bytes_ = true;
  if (state_ != SessionState::closed) schedule();
  return used;
}

void Session::on_request(http::StreamId stream, http::RequestHead& head) {
  if (state_ == SessionState::idle) set_state(SessionState::reading);
  set_state(SessionState::exchange);
  ++requests_;
  request_open_ = head.framing != http::Framing::none;
  client_closes_ = !head.keep_alive;
  early_bytes_ = false;
  drained_bytes_ = 0;
  rate_mark_bytes_ = bytes_in();
  rate_mark_ms_ = phase_ms_;
  if (worker_.shared().draining.load(std::memory_order_relaxed) || listener_->closed()) close_after_ = true;
  check_last(listener_->view()->document().policies[listener_config().policy]);
  Exchange& exchange = worker_.begin_exchange();
  exchange_ = &exchange;
  exchange.start(*this, stream, head);
}

size_t Session::on_request_data(http::StreamId, std::string_view content) {
  if (exchange_ == nullptr) {  // answered already
    drained_bytes_ += content.size();
    if (drained_bytes_ > kDrainBytes && state_ == SessionState::exchange) begin_close();
    return content.size();
  }
  const size_t taken = exchange_->on_request_data(content);
  if (taken < content.size()) pause_input();
  return taken;
}

void Session::on_request_end(http::StreamId stream, std::string_view trailers) {
  request_open_ = false;
  if (exchange_ != nullptr) {
    exchange_->on_request_end(trailers);
    return;
  }
  if (state_ != SessionState::exchange)
    return;  // the session is ending: what else was received is not looked at
  codec_.finish(stream);
  become_idle();
}

void Session::on_protocol_error(const http::Refusal& refusal) {
  if (exchange_ == nullptr && state_ == SessionState::reading) set_state(SessionState::exchange);
  request_open_ = false;
  refused_ = refusal;
  apply(config::Trigger::protocol_error, refusal.reason);
}

void Session::on_input_end(net::Io io) {
  switch (state_) {
    case SessionState::handshake:
      count_handshake("error");
      if (io == net::Io::tls)
        apply(config::Trigger::handshake_error, net::Stream::tls_error());
      else
        finish_close();
      return;
    case SessionState::tunnel:
      if (io == net::Io::eof)
        exchange_->on_client_ended();
      else
        exchange_->abandon("client_reset");
      return;
    case SessionState::exchange:
      apply(config::Trigger::client_abort, io == net::Io::reset ? "client_reset" : "client_closed");
      if (state_ != SessionState::exchange) return;
      if (io == net::Io::eof)  // the policy says: none; it may still be reading
        close_after_ = true;
      else
        cut();
      return;
    case SessionState::closing:
      if (io != net::Io::eof || !output_pending())
        finish_close();  // else its other half may still be reading
      return;
    default:
      finish_close();
  }
}

void Session::on_writable() {
  active_ms_ = worker_.loop().now_ms();
  if (exchange_ != nullptr) exchange_->on_client_writable();
}

void Session::on_output_failed(net::Io) {
  if (state_ == SessionState::closed) return;
  if (exchange_ != nullptr) {
    apply(config::Trigger::client_abort, "client_reset");
    if (state_ == SessionState::exchange || state_ == SessionState::tunnel)
      end_now(config::ActionKind::abort);
    return;
  }
  finish_close();
}

void Session::on_no_memory() {
  apply(config::Trigger::overload, "out_of_buffers");
}

// --- the exchange's side
// ------------------------------------------------------------------------------------

bool Session::can_drain_request() const noexcept {
  return exchange_ == nullptr || exchange_->drainable(kDrainBytes);
}

void Session::enter_tunnel() {
  set_state(SessionState::tunnel);
  schedule();
}

void Session::tunnel_moved() noexcept {
  active_ms_ = worker_.loop().now_ms();
}

void Session::exchange_finished(Exchange& exchange) {
  if (exchange_ != &exchange) return;
  const bool answered = exchange.response_started();
  last_route_ = exchange.route_counters();
  last_server_ = exchange.server();
  exchange_ = nullptr;
  resume_input();
  if (state_ == SessionState::tunnel) {
    begin_close();
    return;
  }
  if (state_ != SessionState::exchange) return;
  if (!answered || !codec_.persistent() || close_after_) {
    end_after_response();
    return;
  }
  if (request_open_) return;  // the rest of the request is read away first; see on_request_end
  codec_.finish(0);
  if (has_kept_input()) worker_.loop().again(*this);
  become_idle();
}

void Session::become_idle() {
  if (!codec_.idle()) return;
  set_state(SessionState::idle);
  schedule();
}

}  // namespace mango::proxy
