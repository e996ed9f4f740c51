// SPDX-License-Identifier: Apache-2.0
// The upstream side of a worker: a pool of connections to each server. The connections themselves:
// upstream_connection.h.
//
// A connection that carries one exchange at a time goes back to the pool after a clean end; the pool hands
// out the one used last (its congestion window is warm). One that carries many is shared while it has room:
// few connections, the least loaded first. An idle connection that speaks or closes is dropped at once.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "proxy/counters.h"
#include "proxy/ejection.h"
#include "proxy/worker.h"
#include "tls/client_context.h"

namespace mango::proxy {

class Exchange;
class UpstreamConnection;

// What an exchange asks of a connection.
enum class UpstreamUse : uint8_t {
  request,
  upgrade,  // a request for a tunnel
  bytes,    // plain TCP, not HTTP
};

// One server of an upstream, as one worker sees it.
class ServerPool {
 public:
  ServerPool(Worker& worker, std::string upstream, std::string key, std::shared_ptr<Ejection> health,
             ServerCounters& counters);
  ~ServerPool();

  // Takes the settings of a new snapshot. Worker's thread, as all below.
  void configure(const config::Upstream& upstream, const config::Server& server,
                 std::shared_ptr<const tls::ClientContext> tls);
  void set_endpoints(const std::vector<std::string>& endpoints);
  // The server is in no snapshot any more: idle connections go now, busy ones after their exchanges.
  void retire();
  // Drops the connections that died when that era of the engine began.
  void drop_older_than(uint32_t era);

  // A connection with room for another exchange, or a new one that is still to be made; null if even the
  // start of that fails.
  [[nodiscard]] UpstreamConnection* acquire(UpstreamUse use);

  // --- from the connections ---
  // It carries nothing now: kept for later, or closed.
  void put_back(UpstreamConnection& connection);
  void closed(UpstreamConnection& connection);
  // It turned out to carry many exchanges at once, or one at a time.
  void learn(bool multiplexed) noexcept { multiplexes_ = multiplexed; }
  // So many its peer takes at once; connections still to be made are expected to take as many.
  void learn_streams(size_t streams) noexcept { streams_ = streams; }
  [[nodiscard]] size_t expected_streams() const noexcept {
    return std::min<size_t>(streams_, http2_.max_concurrent_streams);
  }
  // Whether a connection made with other settings, or to another address, may stay.
  [[nodiscard]] bool keeps(const UpstreamConnection& connection) const noexcept;

  [[nodiscard]] bool usable() const noexcept { return !draining_ && !endpoints_.empty(); }
  [[nodiscard]] bool has_capacity(UpstreamUse use) const noexcept;
  [[nodiscard]] Ejection& health() noexcept { return *health_; }
  [[nodiscard]] ServerCounters& counters() noexcept { return counters_; }
  [[nodiscard]] const config::EjectionRule& rule() const noexcept { return rule_; }
  [[nodiscard]] const config::UpstreamTimeouts& timeouts() const noexcept { return timeouts_; }
  [[nodiscard]] config::UpstreamProtocol protocol() const noexcept { return protocol_; }
  [[nodiscard]] config::ProxyProtocol proxy_protocol() const noexcept { return proxy_protocol_; }
  [[nodiscard]] const config::UpstreamHttp2& http2() const noexcept { return http2_; }
  [[nodiscard]] const std::shared_ptr<const tls::ClientContext>& tls() const noexcept { return tls_; }
  [[nodiscard]] const std::string& upstream() const noexcept { return upstream_; }
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  [[nodiscard]] uint32_t settings() const noexcept { return settings_; }
  [[nodiscard]] Worker& worker() noexcept { return worker_; }
  // Reports the outcome of an exchange for passive health.
  void succeeded();
  void failed(const char* reason);

  uint32_t active = 0;  // exchanges in progress

 private:
  void drop_strangers();
  [[nodiscard]] UpstreamConnection* take_idle() noexcept;
  [[nodiscard]] UpstreamConnection* least_loaded(UpstreamUse use) const noexcept;
  [[nodiscard]] UpstreamConnection* connect(UpstreamUse use);
  [[nodiscard]] bool shares(UpstreamUse use) const noexcept;
  void emit(const char* state, const char* reason);

  Worker& worker_;
  const std::string upstream_;
  const std::string key_;
  std::string host_;
  std::shared_ptr<Ejection> health_;
  ServerCounters& counters_;
  std::vector<net::Endpoint> endpoints_;
  size_t next_endpoint_ = 0;
  config::UpstreamTimeouts timeouts_;
  config::EjectionRule rule_;
  config::UpstreamProtocol protocol_ = config::UpstreamProtocol::http1;
  config::ProxyProtocol proxy_protocol_ = config::ProxyProtocol::none;
  config::UpstreamHttp2 http2_;
  std::optional<config::UpstreamTls> tls_settings_;
  std::shared_ptr<const tls::ClientContext> tls_;
  uint32_t settings_ = 0;  // counts the changes of what connections are made with
  uint32_t max_idle_ = 0;
  uint32_t max_connections_ = 0;
  size_t streams_ = SIZE_MAX;
  bool multiplexes_ = false;  // what the last connection turned out to do
  bool draining_ = false;
  bool retired_ = false;
  std::vector<UpstreamConnection*> idle_;  // one exchange at a time, none now
  std::vector<UpstreamConnection*> all_;
};

}  // namespace mango::proxy
