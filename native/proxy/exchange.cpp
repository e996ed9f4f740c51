// SPDX-License-Identifier: Apache-2.0
// The course of an exchange: admission, routing, dispatch, failure. Content and responses: exchange_flow.cpp;
// counters and the access log: exchange_account.cpp.
#include "proxy/exchange.h"

#include <cassert>
#include <cstring>

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
    case UpstreamFailure::closed:
      return "upstream_closed_early";
    case UpstreamFailure::reset:
      return "upstream_reset";
    case UpstreamFailure::bad_response:
      return "upstream_bad_response";
    case UpstreamFailure::no_memory:
      return "out_of_buffers";
  }
  return "";
}

config::Trigger trigger_of(UpstreamFailure failure) noexcept {
  if (failure == UpstreamFailure::connect) return config::Trigger::upstream_connect_error;
  if (failure == UpstreamFailure::connect_timeout) return config::Trigger::upstream_timeout;
  if (failure == UpstreamFailure::no_memory) return config::Trigger::overload;
  return config::Trigger::upstream_reset;
}

}  // namespace

void Exchange::set_state(ExchangeState next) noexcept {
  using S = ExchangeState;
  assert(
      (next == S::unused && state_ == S::finished) || (next == S::routing && state_ == S::unused) ||
      (next == S::connecting && (state_ == S::routing || state_ == S::waiting || state_ == S::connecting)) ||
      (next == S::waiting && state_ == S::connecting) || (next == S::responding && state_ == S::waiting) ||
      (next == S::tunnel && state_ == S::waiting) || (next == S::finished && state_ != S::unused));
  state_ = next;
}

void Exchange::recycle() {
  set_state(ExchangeState::unused);
  session_ = nullptr;
  view_.reset();
  upstream_ = nullptr;
  server_ = nullptr;
  head_ = net::Buffer();
  note_ = net::Buffer();
  timer_.clear();
  started_ns_ = sent_ns_ = answered_ns_ = progress_ms_ = 0;
  request_bytes_ = response_bytes_ = content_length_ = tried_ = 0;
  reason_ = "";
  match_ = RouteMatch();
  route_ = upstream_index_ = kNone;
  policy_ = attempts_ = 0;
  stream_ = 0;
  status_ = 0;
  upgrade_ = expects_continue_ = server_active_ = request_ended_ = content_sent_ = response_started_ =
      client_ended_ = upstream_ended_ = false;
  request_id_bytes_ = 0;
}

void Exchange::start(Session& session, http::StreamId stream, http::RequestHead& head) {
  set_state(ExchangeState::routing);
  session_ = &session;
  stream_ = stream;
  view_ = session.listener().view();  // a removed listener keeps the last view that had it
  started_ns_ = worker_.loop().now_ns();
  policy_ = session.listener_config().policy;
  method_ = head.method;
  framing_ = head.framing;
  request_ended_ = framing_ == http::Framing::none;
  content_length_ = head.content_length;
  upgrade_ = !head.upgrade.empty();
  expects_continue_ = head.expect_continue;
  choose_request_id(head);
  if (session.access_logged()) note_request(head);
  if (admit(head) && route(head) && check_policy()) prepare(head);
}

// Checks that need no route.
bool Exchange::admit(http::RequestHead& head) {
  const tls::ServerContext* tls = session_->listener_parts().tls.get();
  if (tls == nullptr || !session_->secure() || tls->covers(session_->sni(), head.host)) return true;
  (void)answer(421, "misdirected_request");
  return false;
}

bool Exchange::route(http::RequestHead& head) {
  const RouteMatch* match = view_->snapshot->router->match(session_->listener_index(), head);
  if (match == nullptr) {
    ++view_->no_route->active;
    (void)answer(404, "no_route");
    return false;
  }
  match_ = *match;
  route_ = match->route;
  ++view_->routes[route_]->active;
  const config::Route& config = view_->document().routes[route_];
  if (config.policy >= 0) policy_ = static_cast<uint32_t>(config.policy);
  return true;
}

// The policy of the route: addresses, bans, rate limit. The listener's own addresses were checked at accept.
bool Exchange::check_policy() {
  const PolicyParts& parts = view_->snapshot->policies[policy_];
  if (!parts.admits(session_->client()) && session_->apply(config::Trigger::denied, "address_denied"))
    return false;
  if (!worker_.bans().empty()) {
    const config::Ban* ban = worker_.bans().route(route_name(), worker_.unix_ms());
    if (ban != nullptr && session_->apply_ban(*ban)) return false;
  }
  if (parts.rate.interval_us == 0) return true;
  RateLimiter& limiter = worker_.shared().rate_limiter;
  if (limiter.admit(limiter.key(session_->client(), parts.rate_scope), worker_.loop().now_ns(), parts.rate))
    return true;
  return !session_->apply(config::Trigger::rate_limited, "rate_limited");
}

