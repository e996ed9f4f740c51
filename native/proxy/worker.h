// SPDX-License-Identifier: Apache-2.0
// One worker: a thread with its event loop, listening sockets, sessions, upstream connections and buffers.
// Workers share nothing they write on the hot path; the few things they do share are in Shared.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "http/clock.h"
#include "http/codec.h"
#include "http/status.h"
#include "net/connection.h"
#include "proxy/access_log.h"
#include "proxy/balancer.h"
#include "proxy/bans.h"
#include "proxy/counters.h"
#include "proxy/event_queue.h"
#include "proxy/snapshot.h"

namespace mango::proxy {

class DeviceKeeper;
class Exchange;
class Listener;
class ServerPool;
class Session;

// What all workers of a data plane share.
struct Shared {
  net::Engine& engine;
  AccessLog& access_log;
  EventQueue& events;
  size_t workers = 1;
  DeviceKeeper& device;
  RateLimiter rate_limiter;
  std::atomic<uint32_t> sessions{0};
  std::atomic<uint32_t> tarpits{0};
  std::atomic<bool> draining{false};
};

// An upstream as one worker sees it.
struct UpstreamView {
  Balancer balancer;
  std::vector<std::shared_ptr<ServerPool>> servers;
};

// A snapshot as one worker sees it: with the worker's own balancing state, pools and counters.
struct WorkerView {
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<UpstreamView> upstreams;
  std::vector<Balancer> backends;  // by route
  std::vector<RouteCounters*> routes;
  RouteCounters* no_route = nullptr;
  [[nodiscard]] const config::Document& document() const noexcept { return snapshot->document; }
};

class Worker {
 public:
  Worker(Shared& shared, size_t index);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Control thread. Null, or what is wrong.
  [[nodiscard]] const char* start();
  void stop();  // joins; idempotent

  // --- the worker's thread ---
  // Takes the view and these listeners; listeners that are not among them are closed and their sessions
  // drain.
  void adopt(std::shared_ptr<WorkerView> view, std::vector<std::shared_ptr<Listener>> listeners);
  void set_bans(std::shared_ptr<const BanTable> bans) { bans_ = std::move(bans); }
  void drain();
  // The device was reset, and an era of the engine began: ends what is older.
  void end_older_than(uint32_t era);

  // Takes over a connection just accepted, here or by another worker.
  void open_session(const std::shared_ptr<Listener>& listener, net::Stream stream, const net::Endpoint& peer);
  // The same for a listener given by name: it may be gone by now.
  void open_session(const std::string& listener, net::Stream stream, const net::Endpoint& peer);
  void session_closed(Session& session);
  // Puts the session at the end of the idle or the busy list.
  void file_session(Session& session, bool idle) noexcept;
  // Makes room for a new session by ending the one that was idle longest. False if all are busy.
  [[nodiscard]] bool evict_idle();

  [[nodiscard]] Exchange& begin_exchange();
  void end_exchange(Exchange& exchange);

  // An IMF-fixdate, at most a second old.
  [[nodiscard]] std::string_view date();
  [[nodiscard]] uint64_t unix_ms() const noexcept;
  // 32 hexadecimal digits, unpredictable enough not to collide; not a secret.
  void make_request_id(char out[32]) noexcept;
  void emit(std::string event);
  void log(std::string_view line);

  [[nodiscard]] net::Loop& loop() noexcept { return loop_; }
  [[nodiscard]] const http::Clock& clock() const noexcept { return clock_; }
  [[nodiscard]] net::WorkerIo& io() noexcept { return io_; }
  [[nodiscard]] net::BufferPool& buffers() noexcept { return pool_; }
  [[nodiscard]] Shared& shared() noexcept { return shared_; }
  [[nodiscard]] http::Heads& heads() noexcept { return *heads_; }
  [[nodiscard]] const std::shared_ptr<WorkerView>& view() const noexcept { return view_; }
  [[nodiscard]] const BanTable& bans() const noexcept { return *bans_; }
  [[nodiscard]] WorkerCounters& counters() noexcept { return counters_; }
  [[nodiscard]] size_t index() const noexcept { return index_; }
  // All sessions now; a copy, for callers may end some of them.
  [[nodiscard]] std::vector<Session*> sessions() const;
  // The line being built; reused so that logging does not allocate once warm.
  [[nodiscard]] std::string& line() noexcept { return line_; }
  std::vector<Worker*> peers;  // all workers, for an engine where one accepts for all

  // Control thread only: the pools by server, kept across snapshots.
  std::unordered_map<std::string, std::shared_ptr<ServerPool>> pools;

 private:
  void after_turn();
  void adopt_pools(const WorkerView* old);

  struct LoopClock final : http::Clock {
    explicit LoopClock(const net::Loop& loop_in) noexcept : loop(loop_in) {}
    [[nodiscard]] uint64_t now_ms() const noexcept override { return loop.now_ms(); }
    const net::Loop& loop;
  };

  Shared& shared_;
  const size_t index_;
  net::Loop loop_;
  LoopClock clock_{loop_};
  net::BufferPool pool_;
  net::WorkerIo io_;
  std::unique_ptr<http::Heads> heads_;
  WorkerCounters counters_;
  std::shared_ptr<WorkerView> view_;
  std::shared_ptr<const BanTable> bans_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::vector<std::shared_ptr<Listener>> removed_listeners_;  // until the turn ends
  std::list<Session*> busy_;
  std::list<Session*> idle_;  // handshakes and sessions between requests, the longest idle first
  std::vector<std::unique_ptr<Exchange>> spare_exchanges_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;  // in use
  std::vector<Exchange*> ended_exchanges_;            // back to the spare ones after the turn
  std::array<char, http::kHttpDateBytes> date_{};
  uint64_t date_second_ = 0;
  std::array<uint64_t, 2> random_{};
  uint64_t next_session_ = 0;
  std::string line_;
  bool logged_ = false;
  std::thread thread_;
};

}  // namespace mango::proxy
