// SPDX-License-Identifier: Apache-2.0
// An upstream of the snapshot: servers, how they are spoken to, and when one is left alone.
#include "config/names.h"
#include "config/parts.h"
#include "config/text_rules.h"

namespace mango::config {

namespace {

constexpr size_t kMaxAltNames = 256;

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

bool check_upstream_tls(const Node& node, const UpstreamTls& tls) {
  if (tls.verify && tls.ca_pem.empty()) return node.fail("verify: nobody can be believed without caPem");
  if (!tls.verify && !tls.alt_names.empty()) return node.fail("altNames: pinned, but not verified");
  return tls.cert_pem.empty() == tls.key_pem.empty() || node.fail("certPem and keyPem belong together");
}

bool read_upstream_tls(const Node& node, UpstreamTls& out) {
  Object o(node);
  return o.open() && o.boolean("verify", out.verify) && o.text("caPem", out.ca_pem, kOptionalPem) &&
         o.text("serverName", out.server_name, kOptionalHost) &&
         o.texts("altNames", out.alt_names, kVisible, kMaxAltNames) &&
         o.text("certPem", out.cert_pem, kOptionalPem) && o.text("keyPem", out.key_pem, kOptionalPem) &&
         o.object("minVersion", out.min_version, read_tls_version) && o.close() &&
         check_upstream_tls(node, out);
}

bool read_upstream_http2(const Node& node, UpstreamHttp2& out) {
  Object o(node);
  return o.open() && o.number("maxConcurrentStreams", out.max_concurrent_streams, 1, kMaxStreams) &&
         o.number("streamWindowBytes", out.stream_window_bytes, kMinWindowBytes, kMaxWindowBytes) &&
         o.number("connectionWindowBytes", out.connection_window_bytes, kMinWindowBytes, kMaxWindowBytes) &&
         o.close();
}

}  // namespace

bool read_upstream(const Node& node, Upstream& out) {
  Object o(node);
  if (!(o.open() && o.text("name", out.name, kName) &&
        o.choice("protocol", out.protocol, kUpstreamProtocolNames) &&
        o.nullable("tls", out.tls, read_upstream_tls) && o.object("http2", out.http2, read_upstream_http2) &&
        o.choice("proxyProtocol", out.proxy_protocol, kProxyProtocolNames) &&
        o.list("servers", out.servers, read_server) &&
        o.choice("loadBalancer", out.load_balancer, kLoadBalancerNames) &&
        o.object("timeouts", out.timeouts, read_upstream_timeouts) &&
        o.object("ejection", out.ejection, read_ejection) && o.object("pool", out.pool, read_pool) &&
        o.close())) {
    return false;
  }
  return out.protocol != UpstreamProtocol::automatic || out.tls ||
         node.fail("protocol: auto needs tls, for ALPN decides");
}

}  // namespace mango::config
