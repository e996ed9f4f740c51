// SPDX-License-Identifier: Apache-2.0
// The data plane as its user sees it: workers, a snapshot swapped whole, sessions to list and end, counters
// to read.
//
// All functions are for one control thread. Nothing here waits for a worker except stop(), and the session
// calls through their callbacks.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/device_keeper.h"
#include "proxy/listener.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

namespace mango::proxy {

struct DataPlaneError {
  const char* code = "";  // stable: ENGINE_LOAD, DEVICE_UNAVAILABLE, LISTEN_FAILED, SNAPSHOT_INVALID,
                          // CERTIFICATE_INVALID, NOT_IMPLEMENTED, INTERNAL
  std::string message;
};

struct DataPlaneOptions {
  size_t workers = 1;
  net::EngineOptions engine;
  std::string access_log_path;  // "" = off, "-" = standard output
  std::function<void()> wake;   // events are there to be read; called from any worker, must not block
};

class DataPlane {
 public:
  [[nodiscard]] static std::unique_ptr<DataPlane> create(DataPlaneOptions options, DataPlaneError& error);
  ~DataPlane();

  // See native/binding/addon.d.ts for the shapes. On failure nothing has changed.
  [[nodiscard]] bool apply(std::string_view snapshot_json, std::string& answer, DataPlaneError& error);
  void set_endpoints(const std::string& server_key, const std::vector<std::string>& endpoints);
  [[nodiscard]] bool set_bans(std::string_view json, DataPlaneError& error);
  void drain();
  void stop();

  [[nodiscard]] std::string counters() const;
  [[nodiscard]] std::string events() { return events_->take(); }
  [[nodiscard]] std::string upstreams() const;
  void reopen_access_log() noexcept { access_log_->reopen(); }
  // What is known of the engine and its device; with `ask` all that the device itself can tell. Callbacks run
  // once, on a thread of the data plane.
  [[nodiscard]] std::string device() const { return keeper_->facts(); }
  void ask_device(std::function<void(std::string json)> done) { keeper_->ask(std::move(done)); }
  void reset_device(bool preserve, std::function<void(DataPlaneError)> done);

  // The callback runs once, on a worker's thread, when all workers have answered.
  [[nodiscard]] bool sessions(std::string_view selector_json, std::function<void(std::string json)> done,
                              DataPlaneError& error);
  [[nodiscard]] bool act(std::string_view selector_json, std::string_view action,
                         std::function<void(uint64_t count)> done, DataPlaneError& error);

 private:
  DataPlane() = default;
  [[nodiscard]] static bool decode_selector(std::string_view json, config::SessionSelector& selector,
                                            AddressSet& clients, DataPlaneError& error);

  // A listening address, with a socket and a Listener for each worker.
  struct Bound : DeviceKeeper::Listening {
    std::string configured;  // the address as configured, with port 0 if any is fine
  };
  [[nodiscard]] std::vector<DeviceKeeper::Listening> listening() const;
  [[nodiscard]] bool bind_listeners(const config::Document& document, std::vector<Bound>& bound,
                                    DataPlaneError& error);
  [[nodiscard]] bool bind_one(const config::Listener& listener, Bound& bound, DataPlaneError& error);
  [[nodiscard]] std::shared_ptr<WorkerView> make_view(Worker& worker,
                                                      const std::shared_ptr<const Snapshot>& snapshot);
  [[nodiscard]] std::shared_ptr<ServerPool> make_pool(Worker& worker, const config::Upstream& upstream,
                                                      const config::Server& server);

  std::unique_ptr<net::Engine> engine_;
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<EventQueue> events_;
  std::unique_ptr<DeviceKeeper> keeper_;
  std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  mutable std::mutex bound_mutex_;  // the keeper reads bound_; the control thread alone changes it
  std::vector<Bound> bound_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::unordered_map<std::string, std::shared_ptr<Ejection>> health_;  // by upstream and server
  bool stopped_ = false;
};

}  // namespace mango::proxy
