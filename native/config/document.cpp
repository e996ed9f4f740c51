// SPDX-License-Identifier: Apache-2.0
// One read_* function an interface of src/proxy/snapshot.ts, in the same order (the large ones in files of
// their own, see parts.h); references last, when all is there.
#include "config/document.h"

#include <unordered_set>

#include "config/base64.h"
#include "config/names.h"
#include "config/parts.h"
#include "config/text_rules.h"

namespace mango::config {

namespace {

constexpr size_t kMaxListeners = 4096;
constexpr size_t kMaxTicketKeys = 64;

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
           each(document_.routes, "routes", &References::route) && each_route_has_one_kind();
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

  // A route leads requests or bytes somewhere; what changes or repeats a request means nothing to bytes.
  [[nodiscard]] bool each_route_has_one_kind() const {
    for (size_t i = 0; i < document_.routes.size(); ++i) {
      const Route& route = document_.routes[i];
      const bool http = speaks_http(route.listeners.front());
      for (const uint32_t index : route.listeners) {
        if (speaks_http(index) != http) return fail("routes", i, "listeners", "mixes HTTP and bytes");
      }
      if (!http && changes_requests(route)) return fail("routes", i, "listeners", "bytes have no requests");
    }
    return true;
  }
  [[nodiscard]] bool speaks_http(uint32_t listener) const {
    return document_.listeners[listener].mode == ListenerMode::http;
  }
  static bool changes_requests(const Route& route) {
    return route.request_modifier || route.response_modifier || route.redirect || route.rewrite;
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

bool read_index(const Node& node, uint32_t& out) {
  return node.number(out, 0, UINT32_MAX);
}

bool read_tls_version(const Node& node, uint16_t& out) {
  constexpr std::array<std::string_view, 2> kNames{"1.2", "1.3"};
  uint16_t index = 0;
  if (!node.choice(index, kNames)) return false;
  out = index == 0 ? kTls12 : kTls13;
  return true;
}

bool decode(std::string_view json, Document& out, DecodeError& error) {
  Document document;
  if (!read_document(json, &document, read_snapshot, error)) return false;
  out = std::move(document);
  return true;
}

}  // namespace mango::config
