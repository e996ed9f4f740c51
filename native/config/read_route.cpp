// SPDX-License-Identifier: Apache-2.0
// A route of the snapshot: what it matches, what it changes, where it leads.
#include "config/names.h"
#include "config/parts.h"
#include "config/text_rules.h"

namespace mango::config {

namespace {

constexpr size_t kMaxMatchesPerRoute = 4096;
constexpr size_t kMaxNameMatches = 64;
constexpr uint32_t kMaxRetries = 100;

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

}  // namespace

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

}  // namespace mango::config
