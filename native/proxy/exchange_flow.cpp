// SPDX-License-Identifier: Apache-2.0
// What flows through an exchange: request content up, response heads and content down, tunnels both ways.
#include <charconv>

#include "http/h1_lines.h"
#include "proxy/exchange.h"
#include "proxy/session.h"

namespace mango::proxy {

namespace {

constexpr int kGrpcUnknown = 2;

int parse_grpc_status(std::string_view text) noexcept {
  int status = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  return error == std::errc() && status >= 0 && status <= 16 ? status : kGrpcUnknown;
}

}  // namespace

// --- the request's content
// ----------------------------------------------------------------------------------

size_t Exchange::on_request_data(std::string_view content) {
  if (state_ == ExchangeState::finished) return content.size();
  const bool opening = (upgrade_ || bytes_) && state_ != ExchangeState::tunnel;
  const size_t taken = up_ == nullptr || opening ? 0 : upstream_->codec().send_data(*up_, content);
  request_paused_ = taken < content.size();
  if (taken == 0) return 0;
  content_sent_ = true;
  request_bytes_ += taken;
  moved_ms_ = worker_.loop().now_ms();
  on_upstream_progress();
  return taken;
}

void Exchange::on_request_end(std::string_view trailers) {
  request_ended_ = true;
  if (state_ == ExchangeState::tunnel && upstream_ended_) {
    finish();
    return;
  }
  const bool sending = state_ == ExchangeState::waiting || state_ == ExchangeState::responding;
  if (up_ == nullptr || (sending && framing_ == http::Framing::none)) return;  // send_request() ends it
  on_upstream_progress();
  (void)upstream_->codec().send_end(*up_, trailers);
  if (sending) set_deadline();
}

void Exchange::on_upstream_writable() {
  request_paused_ = false;
  moved_ms_ = worker_.loop().now_ms();
  session_->resume_request(*this);
}

// --- the response
// -------------------------------------------------------------------------------------------

// What an exchange without an upstream answers with. False once a response was begun.
bool Exchange::answer(uint16_t status, const char* reason, std::string_view location) {
  if (response_started_ || state_ == ExchangeState::finished) return false;
  detach_upstream();
  response_started_ = true;
  status_ = grpc_ ? 200 : status;
  if (grpc_) grpc_status_ = http::grpc_status_of(status);
  if (*reason_ == '\0') reason_ = reason;
  http::LocalResponse response{.status = status,
                               .keep_alive = session_->may_persist() && session_->can_drain_request(),
                               .date = worker_.date(),
                               .request_id = {request_id_.data(), request_id_bytes_},
                               .location = location,
                               .grpc_status = grpc_status_};
  if (status == 429 || status == 503) response.retry_after_s = 1;
  (void)session_->codec().send_local(*stream_, response);
  finish();
  return true;
}

void Exchange::on_interim(http::ResponseHead& head) {
  on_upstream_spoke();
  if (state_ != ExchangeState::waiting) return;
  (void)session_->codec().send_head(*stream_, head, {});
}

void Exchange::on_response(http::ResponseHead& head) {
  on_upstream_spoke();
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
  if (grpc_) note_grpc_status(head.fields);
  if (!session_->codec().send_head(*stream_, head, how)) session_->cut(*this);
}

size_t Exchange::on_response_data(std::string_view content) {
  if (state_ == ExchangeState::finished) return content.size();
  on_upstream_progress();
  const size_t taken = session_->codec().send_data(*stream_, content);
  response_bytes_ += taken;
  if (taken > 0) moved_ms_ = worker_.loop().now_ms();
  if (taken == content.size()) {
    stalled_ms_ = 0;
  } else if (up_ != nullptr) {
    session_->watch_output();
    if (session_->codec().multiplexed() && (stalled_ms_ == 0 || taken > 0))
      stalled_ms_ = worker_.loop().now_ms();
  }
  return taken;
}

void Exchange::on_client_writable() {
  if (up_ != nullptr) upstream_->resume(*up_);
}

void Exchange::on_response_end(std::string_view trailers) {
  if (state_ == ExchangeState::tunnel) {
    upstream_ended_ = true;
    (void)session_->codec().send_end(*stream_, {});
    if (request_ended_) finish();
    return;
  }
  if (state_ != ExchangeState::responding) return;
  if (grpc_) note_grpc_trailers(trailers);
  (void)session_->codec().send_end(*stream_, trailers);
  detach_upstream();
  finish();
}

// In the head where the response is nothing else ("Trailers-Only"), else in the trailers.
void Exchange::note_grpc_status(const http::FieldList& fields) noexcept {
  const http::Field* status = fields.find("grpc-status");
  if (status != nullptr) grpc_status_ = parse_grpc_status(status->value);
}

void Exchange::note_grpc_trailers(std::string_view trailers) noexcept {
  const std::string_view status = http::find_text_field(trailers, "grpc-status");
  if (!status.empty()) grpc_status_ = parse_grpc_status(status);
}

// --- tunnels
// ------------------------------------------------------------------------------------------------

// RFC 9110 section 7.8. Bytes that came before the 101 were written by somebody who could not know that there
// would be a tunnel: a smuggling attempt, or a broken client.
void Exchange::open_tunnel(http::ResponseHead& head) {
  if (session_->has_early_bytes()) {
    detach_upstream();
    fail(config::Trigger::protocol_error, "bytes-before-upgrade");
    return;
  }
  (void)session_->codec().send_head(
      *stream_, head,
      {.upgrade = true, .request_id = {request_id_.data(), request_id_bytes_}, .date = worker_.date()});
  enter_tunnel();
}

void Exchange::open_bytes_tunnel() {
  on_upstream_spoke();
  server_->succeeded();
  status_ = 200;
  enter_tunnel();
}

void Exchange::enter_tunnel() {
  set_state(ExchangeState::tunnel);
  response_started_ = true;
  head_ = net::Buffer();
  timer_.clear();  // from here on the session's idle timeout rules
  moved_ms_ = worker_.loop().now_ms();
  session_->enter_tunnel();
  // Of HTTP/1.1 the request has ended, and the tunnel begun; others may have closed their half already.
  if (upgrade_ && !session_->codec().multiplexed()) request_ended_ = false;
  if (request_ended_)
    (void)upstream_->codec().send_end(*up_, {});
  else
    session_->resume_request(*this);
}

}  // namespace mango::proxy
