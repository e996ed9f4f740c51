// SPDX-License-Identifier: Apache-2.0
// What becomes of a session: triggers, actions, deadlines. The one place where a session's end is decided.
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

}  // namespace

// --- admission
// ----------------------------------------------------------------------------------------------

// Decides on a connection just accepted; false if it is over or as good as over.
bool Session::admit() {
  Shared& shared = worker_.shared();
  const config::Document& document = listener_->view()->document();
  if (!worker_.bans().empty()) {
    const config::Ban* ban = worker_.bans().client(client_, worker_.unix_ms());
    if (ban != nullptr && apply_ban(*ban)) return false;
  }
  if (!listener_->view()->snapshot->policies[listener_config().policy].admits(client_) &&
      apply(config::Trigger::denied, "address_denied"))
    return false;
  counted_ = true;
  if (shared.sessions.fetch_add(1, std::memory_order_relaxed) < document.limits.max_sessions) return true;
  // Full: whoever has been idle longest makes room for the newcomer.
  if (worker_.evict_idle()) return true;
  return !apply(config::Trigger::overload, "too_many_sessions");
}

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
    close_after_ = true;
}

void Session::end_after_response() {
  const config::Trigger trigger = last_trigger_;
  if (trigger == config::Trigger::drain) {
    begin_close();
    return;
  }
  const config::Policy& policy = listener_->view()->document().policies[policy_index()];
  const config::Action& action = policy.action(trigger);
  const char* reason = trigger == config::Trigger::max_age ? "max_age" : "max_requests";
  report(to_string(trigger), policy.name, action.action, 0, reason);
  (void)flush();  // the response is the client's, whatever comes after it
  const bool answers = action.action == config::ActionKind::respond;
  carry_out(answers ? config::ActionKind::close : action.action, 0, action.delay_ms, reason);
}

// --- triggers
// -----------------------------------------------------------------------------------------------

uint32_t Session::policy_index() const noexcept {
  return exchange_ == nullptr ? listener_config().policy : exchange_->policy();
}

bool Session::apply(config::Trigger trigger, const char* reason) {
  if (state_ == SessionState::closed || state_ == SessionState::aborted) return true;
  const WorkerView& view = exchange_ == nullptr ? *listener_->view() : exchange_->view();
  const config::Policy& policy = view.document().policies[policy_index()];
  const config::Action action = policy.action(trigger);
  uint16_t status = action.status;
  if (status == 0) {
    const bool refused = trigger == config::Trigger::protocol_error && refused_.status != 0;
    status = refused ? refused_.status : usual_status(trigger);
  }
  if (exchange_ != nullptr && action.action != config::ActionKind::none) exchange_->set_reason(reason);
  report(to_string(trigger), policy.name, action.action, status, reason);
  carry_out(action.action, status, action.delay_ms, reason);
  return action.action != config::ActionKind::none;
}

bool Session::apply_ban(const config::Ban& ban) {
  if (ban.action == config::ActionKind::none) return false;
  if (exchange_ != nullptr) exchange_->set_reason("banned");
  const uint16_t status = ban.status == 0 ? 403 : ban.status;
  report("ban", "", ban.action, status, "banned");
  carry_out(ban.action, status, 0, "banned");
  return true;
}

void Session::act(config::ActionKind action) {
  if (state_ == SessionState::closed || state_ == SessionState::aborted) return;
  if (exchange_ != nullptr) exchange_->set_reason("admin");
  report("admin", "", action, 0, "admin");
  carry_out(action, 0, 0, "admin");
}

void Session::drain() {
  close_after_ = true;
  // A session without a request yet may have one on the way: it gets a moment, then an answer with "close".
  if (state_ == SessionState::idle && requests_ > 0)
    apply(config::Trigger::drain, "drain");
  else
    schedule();
}

