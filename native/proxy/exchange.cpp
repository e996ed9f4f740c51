// SPDX-License-Identifier: Apache-2.0
// The course of an exchange: admission, routing, its end. Servers and their failures: exchange_upstream.cpp;
// content and responses: exchange_flow.cpp; time: exchange_deadlines.cpp; counters and the access log:
// exchange_account.cpp.
#include "proxy/exchange.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "proxy/session.h"

namespace mango::proxy {

namespace {

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

bool Exchange::drainable(uint64_t limit_bytes) const noexcept {
  if (request_ended_ || framing_ == http::Framing::none) return true;
  // A client that waits for 100 (Continue) may or may not send its content after another answer.
  if (expects_continue_ && !content_sent_) return false;
  return framing_ == http::Framing::length && content_length_ - request_bytes_ <= limit_bytes;
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
