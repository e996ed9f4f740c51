// SPDX-License-Identifier: Apache-2.0
// A configuration made ready to run: the decoded document with everything built from it. Immutable, shared by
// all workers, alive as long as any session or exchange uses it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/document.h"
#include "http/h1_parser.h"
#include "http/h2_limits.h"
#include "proxy/address_set.h"
#include "proxy/filters.h"
#include "proxy/rate_limit.h"
#include "proxy/router.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace mango::proxy {

struct SnapshotError {
  const char* code = "";  // SNAPSHOT_INVALID or CERTIFICATE_INVALID
  std::string message;
};

struct ListenerParts {
  std::unique_ptr<const tls::ServerContext> tls;  // null: plain
  AddressSet trusted;
  AddressSet proxies;  // who must send a PROXY header
  http::Http2Limits http2;
  http::HeadLimits head_limits;
};

struct PolicyParts {
  AddressSet allow;
  AddressSet deny;
  Rate rate;
  uint64_t rate_scope = 0;
  [[nodiscard]] bool admits(const Address& client) const noexcept {
    return !deny.contains(client) && (allow.empty() || allow.contains(client));
  }
};

struct RouteParts {
  http::FieldModifier request_modifier;
  http::FieldModifier response_modifier;
};

struct UpstreamParts {
  std::shared_ptr<const tls::ClientContext> tls;  // null: plain
};

class Snapshot {
 public:
  // TLS sessions with upstreams live on from the snapshot before, if there is one.
  [[nodiscard]] static std::shared_ptr<const Snapshot> build(std::string_view json, const Snapshot* before,
                                                             SnapshotError& error);

  config::Document document;
  std::unique_ptr<const Router> router;
  std::vector<ListenerParts> listeners;  // as document.listeners, and so on
  std::vector<PolicyParts> policies;
  std::vector<RouteParts> routes;
  std::vector<UpstreamParts> upstreams;

  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  Snapshot() = default;
  [[nodiscard]] bool build_tls(SnapshotError& error);
  [[nodiscard]] bool build_policies(SnapshotError& error);
  [[nodiscard]] bool build_upstreams(const Snapshot* before, SnapshotError& error);

  [[nodiscard]] const tls::ClientContext* client_tls(const std::string& upstream) const noexcept;

  std::vector<tls::KeyPair> pairs_;
  std::unique_ptr<const tls::TicketKeys> tickets_;
};

}  // namespace mango::proxy
