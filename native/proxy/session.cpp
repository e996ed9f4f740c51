// SPDX-License-Identifier: Apache-2.0
// The course of a session: requests, idleness, end. Its beginning: session_begin.cpp; policy:
// session_policy.cpp; time: session_deadlines.cpp.
#include "proxy/session.h"

#include <cassert>

#include "proxy/exchange.h"
#include "proxy/upstream.h"

namespace mango::proxy {

namespace {

Exchange* exchange_of(const http::Stream& stream) noexcept {
  return static_cast<Exchange*>(stream.user);
}

}  // namespace

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
    : CodecConnection(worker.io()),
      worker_(worker),
      listener_(std::move(listener)),
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

bool Session::access_logged() const noexcept {
  return worker_.shared().access_log.enabled() && listener_->view()->document().access_log;
}

std::string_view Session::route_name() const noexcept {
  if (exchanges_ != nullptr) return exchanges_->route_name();
  return last_route_ == nullptr ? std::string_view() : last_route_->name;
}

std::string_view Session::upstream_name() const noexcept {
  if (exchanges_ != nullptr) return exchanges_->upstream_name();
  return last_server_ == nullptr ? std::string_view() : last_server_->upstream();
}

void Session::log_members(JsonLine& line) const {
  line.number("timeMs", worker_.unix_ms())
      .number("session", id_)
      .text("listener", listener_->name())
      .text("client", client_text_)
      .number("clientPort", client_port_);
  if (!unique_id().empty()) line.text("uniqueId", unique_id());
  if (*tls_facts_.version == 0) {
    if (!sni_.empty()) line.text("sni", sni_);
    return;
  }
  line.text("tlsVersion", tls_facts_.version)
      .text("tlsCipher", tls_facts_.cipher)
      .boolean("tlsResumed", tls_facts_.resumed)
      .text("sni", sni_);
}

// --- input
// --------------------------------------------------------------------------------------------------

size_t Session::on_input(std::span<char> bytes) {
  active_ms_ = worker_.loop().now_ms();
  size_t used = bytes.size();
  switch (state_) {
    case SessionState::handshake:
      if (preamble_) used = on_preamble(bytes);
      break;
    case SessionState::idle:
    case SessionState::reading:
    case SessionState::exchange:
    case SessionState::tunnel:
      used = receive(bytes);
      break;
    case SessionState::closing:
      linger_bytes_ += bytes.size();
      if (linger_bytes_ > kLingerBytes) finish_close();
      break;
    default:
      break;  // tarpit, aborted: dropped
  }
  if (state_ != SessionState::closed) schedule();
  return used;
}

size_t Session::receive(std::span<char> bytes) {
  if (!codec_ && !choose_codec(bytes)) return 0;
  in_codec_ = true;
  const size_t used = codec_->receive(bytes, *this);
  in_codec_ = false;
  if (sole() != nullptr && sole()->request_ended() && used < bytes.size()) early_bytes_ = true;
  settle();
  return used;
}

void Session::on_request(http::Stream& stream, http::RequestHead& head) {
  if (state_ != SessionState::idle && state_ != SessionState::reading && state_ != SessionState::exchange)
    return;  // the session is ending
  if (state_ == SessionState::idle) set_state(SessionState::reading);
  if (state_ == SessionState::reading) set_state(SessionState::exchange);
  ++requests_;
  client_closes_ = !head.keep_alive;
  early_bytes_ = false;
  if (exchanges_ == nullptr) {
    rate_mark_bytes_ = bytes_in() + bytes_out();
    rate_mark_ms_ = phase_ms_;
  }
  if (worker_.shared().draining.load(std::memory_order_relaxed) || listener_->closed()) close_after_ = true;
  check_last(listener_->view()->document().policies[listener_config().policy]);
  Exchange& exchange = worker_.begin_exchange();
  stream.user = &exchange;
  link(exchange);
  exchange.start(*this, stream, head);
}

size_t Session::on_request_data(http::Stream& stream, std::string_view content) {
  Exchange* exchange = exchange_of(stream);
  if (exchange == nullptr) return content.size();
  const size_t taken = exchange->on_request_data(content);
  if (taken < content.size() && !codec_->multiplexed()) pause_input();
  return taken;
}

void Session::on_request_end(http::Stream& stream, std::string_view trailers) {
  if (Exchange* exchange = exchange_of(stream)) exchange->on_request_end(trailers);
}

void Session::on_response_writable(http::Stream& stream) {
  if (Exchange* exchange = exchange_of(stream)) exchange->on_client_writable();
}

void Session::on_stream_lost(http::Stream& stream, http::StreamError, const char* reason) {
  Exchange* exchange = exchange_of(stream);
  stream.user = nullptr;
  if (exchange == nullptr) return;
  exchange->lose_stream();
  exchange->abandon(*reason == 0 ? "client_reset_stream" : reason);
}

void Session::on_protocol_error(const http::Refusal& refusal) {
  if (state_ == SessionState::idle) set_state(SessionState::reading);
  if (state_ == SessionState::reading) set_state(SessionState::exchange);
  refused_ = refusal;
  // It may have been meant as HTTP/2's preface: that is not answered (RFC 9113 section 3.4).
  mute_ = requests_ == 0 && listener_config().http2.enabled && std::string_view(refusal.reason) == "not-http";
  apply(config::Trigger::protocol_error, refusal.reason, sole());
}

void Session::on_input_end(net::Io io) {
  if (io == net::Io::device) return device_was_reset();
  switch (state_) {
    case SessionState::handshake:
      count_handshake("error");
      if (io == net::Io::tls)
        apply(config::Trigger::handshake_error, net::Stream::tls_error());
      else
        finish_close();
      return;
    case SessionState::tunnel:
    case SessionState::exchange:
      if (io == net::Io::eof && codec_->receive_end(*this)) return;
      apply(config::Trigger::client_abort, io == net::Io::reset ? "client_reset" : "client_closed", sole());
      if (state_ != SessionState::exchange && state_ != SessionState::tunnel) return;
      if (io == net::Io::eof)  // the policy says: none; it may still be reading
        close_after_ = true;
      else
        begin_close();
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
  if (codec_ != nullptr) codec_->writable(*this);
}

void Session::on_output_failed(net::Io io) {
  if (state_ == SessionState::closed) return;
  if (io == net::Io::device) return device_was_reset();
  if (exchanges_ == nullptr) {
    finish_close();
    return;
  }
  apply(config::Trigger::client_abort, "client_reset", sole());
  if (state_ == SessionState::exchange || state_ == SessionState::tunnel) end_now(config::ActionKind::abort);
}

void Session::on_no_memory() {
  apply(config::Trigger::overload, "out_of_buffers", sole());
}

// --- exchanges
// ------------------------------------------------------------------------------------------------

void Session::link(Exchange& exchange) noexcept {
  exchange.next_of_session = exchanges_;
  exchange.previous_of_session = nullptr;
  if (exchanges_ != nullptr) exchanges_->previous_of_session = &exchange;
  exchanges_ = &exchange;
}

void Session::unlink(Exchange& exchange) noexcept {
  if (exchange.previous_of_session != nullptr)
    exchange.previous_of_session->next_of_session = exchange.next_of_session;
  else
    exchanges_ = exchange.next_of_session;
  if (exchange.next_of_session != nullptr)
    exchange.next_of_session->previous_of_session = exchange.previous_of_session;
  exchange.next_of_session = exchange.previous_of_session = nullptr;
}

bool Session::can_drain_request() const noexcept {
  return codec_->multiplexed() || exchanges_ == nullptr || exchanges_->drainable(kDrainBytes);
}

void Session::enter_tunnel() {
  if (!codec_->multiplexed()) set_state(SessionState::tunnel);
  schedule();
}

void Session::resume_request(Exchange& exchange) {
  if (exchange.stream() != nullptr && !codec_->resume(*exchange.stream(), *this)) resume_input();
}

void Session::exchange_finished(Exchange& exchange) {
  unlink(exchange);
  last_route_ = exchange.route_counters();
  last_server_ = exchange.server();
  if (!codec_->multiplexed()) {
    unanswered_ = !exchange.response_started();
    resume_input();
  }
  if (http::Stream* stream = exchange.stream()) codec_->finish(*stream);
  if (!in_codec_) settle();
}

// What follows when nothing is in progress: the next request, or the end.
void Session::settle() {
  if (exchanges_ != nullptr) return;
  if (state_ == SessionState::exchange || state_ == SessionState::tunnel) {
    if (unanswered_ || close_after_ || !codec_->persistent())
      end_after_response();
    else if (codec_->idle())  // else the rest of a request is read away first
      become_idle();
  } else if (state_ == SessionState::idle && multiplexed() && !codec_->persistent()) {
    begin_close();  // the client said goodbye
  } else if (state_ == SessionState::idle && codec_->reading_head()) {
    set_state(SessionState::reading);
  } else if (state_ == SessionState::reading && !codec_->reading_head()) {
    set_state(SessionState::idle);
  }
}

void Session::become_idle() {
  set_state(SessionState::idle);
  if (has_kept_input()) worker_.loop().again(*this);
  schedule();
}

}  // namespace mango::proxy
