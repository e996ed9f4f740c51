// SPDX-License-Identifier: Apache-2.0
// A session and time: what its client may be late with, and one timer for all of it. The timer is set no
// later than the next deadline; when it fires everything is looked at again, so that nothing is moved with
// every byte.
#include <algorithm>

#include "proxy/exchange.h"
#include "proxy/session.h"

namespace mango::proxy {

Session::Deadline Session::deadline() const noexcept {
  using T = config::Trigger;
  const config::ListenerTimeouts& timeouts = listener_config().timeouts;
  switch (state_) {
    case SessionState::handshake:
      if (timeouts.handshake_ms == 0) return {};
      return {opened_ms_ + timeouts.handshake_ms, T::handshake_timeout, "handshake_timeout"};
    case SessionState::idle:
      return idle_deadline(timeouts);
    case SessionState::reading:
      if (timeouts.request_headers_ms == 0) return {};
      return {phase_ms_ + timeouts.request_headers_ms, T::header_timeout, "header_timeout"};
    case SessionState::exchange:
    case SessionState::tunnel:
      return exchange_deadline(timeouts);
    case SessionState::closing: {
      // The peer gets the time it needs for what is queued, and a moment more to read it.
      const uint64_t since_ms = std::max(phase_ms_, sent_ms());
      return {since_ms + (output_pending() ? std::max(timeouts.write_ms, kLingerMs) : kLingerMs), T::idle,
              ""};
    }
    case SessionState::tarpit:
      return {phase_ms_ + tarpit_ms_, T::idle, ""};
    default:
      return {};
  }
}

Session::Deadline Session::idle_deadline(const config::ListenerTimeouts& timeouts) const noexcept {
  uint32_t limit_ms =
      requests_ == 0 ? std::min(timeouts.request_headers_ms, timeouts.idle_ms) : timeouts.idle_ms;
  uint64_t since_ms = phase_ms_;
  if (close_after_) {
    limit_ms = kDrainGraceMs;
    since_ms = std::max(since_ms, drain_ms_);
  }
  Deadline next;
  if (limit_ms != 0) next = {since_ms + limit_ms, config::Trigger::idle, "idle_timeout"};
  if (close_after_ && drain_ms_ != 0) next = {next.due_ms, config::Trigger::drain, "drain"};
  const uint64_t old_ms = old_at_ms();
  if (old_ms < next.due_ms) next = {old_ms, config::Trigger::max_age, "max_age"};
  return next;
}

// When the session reaches its greatest age.
uint64_t Session::old_at_ms() const noexcept {
  const uint64_t max_age_ms = listener_->view()->document().policies[listener_config().policy].max_age_ms;
  return max_age_ms == 0 ? UINT64_MAX : opened_ms_ + max_age_ms;
}

// With many exchanges their deadlines are not searched for the next one: they are looked at often enough.
Session::Deadline Session::exchange_deadline(const config::ListenerTimeouts& timeouts) const noexcept {
  Deadline next = output_deadline(timeouts);
  // One request at a time is answered first.
  const bool may_be_long = multiplexed() || state_ == SessionState::tunnel;
  if (may_be_long && !close_after_ && old_at_ms() < next.due_ms)
    next = {old_at_ms(), config::Trigger::max_age, "max_age"};
  if (multiplexed()) {
    // on_timer() looks at them in any case.
    const uint64_t look_ms = worker_.loop().now_ms() + look_again_ms(timeouts);
    if (look_ms < next.due_ms) next = {look_ms, config::Trigger::idle, ""};
  } else if (exchanges_ != nullptr) {
    const Exchange::ClientDeadline client = exchanges_->client_deadline(timeouts);
    if (client.due_ms < next.due_ms) next = {client.due_ms, client.trigger, client.reason};
  } else if (timeouts.body_ms != 0 && active_ms_ + timeouts.body_ms < next.due_ms) {
    next = {active_ms_ + timeouts.body_ms, config::Trigger::body_timeout, "body_timeout"};  // drained
  }
  return next;
}

uint32_t Session::look_again_ms(const config::ListenerTimeouts& timeouts) const noexcept {
  constexpr uint32_t kOftenMs = 20;
  uint32_t shortest_ms = 4 * kRateCheckMs;
  for (const uint32_t limit_ms : {timeouts.body_ms, timeouts.write_ms, timeouts.tunnel_idle_ms})
    if (limit_ms != 0) shortest_ms = std::min(shortest_ms, limit_ms);
  return std::max(shortest_ms / 4, kOftenMs);
}

// The client takes what we send too slowly, whatever exchange it belongs to.
Session::Deadline Session::output_deadline(const config::ListenerTimeouts& timeouts) const noexcept {
  Deadline next;
  if (!output_pending() || state_ == SessionState::tunnel) return next;
  if (timeouts.write_ms != 0)
    next = {std::max(phase_ms_, sent_ms()) + timeouts.write_ms, config::Trigger::min_rate, "write_timeout"};
  if (timeouts.min_rate_bytes_per_second == 0) return next;
  const uint64_t due_ms = std::max(worker_.loop().now_ms(), rate_mark_ms_ + timeouts.min_rate_grace_ms);
  if (due_ms < next.due_ms) next = {due_ms, config::Trigger::min_rate, "min_rate"};
  return next;
}

void Session::schedule() noexcept {
  uint64_t due_ms = deadline().due_ms;
  if (due_ms < excused_ms_) due_ms = excused_ms_;
  if (due_ms == UINT64_MAX || (timer_.armed() && timer_due_ms_ <= due_ms)) return;
  const uint64_t now_ms = worker_.loop().now_ms();
  timer_due_ms_ = due_ms;
  worker_.loop().timers().set(timer_, due_ms > now_ms ? due_ms - now_ms : 0);
}

// Whether since the last look the client moved fewer bytes than the minimum rate asks for; starts the next
// look.
bool Session::rate_too_low() noexcept {
  const uint64_t now_ms = worker_.loop().now_ms();
  const uint64_t moved = bytes_in() + bytes_out() - rate_mark_bytes_;
  const uint64_t span_ms = std::max<uint64_t>(now_ms - rate_mark_ms_, 1);
  rate_mark_bytes_ += moved;
  rate_mark_ms_ = now_ms;
  return moved * 1000 / span_ms < listener_config().timeouts.min_rate_bytes_per_second;
}

void Session::on_timer(net::Timer&) {
  timer_due_ms_ = UINT64_MAX;
  if (drain_ms_ != 0 && multiplexed() && worker_.loop().now_ms() >= drain_ms_ + kDrainGraceMs) {
    drain_ms_ = 0;
    codec_->announce_close(http::StreamError::none, true);
    settle();
    if (state_ == SessionState::idle) apply(config::Trigger::drain, "drain");
  }
  if (state_ == SessionState::closing && deadline().due_ms <= worker_.loop().now_ms()) {
    finish_close();
  } else if (state_ == SessionState::tarpit && deadline().due_ms <= worker_.loop().now_ms()) {
    leave_tarpit();
  } else {
    check_deadline();
    if (multiplexed()) check_exchanges();
  }
  if (state_ != SessionState::closed) schedule();
}

void Session::leave_tarpit() {
  worker_.shared().tarpits.fetch_sub(1, std::memory_order_relaxed);
  state_ = SessionState::exchange;  // the tarpit is over; what was to come comes
  phase_ms_ = worker_.loop().now_ms();
  if (tarpit_status_ != 0)
    respond(tarpit_status_, tarpit_reason_, sole());
  else
    begin_close();
}

void Session::check_deadline() {
  const uint64_t now_ms = worker_.loop().now_ms();
  const Deadline passed = deadline();
  if (passed.due_ms > now_ms || excused_ms_ > now_ms) return;
  if (std::string_view(passed.reason) == "min_rate") {
    const bool low = rate_too_low();
    if (sole() != nullptr) (void)sole()->rate_too_low(0);
    if (!low) return;
  }
  if (passed.trigger == config::Trigger::max_age && multiplexed() && exchanges_ != nullptr) {
    last_trigger_ = config::Trigger::max_age;
    announce_close(true);  // its streams may end; then the action follows
    return;
  }
  if (state_ == SessionState::handshake) count_handshake("timeout");
  const SessionState before = state_;
  apply(passed.trigger, passed.reason, sole());
  if (state_ == before) excused_ms_ = now_ms + kRateCheckMs;  // the policy may have said: none
}

// Ending one exchange may end others, but none is used again before the turn is over.
void Session::check_exchanges() {
  const config::ListenerTimeouts& timeouts = listener_config().timeouts;
  const uint64_t now_ms = worker_.loop().now_ms();
  Exchange* next = nullptr;
  for (Exchange* exchange = exchanges_; exchange != nullptr; exchange = next) {
    next = exchange->next_of_session;
    const Exchange::ClientDeadline passed = exchange->client_deadline(timeouts);
    if (passed.due_ms > now_ms) continue;
    if (passed.rate && !exchange->rate_too_low(timeouts.min_rate_bytes_per_second)) continue;
    apply(passed.trigger, passed.reason, exchange);
    if (state_ != SessionState::exchange) return;
    exchange->excuse_client(kRateCheckMs);  // the policy may have said: none
  }
  if (timeouts.write_ms != 0) codec_->expire(timeouts.write_ms);
  settle();
}

}  // namespace mango::proxy
