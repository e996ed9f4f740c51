// SPDX-License-Identifier: Apache-2.0
#include "proxy/snapshot.h"

#include <functional>

namespace mango::proxy {

std::shared_ptr<const Snapshot> Snapshot::build(std::string_view json, const Snapshot* before,
                                                SnapshotError& error) {
  std::shared_ptr<Snapshot> self(new Snapshot());
  config::DecodeError decode_error;
  error.code = "SNAPSHOT_INVALID";
  if (!config::decode(json, self->document, decode_error)) {
    error.message = decode_error.text();
    return nullptr;
  }
  self->router = Router::build(self->document, error.message);
  if (!self->router || !self->build_policies(error) || !self->build_tls(error) ||
      !self->build_upstreams(before, error))
    return nullptr;
  for (const config::Route& route : self->document.routes) {
    RouteParts parts;
    if (route.request_modifier) parts.request_modifier = to_field_modifier(*route.request_modifier);
    if (route.response_modifier) parts.response_modifier = to_field_modifier(*route.response_modifier);
    self->routes.push_back(std::move(parts));
  }
  return self;
}

bool Snapshot::build_policies(SnapshotError& error) {
  size_t culprit = 0;
  for (const config::Policy& policy : document.policies) {
    PolicyParts parts;
    if (!parts.allow.build(policy.ip_allow, culprit) || !parts.deny.build(policy.ip_deny, culprit)) {
      error.message = "policy \"" + policy.name + "\": not an address or network";
      return false;
    }
    if (policy.rate_limit) parts.rate = Rate::from(*policy.rate_limit);
    parts.rate_scope = std::hash<std::string>{}(policy.name);
    policies.push_back(std::move(parts));
  }
  return true;
}

bool Snapshot::build_tls(SnapshotError& error) {
  error.code = "CERTIFICATE_INVALID";
  for (const config::Certificate& certificate : document.certificates) {
    tls::KeyPair pair;
    if (!tls::KeyPair::parse(certificate, pair, error.message)) return false;
    pairs_.push_back(std::move(pair));
  }
  tickets_ = std::make_unique<tls::TicketKeys>(document.tickets.keys);
  for (const config::Listener& listener : document.listeners) {
    ListenerParts parts;
    size_t culprit = 0;
    if (!parts.trusted.build(listener.trusted_cidrs, culprit) ||
        !parts.proxies.build(listener.proxy_protocol_cidrs, culprit)) {
      error = {"SNAPSHOT_INVALID", "listener \"" + listener.name + "\": not an address or network"};
      return false;
    }
    parts.head_limits = {.head_bytes = listener.limits.head_bytes,
                         .fields = listener.limits.head_fields,
                         .allow_escaped_slashes = listener.limits.allow_escaped_slashes};
    parts.http2 = {.max_concurrent_streams = listener.http2.max_concurrent_streams,
                   .stream_window_bytes = listener.http2.stream_window_bytes,
                   .connection_window_bytes = listener.http2.connection_window_bytes,
                   .reset_burst = listener.http2.reset_burst,
                   .resets_per_second = listener.http2.resets_per_second,
                   .control_burst = listener.http2.control_burst,
                   .controls_per_second = listener.http2.controls_per_second};
    if (listener.tls) {
      parts.tls = tls::ServerContext::build(document, *listener.tls, pairs_, *tickets_, error.message);
      if (!parts.tls) {
        error.message = "listener \"" + listener.name + "\": " + error.message;
        return false;
      }
    }
    listeners.push_back(std::move(parts));
  }
  return true;
}

bool Snapshot::build_upstreams(const Snapshot* before, SnapshotError& error) {
  error.code = "CERTIFICATE_INVALID";
  for (const config::Upstream& upstream : document.upstreams) {
    UpstreamParts parts;
    if (upstream.tls) {
      std::unique_ptr<tls::ClientContext> context =
          tls::ClientContext::build(*upstream.tls, upstream.protocol, error.message);
      if (!context) {
        error.message = "upstream \"" + upstream.name + "\": " + error.message;
        return false;
      }
      if (const tls::ClientContext* earlier = before == nullptr ? nullptr : before->client_tls(upstream.name))
        context->adopt_sessions(*earlier);
      parts.tls = std::move(context);
    }
    upstreams.push_back(std::move(parts));
  }
  return true;
}

const tls::ClientContext* Snapshot::client_tls(const std::string& upstream) const noexcept {
  for (size_t i = 0; i < upstreams.size(); ++i)
    if (document.upstreams[i].name == upstream) return upstreams[i].tls.get();
  return nullptr;
}

}  // namespace mango::proxy
