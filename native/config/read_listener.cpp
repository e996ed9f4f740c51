// SPDX-License-Identifier: Apache-2.0
// A listener of the snapshot: where sessions come in and which codec they may ask for.
#include <algorithm>

#include "config/names.h"
#include "config/parts.h"
#include "config/text_rules.h"
#include "http/message.h"

namespace mango::config {

namespace {

constexpr size_t kMaxAlpn = 16;
constexpr uint32_t kMaxBacklog = 1 << 20;
constexpr uint32_t kMinHeadBytes = 256;
constexpr uint32_t kMaxHeadBytes = 1 << 20;
constexpr uint32_t kMaxBudget = 1'000'000;  // of a token bucket

bool read_client_auth(const Node& node, ListenerTls& out) {
  Object o(node);
  return o.open() && o.choice("mode", out.client_auth, kClientAuthNames) &&
         o.text("caPem", out.client_ca_pem, kOptionalPem) && o.close() &&
         (out.client_auth == ClientAuth::none || !out.client_ca_pem.empty() || node.fail("caPem is empty"));
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
         o.number("minRateGraceMs", out.min_rate_grace_ms) && o.number("writeMs", out.write_ms) &&
         o.number("tunnelIdleMs", out.tunnel_idle_ms) && o.close();
}

bool read_listener_limits(const Node& node, ListenerLimits& out) {
  Object o(node);
  return o.open() && o.number("headBytes", out.head_bytes, kMinHeadBytes, kMaxHeadBytes) &&
         o.number("headFields", out.head_fields, 1, http::kMaxFields) &&
         o.boolean("allowEscapedSlashes", out.allow_escaped_slashes) && o.close();
}

bool read_listener_http2(const Node& node, ListenerHttp2& out) {
  Object o(node);
  return o.open() && o.boolean("enabled", out.enabled) &&
         o.number("maxConcurrentStreams", out.max_concurrent_streams, 1, kMaxStreams) &&
         o.number("streamWindowBytes", out.stream_window_bytes, kMinWindowBytes, kMaxWindowBytes) &&
         o.number("connectionWindowBytes", out.connection_window_bytes, kMinWindowBytes, kMaxWindowBytes) &&
         o.number("resetBurst", out.reset_burst, 1, kMaxBudget) &&
         o.number("resetsPerSecond", out.resets_per_second, 1, kMaxBudget) &&
         o.number("controlBurst", out.control_burst, 1, kMaxBudget) &&
         o.number("controlsPerSecond", out.controls_per_second, 1, kMaxBudget) && o.close();
}

// What a codec could not be made for: each mode has its own kind of first byte.
bool check_mode(const Node& node, const Listener& listener) {
  if (listener.mode == ListenerMode::tls_passthrough && listener.tls) {
    return node.fail("tls: a listener that passes TLS through ends none");
  }
  if (!listener.http2.enabled) return true;
  return listener.mode == ListenerMode::http || node.fail("http2: enabled on a listener that forwards bytes");
}

bool check_alpn(const Node& node, const Listener& listener) {
  if (listener.mode != ListenerMode::http || !listener.tls || listener.http2.enabled) return true;
  const auto& alpn = listener.tls->alpn;
  return std::find(alpn.begin(), alpn.end(), "h2") == alpn.end() ||
         node.fail("tls: alpn offers h2, which is not enabled");
}

}  // namespace

bool read_listener(const Node& node, Listener& out) {
  Object o(node);
  return o.open() && o.text("name", out.name, kName) && o.choice("mode", out.mode, kListenerModeNames) &&
         o.text("host", out.host, kAddress) && o.number("port", out.port) &&
         o.number("backlog", out.backlog, 0, kMaxBacklog) && o.nullable("tls", out.tls, read_listener_tls) &&
         o.number("policy", out.policy) && o.texts("trustedCidrs", out.trusted_cidrs, kCidr) &&
         o.texts("proxyProtocolCidrs", out.proxy_protocol_cidrs, kCidr) &&
         o.object("http2", out.http2, read_listener_http2) &&
         o.object("timeouts", out.timeouts, read_listener_timeouts) &&
         o.object("limits", out.limits, read_listener_limits) && o.close() && check_mode(node, out) &&
         check_alpn(node, out);
}

}  // namespace mango::config
