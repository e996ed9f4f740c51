// SPDX-License-Identifier: Apache-2.0
// The snapshot in C++: plain structs that mirror src/proxy/snapshot.ts one to one, and the decoder that makes
// them.
//
// The control plane validates what the operator wrote; this checks types, ranges, references and text that
// ends up on the wire once more, for a mistake on the other side must be a refused snapshot and never a crash
// or an injected field. Unknown members are refused too: the two halves then disagree about what a snapshot
// is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mango::config {

// The order is that of src/proxy/snapshot.ts.
enum class Trigger : uint8_t {
  handshake_timeout,
  handshake_error,
  header_timeout,
  body_timeout,
  min_rate,
  idle,
  max_age,
  max_requests,
  protocol_error,
  upstream_connect_error,
  upstream_reset,
  upstream_timeout,
  client_abort,
  rate_limited,
  denied,
  overload,
  drain,
  device_reset,
};
inline constexpr size_t kTriggerCount = 18;

enum class ActionKind : uint8_t { none, close, reset, abort, respond, tarpit, goaway, refuse_stream };
inline constexpr size_t kActionKindCount = 8;

enum class ClientAuth : uint8_t { none, optional, require };
enum class PathModifierType : uint8_t { replace_full_path, replace_prefix_match };
enum class PathMatchType : uint8_t { exact, path_prefix, regular_expression };
enum class NameMatchType : uint8_t { exact, regular_expression };
enum class LoadBalancer : uint8_t { round_robin, least_request };
// What a listener does with a connection: HTTP of any version, bytes (after TLS, if it has any), or bytes
// routed by the name in a ClientHello that is passed on untouched.
enum class ListenerMode : uint8_t { http, tcp, tls_passthrough };
enum class UpstreamProtocol : uint8_t { http1, http2, automatic };  // automatic: by ALPN
enum class ProxyProtocol : uint8_t { none, v1, v2 };
enum class BanBy : uint8_t { client, sni, route };

// The names used in JSON ("handshakeTimeout", "refuseStream", "PathPrefix", ...).
[[nodiscard]] std::string_view to_string(Trigger value) noexcept;
[[nodiscard]] std::string_view to_string(ActionKind value) noexcept;
[[nodiscard]] std::string_view to_string(ClientAuth value) noexcept;
[[nodiscard]] std::string_view to_string(PathModifierType value) noexcept;
[[nodiscard]] std::string_view to_string(PathMatchType value) noexcept;
[[nodiscard]] std::string_view to_string(NameMatchType value) noexcept;
[[nodiscard]] std::string_view to_string(LoadBalancer value) noexcept;
[[nodiscard]] std::string_view to_string(ListenerMode value) noexcept;
[[nodiscard]] std::string_view to_string(UpstreamProtocol value) noexcept;
[[nodiscard]] std::string_view to_string(ProxyProtocol value) noexcept;
[[nodiscard]] std::string_view to_string(BanBy value) noexcept;

// TLS versions as on the wire, which is also how OpenSSL numbers them.
inline constexpr uint16_t kTls12 = 0x0303;
inline constexpr uint16_t kTls13 = 0x0304;

// A ticket key: name, AES key and MAC key, as OpenSSL's ticket callback wants them.
inline constexpr size_t kTicketKeyBytes = 80;
using TicketKey = std::array<uint8_t, kTicketKeyBytes>;

struct Action {
  ActionKind action = ActionKind::none;
  uint16_t status = 0;    // 0 = the trigger's usual status
  uint32_t delay_ms = 0;  // for tarpit
};

struct RateLimit {
  uint32_t requests = 0;
  uint32_t per_ms = 0;
  uint32_t burst = 0;
};

struct Policy {
  std::string name;
  std::array<Action, kTriggerCount> actions{};
  uint64_t max_age_ms = 0;
  uint64_t max_requests = 0;
  std::optional<RateLimit> rate_limit;
  std::vector<std::string> ip_allow;  // CIDRs; empty = everybody
  std::vector<std::string> ip_deny;
  [[nodiscard]] const Action& action(Trigger trigger) const noexcept {
    return actions[static_cast<size_t>(trigger)];
  }
};

struct Certificate {
  std::string name;
  std::vector<std::string> hostnames;
  std::string cert_pem;
  std::string key_pem;  // secret
};

