// SPDX-License-Identifier: Apache-2.0
// An exchange and time: what the server may be late with, by a timer of the exchange; and the client, whose
// session looks here.
#include <algorithm>

#include "proxy/exchange.h"
#include "proxy/session.h"

namespace mango::proxy {

Exchange::Deadline Exchange::deadline() const noexcept {
  const config::Route& route = view_->document().routes[route_];
  const config::UpstreamTimeouts& upstream = server_->timeouts();
  Deadline next;
  const auto at = [&next](uint64_t since_ms, uint32_t limit_ms, const char* reason) {
    if (limit_ms != 0 && since_ms + limit_ms < next.due_ms) next = {since_ms + limit_ms, reason};
  };
  at(started_ns_ / 1'000'000, route.timeouts.request_ms, "request_timeout");
  at(started_ns_ / 1'000'000, grpc_timeout_ms_, "grpc_deadline");
  at(sent_ns_ / 1'000'000, route.timeouts.backend_request_ms, "backend_request_timeout");
  if (state_ == ExchangeState::responding)
    at(progress_ms_, upstream.idle_ms, "upstream_idle_timeout");
  else if (request_ended_ || state_ == ExchangeState::connecting)
    at(progress_ms_, upstream.response_ms, "upstream_response_timeout");
  return next;
}

void Exchange::set_deadline() noexcept {
  const uint64_t due_ms = deadline().due_ms;
  const uint64_t now_ms = worker_.loop().now_ms();
  if (due_ms == UINT64_MAX)
    timer_.clear();
  else
    worker_.loop().timers().set(timer_, due_ms > now_ms ? due_ms - now_ms : 0);
}

// The timer is not moved with every byte, it looks at the time when it fires. While the client's side holds
// things up the server cannot be late.
void Exchange::on_timer(net::Timer&) {
  if (held_) {
    session_->release_held(*this, held_status_);
    return;
  }
  if (upstream_ != nullptr && (stalled_ms_ != 0 || upstream_->held_back())) on_upstream_progress();
  const Deadline passed = deadline();
  if (passed.due_ms > worker_.loop().now_ms()) {
    set_deadline();
    return;
  }
  server_->failed(passed.reason);
  detach_upstream();
  fail(config::Trigger::upstream_timeout, passed.reason);
}

// The client can only be late with content, or with taking what we send; on a connection of one exchange at a
// time the latter is the session's to see.
Exchange::ClientDeadline Exchange::client_deadline(const config::ListenerTimeouts& timeouts) const noexcept {
  ClientDeadline next;
  const auto at = [&](uint64_t due_ms, config::Trigger trigger, const char* reason, bool rate = false) {
    due_ms = std::max(due_ms, excused_ms_);
    if (due_ms < next.due_ms) next = {due_ms, trigger, reason, rate};
  };
  if (held_ || state_ == ExchangeState::finished) return next;
  if (state_ == ExchangeState::tunnel) {
    if (timeouts.tunnel_idle_ms != 0)
      at(moved_ms_ + timeouts.tunnel_idle_ms, config::Trigger::idle, "tunnel_idle_timeout");
    return next;
  }
  constexpr uint32_t kRateCheckMs = 1000;
  const bool rated = timeouts.min_rate_bytes_per_second != 0;
  if (!request_ended_ && !request_paused_ && !upgrade_) {
    if (timeouts.body_ms != 0)
      at(moved_ms_ + timeouts.body_ms, config::Trigger::body_timeout, "body_timeout");
    if (rated && !grpc_)
      at(std::max(started_ns_ / 1'000'000 + timeouts.min_rate_grace_ms, rate_mark_ms_ + kRateCheckMs),
         config::Trigger::min_rate, "min_rate", true);
  }
  if (stalled_ms_ != 0 && timeouts.write_ms != 0)
    at(stalled_ms_ + timeouts.write_ms, config::Trigger::min_rate, "write_timeout");
  return next;
}

bool Exchange::rate_too_low(uint32_t min_bytes_per_second) noexcept {
  const uint64_t now_ms = worker_.loop().now_ms();
  const uint64_t moved = request_bytes_ + response_bytes_ - rate_mark_bytes_;
  const uint64_t span_ms = std::max<uint64_t>(now_ms - rate_mark_ms_, 1);
  rate_mark_bytes_ += moved;
  rate_mark_ms_ = now_ms;
  return moved * 1000 / span_ms < min_bytes_per_second;
}

}  // namespace mango::proxy
