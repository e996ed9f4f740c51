// SPDX-License-Identifier: Apache-2.0
// One read_* function an interface of src/proxy/snapshot.ts, in the same order; references last, when all is
// there.
#include "config/document.h"

#include <unordered_set>

#include "config/base64.h"
#include "config/json_reader.h"
#include "config/names.h"
#include "config/text_rules.h"
#include "http/message.h"

namespace mango::config {

namespace {

constexpr size_t kMaxListeners = 4096;
constexpr size_t kMaxTicketKeys = 64;
constexpr size_t kMaxAlpn = 16;
constexpr size_t kMaxMatchesPerRoute = 4096;
constexpr size_t kMaxNameMatches = 64;
constexpr uint32_t kMaxWeight = 1'000'000;
constexpr uint32_t kMaxBacklog = 1 << 20;
constexpr uint32_t kMinHeadBytes = 256;
constexpr uint32_t kMaxHeadBytes = 1 << 20;
constexpr uint32_t kMaxRetries = 100;

bool read_action(const Node& node, Action& out) {
  Object o(node);
  if (!(o.open() && o.choice("action", out.action, kActionKindNames) &&
        o.number("status", out.status, 0, 599) && o.number("delayMs", out.delay_ms) && o.close())) {
    return false;
  }
  return out.status == 0 || out.status >= 200 || node.fail("status: expected 0 or 200 to 599");
}

bool read_actions(const Node& node, std::array<Action, kTriggerCount>& out) {
  Object o(node);
  if (!o.open()) return false;
  for (size_t i = 0; i < kTriggerCount; ++i) {
    if (!o.object(kTriggerNames[i], out[i], read_action)) return false;
  }
  return o.close();
}

bool read_rate_limit(const Node& node, RateLimit& out) {
  Object o(node);
  return o.open() && o.number("requests", out.requests, 1) && o.number("perMs", out.per_ms, 1) &&
         o.number("burst", out.burst) && o.close();
}

bool read_policy(const Node& node, Policy& out) {
  Object o(node);
  return o.open() && o.text("name", out.name, kName) && o.object("actions", out.actions, read_actions) &&
         o.number("maxAgeMs", out.max_age_ms) && o.number("maxRequests", out.max_requests) &&
         o.nullable("rateLimit", out.rate_limit, read_rate_limit) &&
         o.texts("ipAllow", out.ip_allow, kCidr) && o.texts("ipDeny", out.ip_deny, kCidr) && o.close();
}

bool read_certificate(const Node& node, Certificate& out) {
  Object o(node);
  return o.open() && o.text("name", out.name, kName) && o.texts("hostnames", out.hostnames, kVisible) &&
         o.text("certPem", out.cert_pem, kPem) && o.text("keyPem", out.key_pem, kPem) && o.close();
}

bool read_tls_version(const Node& node, uint16_t& out) {
  constexpr std::array<std::string_view, 2> kNames{"1.2", "1.3"};
  uint16_t index = 0;
  if (!node.choice(index, kNames)) return false;
  out = index == 0 ? kTls12 : kTls13;
  return true;
}

bool read_client_auth(const Node& node, ListenerTls& out) {
  Object o(node);
  return o.open() && o.choice("mode", out.client_auth, kClientAuthNames) &&
         o.text("caPem", out.client_ca_pem, kOptionalPem) && o.close() &&
         (out.client_auth == ClientAuth::none || !out.client_ca_pem.empty() || node.fail("caPem is empty"));
}

bool read_index(const Node& node, uint32_t& out) {
  return node.number(out, 0, UINT32_MAX);
}

bool read_listener_tls(const Node& node, ListenerTls& out) {
  constexpr TextRule kAlpn{"a protocol name", 1, 255, is_visible};
  Object o(node);
  return o.open() && o.list("certificates", out.certificates, read_index, 1) &&
         o.object("minVersion", out.min_version, read_tls_version) &&
         o.text("groups", out.groups, kOptionalVisible) && o.texts("alpn", out.alpn, kAlpn, kMaxAlpn) &&
         o.object("clientAuth", out, read_client_auth) && o.close();
}

bool read_listener_timeouts(const Node& node, ListenerTimeouts& out) {
  Object o(node);
  return o.open() && o.number("handshakeMs", out.handshake_ms) &&
         o.number("requestHeadersMs", out.request_headers_ms) && o.number("bodyMs", out.body_ms) &&
         o.number("idleMs", out.idle_ms) &&
         o.number("minRateBytesPerSecond", out.min_rate_bytes_per_second) &&
         o.number("minRateGraceMs", out.min_rate_grace_ms) && o.number("writeMs", out.write_ms) && o.close();
}

bool read_listener_limits(const Node& node, ListenerLimits& out) {
  Object o(node);
  return o.open() && o.number("headBytes", out.head_bytes, kMinHeadBytes, kMaxHeadBytes) &&
         o.number("headFields", out.head_fields, 1, http::kMaxFields) &&
         o.boolean("allowEscapedSlashes", out.allow_escaped_slashes) && o.close();
}

bool read_listener(const Node& node, Listener& out) {
  Object o(node);
  return o.open() && o.text("name", out.name, kName) && o.text("host", out.host, kAddress) &&
         o.number("port", out.port) && o.number("backlog", out.backlog, 0, kMaxBacklog) &&
         o.nullable("tls", out.tls, read_listener_tls) && o.number("policy", out.policy) &&
         o.texts("trustedCidrs", out.trusted_cidrs, kCidr) &&
         o.object("timeouts", out.timeouts, read_listener_timeouts) &&
         o.object("limits", out.limits, read_listener_limits) && o.close();
}

bool read_modifier(const Node& node, Modifier& out) {
  Object o(node);
  return o.open() && o.list("set", out.set, read_field) && o.list("add", out.add, read_field) &&
         o.texts("remove", out.remove, kToken) && o.close();
}

bool read_path_modifier(const Node& node, PathModifier& out) {
  Object o(node);
  if (!(o.open() && o.choice("type", out.type, kPathModifierNames))) return false;
  const bool full = out.type == PathModifierType::replace_full_path;
  return o.text("value", out.value, full ? kFullPath : kPathPart) && o.close();
}

bool read_path_match(const Node& node, PathMatch& out) {
  Object o(node);
  if (!(o.open() && o.choice("type", out.type, kPathMatchNames))) return false;
  const bool pattern = out.type == PathMatchType::regular_expression;
  return o.text("value", out.value, pattern ? kPattern : kPath) && o.close();
}

bool read_name_match(const Node& node, NameMatch& out, const TextRule& name) {
  constexpr TextRule kValue{"text without control characters", 0, kMaxValueBytes, is_field_value};
  Object o(node);
  return o.open() && o.choice("type", out.type, kNameMatchNames) && o.text("name", out.name, name) &&
         o.text("value", out.value, kValue) && o.close();
}

bool read_match(const Node& node, Match& out) {
  const auto header = [](const Node& item, NameMatch& match) { return read_name_match(item, match, kToken); };
  const auto param = [](const Node& item, NameMatch& match) { return read_name_match(item, match, kName); };
  Object o(node);
  return o.open() && o.object("path", out.path, read_path_match) &&
         o.text("method", out.method, kOptionalToken) &&
         o.list("headers", out.headers, header, 0, kMaxNameMatches) &&
         o.list("queryParams", out.query_params, param, 0, kMaxNameMatches) && o.close();
}

bool read_redirect(const Node& node, Redirect& out) {
  constexpr std::array<std::string_view, 3> kSchemes{"", "http", "https"};
  constexpr std::array<uint16_t, 5> kStatuses{301, 302, 303, 307, 308};
  uint8_t scheme = 0;
  Object o(node);
  if (!(o.open() && o.choice("scheme", scheme, kSchemes) && o.text("hostname", out.hostname, kOptionalHost) &&
        o.number("port", out.port) && o.nullable("path", out.path, read_path_modifier) &&
        o.number("statusCode", out.status_code, 301, 308) && o.close())) {
    return false;
  }
  out.scheme = kSchemes[scheme];
  for (const uint16_t status : kStatuses) {
    if (out.status_code == status) return true;
  }
  return node.fail("statusCode: expected 301, 302, 303, 307 or 308");
}

bool read_rewrite(const Node& node, Rewrite& out) {
  Object o(node);
  return o.open() && o.text("hostname", out.hostname, kOptionalHost) &&
         o.nullable("path", out.path, read_path_modifier) && o.close();
}

bool read_backend(const Node& node, BackendRef& out) {
  Object o(node);
  return o.open() && o.number("upstream", out.upstream) && o.number("weight", out.weight, 0, kMaxWeight) &&
         o.close();
}

bool read_route_timeouts(const Node& node, RouteTimeouts& out) {
  Object o(node);
  return o.open() && o.number("requestMs", out.request_ms) &&
         o.number("backendRequestMs", out.backend_request_ms) && o.close();
}

bool read_retry(const Node& node, Retry& out) {
  Object o(node);
  return o.open() && o.number("attempts", out.attempts, 0, kMaxRetries) && o.close();
}

bool read_route_policy(const Node& node, int32_t& out) {
  int64_t wide = 0;
  if (!node.integer(wide, -1, INT32_MAX)) return false;
  out = static_cast<int32_t>(wide);
  return true;
}

bool read_route(const Node& node, Route& out) {
  Object o(node);
  return o.open() && o.text("name", out.name, kName) && o.list("listeners", out.listeners, read_index, 1) &&
         o.texts("hostnames", out.hostnames, kHostPattern) &&
         o.list("matches", out.matches, read_match, 1, kMaxMatchesPerRoute) &&
         o.nullable("requestModifier", out.request_modifier, read_modifier) &&
         o.nullable("responseModifier", out.response_modifier, read_modifier) &&
         o.nullable("redirect", out.redirect, read_redirect) &&
         o.nullable("rewrite", out.rewrite, read_rewrite) && o.list("backends", out.backends, read_backend) &&
         o.object("timeouts", out.timeouts, read_route_timeouts) &&
         o.object("retry", out.retry, read_retry) && o.object("policy", out.policy, read_route_policy) &&
         o.close();
}

bool read_server(const Node& node, Server& out) {
  Object o(node);
  return o.open() && o.text("key", out.key, kVisible) && o.text("host", out.host, kVisible) &&
         o.texts("endpoints", out.endpoints, kEndpoint) && o.number("weight", out.weight, 0, kMaxWeight) &&
         o.boolean("drain", out.drain) && o.close();
}

bool read_upstream_timeouts(const Node& node, UpstreamTimeouts& out) {
  Object o(node);
  return o.open() && o.number("connectMs", out.connect_ms) && o.number("responseMs", out.response_ms) &&
         o.number("idleMs", out.idle_ms) && o.close();
}

bool read_ejection(const Node& node, EjectionRule& out) {
  Object o(node);
  return o.open() && o.number("consecutiveFailures", out.consecutive_failures) &&
         o.number("baseMs", out.base_ms) && o.number("maxMs", out.max_ms) && o.close();
}

bool read_pool(const Node& node, Pool& out) {
  Object o(node);
  return o.open() && o.number("maxIdle", out.max_idle) && o.number("maxConnections", out.max_connections) &&
         o.close();
}

bool read_upstream(const Node& node, Upstream& out) {
  Object o(node);
  return o.open() && o.text("name", out.name, kName) && o.list("servers", out.servers, read_server) &&
         o.choice("loadBalancer", out.load_balancer, kLoadBalancerNames) &&
         o.object("timeouts", out.timeouts, read_upstream_timeouts) &&
         o.object("ejection", out.ejection, read_ejection) && o.object("pool", out.pool, read_pool) &&
         o.close();
}

bool read_limits(const Node& node, ProcessLimits& out) {
  Object o(node);
  return o.open() && o.number("maxSessions", out.max_sessions) &&
         o.number("maxBufferBytes", out.max_buffer_bytes) && o.number("maxTarpits", out.max_tarpits) &&
         o.number("drainMs", out.drain_ms) && o.close();
}

bool read_ticket_key(const Node& node, TicketKey& out) {
  const auto* text = node.value().get_ptr<const std::string*>();
  return (text != nullptr && decode_base64(*text, out)) || node.fail("expected 80 bytes in base64");
}

bool read_tickets(const Node& node, Tickets& out) {
  Object o(node);
  return o.open() && o.list("keys", out.keys, read_ticket_key, 0, kMaxTicketKeys) && o.close();
}

// References and names: what single parts cannot know.
class References {
 public:
  References(const Document& document, const Node& root) noexcept : document_(document), root_(root) {}

