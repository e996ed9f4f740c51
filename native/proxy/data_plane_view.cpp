// SPDX-License-Identifier: Apache-2.0
// What can be read of a running data plane, as JSON (shapes: src/metrics/counters.ts, src/proxy/sessions.ts).
#include <atomic>
#include <nlohmann/json.hpp>
#include <numeric>

#include "proxy/data_plane.h"
#include "proxy/exchange.h"
#include "proxy/session.h"

namespace mango::proxy {

namespace {

using Json = nlohmann::json;

// Invalid UTF-8 (an SNI can hold anything) must not stop a listing.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

struct HistogramSum {
  std::array<uint64_t, Histogram::kBounds.size() + 1> counts{};
  uint64_t sum_ns = 0;
  void add(const Histogram& histogram) {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += histogram.counts[i].read();
    sum_ns += histogram.sum_ns.read();
  }
  [[nodiscard]] Json json() const {
    return {{"bounds", Histogram::kBounds}, {"counts", counts}, {"sum", static_cast<double>(sum_ns) / 1e9}};
  }
};

struct ListenerSum {
  uint64_t accepted = 0, active = 0, bytes_in = 0, bytes_out = 0;
  HistogramSum handshake;
};

struct RouteSum {
  std::map<uint16_t, uint64_t> requests;
  std::array<uint64_t, RouteCounters::kGrpcStatuses + 1> grpc{};
  uint64_t connections = 0, active = 0, request_bytes = 0, response_bytes = 0;
  HistogramSum seconds;
};

struct ServerSum {
  uint64_t requests = 0, connects = 0, connect_errors = 0, reused = 0, retries = 0, failures = 0,
           ejections = 0;
  uint64_t open = 0, idle = 0, active = 0;
  HistogramSum response;
};

void add_listeners(const WorkerCounters& counters, std::map<std::string, ListenerSum>& sums) {
  counters.listeners.for_each([&](const std::string& name, const ListenerCounters& own) {
    ListenerSum& sum = sums[name];
    sum.accepted += own.accepted.read();
    sum.active += own.active.read();
    sum.bytes_in += own.bytes_in.read();
    sum.bytes_out += own.bytes_out.read();
    sum.handshake.add(own.handshake);
  });
}

void add_routes(const WorkerCounters& counters, std::map<std::string, RouteSum>& sums) {
  counters.routes.for_each([&](const std::string& name, const RouteCounters& own) {
    RouteSum& sum = sums[name];
    own.requests.for_each([&sum](uint16_t status, uint64_t count) { sum.requests[status] += count; });
    for (size_t i = 0; i < own.grpc.size(); ++i) sum.grpc[i] += own.grpc[i].read();
    sum.connections += own.connections.read();
    sum.active += own.active.read();
    sum.request_bytes += own.request_bytes.read();
    sum.response_bytes += own.response_bytes.read();
    sum.seconds.add(own.seconds);
  });
}

void add_servers(const WorkerCounters& counters, std::map<std::string, ServerSum>& sums) {
  counters.servers.for_each([&](const std::string& name, const ServerCounters& own) {
    ServerSum& sum = sums[name];
    sum.requests += own.requests.read();
    sum.connects += own.connects.read();
    sum.connect_errors += own.connect_errors.read();
    sum.reused += own.reused.read();
    sum.retries += own.retries.read();
    sum.failures += own.failures.read();
    sum.ejections += own.ejections.read();
    sum.open += own.open.read();
    sum.idle += own.idle.read();
    sum.active += own.active.read();
    sum.response.add(own.response);
  });
}

Json to_json(const std::map<std::string, ListenerSum>& sums) {
  Json all = Json::array();
  for (const auto& [name, sum] : sums)
    all.push_back({{"name", name},
                   {"accepted", sum.accepted},
                   {"active", sum.active},
                   {"bytesIn", sum.bytes_in},
                   {"bytesOut", sum.bytes_out},
                   {"handshakeSeconds", sum.handshake.json()}});
  return all;
}

// Only what has happened; -1 stands for calls that ended without a status.
Json grpc_to_json(const RouteSum& sum) {
  Json all = Json::array();
  for (size_t i = 0; i < sum.grpc.size(); ++i) {
    const int status = i < RouteCounters::kGrpcStatuses ? static_cast<int>(i) : -1;
    if (sum.grpc[i] != 0) all.push_back({{"status", status}, {"count", sum.grpc[i]}});
  }
  return all;
}

Json to_json(const std::map<std::string, RouteSum>& sums) {
  Json all = Json::array();
  for (const auto& [name, sum] : sums) {
    Json requests = Json::array();
    for (const auto& [status, count] : sum.requests)
      requests.push_back({{"status", status}, {"count", count}});
    all.push_back({{"name", name},
                   {"requests", std::move(requests)},
                   {"connections", sum.connections},
                   {"grpc", grpc_to_json(sum)},
                   {"active", sum.active},
                   {"seconds", sum.seconds.json()},
                   {"requestBytes", sum.request_bytes},
                   {"responseBytes", sum.response_bytes}});
  }
  return all;
}

Json to_json(const std::string& key, const ServerSum& sum, bool healthy) {
  const size_t split = key.find('\n');
  return {{"upstream", key.substr(0, split)},
          {"server", key.substr(split + 1)},
          {"requests", sum.requests},
          {"connects", sum.connects},
          {"connectErrors", sum.connect_errors},
          {"reused", sum.reused},
          {"retries", sum.retries},
          {"failures", sum.failures},
          {"ejections", sum.ejections},
          {"open", sum.open},
          {"idle", sum.idle},
          {"active", sum.active},
          {"healthy", healthy},
          {"responseSeconds", sum.response.json()}};
}

Json to_json(const net::CallSums& calls) {
  return {{"accept", calls.accept}, {"connect", calls.connect}, {"recv", calls.recv},
          {"send", calls.send},     {"wait", calls.wait},       {"close", calls.close},
          {"abort", calls.abort},   {"reset", calls.reset}};
}

Json rare_to_json(const std::vector<std::unique_ptr<Worker>>& workers) {
  std::map<RareCounters::Handshake, uint64_t> handshakes;
  std::map<RareCounters::Action, uint64_t> actions;
  std::map<std::string, uint64_t> reasons;
  for (const auto& worker : workers) worker->counters().rare.sum(handshakes, actions, reasons);
  Json json = {{"handshakes", Json::array()}, {"actions", Json::array()}, {"reasons", Json::array()}};
  for (const auto& [key, count] : handshakes) {
    const auto& [listener, version, group, cipher, resumed, result] = key;
    json["handshakes"].push_back({{"listener", listener},
                                  {"version", version},
                                  {"group", group},
                                  {"cipher", cipher},
                                  {"resumed", resumed},
                                  {"result", result},
                                  {"count", count}});
  }
  for (const auto& [key, count] : actions) {
    const auto& [policy, trigger, action] = key;
    json["actions"].push_back(
        {{"policy", policy}, {"trigger", trigger}, {"action", action}, {"count", count}});
  }
  for (const auto& [reason, count] : reasons)
    json["reasons"].push_back({{"reason", reason}, {"count", count}});
  return json;
}

bool is_healthy(const std::unordered_map<std::string, std::shared_ptr<Ejection>>& health,
                const std::string& key, uint64_t now_ms) {
  const auto found = health.find(key);
  return found == health.end() || found->second->state(now_ms) != Ejection::State::ejected;
}

uint64_t monotonic_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace

std::string DataPlane::counters() const {
  std::map<std::string, ListenerSum> listeners;
  std::map<std::string, RouteSum> routes;
  std::map<std::string, ServerSum> servers;
  uint64_t sessions = 0, held = 0, allocations = 0, events = 0, events_dropped = 0;
  Json per_worker = Json::array();
  for (const auto& worker : workers_) {
    const WorkerCounters& counters = worker->counters();
    add_listeners(counters, listeners);
    add_routes(counters, routes);
    add_servers(counters, servers);
    sessions += counters.sessions.read();
    held += worker->buffers().held_bytes();
    allocations += worker->buffers().allocations();
    events += counters.events.read();
    events_dropped += counters.events_dropped.read();
    per_worker.push_back({{"loops", worker->loop().turns()}, {"accepted", counters.sessions.read()}});
  }
  Json json = rare_to_json(workers_);
  json["listeners"] = to_json(listeners);
  json["routes"] = to_json(routes);
  json["servers"] = Json::array();
  const uint64_t now_ms = monotonic_ms();
  for (const auto& [key, sum] : servers)
    json["servers"].push_back(to_json(key, sum, is_healthy(health_, key, now_ms)));
  json["sessions"] = {{"active", shared_->sessions.load()}, {"total", sessions}};
  json["buffers"] = {{"bytesHeld", held}, {"allocations", allocations}};
  json["accessLog"] = {{"written", access_log_->written()}, {"dropped", access_log_->dropped()}};
  json["events"] = {{"emitted", events}, {"dropped", events_dropped}};
  json["engine"] = to_json(net::sum_calls());
  json["workers"] = std::move(per_worker);
  return dump(json);
}

std::string DataPlane::upstreams() const {
  Json all = Json::array();
  const uint64_t now_ms = monotonic_ms();
  if (snapshot_ == nullptr) return "[]";
  for (const config::Upstream& upstream : snapshot_->document.upstreams) {
    Json servers = Json::array();
    for (const config::Server& server : upstream.servers)
      servers.push_back({{"server", server.key},
                         {"weight", server.weight},
                         {"drain", server.drain},
                         {"endpoints", server.endpoints},
                         {"healthy", is_healthy(health_, upstream.name + "\n" + server.key, now_ms)}});
    all.push_back(
        {{"name", upstream.name}, {"loadBalancer", to_string(upstream.load_balancer)}, {"servers", servers}});
  }
  return dump(all);
}

// --- sessions
// -----------------------------------------------------------------------------------------------

namespace {

bool matches(const config::SessionSelector& selector, const AddressSet& clients, const Session& session) {
  const uint64_t age_ms = session.age_ms();
  if (selector.id && *selector.id != session.id()) return false;
  if (selector.client && !clients.contains(session.client())) return false;
  if (selector.sni && *selector.sni != session.sni()) return false;
  if (selector.listener && *selector.listener != session.listener().name()) return false;
  if (selector.route && *selector.route != session.route_name()) return false;
  if (selector.upstream && *selector.upstream != session.upstream_name()) return false;
  return !selector.older_than_ms || age_ms >= *selector.older_than_ms;
}

Json to_json(const Session& session, size_t worker) {
  const std::string& address = std::string(session.client_text());
  const bool bracket = address.find(':') != std::string::npos;
  return {{"id", session.id()},
          {"worker", worker},
          {"listener", session.listener().name()},
          {"client", (bracket ? "[" + address + "]" : address) + ":" + std::to_string(session.client_port())},
          {"state", to_string(session.state())},
          {"ageMs", session.age_ms()},
          {"idleMs", session.idle_ms()},
          {"requests", session.requests()},
          {"bytesIn", session.bytes_in()},
          {"bytesOut", session.bytes_out()},
          {"tlsVersion", session.tls_version()},
          {"sni", std::string(session.sni())},
          {"route", std::string(session.route_name())},
          {"upstream", std::string(session.upstream_name())}};
}

// A question to all workers: each does its part on its own thread and lets go; whoever is last answers. A
// worker that stops before its turn lets go as well, so there always is an answer.
template <typename Part>
class Inquiry {
 public:
  explicit Inquiry(std::function<void(std::vector<Part>)> done) : done_(std::move(done)) {}
  ~Inquiry() { done_(std::move(parts_)); }
  Inquiry(const Inquiry&) = delete;
  Inquiry& operator=(const Inquiry&) = delete;

