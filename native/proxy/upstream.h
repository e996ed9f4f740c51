// SPDX-License-Identifier: Apache-2.0
// The upstream side of a worker: a pool of connections to each server, and the connections in it.
//
// A connection carries one exchange at a time and goes back to the pool after a clean end; the pool hands out
// the one used last (its congestion window is warm). An idle connection that speaks or closes is dropped at
// once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "http/h1_client.h"
#include "net/connection.h"
#include "proxy/counters.h"
#include "proxy/ejection.h"
#include "proxy/worker.h"

namespace mango::proxy {

class Exchange;
class UpstreamConnection;

// Why an upstream gave no (whole) response.
enum class UpstreamFailure : uint8_t { connect, connect_timeout, closed, reset, bad_response, no_memory };

// One server of an upstream, as one worker sees it.
class ServerPool {
 public:
  ServerPool(Worker& worker, std::string upstream, std::string key, std::shared_ptr<Ejection> health,
             ServerCounters& counters);
  ~ServerPool();

  // Takes the settings of a new snapshot. Worker's thread, as all below.
  void configure(const config::Upstream& upstream, const config::Server& server);
  void set_endpoints(const std::vector<std::string>& endpoints);
  // The server is in no snapshot any more: idle connections go now, busy ones after their exchange.
  void retire();

  // An idle connection, or null.
  [[nodiscard]] UpstreamConnection* take_idle();
  // Starts a connection to the next endpoint; null if even that fails.
  [[nodiscard]] UpstreamConnection* connect();
  void put_back(UpstreamConnection& connection);
  void closed(UpstreamConnection& connection);

  [[nodiscard]] bool usable() const noexcept { return !draining_ && !endpoints_.empty(); }
  [[nodiscard]] bool has_capacity() const noexcept {
    return !idle_.empty() || max_connections_ == 0 || all_.size() < max_connections_;
  }
  [[nodiscard]] Ejection& health() noexcept { return *health_; }
  [[nodiscard]] ServerCounters& counters() noexcept { return counters_; }
  [[nodiscard]] const config::EjectionRule& rule() const noexcept { return rule_; }
  [[nodiscard]] const config::UpstreamTimeouts& timeouts() const noexcept { return timeouts_; }
  [[nodiscard]] const std::string& upstream() const noexcept { return upstream_; }
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  [[nodiscard]] Worker& worker() noexcept { return worker_; }
  // Reports the outcome of an exchange for passive health.
  void succeeded();
  void failed(const char* reason);

  uint32_t active = 0;  // exchanges in progress

 private:
  [[nodiscard]] bool lists(const net::Endpoint& endpoint) const noexcept;
  void emit(const char* state, const char* reason);

  Worker& worker_;
  const std::string upstream_;
  const std::string key_;
  std::shared_ptr<Ejection> health_;
  ServerCounters& counters_;
  std::vector<net::Endpoint> endpoints_;
  size_t next_endpoint_ = 0;
  config::UpstreamTimeouts timeouts_;
  config::EjectionRule rule_;
  uint32_t max_idle_ = 0;
  uint32_t max_connections_ = 0;
  bool draining_ = false;
  bool retired_ = false;
  std::vector<UpstreamConnection*> idle_;
  std::vector<UpstreamConnection*> all_;
};

class UpstreamConnection final : public net::Connection, public net::TimerTarget, public http::Sink {
 public:
  UpstreamConnection(ServerPool& pool, net::WorkerIo& io, http::Heads& heads);

  // Attaches the stream; false if the loop cannot watch it.
  [[nodiscard]] bool open(net::Stream stream, const net::Endpoint& endpoint, bool connecting);
  [[nodiscard]] const net::Endpoint& endpoint() const noexcept { return endpoint_; }
  // Binds an exchange to the connection. ready() may still be to come.
  void assign(Exchange& exchange);
  [[nodiscard]] bool ready() const noexcept { return !connecting_; }
  [[nodiscard]] bool fresh() const noexcept { return !reused_; }
  // Whether the server sent anything since the exchange was assigned.
  [[nodiscard]] bool answered() const noexcept { return answered_; }
  [[nodiscard]] http::ClientCodec& codec() noexcept { return codec_; }
  [[nodiscard]] ServerPool& pool() noexcept { return *pool_; }

  // The exchange is over: back to the pool if the connection can carry another one.
  void release();
  // The connection is of no use; the exchange is not told.
  void discard();
  // FIN after what was sent: a tunnel's client has ended.
  void end_tunnel() { finish_output(); }

  bool put(std::string_view bytes) override { return write(bytes); }
  size_t offer(std::string_view bytes) override { return write_through(bytes); }

  size_t on_input(std::span<char> bytes) override;
  void on_input_end(net::Io io) override;
  void on_writable() override;
  void on_output_failed(net::Io io) override;
  void on_connected(net::Io io) override;
  void on_no_memory() override;
  void on_timer(net::Timer& timer) override;

  void start_idle_timer(uint32_t idle_ms);
  void mark_reused() noexcept { reused_ = true; }

 private:
  void fail(UpstreamFailure failure);

  ServerPool* pool_;
  net::Endpoint endpoint_;
  http::H1ClientCodec codec_;
  Exchange* exchange_ = nullptr;
  net::Timer timer_;  // connect, or idle
  bool connecting_ = false;
  bool reused_ = false;
  bool answered_ = false;
};

}  // namespace mango::proxy