  [[nodiscard]] bool check() const {
    return unique(document_.certificates, "certificates") && unique(document_.policies, "policies") &&
           unique(document_.listeners, "listeners") && unique(document_.upstreams, "upstreams") &&
           each(document_.listeners, "listeners", &References::listener) &&
           each(document_.routes, "routes", &References::route);
  }

 private:
  [[nodiscard]] bool fail(std::string_view list, size_t index, std::string_view member,
                          const char* message) const {
    const Node at_list(root_.value(), root_, list);
    const Node at_entry(root_.value(), at_list, index);
    return Node(root_.value(), at_entry, member).fail(message);
  }

  template <typename Item>
  [[nodiscard]] bool unique(const std::vector<Item>& items, std::string_view list) const {
    std::unordered_set<std::string_view> seen;
    for (size_t i = 0; i < items.size(); ++i) {
      if (!seen.insert(items[i].name).second) return fail(list, i, "name", "the name is taken");
    }
    return true;
  }

  template <typename Item>
  [[nodiscard]] bool each(const std::vector<Item>& items, std::string_view list,
                          std::string_view (References::*culprit)(const Item&) const) const {
    for (size_t i = 0; i < items.size(); ++i) {
      const std::string_view member = (this->*culprit)(items[i]);
      if (!member.empty()) return fail(list, i, member, "refers to something that is not there");
    }
    return true;
  }

