// SPDX-License-Identifier: Apache-2.0
// The server's side of an exchange: which one is asked, over which connection, and what follows when that
// fails.
#include <cassert>

#include "proxy/exchange.h"
#include "proxy/session.h"

namespace mango::proxy {

namespace {

constexpr size_t kMaxServersTracked = 64;  // bits of tried_

bool is_idempotent(http::Method method) noexcept {  // RFC 9110 section 9.2.2
  switch (method) {
    case http::Method::get:
    case http::Method::head:
    case http::Method::options:
    case http::Method::put:
    case http::Method::delete_:
    case http::Method::trace:
      return true;
    default:
      return false;
  }
}

const char* reason_of(UpstreamFailure failure) noexcept {
  switch (failure) {
    case UpstreamFailure::connect:
      return "upstream_connect_failed";
    case UpstreamFailure::connect_timeout:
      return "upstream_connect_timeout";
    case UpstreamFailure::tls:
      return "upstream_tls_failed";
    case UpstreamFailure::refused:
      return "upstream_refused_stream";
    case UpstreamFailure::closed:
      return "upstream_closed_early";
    case UpstreamFailure::reset:
      return "upstream_reset";
    case UpstreamFailure::bad_response:
      return "upstream_bad_response";
    case UpstreamFailure::no_memory:
      return "out_of_buffers";
    case UpstreamFailure::device:
      return "device_reset";
  }
  return "";
}

config::Trigger trigger_of(UpstreamFailure failure) noexcept {
  if (failure == UpstreamFailure::connect || failure == UpstreamFailure::tls)
    return config::Trigger::upstream_connect_error;
  if (failure == UpstreamFailure::connect_timeout) return config::Trigger::upstream_timeout;
  if (failure == UpstreamFailure::no_memory) return config::Trigger::overload;
  return config::Trigger::upstream_reset;
}

}  // namespace

Candidate Exchange::candidate(size_t index, bool skip_tried) noexcept {
  ServerPool& pool = *view_->upstreams[upstream_index_].servers[index];
  const bool tried = index < kMaxServersTracked && (tried_ >> index & 1) != 0;
  if (!pool.usable() || !pool.has_capacity(use()) || (skip_tried && tried)) return {Candidacy::excluded, 0};
  const bool ejected = pool.health().state(worker_.loop().now_ms()) == Ejection::State::ejected;
  return {ejected ? Candidacy::ejected : Candidacy::usable, pool.active};
}

// A server not tried yet; for lack of one, a server tried before.
ServerPool* Exchange::choose_server() {
  UpstreamView& upstream = view_->upstreams[upstream_index_];
  for (const bool skip_tried : {true, false}) {
    for (size_t round = 0; round < upstream.servers.size(); ++round) {
      const auto choice = upstream.balancer.pick([&](size_t index) { return candidate(index, skip_tried); });
      if (choice.index == Balancer::kNone) break;
      const auto index = static_cast<size_t>(choice.index);
      ServerPool& pool = *upstream.servers[index];
      if (index < kMaxServersTracked) tried_ |= uint64_t{1} << index;
      const uint64_t now_ms = worker_.loop().now_ms();
      // An ejected server whose time is up gets one trial; whoever loses the race for it looks further.
      if (!choice.panic && pool.health().state(now_ms) == Ejection::State::trial_due &&
          !pool.health().claim_trial(now_ms, pool.rule()))
        continue;
      return &pool;
    }
  }
  return nullptr;
}

UpstreamUse Exchange::use() const noexcept {
  if (bytes_) return UpstreamUse::bytes;
  return upgrade_ ? UpstreamUse::upgrade : UpstreamUse::request;
}

void Exchange::dispatch() {
  set_state(ExchangeState::connecting);
  while (attempts_ > 0) {
    server_ = choose_server();
    if (server_ == nullptr) break;
    --attempts_;
    upstream_ = server_->acquire(use());
    if (upstream_ == nullptr) {
      ++server_->counters().connect_errors;
      server_->failed("upstream_connect_failed");
      continue;
    }
    server_active_ = true;
    ++server_->active;
    ++server_->counters().active;
    upstream_->assign(*this);
    if (upstream_->ready()) send_request();
    return;
  }
  if (server_ == nullptr)
    (void)answer(503, "no_server_available");
  else
    fail(config::Trigger::upstream_connect_error, "upstream_connect_failed");
}

void Exchange::on_upstream_ready() {
  send_request();
}

// Not an attempt that failed: the connection had no room for this one. But not without end either.
void Exchange::on_upstream_full() {
  forget_upstream();
  if (moves_++ < kMaxMoves) {
    ++attempts_;
    dispatch();
  } else {
    fail(config::Trigger::upstream_connect_error, "upstream_has_no_room");
  }
}

void Exchange::send_request() {
  sent_ns_ = worker_.loop().now_ns();
  on_upstream_progress();
  up_ = upstream_->start(*this, {.head = head_.text(),
                                 .method = method_,
                                 .framing = framing_,
                                 .upgrade = upgrade_,
                                 .secure = upstream_->pool().tls() != nullptr});
  if (upstream_ == nullptr) return;  // it failed at once, and told so
  if (up_ == nullptr) {
    wait_for_room();
    return;
  }
  set_state(ExchangeState::waiting);
  ++server_->counters().requests;
  set_deadline();
  if (bytes_) {
    open_bytes_tunnel();
    return;
  }
  if (framing_ == http::Framing::none) return;
  if (request_ended_) (void)upstream_->codec().send_end(*up_, {});  // it had no content at all
  session_->resume_request(*this);
}

// A connection whose peer has not said yet what it can do is waited for; else there is another one.
void Exchange::wait_for_room() {
  if (!upstream_->codec().settled()) {
    set_deadline();
    return;
  }
  const bool no_tunnels = upgrade_ && !upstream_->codec().tunnels();
  detach_upstream();
  if (no_tunnels)
    fail(config::Trigger::upstream_connect_error, "upstream_without_extended_connect");
  else
    on_upstream_full();
}

// --- failure
// ------------------------------------------------------------------------------------------------

void Exchange::on_upstream_failed(UpstreamFailure failure, bool fresh, const char* reason) {
  if (state_ == ExchangeState::finished || state_ == ExchangeState::unused) return;
  if (reason == nullptr) reason = reason_of(failure);
  // The client's connection was of the same device: nobody is left to repeat the request for.
  if (failure == UpstreamFailure::device) return session_->device_was_reset();
  // A pooled connection that closes under a request says nothing about the server's health, and neither does
  // a server that is only busy.
  if ((fresh || answered_) && failure != UpstreamFailure::refused) server_->failed(reason);
  if (retry(failure, fresh)) return;
  if (failure == UpstreamFailure::bad_response) reason_ = reason;
  fail(trigger_of(failure), reason);
}

// Only what cannot have been acted upon, or may be acted upon twice, is sent again (RFC 9110 section 9.2.2).
bool Exchange::retry(UpstreamFailure failure, bool fresh) {
  const bool refused = failure == UpstreamFailure::refused;
  if (response_started_ || content_sent_ || failure == UpstreamFailure::bad_response) return false;
  if (!refused && (answered_ || (state_ != ExchangeState::connecting && !is_idempotent(method_))))
    return false;
  // Neither a stale connection nor a refusal is an attempt the operator should pay for.
  const bool free_of_charge = !fresh || (refused && moves_++ < kMaxMoves);
  if (attempts_ == 0 && !free_of_charge) return false;
  if (free_of_charge) ++attempts_;
  ++server_->counters().retries;
  dispatch();
  return true;
}

void Exchange::forget_upstream() noexcept {
  upstream_ = nullptr;
  up_ = nullptr;
  if (!server_active_) return;
  server_active_ = false;
  --server_->active;
  --server_->counters().active;
}

void Exchange::detach_upstream() {
  UpstreamConnection* connection = upstream_;
  http::Stream* stream = up_;
  forget_upstream();
  if (connection != nullptr) connection->leave(*this, stream);
}

// The upstream's side is lost; the policy decides what the client sees. `none` cannot mean to leave it
// waiting.
void Exchange::fail(config::Trigger trigger, const char* reason) {
  session_->apply(trigger, reason, this);
  if (state_ != ExchangeState::finished && !held_ && session_->state() != SessionState::tarpit)
    session_->cut(*this);
}

}  // namespace mango::proxy