void Session::carry_out(config::ActionKind action, uint16_t status, uint32_t delay_ms, const char* reason) {
  switch (action) {
    case config::ActionKind::none:
      return;
    case config::ActionKind::reset:
    case config::ActionKind::abort:
      end_now(action);
      return;
    case config::ActionKind::respond:
      respond(status, reason);
      return;
    case config::ActionKind::tarpit:
      start_tarpit(status, delay_ms, reason);
      return;
    case config::ActionKind::close:
    case config::ActionKind::goaway:  // HTTP/2's; here a close is what is meant
    case config::ActionKind::refuse_stream:
      begin_close();
      return;
  }
}

// --- actions
// ------------------------------------------------------------------------------------------------

// Answers with a status and closes. Too late for a status, or too early (the handshake): just closes.
void Session::respond(uint16_t status, const char* reason) {
  close_after_ = true;
  if (exchange_ != nullptr) {
    if (!exchange_->answer(status, reason)) begin_close();
    return;
  }
  if (stream().handshaking() || state_ == SessionState::closing) {
    begin_close();
    return;
  }
  (void)codec_.send_local(0, {.status = status, .date = worker_.date()}, *this);
  log_refusal(status, reason);
  begin_close();
}

// A request that was refused before it was one still leaves a line in the log, and its reason in the
// counters.
void Session::log_refusal(uint16_t status, const char* reason) {
  worker_.counters().rare.count_reason(reason);
  listener_->view()->no_route->requests.count(status);
  if (!access_logged()) return;
  std::string& text = worker_.line();
  text.clear();
  JsonLine line(text);
  log_members(line);
  line.number("status", status).text("reason", reason).end();
  text += '\n';
  worker_.log(text);
}

// FIN after what is queued. What the client still sends is read away for a while: closing with unread bytes
// in the receive buffer would make the kernel send RST, which can destroy the response on its way (RFC 9112
// section 9.6).
void Session::begin_close() {
  if (state_ == SessionState::closing || state_ == SessionState::closed || state_ == SessionState::aborted)
    return;
  const bool nothing_to_read = stream().handshaking() || input_ended() || (client_closes_ && !request_open_);
  set_state(SessionState::closing);
  if (exchange_ != nullptr) exchange_->abandon("closed");
  if (nothing_to_read && flush()) {
    finish_close();
    return;
  }
  drop_kept_input();
  finish_output();
  resume_input();
  schedule();
}

void Session::cut() {
  begin_close();
}

void Session::end_now(config::ActionKind action) {
  if (state_ == SessionState::closed || state_ == SessionState::aborted) return;
  set_state(SessionState::aborted);
  if (exchange_ != nullptr) exchange_->abandon("aborted");
  discard_output();
  if (action == config::ActionKind::reset)
    mutable_stream().reset();
  else
    mutable_stream().abort();
  finish_close();
}

// Holds the client without an answer, for a bounded time; a status, if the policy names one, comes at the
// end.
void Session::start_tarpit(uint16_t status, uint32_t delay_ms, const char* reason) {
  std::atomic<uint32_t>& tarpits = worker_.shared().tarpits;
  if (tarpits.fetch_add(1, std::memory_order_relaxed) >= listener_->view()->document().limits.max_tarpits) {
    tarpits.fetch_sub(1, std::memory_order_relaxed);
    end_now(config::ActionKind::abort);
    return;
  }
  set_state(SessionState::tarpit);
  if (exchange_ != nullptr) exchange_->hold();
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
  if (exchange_ != nullptr) exchange_->abandon("closed");
  timer_.clear();
  listener_->counters.bytes_in += bytes_in();
  listener_->counters.bytes_out += bytes_out();
  --listener_->counters.active;
  if (counted_) worker_.shared().sessions.fetch_sub(1, std::memory_order_relaxed);
  close_stream();
  worker_.session_closed(*this);
}

// Every applied action is one count, and one event for the control plane.
void Session::report(std::string_view trigger, std::string_view policy, config::ActionKind action,
                     uint16_t status, const char* reason) {
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
      .text("route", route_name())
      .text("upstream", upstream_name())
      .text("policy", policy)
      .text("trigger", trigger)
      .text("action", to_string(action))
      .number("status", answers ? status : 0)
      .text("reason", reason)
      .end();
  worker_.emit(std::move(event));
}

// --- deadlines
// ----------------------------------------------------------------------------------------------

