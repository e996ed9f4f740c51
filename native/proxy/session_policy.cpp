// SPDX-License-Identifier: Apache-2.0
// What becomes of a session: triggers and actions. The one place where a session's end is decided; when it
// is due: session_deadlines.cpp.
#include <algorithm>

#include "proxy/exchange.h"
#include "proxy/session.h"

namespace mango::proxy {

namespace {

// What `respond` sends if the policy names no status.
uint16_t usual_status(config::Trigger trigger) noexcept {
  switch (trigger) {
    case config::Trigger::header_timeout:
    case config::Trigger::body_timeout:
    case config::Trigger::min_rate:
    case config::Trigger::idle:
      return 408;
    case config::Trigger::protocol_error:
      return 400;
    case config::Trigger::upstream_connect_error:
    case config::Trigger::upstream_reset:
      return 502;
    case config::Trigger::upstream_timeout:
      return 504;
    case config::Trigger::rate_limited:
      return 429;
    case config::Trigger::denied:
      return 403;
    default:
      return 503;
  }
}

// Troubles of one exchange. Where the connection carries others they end its stream and not the session,
// whatever the way of ending: the others are not at fault.
bool concerns_stream(config::Trigger trigger) noexcept {
  switch (trigger) {
    case config::Trigger::body_timeout:
    case config::Trigger::min_rate:
    case config::Trigger::idle:  // of a tunnel
    case config::Trigger::upstream_connect_error:
    case config::Trigger::upstream_reset:
    case config::Trigger::upstream_timeout:
      return true;
    default:
      return false;
  }
}

// What a GOAWAY says of the trigger behind it (RFC 9113 section 7).
http::StreamError goaway_error(config::Trigger trigger) noexcept {
  switch (trigger) {
    case config::Trigger::protocol_error:
      return http::StreamError::protocol;
    case config::Trigger::rate_limited:
    case config::Trigger::denied:
    case config::Trigger::overload:
      return http::StreamError::calm;
    default:
      return http::StreamError::none;
  }
}

}  // namespace

// Whether this request is to be the session's last one: the response says so, and the action follows it.
void Session::check_last(const config::Policy& policy) {
  if (policy.max_age_ms != 0 && phase_ms_ - opened_ms_ >= policy.max_age_ms)
    last_trigger_ = config::Trigger::max_age;
  else if (policy.max_requests != 0 && requests_ >= policy.max_requests)
    last_trigger_ = config::Trigger::max_requests;
  else
    return;
  if (policy.action(last_trigger_).action == config::ActionKind::none)
    last_trigger_ = config::Trigger::drain;
  else
    announce_close(true);
}

// The client learns that no further request is taken: with the next response, or at once.
void Session::announce_close(bool final) {
  close_after_ = true;
  if (codec_) codec_->announce_close(http::StreamError::none, final);
  if (!final) drain_ms_ = worker_.loop().now_ms();
}

void Session::end_after_response() {
  const config::Trigger trigger = last_trigger_;
  if (trigger == config::Trigger::drain) {
    begin_close();
    return;
  }
  const config::Policy& policy = listener_->view()->document().policies[listener_config().policy];
  const config::Action& action = policy.action(trigger);
  const char* reason = trigger == config::Trigger::max_age ? "max_age" : "max_requests";
  report(to_string(trigger), policy.name, action.action, 0, reason, nullptr);
  (void)flush();  // the response is the client's, whatever comes after it
  config::Action last = action;
  if (last.action == config::ActionKind::respond) last.action = config::ActionKind::close;
  carry_out(trigger, last, 0, reason, nullptr);
}

// --- triggers
// -----------------------------------------------------------------------------------------------

bool Session::apply(config::Trigger trigger, const char* reason, Exchange* exchange) {
  if (state_ == SessionState::closed || state_ == SessionState::aborted) return true;
  const WorkerView& view = exchange == nullptr ? *listener_->view() : exchange->view();
  const uint32_t index = exchange == nullptr ? listener_config().policy : exchange->policy();
  const config::Policy& policy = view.document().policies[index];
  const config::Action action = policy.action(trigger);
  uint16_t status = action.status;
  if (status == 0) {
    const bool refused = trigger == config::Trigger::protocol_error && refused_.status != 0;
    status = refused ? refused_.status : usual_status(trigger);
  }
  if (exchange != nullptr && action.action != config::ActionKind::none) exchange->set_reason(reason);
  report(to_string(trigger), policy.name, action.action, status, reason, exchange);
  carry_out(trigger, action, status, reason, exchange);
  return action.action != config::ActionKind::none;
}

bool Session::apply_ban(const config::Ban& ban, Exchange* exchange) {
  if (ban.action == config::ActionKind::none) return false;
  if (exchange != nullptr) exchange->set_reason("banned");
  const uint16_t status = ban.status == 0 ? 403 : ban.status;
  report("ban", "", ban.action, status, "banned", exchange);
  carry_out(config::Trigger::denied, {.action = ban.action}, status, "banned", exchange);
  return true;
}

void Session::act(config::ActionKind action) {
  if (state_ == SessionState::closed || state_ == SessionState::aborted) return;
  for (Exchange* exchange = exchanges_; exchange != nullptr; exchange = exchange->next_of_session)
    exchange->set_reason("admin");
  report("admin", "", action, 0, "admin", exchanges_);
  carry_out(config::Trigger::drain, {.action = action}, 0, "admin", sole());
}

void Session::drain() {
  announce_close(false);
  // A session without a request yet may have one on the way: it gets a moment, then an answer with "close".
  // So may one whose requests need not wait for each other.
  if (state_ == SessionState::idle && requests_ > 0 && !multiplexed())
    apply(config::Trigger::drain, "drain");
  else
    schedule();
}

void Session::device_was_reset() {
  if (state_ == SessionState::closed || state_ == SessionState::aborted) return;
  if (state_ == SessionState::closing) return finish_close();
  for (Exchange* exchange = exchanges_; exchange != nullptr; exchange = exchange->next_of_session)
    exchange->set_reason("device_reset");
  apply(config::Trigger::device_reset, "device_reset", sole());
  end_now(config::ActionKind::abort);  // whatever the action was: there is no connection to go on with
}

void Session::carry_out(config::Trigger trigger, const config::Action& action, uint16_t status,
                        const char* reason, Exchange* exchange) {
  const bool one_of_many = exchange != nullptr && multiplexed();
  switch (action.action) {
    case config::ActionKind::none:
      return;
    case config::ActionKind::respond:
      respond(status, reason, exchange);
      return;
    case config::ActionKind::tarpit:
      if (one_of_many && may_tarpit())
        exchange->hold_for(action.delay_ms, exchange->response_started() ? 0 : status, reason);
      else
        start_tarpit(status, action.delay_ms, reason);
      return;
    case config::ActionKind::refuse_stream:
      if (!one_of_many) return begin_close();
      return end_stream(*exchange, exchange->response_started() ? http::StreamError::cancelled
                                                                : http::StreamError::refused);
    case config::ActionKind::goaway:
      if (!multiplexed()) return begin_close();
      close_after_ = true;
      codec_->announce_close(goaway_error(trigger), true);
      if (one_of_many) end_stream(*exchange, http::StreamError::refused);
      // After an error of the connection nothing can finish.
      if (exchanges_ == nullptr || (exchange == nullptr && trigger == config::Trigger::protocol_error))
        begin_close();
      return;
    case config::ActionKind::close:
    case config::ActionKind::reset:
    case config::ActionKind::abort:
      if (one_of_many && concerns_stream(trigger)) return end_stream(*exchange, http::StreamError::internal);
      if (action.action != config::ActionKind::close) return end_now(action.action);
      if (multiplexed()) codec_->announce_close(goaway_error(trigger), true);
      return begin_close();
  }
}

// --- actions
// ------------------------------------------------------------------------------------------------

// Answers with a status, and closes where that was the only exchange. Too late for a status, or too early
// (the handshake): just closes.
void Session::respond(uint16_t status, const char* reason, Exchange* exchange) {
  if (!multiplexed()) close_after_ = true;
  if (exchange != nullptr) {
    if (!exchange->answer(status, reason)) cut(*exchange);
    return;
  }
  const bool too_early = state_ == SessionState::handshake || state_ == SessionState::closing;
  if (!too_early && !codec_) use_http1();
  const bool answered =
      !too_early && !mute_ && codec_->send_refusal({.status = status, .date = worker_.date()});
  log_refusal(answered ? status : 0, reason);
  begin_close();
}

// One stream of many is refused as one request would be; any other action than an answer is the session's.
bool Session::on_request_refused(http::Stream& stream, const http::Refusal& refusal) {
  const config::Policy& policy = listener_->view()->document().policies[listener_config().policy];
  const config::Action& action = policy.action(config::Trigger::protocol_error);
  if (action.action != config::ActionKind::respond) {
    refused_ = refusal;
    apply(config::Trigger::protocol_error, refusal.reason);
    return true;
  }
  const uint16_t status = action.status == 0 ? refusal.status : action.status;
  report(to_string(config::Trigger::protocol_error), policy.name, action.action, status, refusal.reason,
         nullptr);
  (void)codec_->send_local(stream, {.status = status, .keep_alive = true, .date = worker_.date()});
  codec_->finish(stream);
  log_refusal(status, refusal.reason);
  return true;
}

void Session::on_malformed_request(const char* reason) {
  log_refusal(0, reason);
}

void Session::end_stream(Exchange& exchange, http::StreamError error) {
  if (exchange.stream() != nullptr) (void)codec_->reset(*exchange.stream(), error);
  exchange.abandon("stream_reset");
}

void Session::cut(Exchange& exchange) {
  if (multiplexed())
    end_stream(exchange, http::StreamError::internal);
  else
    begin_close();
}

void Session::release_held(Exchange& exchange, uint16_t status) {
  if (status == 0 || !exchange.answer(status, "")) end_stream(exchange, http::StreamError::refused);
}

// A request that was refused before it was one still leaves a line in the log, and its reason in the
// counters; without a status where there was no answer.
void Session::log_refusal(uint16_t status, const char* reason) {
  worker_.counters().rare.count_reason(reason);
  if (status != 0) listener_->view()->no_route->requests.count(status);
  if (!access_logged()) return;
  std::string& text = worker_.line();
  text.clear();
  JsonLine line(text);
  log_members(line);
  line.text("protocol", protocol());
  if (status != 0) line.number("status", status);
  line.text("reason", reason).end();
  text += '\n';
  worker_.log(text);
}

// FIN after what is queued. What the client still sends is read away for a while: closing with unread bytes
// in the receive buffer would make the kernel send RST, which can destroy the response on its way (RFC 9112
// section 9.6).
void Session::begin_close() {
  if (state_ == SessionState::closing || state_ == SessionState::closed || state_ == SessionState::aborted)
    return;
  const bool whole = exchanges_ == nullptr || exchanges_->request_ended();
  const bool nothing_to_read = stream().handshaking() || input_ended() || (client_closes_ && whole);
  set_state(SessionState::closing);
  if (multiplexed()) codec_->announce_close(http::StreamError::none, true);
  while (exchanges_ != nullptr) exchanges_->abandon("closed");
  if (nothing_to_read && flush()) {
    finish_close();
    return;
  }
  drop_kept_input();
  finish_output();
  resume_input();
  schedule();
}

void Session::end_now(config::ActionKind action) {
  if (state_ == SessionState::closed || state_ == SessionState::aborted) return;
  set_state(SessionState::aborted);
  while (exchanges_ != nullptr) exchanges_->abandon("aborted");
  discard_output();
  if (action == config::ActionKind::reset)
    mutable_stream().reset();
  else
    mutable_stream().abort();
  finish_close();
}

// Takes one of the places there are for tarpits.
bool Session::may_tarpit() {
  std::atomic<uint32_t>& tarpits = worker_.shared().tarpits;
  if (tarpits.fetch_add(1, std::memory_order_relaxed) < listener_->view()->document().limits.max_tarpits)
    return true;
  tarpits.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

// Holds the client without an answer, for a bounded time; a status, if the policy names one, comes at the
// end.
void Session::start_tarpit(uint16_t status, uint32_t delay_ms, const char* reason) {
  if (!may_tarpit()) {
    end_now(config::ActionKind::abort);
    return;
  }
  set_state(SessionState::tarpit);
  for (Exchange* exchange = exchanges_; exchange != nullptr; exchange = exchange->next_of_session)
    exchange->hold();
  drop_kept_input();
  pause_input();
  tarpit_ms_ = delay_ms;
  tarpit_status_ = status;
  tarpit_reason_ = reason;
  schedule();
}

void Session::finish_close() {
  if (state_ == SessionState::closed) return;
  set_state(SessionState::closed);
  while (exchanges_ != nullptr) exchanges_->abandon("closed");
  timer_.clear();
  if (codec_) codec_->close();
  listener_->counters.bytes_in += bytes_in();
  listener_->counters.bytes_out += bytes_out();
  --listener_->counters.active;
  if (counted_) worker_.shared().sessions.fetch_sub(1, std::memory_order_relaxed);
  close_stream();
  worker_.session_closed(*this);
}

// Every applied action is one count, and one event for the control plane.
void Session::report(std::string_view trigger, std::string_view policy, config::ActionKind action,
                     uint16_t status, const char* reason, const Exchange* exchange) {
  worker_.counters().rare.count_action(
      {std::string(policy), std::string(trigger), std::string(to_string(action))});
  const bool answers = action == config::ActionKind::respond || action == config::ActionKind::tarpit;
  std::string event;
  JsonLine(event)
      .text("type", "policy")
      .number("timeMs", worker_.unix_ms())
      .number("session", id_)
      .text("listener", listener_->name())
      .text("client", client_text_)
      .text("sni", sni())
      .text("route", exchange == nullptr ? route_name() : exchange->route_name())
      .text("upstream", exchange == nullptr ? upstream_name() : exchange->upstream_name())
      .text("policy", policy)
      .text("trigger", trigger)
      .text("action", to_string(action))
      .number("status", answers ? status : 0)
      .text("reason", reason)
      .end();
  worker_.emit(std::move(event));
}

}  // namespace mango::proxy
