// SPDX-License-Identifier: Apache-2.0
// Life and configuration of the data plane. Reading it (counters, sessions): data_plane_view.cpp.
#include "proxy/data_plane.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "proxy/exchange.h"
#include "proxy/session.h"

namespace mango::proxy {

std::unique_ptr<DataPlane> DataPlane::create(DataPlaneOptions options, DataPlaneError& error) {
  std::unique_ptr<DataPlane> self(new DataPlane());
  error.code = "ENGINE_LOAD";
  self->engine_ = net::Engine::open(options.engine, error.message);
  if (!self->engine_) return nullptr;
  error.code = "ACCESS_LOG";
  self->access_log_ = AccessLog::open(options.access_log_path, options.workers, error.message);
  if (!self->access_log_) return nullptr;
  self->events_ = std::make_unique<EventQueue>(std::move(options.wake));
  self->keeper_ = std::make_unique<DeviceKeeper>(*self->engine_, *self->events_);
  self->shared_.reset(new Shared{*self->engine_, *self->access_log_, *self->events_, options.workers,
                                 *self->keeper_, RateLimiter()});
  for (size_t i = 0; i < options.workers; ++i)
    self->workers_.push_back(std::make_unique<Worker>(*self->shared_, i));
  std::vector<Worker*> peers;
  for (const auto& worker : self->workers_) peers.push_back(worker.get());
  for (const auto& worker : self->workers_) {
    worker->peers = peers;
    if (const char* problem = worker->start()) {
      error = {"INTERNAL", problem};
      return nullptr;
    }
  }
  self->keeper_->start(std::move(peers), [plane = self.get()] { return plane->listening(); });
  return self;
}

DataPlane::~DataPlane() {
  stop();
}

// The workers' destructors come before the engine's: members are destroyed in reverse order.
void DataPlane::stop() {
  if (stopped_) return;
  stopped_ = true;
  if (keeper_) keeper_->stop();
  {
    const std::lock_guard lock(bound_mutex_);
    bound_.clear();  // what is left of a listener goes with its worker
  }
  for (const auto& worker : workers_) worker->stop();
}

bool DataPlane::apply(std::string_view snapshot_json, std::string& answer, DataPlaneError& error) {
  SnapshotError snapshot_error;
  const auto snapshot = Snapshot::build(snapshot_json, snapshot_.get(), snapshot_error);
  if (!snapshot) {
    error = {snapshot_error.code, snapshot_error.message};
    return false;
  }
  std::vector<Bound> bound;
  if (!bind_listeners(snapshot->document, bound, error)) return false;

  // Nothing can fail from here on.
  for (size_t i = 0; i < workers_.size(); ++i) {
    std::vector<std::shared_ptr<Listener>> listeners;
    for (const Bound& one : bound) listeners.push_back(one.listeners[i]);
    Worker* worker = workers_[i].get();
    worker->loop().post(
        [worker, view = make_view(*worker, snapshot), listeners = std::move(listeners)]() mutable {
          worker->adopt(std::move(view), std::move(listeners));
        });
  }
  {
    const std::lock_guard lock(bound_mutex_);
    bound_.swap(bound);
  }
  keeper_->wake();  // a socket may have died before it was one of these
  snapshot_ = snapshot;
  nlohmann::json json = {{"listeners", nlohmann::json::array()}};
  for (const Bound& one : bound_)
    json["listeners"].push_back(
        {{"name", one.name}, {"address", one.endpoint.address()}, {"port", one.endpoint.port()}});
  answer = json.dump();
  return true;
}

// Sockets of addresses that stay are kept, whatever else of the listener changed.
bool DataPlane::bind_listeners(const config::Document& document, std::vector<Bound>& bound,
                               DataPlaneError& error) {
  for (const config::Listener& listener : document.listeners) {
    Bound one;
    one.name = listener.name;
    one.configured = listener.host + " " + std::to_string(listener.port);
    const auto kept = std::find_if(bound_.begin(), bound_.end(), [&one](const Bound& old) {
      return old.name == one.name && old.configured == one.configured;
    });
    if (kept != bound_.end())
      one = *kept;
    else if (!bind_one(listener, one, error))
      return false;
    bound.push_back(std::move(one));
  }
  return true;
}

bool DataPlane::bind_one(const config::Listener& listener, Bound& bound, DataPlaneError& error) {
  const std::string host =
      listener.host.find(':') == std::string::npos ? listener.host : "[" + listener.host + "]";
  std::vector<net::ListeningSocket> sockets;
  bound.backlog = static_cast<int>(listener.backlog);
  if (!net::Endpoint::parse(host + ":" + std::to_string(listener.port), bound.endpoint)) {
    error = {"SNAPSHOT_INVALID", "listener \"" + listener.name + "\": not an address: " + listener.host};
    return false;
  }
  // A listener renamed, or moved to another address of the same port: for a moment both are there.
  const bool ours = std::any_of(bound_.begin(), bound_.end(), [&bound](const Bound& old) {
    return bound.endpoint.port() != 0 && old.endpoint.port() == bound.endpoint.port();
  });
  if (engine_->lost()) {  // the attempt would only wait for it
    error = {"DEVICE_UNAVAILABLE", "listener \"" + listener.name + "\": the device is not ready"};
    return false;
  }
  if (!net::ListeningSocket::bind(*engine_, bound.endpoint, bound.backlog, workers_.size(), ours, sockets,
                                  error.message)) {
    error.code = "LISTEN_FAILED";
    error.message = "listener \"" + listener.name + "\": " + error.message;
    return false;
  }
  const bool spread = sockets.size() < workers_.size();
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = *workers_[i];
    auto own =
        std::make_shared<Listener>(worker, listener.name, worker.counters().listeners.get(listener.name));
    own->give(i < sockets.size() ? std::move(sockets[i]) : net::ListeningSocket(), bound.endpoint.port(),
              spread);
    bound.listeners.push_back(std::move(own));
  }
  return true;
}