  // The member with a dangling reference, or nothing.
  [[nodiscard]] std::string_view listener(const Listener& listener) const {
    if (listener.policy >= document_.policies.size()) return "policy";
    if (!listener.tls) return {};
    for (const uint32_t index : listener.tls->certificates) {
      if (index >= document_.certificates.size()) return "tls";
    }
    return {};
  }
  [[nodiscard]] std::string_view route(const Route& route) const {
    for (const uint32_t index : route.listeners) {
      if (index >= document_.listeners.size()) return "listeners";
    }
    for (const BackendRef& backend : route.backends) {
      if (backend.upstream >= document_.upstreams.size()) return "backends";
    }
    const bool known = route.policy < 0 || static_cast<size_t>(route.policy) < document_.policies.size();
    return known ? std::string_view{} : "policy";
  }

  const Document& document_;
  const Node& root_;
};

bool read_snapshot(const Node& root, void* out) {
  Document& document = *static_cast<Document*>(out);
  Object o(root);
  return o.open() && o.number("generation", document.generation) &&
         o.object("limits", document.limits, read_limits) &&
         o.object("tickets", document.tickets, read_tickets) && o.boolean("accessLog", document.access_log) &&
         o.list("certificates", document.certificates, read_certificate) &&
         o.list("policies", document.policies, read_policy) &&
         o.list("listeners", document.listeners, read_listener, 0, kMaxListeners) &&
         o.list("routes", document.routes, read_route) &&
         o.list("upstreams", document.upstreams, read_upstream) && o.close() &&
         References(document, root).check();
}

}  // namespace

bool decode(std::string_view json, Document& out, DecodeError& error) {
  Document document;
  if (!read_document(json, &document, read_snapshot, error)) return false;
  out = std::move(document);
  return true;
}

}  // namespace mango::config