  void add(Part part) {
    const std::lock_guard lock(mutex_);
    parts_.push_back(std::move(part));
  }

  config::SessionSelector selector;
  AddressSet clients;

 private:
  std::function<void(std::vector<Part>)> done_;
  std::mutex mutex_;
  std::vector<Part> parts_;
};

}  // namespace

bool DataPlane::sessions(std::string_view selector_json, std::function<void(std::string json)> done,
                         DataPlaneError& error) {
  config::SessionSelector selector;
  AddressSet clients;
  if (!decode_selector(selector_json, selector, clients, error)) return false;
  const size_t limit = selector.limit.value_or(UINT32_MAX);
  auto inquiry = std::make_shared<Inquiry<Json>>([done = std::move(done), limit](std::vector<Json> found) {
    if (found.size() > limit) found.resize(limit);
    done(dump(Json(found)));
  });
  inquiry->selector = std::move(selector);
  inquiry->clients = std::move(clients);
  for (const auto& owned : workers_)
    owned->loop().post([inquiry, limit, worker = owned.get()] {
      size_t count = 0;
      for (const Session* session : worker->sessions()) {
        if (count == limit) break;
        if (!matches(inquiry->selector, inquiry->clients, *session)) continue;
        inquiry->add(to_json(*session, worker->index()));
        ++count;
      }
    });
  return true;
}

bool DataPlane::act(std::string_view selector_json, std::string_view action,
                    std::function<void(uint64_t count)> done, DataPlaneError& error) {
  config::SessionSelector selector;
  AddressSet clients;
  config::ActionKind kind;
  if (!decode_selector(selector_json, selector, clients, error)) return false;
  if (!config::parse_action_kind(action, kind) ||
      (kind != config::ActionKind::close && kind != config::ActionKind::reset &&
       kind != config::ActionKind::abort)) {
    error = {"ACTION_INVALID", "the action must be close, reset or abort"};
    return false;
  }
  auto inquiry =
      std::make_shared<Inquiry<uint64_t>>([done = std::move(done)](const std::vector<uint64_t>& counts) {
        done(std::accumulate(counts.begin(), counts.end(), uint64_t{0}));
      });
  inquiry->selector = std::move(selector);
  inquiry->clients = std::move(clients);
  for (const auto& owned : workers_)
    owned->loop().post([inquiry, kind, worker = owned.get()] {
      uint64_t count = 0;
      for (Session* session : worker->sessions()) {
        if (inquiry->selector.empty() || !matches(inquiry->selector, inquiry->clients, *session)) continue;
        session->act(kind);
        ++count;
      }
      inquiry->add(count);
    });
  return true;
}

bool DataPlane::decode_selector(std::string_view json, config::SessionSelector& selector, AddressSet& clients,
                                DataPlaneError& error) {
  config::DecodeError decode_error;
  if (!config::decode_selector(json, selector, decode_error)) {
    error = {"SELECTOR_INVALID", decode_error.text()};
    return false;
  }
  if (!selector.client || clients.build(*selector.client)) return true;
  error = {"SELECTOR_INVALID", "/client: not an address or network"};
  return false;
}

}  // namespace mango::proxy