Session::Deadline Session::deadline() const noexcept {
  using T = config::Trigger;
  const config::ListenerTimeouts& timeouts = listener_config().timeouts;
  const auto after = [](uint64_t since_ms, uint32_t limit_ms, T trigger, const char* reason) {
    return limit_ms == 0 ? Deadline{} : Deadline{since_ms + limit_ms, trigger, reason};
  };
  switch (state_) {
    case SessionState::handshake:
      return after(opened_ms_, timeouts.handshake_ms, T::handshake_timeout, "handshake_timeout");
    case SessionState::idle: {
      uint32_t limit_ms =
          requests_ == 0 ? std::min(timeouts.request_headers_ms, timeouts.idle_ms) : timeouts.idle_ms;
      if (close_after_) limit_ms = kDrainGraceMs;
      Deadline next = after(phase_ms_, limit_ms, T::idle, "idle_timeout");
      const uint64_t max_age_ms = listener_->view()->document().policies[listener_config().policy].max_age_ms;
      if (max_age_ms != 0 && opened_ms_ + max_age_ms < next.due_ms)
        next = {opened_ms_ + max_age_ms, T::max_age, "max_age"};
      return next;
    }
    case SessionState::reading:
      return after(phase_ms_, timeouts.request_headers_ms, T::header_timeout, "header_timeout");
    case SessionState::exchange:
      return exchange_deadline(timeouts);
    case SessionState::tunnel:
      return after(active_ms_, timeouts.idle_ms, T::idle, "tunnel_idle_timeout");
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

// During an exchange the client can only be late with content, or with taking what we send.
Session::Deadline Session::exchange_deadline(const config::ListenerTimeouts& timeouts) const noexcept {
  const uint64_t now_ms = worker_.loop().now_ms();
  Deadline next;
  const auto at = [&next](uint64_t due_ms, config::Trigger trigger, const char* reason) {
    if (due_ms < next.due_ms) next = {due_ms, trigger, reason};
  };
  const bool rated = timeouts.min_rate_bytes_per_second != 0;
  if (request_open_ && !input_paused()) {
    if (timeouts.body_ms != 0)
      at(active_ms_ + timeouts.body_ms, config::Trigger::body_timeout, "body_timeout");
    if (rated)
      at(std::max(phase_ms_ + timeouts.min_rate_grace_ms, rate_mark_ms_ + kRateCheckMs),
         config::Trigger::min_rate, "min_rate");
  }
  if (output_pending()) {
    if (timeouts.write_ms != 0)
      at(std::max(phase_ms_, sent_ms()) + timeouts.write_ms, config::Trigger::min_rate, "write_timeout");
    if (rated)
      at(std::max(now_ms, rate_mark_ms_ + timeouts.min_rate_grace_ms), config::Trigger::min_rate, "min_rate");
  }
  return next;
}

void Session::schedule() noexcept {
  const uint64_t due_ms = deadline().due_ms;
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
  const Deadline passed = deadline();
  if (passed.due_ms > worker_.loop().now_ms()) {
    schedule();
    return;
  }
  if (state_ == SessionState::closing) {
    finish_close();
  } else if (state_ == SessionState::tarpit) {
    worker_.shared().tarpits.fetch_sub(1, std::memory_order_relaxed);
    state_ = SessionState::exchange;  // the tarpit is over; what was to come comes
    phase_ms_ = worker_.loop().now_ms();
    if (tarpit_status_ != 0)
      respond(tarpit_status_, tarpit_reason_);
    else
      begin_close();
  } else if (passed.trigger == config::Trigger::min_rate && std::string_view(passed.reason) == "min_rate" &&
             !rate_too_low()) {
    schedule();
  } else {
    if (state_ == SessionState::handshake) count_handshake("timeout");
    apply(passed.trigger, passed.reason);
    if (state_ == SessionState::closed) return;
    timer_due_ms_ = worker_.loop().now_ms() + kRateCheckMs;  // the policy may have said: none
    worker_.loop().timers().set(timer_, kRateCheckMs);
  }
}

}  // namespace mango::proxy