void Exchange::prepare(http::RequestHead& head) {
  const config::Route& route = view_->document().routes[route_];
  if (route.redirect) {
    redirect(head);
    return;
  }
  const int backend = view_->backends[route_].pick();
  if (backend == Balancer::kNone) {
    (void)answer(503, "no_backend");
    return;
  }
  upstream_index_ = route.backends[static_cast<size_t>(backend)].upstream;
  attempts_ = route.retry.attempts + 1;
  if (!serialise(head)) return;
  dispatch();
}

namespace {

FilterRequest filter_request(const Session& session, const http::RequestHead& head, uint32_t prefix_length) {
  return {.scheme = session.secure() ? "https" : "http",
          .host = head.host,
          .listener_port = session.listener_port(),
          .path = head.path,
          .query = head.query,
          .has_query = head.has_query,
          .prefix_length = prefix_length};
}

}  // namespace

void Exchange::redirect(const http::RequestHead& head) {
  char memory[kRequestHeadBytes];
  http::HeadWriter location(memory);
  const config::Redirect& filter = *view_->document().routes[route_].redirect;
  write_location(location, filter, filter_request(*session_, head, match_.prefix_length));
  if (!location.ok())
    (void)answer(414, "redirect_too_long");
  else
    (void)answer(filter.status_code, "", location.text());
}

// Writes the head for the upstream into a buffer that lives until a response begins, so that it can be sent
// again.
bool Exchange::serialise(const http::RequestHead& head) {
  const config::Route& route = view_->document().routes[route_];
  const config::PathModifier* path = route.rewrite && route.rewrite->path ? &*route.rewrite->path : nullptr;
  char target_memory[kRequestHeadBytes / 2];
  http::HeadWriter target(target_memory);
  if (head.asterisk)
    target.raw("*");
  else
    write_target(target, path, filter_request(*session_, head, match_.prefix_length));

  std::string_view host = head.authority;
  if (route.rewrite && !route.rewrite->hostname.empty()) host = route.rewrite->hostname;
  if (host.empty() && !view_->document().upstreams[upstream_index_].servers.empty())
    host = view_->document().upstreams[upstream_index_].servers.front().host;

  const RouteParts& parts = view_->snapshot->routes[route_];
  char memory[kRequestHeadBytes];
  http::HeadWriter out(memory);
  write_request_head(out, head,
                     {.target = target.text(),
                      .host = host,
                      .client_address = session_->client_text(),
                      .proto = session_->secure() ? "https" : "http",
                      .original_host = head.authority,
                      .request_id = {request_id_.data(), request_id_bytes_},
                      .trusted = session_->trusted(),
                      .upgrade = upgrade_,
                      .framing = framing_,
                      .content_length = content_length_,
                      .modifier = parts.request_modifier.empty() ? nullptr : &parts.request_modifier});
  if (!target.ok() || !out.ok()) {
    (void)answer(431, "head_too_large_to_forward");
    return false;
  }
  head_ = worker_.buffers().keep(out.text());
  if (head_) return true;
  fail(config::Trigger::overload, "out_of_buffers");
  return false;
}

void Exchange::choose_request_id(const http::RequestHead& head) {
  const http::Field* given = session_->trusted() ? head.fields.find(http::FieldId::x_request_id) : nullptr;
  if (given != nullptr && !given->value.empty() && given->value.size() <= request_id_.size()) {
    std::memcpy(request_id_.data(), given->value.data(), given->value.size());
    request_id_bytes_ = static_cast<uint8_t>(given->value.size());
    return;
  }
  worker_.make_request_id(request_id_.data());
  request_id_bytes_ = 32;
}

// --- finding a server
// ---------------------------------------------------------------------------------------