struct ListenerTls {
  std::vector<uint32_t> certificates;  // the first is the default one
  uint16_t min_version = kTls12;
  std::string groups;
  std::vector<std::string> alpn;
  ClientAuth client_auth = ClientAuth::none;
  std::string client_ca_pem;
};

struct ListenerTimeouts {
  uint32_t handshake_ms = 0;
  uint32_t request_headers_ms = 0;
  uint32_t body_ms = 0;
  uint32_t idle_ms = 0;
  uint32_t min_rate_bytes_per_second = 0;
  uint32_t min_rate_grace_ms = 0;
  uint32_t write_ms = 0;
  uint32_t tunnel_idle_ms = 0;  // WebSocket, tcp and tls: no byte in either direction
};

struct ListenerLimits {
  uint32_t head_bytes = 0;
  uint16_t head_fields = 0;
  bool allow_escaped_slashes = false;
};

// HTTP/2 (RFC 9113), where a listener speaks it: see http/h2_limits.h for what the numbers mean.
struct ListenerHttp2 {
  bool enabled = false;
  uint32_t max_concurrent_streams = 0;
  uint32_t stream_window_bytes = 0;
  uint32_t connection_window_bytes = 0;
  uint32_t reset_burst = 0;
  uint32_t resets_per_second = 0;
  uint32_t control_burst = 0;
  uint32_t controls_per_second = 0;
};

struct Listener {
  std::string name;
  ListenerMode mode = ListenerMode::http;
  std::string host;
  uint16_t port = 0;
  uint32_t backlog = 0;
  std::optional<ListenerTls> tls;
  uint32_t policy = 0;
  std::vector<std::string> trusted_cidrs;
  std::vector<std::string> proxy_protocol_cidrs;  // who must send a PROXY header; empty = nobody
  ListenerHttp2 http2;
  ListenerTimeouts timeouts;
  ListenerLimits limits;
};

struct Modifier {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;
  std::vector<std::string> remove;
};

struct PathModifier {
  PathModifierType type = PathModifierType::replace_full_path;
  std::string value;
};

struct NameMatch {
  NameMatchType type = NameMatchType::exact;
  std::string name;
  std::string value;
};

struct PathMatch {
  PathMatchType type = PathMatchType::path_prefix;
  std::string value;
};

struct Match {
  PathMatch path;
  std::string method;  // "" = any
  std::vector<NameMatch> headers;
  std::vector<NameMatch> query_params;
};

struct Redirect {
  std::string scheme;    // "" = as the request's
  std::string hostname;  // "" = as the request's
  uint16_t port = 0;     // 0 = derived, see proxy/filters.h
  std::optional<PathModifier> path;
  uint16_t status_code = 302;
};

struct Rewrite {
  std::string hostname;  // "" = unchanged
  std::optional<PathModifier> path;
};

struct BackendRef {
  uint32_t upstream = 0;
  uint32_t weight = 0;
};

struct RouteTimeouts {
  uint32_t request_ms = 0;
  uint32_t backend_request_ms = 0;
};

struct Retry {
  uint32_t attempts = 0;  // further attempts after the first
};

struct Route {
  std::string name;
  std::vector<uint32_t> listeners;
  std::vector<std::string> hostnames;  // lower case; exact, "*.suffix", or empty = any
  std::vector<Match> matches;
  std::optional<Modifier> request_modifier;
  std::optional<Modifier> response_modifier;
  std::optional<Redirect> redirect;
  std::optional<Rewrite> rewrite;
  std::vector<BackendRef> backends;
  RouteTimeouts timeouts;
  Retry retry;
  int32_t policy = -1;  // -1 = the listener's
};

struct Server {
  std::string key;
  std::string host;
  std::vector<std::string> endpoints;  // empty while unresolved
  uint32_t weight = 1;
  bool drain = false;
};

struct UpstreamTimeouts {
  uint32_t connect_ms = 0;
  uint32_t response_ms = 0;
  uint32_t idle_ms = 0;
};

struct EjectionRule {
  uint32_t consecutive_failures = 0;  // 0 = never
  uint32_t base_ms = 0;
  uint32_t max_ms = 0;
};

