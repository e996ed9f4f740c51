// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream.h"

#include <algorithm>
#include <utility>

#include "proxy/json_line.h"
#include "proxy/upstream_connection.h"

namespace mango::proxy {

// --- the pool
// -----------------------------------------------------------------------------------------------

ServerPool::ServerPool(Worker& worker, std::string upstream, std::string key,
                       std::shared_ptr<Ejection> health, ServerCounters& counters)
    : worker_(worker),
      upstream_(std::move(upstream)),
      key_(std::move(key)),
      health_(std::move(health)),
      counters_(counters) {}

ServerPool::~ServerPool() {
  while (!all_.empty()) all_.back()->discard();
}

void ServerPool::configure(const config::Upstream& upstream, const config::Server& server,
                           std::shared_ptr<const tls::ClientContext> tls) {
  timeouts_ = upstream.timeouts;
  rule_ = upstream.ejection;
  max_idle_ = upstream.pool.max_idle;
  max_connections_ = upstream.pool.max_connections;
  draining_ = server.drain;
  retired_ = false;
  host_ = server.host;
  const bool same = protocol_ == upstream.protocol && proxy_protocol_ == upstream.proxy_protocol &&
                    http2_ == upstream.http2 && tls_settings_ == upstream.tls;
  if (!same) ++settings_;
  if (protocol_ != upstream.protocol || settings_ == 0)
    multiplexes_ = upstream.protocol != config::UpstreamProtocol::http1;
  protocol_ = upstream.protocol;
  proxy_protocol_ = upstream.proxy_protocol;
  http2_ = upstream.http2;
  tls_settings_ = upstream.tls;
  tls_ = std::move(tls);
  set_endpoints(server.endpoints);
}

void ServerPool::set_endpoints(const std::vector<std::string>& endpoints) {
  endpoints_.clear();
  for (const std::string& text : endpoints) {
    net::Endpoint endpoint;
    if (net::Endpoint::parse(text, endpoint)) endpoints_.push_back(endpoint);
  }
  drop_strangers();
}

bool ServerPool::keeps(const UpstreamConnection& connection) const noexcept {
  return !retired_ && !draining_ && connection.settings() == settings_ &&
         std::find(endpoints_.begin(), endpoints_.end(), connection.endpoint()) != endpoints_.end() &&
         !worker_.shared().draining.load(std::memory_order_relaxed);
}

// Connections that carry nothing and would not be made like this any more.
void ServerPool::drop_strangers() {
  const std::vector<UpstreamConnection*> all = all_;
  for (UpstreamConnection* connection : all)
    if (connection->load() == 0 && !keeps(*connection)) connection->discard();
}

void ServerPool::retire() {
  retired_ = true;
  drop_strangers();
}

void ServerPool::drop_older_than(uint32_t era) {
  const std::vector<UpstreamConnection*> all = all_;
  for (UpstreamConnection* connection : all) {
    const bool still_there = std::find(all_.begin(), all_.end(), connection) != all_.end();
    if (still_there && connection->stream().older_than(era)) connection->device_was_reset();
  }
}

// Bytes belong to one client, and so does a connection that was introduced with a client's address.
bool ServerPool::shares(UpstreamUse use) const noexcept {
  return use != UpstreamUse::bytes && proxy_protocol_ == config::ProxyProtocol::none;
}

UpstreamConnection* ServerPool::acquire(UpstreamUse use) {
  if (!shares(use)) return connect(use);
  UpstreamConnection* connection = take_idle();
  if (connection == nullptr) connection = least_loaded(use);
  if (connection == nullptr) return connect(use);
  if (connection->ready()) ++counters_.reused;
  return connection;
}

UpstreamConnection* ServerPool::take_idle() noexcept {
  for (size_t i = idle_.size(); i-- > 0;) {
    UpstreamConnection* connection = idle_[i];
    if (connection->stream().has_unread())
      continue;  // it spoke unasked: its own turn, still to come, ends it
    idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
    --counters_.idle;
    return connection;
  }
  return nullptr;
}

UpstreamConnection* ServerPool::least_loaded(UpstreamUse use) const noexcept {
  if (!multiplexes_) return nullptr;
  UpstreamConnection* best = nullptr;
  for (UpstreamConnection* connection : all_) {
    if (!connection->takes(use) || connection->settings() != settings_) continue;
    if (best == nullptr || connection->load() < best->load()) best = connection;
  }
  return best;
}

bool ServerPool::has_capacity(UpstreamUse use) const noexcept {
  if (max_connections_ == 0 || all_.size() < max_connections_) return true;
  return shares(use) && (!idle_.empty() || least_loaded(use) != nullptr);
}

UpstreamConnection* ServerPool::connect(UpstreamUse use) {
  if (endpoints_.empty()) return nullptr;
  net::Stream stream;
  const net::Endpoint& endpoint = endpoints_[next_endpoint_++ % endpoints_.size()];
  ++counters_.connects;
  const net::Io io = stream.connect(worker_.shared().engine, endpoint);
  if (io != net::Io::ok && io != net::Io::again) return nullptr;
  auto connection = std::make_unique<UpstreamConnection>(*this, use);
  if (!connection->open(std::move(stream), endpoint)) return nullptr;
  all_.push_back(connection.get());
  ++counters_.open;
  return connection.release();  // owned by all_; closed() hands it to the loop
}

void ServerPool::put_back(UpstreamConnection& connection) {
  const bool full = !connection.multiplexed() && idle_.size() >= max_idle_;
  if (full || !keeps(connection)) {
    connection.discard();
    return;
  }
  if (!connection.multiplexed()) {
    idle_.push_back(&connection);
    ++counters_.idle;
  }
  connection.start_idle_timer(timeouts_.idle_ms);
}

void ServerPool::closed(UpstreamConnection& connection) {
  if (std::erase(idle_, &connection) != 0) --counters_.idle;
  if (std::erase(all_, &connection) == 0) return;
  --counters_.open;
  worker_.loop().retire(std::unique_ptr<net::Handler>(&connection));
}

void ServerPool::succeeded() {
  if (health_->succeeded()) emit("restored", "");
}

void ServerPool::failed(const char* reason) {
  if (worker_.shared().engine.lost()) return;  // says nothing of the server
  ++counters_.failures;
  if (!health_->failed(worker_.loop().now_ms(), rule_)) return;
  ++counters_.ejections;
  emit("ejected", reason);
}

void ServerPool::emit(const char* state, const char* reason) {
  std::string event;
  JsonLine(event)
      .text("type", "server")
      .number("timeMs", worker_.unix_ms())
      .text("upstream", upstream_)
      .text("server", key_)
      .text("state", state)
      .text("reason", reason)
      .end();
  worker_.emit(std::move(event));
}

}  // namespace mango::proxy