Candidate Exchange::candidate(size_t index, bool skip_tried) noexcept {
  ServerPool& pool = *view_->upstreams[upstream_index_].servers[index];
  const bool tried = index < kMaxServersTracked && (tried_ >> index & 1) != 0;
  if (!pool.usable() || !pool.has_capacity() || (skip_tried && tried)) return {Candidacy::excluded, 0};
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

void Exchange::dispatch() {
  set_state(ExchangeState::connecting);
  while (attempts_ > 0) {
    server_ = choose_server();
    if (server_ == nullptr) break;
    --attempts_;
    upstream_ = server_->take_idle();
    if (upstream_ == nullptr) upstream_ = server_->connect();
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

void Exchange::send_request() {
  set_state(ExchangeState::waiting);
  ++server_->counters().requests;
  sent_ns_ = worker_.loop().now_ns();
  on_upstream_progress();
  set_deadline();
  upstream_->codec().start(stream_, method_, framing_, upgrade_);
  if (!upstream_->put(head_.text())) return;  // the connection reports its end by itself
  if (framing_ == http::Framing::none) return;
  if (request_ended_) (void)upstream_->codec().send_end(stream_, {}, *upstream_);  // it had no content at all
  session_->resume_input();
}

// --- failure
// ------------------------------------------------------------------------------------------------

void Exchange::on_upstream_failed(UpstreamFailure failure, bool answered, bool fresh) {
  upstream_ = nullptr;  // gone already
  detach_upstream(false);
  const char* reason = reason_of(failure);
  // A pooled connection that closes under a request says nothing about the server's health.
  if (fresh || answered) server_->failed(reason);
  if (!answered && may_retry(fresh)) {
    if (!fresh) ++attempts_;  // nor is it an attempt the operator should pay for
    ++server_->counters().retries;
    dispatch();
    return;
  }
  fail(trigger_of(failure), reason);
}

// Only what cannot have been acted upon, or may be acted upon twice, is sent again (RFC 9110 section 9.2.2).
bool Exchange::may_retry(bool fresh) const noexcept {
  if (response_started_ || content_sent_ || (attempts_ == 0 && fresh)) return false;
  return state_ == ExchangeState::connecting || is_idempotent(method_);
}

void Exchange::detach_upstream(bool reusable) {
  if (server_active_) {
    server_active_ = false;
    --server_->active;
    --server_->counters().active;
  }
  UpstreamConnection* connection = upstream_;
  upstream_ = nullptr;
  if (connection == nullptr) return;
  if (reusable)
    connection->release();
  else
    connection->discard();
}

// The upstream's side is lost; the policy decides what the client sees. `none` cannot mean to leave it
// waiting.
void Exchange::fail(config::Trigger trigger, const char* reason) {
  session_->apply(trigger, reason);
  if (state_ != ExchangeState::finished && session_->state() != SessionState::tarpit) session_->cut();
}

bool Exchange::drainable(uint64_t limit_bytes) const noexcept {
  if (request_ended_ || framing_ == http::Framing::none) return true;
  // A client that waits for 100 (Continue) may or may not send its content after another answer.
  if (expects_continue_ && !content_sent_) return false;
  return framing_ == http::Framing::length && content_length_ - request_bytes_ <= limit_bytes;
}

Exchange::Deadline Exchange::deadline() const noexcept {
  const config::Route& route = view_->document().routes[route_];
  const config::UpstreamTimeouts& upstream = server_->timeouts();
  Deadline next;
  const auto at = [&next](uint64_t since_ms, uint32_t limit_ms, const char* reason) {
    if (limit_ms != 0 && since_ms + limit_ms < next.due_ms) next = {since_ms + limit_ms, reason};
  };
  at(started_ns_ / 1'000'000, route.timeouts.request_ms, "request_timeout");
  at(sent_ns_ / 1'000'000, route.timeouts.backend_request_ms, "backend_request_timeout");
  if (state_ == ExchangeState::responding)
    at(progress_ms_, upstream.idle_ms, "upstream_idle_timeout");
  else if (request_ended_)
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
  if (upstream_ != nullptr && upstream_->input_paused()) on_upstream_progress();
  const Deadline passed = deadline();
  if (passed.due_ms > worker_.loop().now_ms()) {
    set_deadline();
    return;
  }
  server_->failed(passed.reason);
  detach_upstream(false);
  fail(config::Trigger::upstream_timeout, passed.reason);
}

// --- the end
// ------------------------------------------------------------------------------------------------

void Exchange::abandon(const char* reason) {
  if (state_ == ExchangeState::finished) return;
  if (*reason_ == '\0') reason_ = reason;
  finish();
}

void Exchange::hold() {
  timer_.clear();
  detach_upstream(false);
}

void Exchange::finish() {
  timer_.clear();
  detach_upstream(false);
  set_state(ExchangeState::finished);
  head_ = net::Buffer();
  account();
  if (session_->access_logged()) log();
  Session* session = session_;
  worker_.end_exchange(*this);
  session->exchange_finished(*this);
}

std::string_view Exchange::route_name() const noexcept {
  return route_ == kNone ? std::string_view() : view_->document().routes[route_].name;
}

std::string_view Exchange::upstream_name() const noexcept {
  return upstream_index_ == kNone ? std::string_view() : view_->document().upstreams[upstream_index_].name;
}

}  // namespace mango::proxy
