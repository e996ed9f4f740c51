// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream.h"

#include <algorithm>
#include <utility>

#include "proxy/exchange.h"
#include "proxy/json_line.h"

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

void ServerPool::configure(const config::Upstream& upstream, const config::Server& server) {
  timeouts_ = upstream.timeouts;
  rule_ = upstream.ejection;
  max_idle_ = upstream.pool.max_idle;
  max_connections_ = upstream.pool.max_connections;
  draining_ = server.drain;
  retired_ = false;
  set_endpoints(server.endpoints);
}

void ServerPool::set_endpoints(const std::vector<std::string>& endpoints) {
  endpoints_.clear();
  for (const std::string& text : endpoints) {
    net::Endpoint endpoint;
    if (net::Endpoint::parse(text, endpoint)) endpoints_.push_back(endpoint);
  }
  const std::vector<UpstreamConnection*> idle = idle_;
  for (UpstreamConnection* connection : idle)
    if (!lists(connection->endpoint())) connection->discard();
}

bool ServerPool::lists(const net::Endpoint& endpoint) const noexcept {
  return std::find(endpoints_.begin(), endpoints_.end(), endpoint) != endpoints_.end();
}

void ServerPool::retire() {
  retired_ = true;
  while (!idle_.empty()) idle_.back()->discard();
}

UpstreamConnection* ServerPool::take_idle() {
  if (idle_.empty()) return nullptr;
  UpstreamConnection* connection = idle_.back();
  idle_.pop_back();
  --counters_.idle;
  ++counters_.reused;
  connection->mark_reused();
  return connection;
}

UpstreamConnection* ServerPool::connect() {
  if (endpoints_.empty()) return nullptr;
  net::Stream stream;
  const net::Endpoint& endpoint = endpoints_[next_endpoint_++ % endpoints_.size()];
  ++counters_.connects;
  const net::Io io = stream.connect(worker_.shared().engine, endpoint);
  if (io != net::Io::ok && io != net::Io::again) return nullptr;
  auto connection = std::make_unique<UpstreamConnection>(*this, worker_.io(), worker_.heads());
  if (!connection->open(std::move(stream), endpoint, io == net::Io::again)) return nullptr;
  all_.push_back(connection.get());
  ++counters_.open;
  return connection.release();  // owned by all_; closed() hands it to the loop
}

void ServerPool::put_back(UpstreamConnection& connection) {
  if (retired_ || draining_ || !lists(connection.endpoint()) || idle_.size() >= max_idle_ ||
      worker_.shared().draining.load(std::memory_order_relaxed)) {
    connection.discard();
    return;
  }
  idle_.push_back(&connection);
  ++counters_.idle;
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

// --- a connection
// -------------------------------------------------------------------------------------------

UpstreamConnection::UpstreamConnection(ServerPool& pool, net::WorkerIo& io, http::Heads& heads)
    : net::Connection(io), pool_(&pool), codec_(heads), timer_(*this) {}

bool UpstreamConnection::open(net::Stream stream, const net::Endpoint& endpoint, bool connecting) {
  endpoint_ = endpoint;
  connecting_ = connecting;
  if (connecting) pool_->worker().loop().timers().set(timer_, pool_->timeouts().connect_ms);
  return attach(std::move(stream), connecting);
}

void UpstreamConnection::assign(Exchange& exchange) {
  exchange_ = &exchange;
  answered_ = false;
  if (!connecting_) timer_.clear();
}

void UpstreamConnection::release() {
  exchange_ = nullptr;
  if (codec_.reusable() && !output_pending() && !input_ended() && !has_kept_input())
    pool_->put_back(*this);
  else
    discard();
}

void UpstreamConnection::discard() {
  exchange_ = nullptr;
  timer_.clear();
  close_stream();
  pool_->closed(*this);
}

void UpstreamConnection::start_idle_timer(uint32_t idle_ms) {
  pool_->worker().loop().timers().set(timer_, idle_ms);
}

void UpstreamConnection::fail(UpstreamFailure failure) {
  Exchange* exchange = std::exchange(exchange_, nullptr);
  const bool answered = answered_;
  const bool fresh = this->fresh();
  discard();
  if (exchange != nullptr) exchange->on_upstream_failed(failure, answered, fresh);
}

size_t UpstreamConnection::on_input(std::span<char> bytes) {
  if (exchange_ == nullptr) {  // speaking without having been asked
    discard();
    return bytes.size();
  }
  answered_ = true;
  exchange_->on_upstream_progress();
  return codec_.receive(bytes, *exchange_);
}

void UpstreamConnection::on_input_end(net::Io io) {
  if (exchange_ == nullptr) {
    discard();
    return;
  }
  if (exchange_->tunnelling() && io == net::Io::eof) {
    exchange_->on_upstream_ended();
    return;
  }
  if (io == net::Io::eof && codec_.receive_end(*exchange_)) return;
  fail(io == net::Io::eof ? UpstreamFailure::closed : UpstreamFailure::reset);
}

void UpstreamConnection::on_writable() {
  if (exchange_ != nullptr) exchange_->on_upstream_writable();
}

// A server may answer and close while the request is still being sent: what it said is then in its socket's
// receive buffer, so the end of the input decides, not the failed send.
void UpstreamConnection::on_output_failed(net::Io io) {
  const bool may_have_answered = exchange_ == nullptr || (!input_paused() && !input_ended());
  if (may_have_answered && io != net::Io::failed) {
    discard_output();
    return;
  }
  fail(UpstreamFailure::reset);
}

void UpstreamConnection::on_connected(net::Io io) {
  timer_.clear();
  connecting_ = false;
  if (io != net::Io::ok) {
    ++pool_->counters().connect_errors;
    fail(UpstreamFailure::connect);
  } else if (exchange_ == nullptr) {
    pool_->put_back(*this);
  } else {
    exchange_->on_upstream_ready();
  }
}

void UpstreamConnection::on_no_memory() {
  fail(UpstreamFailure::no_memory);
}

void UpstreamConnection::on_timer(net::Timer&) {
  if (connecting_) ++pool_->counters().connect_errors;
  fail(UpstreamFailure::connect_timeout);
}

}  // namespace mango::proxy
