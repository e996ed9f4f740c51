// SPDX-License-Identifier: Apache-2.0
// The course of an exchange: admission, routing, dispatch, failure. Content and responses: exchange_flow.cpp;
// counters and the access log: exchange_account.cpp.
#include "proxy/exchange.h"

#include <algorithm>
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

// In milliseconds, rounded up; 0 if it is none.
uint32_t parse_grpc_timeout_ms(std::string_view text) noexcept {
  constexpr size_t kMaxDigits = 8;
  if (text.size() < 2 || text.size() > kMaxDigits + 1) return 0;
  uint64_t value = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return 0;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  const auto bounded = [](uint64_t ms) {
    return static_cast<uint32_t>(std::clamp<uint64_t>(ms, 1, UINT32_MAX));
  };
  switch (text.back()) {
    case 'H':
      return bounded(value * 3'600'000);
    case 'M':
      return bounded(value * 60'000);
    case 'S':
      return bounded(value * 1000);
    case 'm':
      return bounded(value);
    case 'u':
      return bounded((value + 999) / 1000);
    case 'n':
      return bounded((value + 999'999) / 1'000'000);
    default:
      return 0;
  }
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
  stream_ = up_ = nullptr;
  upstream_ = nullptr;
  server_ = nullptr;
  head_ = net::Buffer();
  note_ = net::Buffer();
  timer_.clear();
  started_ns_ = sent_ns_ = answered_ns_ = progress_ms_ = moved_ms_ = stalled_ms_ = excused_ms_ = 0;
  rate_mark_ms_ = rate_mark_bytes_ = request_bytes_ = response_bytes_ = content_length_ = tried_ = 0;
  reason_ = "";
  match_ = RouteMatch();
  route_ = upstream_index_ = kNone;
  policy_ = attempts_ = grpc_timeout_ms_ = 0;
  grpc_status_ = -1;
  status_ = held_status_ = 0;
  moves_ = request_id_bytes_ = 0;
  upgrade_ = bytes_ = grpc_ = held_ = answered_ = request_paused_ = expects_continue_ = server_active_ =
      request_ended_ = content_sent_ = response_started_ = upstream_ended_ = false;
}

void Exchange::start(Session& session, http::Stream& stream, http::RequestHead& head) {
  set_state(ExchangeState::routing);
  session_ = &session;
  stream_ = &stream;
  view_ = session.listener().view();  // a removed listener keeps the last view that had it
  started_ns_ = worker_.loop().now_ns();
  moved_ms_ = rate_mark_ms_ = worker_.loop().now_ms();
  policy_ = session.listener_config().policy;
  method_ = head.method;
  upgrade_ = !head.upgrade.empty();
  framing_ = upgrade_ ? http::Framing::none : head.framing;  // a tunnel's content waits for the tunnel
  request_ended_ = head.framing == http::Framing::none && !upgrade_;
  content_length_ = head.content_length;
  expects_continue_ = head.expect_continue;
  note_grpc(head);
  choose_request_id(head);
  if (session.access_logged()) note_request(head);
  if (admit(head) && route(head) && check_policy()) prepare(head);
}

void Exchange::start_bytes(Session& session, http::Stream& stream, std::string_view server_name) {
  set_state(ExchangeState::routing);
  session_ = &session;
  stream_ = &stream;
  view_ = session.listener().view();
  started_ns_ = worker_.loop().now_ns();
  moved_ms_ = rate_mark_ms_ = worker_.loop().now_ms();
  policy_ = session.listener_config().policy;
  bytes_ = true;
  worker_.make_request_id(request_id_.data());
  request_id_bytes_ = kRequestIdBytes;
  http::RequestHead& head = worker_.heads().request;
  head.clear();
  head.host = head.authority = server_name;
  head.path = head.target = "/";
  if (session.access_logged()) note_connection();
  if (!route(head) || !check_policy() || !choose_upstream()) return;
  dispatch();
}

// gRPC's deadline (gRPC over HTTP/2, "Timeout"): at most eight digits and a unit.
void Exchange::note_grpc(const http::RequestHead& head) noexcept {
  constexpr std::string_view kType = "application/grpc";
  const http::Field* type = head.fields.find("content-type");
  if (type == nullptr || !type->value.starts_with(kType)) return;
  const std::string_view rest = type->value.substr(kType.size());
  grpc_ = rest.empty() || rest.front() == '+' || rest.front() == ';';
  const http::Field* timeout = grpc_ ? head.fields.find("grpc-timeout") : nullptr;
  if (timeout != nullptr) grpc_timeout_ms_ = parse_grpc_timeout_ms(timeout->value);
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
  if (!parts.admits(session_->client()) && session_->apply(config::Trigger::denied, "address_denied", this))
    return false;
  if (!worker_.bans().empty()) {
    const config::Ban* ban = worker_.bans().route(route_name(), worker_.unix_ms());
    if (ban != nullptr && session_->apply_ban(*ban, this)) return false;
  }
  if (parts.rate.interval_us == 0) return true;
  RateLimiter& limiter = worker_.shared().rate_limiter;
  if (limiter.admit(limiter.key(session_->client(), parts.rate_scope), worker_.loop().now_ns(), parts.rate))
    return true;
  return !session_->apply(config::Trigger::rate_limited, "rate_limited", this);
}

void Exchange::prepare(http::RequestHead& head) {
  if (view_->document().routes[route_].redirect) {
    redirect(head);
    return;
  }
  if (choose_upstream() && serialise(head)) dispatch();
}

bool Exchange::choose_upstream() {
  const config::Route& route = view_->document().routes[route_];
  const int backend = view_->backends[route_].pick();
  if (backend == Balancer::kNone) {
    (void)answer(503, "no_backend");
    return false;
  }
  upstream_index_ = route.backends[static_cast<size_t>(backend)].upstream;
  attempts_ = route.retry.attempts + 1;
  return true;
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

  // RFC 8441 section 5.1: HTTP/2 has no use for the key that HTTP/1.1's handshake needs.
  const bool needs_key = upgrade_ && head.version == http::Version::http2;
  if (needs_key) make_websocket_key();
  const RouteParts& parts = view_->snapshot->routes[route_];
  char memory[kRequestHeadBytes];
  http::HeadWriter out(memory);
  write_request_head(
      out, head,
      {.target = target.text(),
       .host = host,
       .client_address = session_->client_text(),
       .proto = session_->secure() ? "https" : "http",
       .original_host = head.authority,
       .request_id = {request_id_.data(), request_id_bytes_},
       .trusted = session_->trusted(),
       .upgrade = upgrade_,
       .websocket_key =
           needs_key ? std::string_view(websocket_key_.data(), websocket_key_.size()) : std::string_view(),
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
  request_id_bytes_ = kRequestIdBytes;
}

// RFC 6455 section 4.1; no secret, it only shows that a WebSocket server answered and nobody's cache.
void Exchange::make_websocket_key() noexcept {
  char random[32];
  worker_.make_request_id(random);
  // 22 characters of hexadecimal are base64, too: 132 bits, of which the last one's low four must be zero.
  std::memcpy(websocket_key_.data(), random, 21);
  std::memcpy(websocket_key_.data() + 21, "A==", 3);
}

// --- finding a server
// ---------------------------------------------------------------------------------------

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
  UpstreamConnection* full = upstream_;
  if (upgrade_ && !full->codec().tunnels()) {
    detach_upstream();
    fail(config::Trigger::upstream_connect_error, "upstream_without_extended_connect");
    return;
  }
  detach_upstream();
  on_upstream_full();
}

// --- failure
// ------------------------------------------------------------------------------------------------

void Exchange::on_upstream_failed(UpstreamFailure failure, bool fresh, const char* reason) {
  if (state_ == ExchangeState::finished || state_ == ExchangeState::unused) return;
  if (reason == nullptr) reason = reason_of(failure);
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

bool Exchange::drainable(uint64_t limit_bytes) const noexcept {
  if (request_ended_ || framing_ == http::Framing::none) return true;
  // A client that waits for 100 (Continue) may or may not send its content after another answer.
  if (expects_continue_ && !content_sent_) return false;
  return framing_ == http::Framing::length && content_length_ - request_bytes_ <= limit_bytes;
}

// --- deadlines
// ----------------------------------------------------------------------------------------------

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

// --- the end
// ------------------------------------------------------------------------------------------------

void Exchange::abandon(const char* reason) {
  if (state_ == ExchangeState::finished) return;
  if (*reason_ == '\0') reason_ = reason;
  finish();
}

void Exchange::hold() {
  timer_.clear();
  detach_upstream();
}

void Exchange::hold_for(uint32_t delay_ms, uint16_t status, const char* reason) {
  hold();
  held_ = true;
  held_status_ = status;
  reason_ = reason;
  worker_.loop().timers().set(timer_, delay_ms);
}

void Exchange::finish() {
  if (held_) worker_.shared().tarpits.fetch_sub(1, std::memory_order_relaxed);
  held_ = false;
  timer_.clear();
  detach_upstream();
  set_state(ExchangeState::finished);
  head_ = net::Buffer();
  account();
  if (session_->access_logged()) log();
  Session* session = session_;
  worker_.end_exchange(*this);
  session->exchange_finished(*this);
}

net::Endpoint Exchange::client() const {
  return session_->client_endpoint();
}

net::Endpoint Exchange::local() const {
  return session_->local_endpoint();
}

std::string_view Exchange::unique_id() const noexcept {
  const std::string_view given = session_->unique_id();
  return given.empty() ? std::string_view(request_id_.data(), request_id_bytes_) : given;
}

std::string_view Exchange::route_name() const noexcept {
  return route_ == kNone ? std::string_view() : view_->document().routes[route_].name;
}

std::string_view Exchange::upstream_name() const noexcept {
  return upstream_index_ == kNone ? std::string_view() : view_->document().upstreams[upstream_index_].name;
}

}  // namespace mango::proxy