struct Pool {
  uint32_t max_idle = 0;
  uint32_t max_connections = 0;
};

// TLS towards the servers of an upstream. Verification needs an authority and a name, and cannot be half on.
struct UpstreamTls {
  bool verify = true;
  std::string ca_pem;                  // the authorities that are believed
  std::string server_name;             // for SNI and verification; "" = the server's own host
  std::vector<std::string> alt_names;  // pinned: one of them must be in the certificate
  std::string cert_pem;                // of the client; "" = none
  std::string key_pem;                 // secret
  uint16_t min_version = kTls12;
  [[nodiscard]] bool operator==(const UpstreamTls&) const = default;
};

struct UpstreamHttp2 {
  uint32_t max_concurrent_streams = 0;  // of our own on one connection; the peer's limit counts, too
  uint32_t stream_window_bytes = 0;
  uint32_t connection_window_bytes = 0;
  [[nodiscard]] bool operator==(const UpstreamHttp2&) const = default;
};

struct Upstream {
  std::string name;
  UpstreamProtocol protocol = UpstreamProtocol::http1;
  std::optional<UpstreamTls> tls;
  UpstreamHttp2 http2;
  ProxyProtocol proxy_protocol = ProxyProtocol::none;  // sent first on every connection
  std::vector<Server> servers;
  LoadBalancer load_balancer = LoadBalancer::round_robin;
  UpstreamTimeouts timeouts;
  EjectionRule ejection;
  Pool pool;
};

struct ProcessLimits {
  uint32_t max_sessions = 0;
  uint64_t max_buffer_bytes = 0;
  uint32_t max_tarpits = 0;
  uint32_t drain_ms = 0;
};

struct Tickets {
  std::vector<TicketKey> keys;  // secret; newest first; empty = no tickets
};

struct Document {
  uint64_t generation = 0;
  ProcessLimits limits;
  Tickets tickets;
  bool access_log = false;
  std::vector<Certificate> certificates;
  std::vector<Policy> policies;
  std::vector<Listener> listeners;
  std::vector<Route> routes;
  std::vector<Upstream> upstreams;
};

struct Ban {
  BanBy by = BanBy::client;
  std::string value;
  ActionKind action = ActionKind::none;
  uint16_t status = 0;
  uint64_t until_ms = 0;  // Unix time
};

// Every given member must match (src/proxy/sessions.ts).
struct SessionSelector {
  std::optional<uint64_t> id;
  std::optional<std::string> client;  // address or CIDR
  std::optional<std::string> sni;
  std::optional<std::string> route;
  std::optional<std::string> upstream;
  std::optional<std::string> listener;
  std::optional<uint64_t> older_than_ms;
  std::optional<uint32_t> limit;  // when listing
  // Without regard to `limit`: that selects nothing by itself.
  [[nodiscard]] bool empty() const noexcept {
    return !id && !client && !sni && !route && !upstream && !listener && !older_than_ms;
  }
};

// What `explain` of the addon is asked.
struct ExplainRequest {
  std::string listener;  // its name; "" = the first one of the URL's scheme
  std::string method;
  std::string url;  // absolute ("https://example.org/path?query")
  std::vector<std::pair<std::string, std::string>> headers;
};

// Where the first mistake is and what it is. Never quotes a value: values may be secrets.
struct DecodeError {
  std::string path;  // JSON pointer: "/routes/0/matches/1/path/value"
  std::string message;
  [[nodiscard]] std::string text() const { return path.empty() ? message : path + ": " + message; }
};

// No exceptions escape from any of these; on failure `out` is left as it was.
[[nodiscard]] bool decode(std::string_view json, Document& out, DecodeError& error);
[[nodiscard]] bool decode_bans(std::string_view json, std::vector<Ban>& out, DecodeError& error);
[[nodiscard]] bool decode_selector(std::string_view json, SessionSelector& out, DecodeError& error);
[[nodiscard]] bool decode_explain(std::string_view json, ExplainRequest& out, DecodeError& error);
// "10.0.0.1:80", "[::1]:80" or "unix:/path".
[[nodiscard]] bool is_endpoint(std::string_view text) noexcept;
[[nodiscard]] bool parse_action_kind(std::string_view name, ActionKind& out) noexcept;

}  // namespace mango::config
