// SPDX-License-Identifier: Apache-2.0
// What flows through an exchange: request content up, response heads and content down, tunnels both ways.
#include "proxy/exchange.h"
#include "proxy/session.h"

namespace mango::proxy {

// --- the request's content
// ----------------------------------------------------------------------------------

size_t Exchange::on_request_data(std::string_view content) {
  if (state_ == ExchangeState::finished)
    return content.size();  // answered already: drained, within the session's limit
  if (upstream_ == nullptr || !upstream_->ready()) return 0;
  const size_t taken = upstream_->codec().send_data(stream_, content, *upstream_);
  if (taken == 0) return 0;
  content_sent_ = true;
  request_bytes_ += taken;
  on_upstream_progress();
  return taken;
}

void Exchange::on_request_end(std::string_view trailers) {
  request_ended_ = true;
  if (state_ != ExchangeState::waiting && state_ != ExchangeState::responding)
    return;  // send_request() ends it
  if (framing_ == http::Framing::none || upstream_ == nullptr) return;
  on_upstream_progress();
  (void)upstream_->codec().send_end(stream_, trailers, *upstream_);
  set_deadline();
}

void Exchange::on_upstream_writable() {
  session_->resume_input();
}

// --- the response
// -------------------------------------------------------------------------------------------

// What an exchange without an upstream answers with. False once a response was begun.
bool Exchange::answer(uint16_t status, const char* reason, std::string_view location) {
  if (response_started_ || state_ == ExchangeState::finished) return false;
  detach_upstream(false);
  response_started_ = true;
  status_ = status;
  if (*reason_ == '\0') reason_ = reason;
  http::LocalResponse response{.status = status,
                               .keep_alive = session_->may_persist() && session_->can_drain_request(),
                               .date = worker_.date(),
                               .request_id = {request_id_.data(), request_id_bytes_},
                               .location = location};
  if (status == 429 || status == 503) response.retry_after_s = 1;
  (void)session_->codec().send_local(stream_, response, *session_);
  finish();
  return true;
}

void Exchange::on_interim(http::StreamId, http::ResponseHead& head) {
  if (state_ != ExchangeState::waiting) return;
  (void)session_->codec().send_head(stream_, head, {}, *session_);
}

void Exchange::on_response(http::StreamId, http::ResponseHead& head) {
  if (state_ != ExchangeState::waiting) return;
  answered_ns_ = worker_.loop().now_ns();
  server_->counters().response.observe_ns(answered_ns_ - sent_ns_);
  server_->succeeded();
  status_ = head.status;
  if (head.status == 101) {
    open_tunnel(head);
    return;
  }
  set_state(ExchangeState::responding);
  set_deadline();
  response_started_ = true;
  head_ = net::Buffer();
  const RouteParts& parts = view_->snapshot->routes[route_];
  http::ResponseForwarding how{
      .keep_alive = session_->may_persist() && session_->can_drain_request(),
      .framing = head.framing == http::Framing::until_close ? http::Framing::chunked : head.framing,
      .content_length = head.content_length,
      .request_id = {request_id_.data(), request_id_bytes_},
      .date = worker_.date(),
      .modifier = parts.response_modifier.empty() ? nullptr : &parts.response_modifier};
  if (!session_->codec().send_head(stream_, head, how, *session_)) session_->cut();
}

size_t Exchange::on_response_data(http::StreamId, std::string_view content) {
  if (state_ == ExchangeState::finished) return content.size();
  if (state_ == ExchangeState::tunnel) {
    const size_t taken = session_->offer(content);
    response_bytes_ += taken;
    if (taken < content.size()) upstream_->pause_input();
    session_->tunnel_moved();
    return taken;
  }
  const size_t taken = session_->codec().send_data(stream_, content, *session_);
  response_bytes_ += taken;
  if (taken < content.size() && upstream_ != nullptr) {
    upstream_->pause_input();
    session_->watch_output();
  }
  return taken;
}

void Exchange::on_client_writable() {
  if (upstream_ != nullptr) upstream_->resume_input();
}

void Exchange::on_response_end(http::StreamId, std::string_view trailers) {
  if (state_ != ExchangeState::responding) return;
  (void)session_->codec().send_end(stream_, trailers, *session_);
  detach_upstream(request_ended_);
  finish();
}

void Exchange::on_response_error(http::StreamId, const http::Refusal& refusal) {
  detach_upstream(false);
  server_->failed(refusal.reason);
  reason_ = refusal.reason;
  fail(config::Trigger::upstream_reset, refusal.reason);
}

// --- tunnels
// ------------------------------------------------------------------------------------------------

// RFC 9110 section 7.8. Bytes that came before the 101 were written by somebody who could not know that there
// would be a tunnel: a smuggling attempt, or a broken client.
void Exchange::open_tunnel(http::ResponseHead& head) {
  if (session_->has_early_bytes()) {
    detach_upstream(false);
    fail(config::Trigger::protocol_error, "bytes-before-upgrade");
    return;
  }
  set_state(ExchangeState::tunnel);
  response_started_ = true;
  head_ = net::Buffer();
  timer_.clear();  // from here on the session's idle timeout rules
  (void)session_->codec().send_head(
      stream_, head,
      {.upgrade = true, .request_id = {request_id_.data(), request_id_bytes_}, .date = worker_.date()},
      *session_);
  session_->enter_tunnel();
}

size_t Exchange::on_tunnel_data(std::string_view bytes) {
  if (upstream_ == nullptr) return bytes.size();
  const size_t taken = upstream_->codec().send_data(stream_, bytes, *upstream_);
  request_bytes_ += taken;
  return taken;
}

void Exchange::on_client_ended() {
  client_ended_ = true;
  if (upstream_ended_ || upstream_ == nullptr)
    finish();
  else
    upstream_->end_tunnel();
}

void Exchange::on_upstream_ended() {
  upstream_ended_ = true;
  session_->end_tunnel_output();
  if (client_ended_) finish();
}

}  // namespace mango::proxy