std::vector<DeviceKeeper::Listening> DataPlane::listening() const {
  const std::lock_guard lock(bound_mutex_);
  return {bound_.begin(), bound_.end()};
}

void DataPlane::reset_device(bool preserve, std::function<void(DataPlaneError)> done) {
  keeper_->reset(preserve, [done = std::move(done)](const DeviceKeeper::Outcome& outcome) {
    done({outcome.code, outcome.message});
  });
}

std::shared_ptr<WorkerView> DataPlane::make_view(Worker& worker,
                                                 const std::shared_ptr<const Snapshot>& snapshot) {
  auto view = std::make_shared<WorkerView>();
  view->snapshot = snapshot;
  const config::Document& document = snapshot->document;
  for (const config::Upstream& upstream : document.upstreams) {
    UpstreamView own;
    std::vector<uint32_t> weights;
    for (const config::Server& server : upstream.servers) {
      weights.push_back(server.weight);
      own.servers.push_back(make_pool(worker, upstream, server));
    }
    own.balancer = Balancer(upstream.load_balancer, weights);
    view->upstreams.push_back(std::move(own));
  }
  for (const config::Route& route : document.routes) {
    std::vector<uint32_t> weights;
    for (const config::BackendRef& backend : route.backends) weights.push_back(backend.weight);
    view->backends.emplace_back(config::LoadBalancer::round_robin, weights);
    RouteCounters& counters = worker.counters().routes.get(route.name);
    if (counters.name.empty()) counters.name = route.name;
    view->routes.push_back(&counters);
  }
  view->no_route = &worker.counters().routes.get("");
  return view;
}

std::shared_ptr<ServerPool> DataPlane::make_pool(Worker& worker, const config::Upstream& upstream,
                                                 const config::Server& server) {
  const std::string key = upstream.name + "\n" + server.key;
  std::shared_ptr<Ejection>& health = health_[key];
  if (!health) health = std::make_shared<Ejection>();
  std::shared_ptr<ServerPool>& pool = worker.pools[key];
  if (!pool)
    pool = std::make_shared<ServerPool>(worker, upstream.name, server.key, health,
                                        worker.counters().servers.get(key));
  return pool;
}

void DataPlane::set_endpoints(const std::string& server_key, const std::vector<std::string>& endpoints) {
  for (const auto& worker : workers_)
    worker->loop().post([server_key, endpoints, worker = worker.get()] {
      if (worker->view() == nullptr) return;
      for (const UpstreamView& upstream : worker->view()->upstreams)
        for (const auto& server : upstream.servers)
          if (server->key() == server_key) server->set_endpoints(endpoints);
    });
}

bool DataPlane::set_bans(std::string_view json, DataPlaneError& error) {
  std::vector<config::Ban> bans;
  config::DecodeError decode_error;
  if (!config::decode_bans(json, bans, decode_error)) {
    error = {"BANS_INVALID", decode_error.text()};
    return false;
  }
  const auto table = BanTable::build(std::move(bans));
  for (const auto& worker : workers_)
    worker->loop().post([table, worker = worker.get()] { worker->set_bans(table); });
  return true;
}

void DataPlane::drain() {
  shared_->draining.store(true, std::memory_order_relaxed);
  for (const auto& worker : workers_) worker->loop().post([worker = worker.get()] { worker->drain(); });
}

}  // namespace mango::proxy
