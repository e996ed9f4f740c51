// SPDX-License-Identifier: Apache-2.0
// What the data plane counts. Each worker writes blocks of its own; the reader sums them without stopping
// anybody.
//
// Blocks are handed out by name and never freed, so a route or server keeps its counters across reloads.
// Slots are made on the control thread, before a worker learns of them: no lock on any counting path but the
// rare ones.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>

#include "net/calls.h"

namespace mango::proxy {

using net::OwnCounter;

// Latencies from half a millisecond to ten seconds.
class Histogram {
 public:
  static constexpr std::array<double, 14> kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                     0.1,    0.25,  0.5,    1,     2.5,  5,     10};
  void observe_ns(uint64_t ns) noexcept;

  std::array<OwnCounter, kBounds.size() + 1> counts;
  OwnCounter sum_ns;
};

// Counts by status code: the first kSlots different codes get a slot of their own, later ones their class's
// ("5xx" as 500). Upstreams choose the codes, so the number must be bounded.
class StatusCounts {
 public:
  static constexpr size_t kSlots = 24;
  void count(uint16_t status) noexcept;
  template <typename Each>
  void for_each(const Each& each) const {
    for (const Slot& slot : slots_)
      if (const uint16_t status = slot.status.load(std::memory_order_acquire); status != 0)
        each(status, slot.count.read());
  }

 private:
  struct Slot {
    std::atomic<uint16_t> status{0};
    OwnCounter count;
  };
  [[nodiscard]] Slot* slot_of(uint16_t status, size_t limit) noexcept;
  std::array<Slot, kSlots + 5> slots_;  // the last five: the classes
};

struct ListenerCounters {
  OwnCounter accepted, active, bytes_in, bytes_out;
  Histogram handshake;
};

struct RouteCounters {
  static constexpr size_t kGrpcStatuses = 17;
  std::string name;  // set once, before any worker sees the block
  StatusCounts requests;
  OwnCounter active, request_bytes, response_bytes;
  OwnCounter connections;  // of plain TCP and passed-on TLS, which have no status
  Histogram seconds;
  // By grpc-status (0 to 16); the last for responses without one.
  std::array<OwnCounter, kGrpcStatuses + 1> grpc;
  void count_grpc(int status) noexcept {
    ++grpc[status >= 0 && status < static_cast<int>(kGrpcStatuses) ? static_cast<size_t>(status)
                                                                   : kGrpcStatuses];
  }
};

struct ServerCounters {
  OwnCounter requests, connects, connect_errors, reused, retries, failures, ejections, open, idle, active;
  Histogram response;
};

// Blocks by name. `get` on the control thread only; the block may then be used by its worker.
template <typename Block>
class Blocks {
 public:
  Block& get(const std::string& name) {
    const auto [found, fresh] = index_.try_emplace(name, blocks_.size());
    if (fresh) blocks_.emplace_back();
    return blocks_[found->second];
  }
  template <typename Each>
  void for_each(const Each& each) const {
    for (const auto& [name, index] : index_) each(name, blocks_[index]);
  }

 private:
  std::unordered_map<std::string, size_t> index_;
  std::deque<Block> blocks_;
};

// Things that happen too rarely for a slot each: under a lock that only the reader ever contends for.
class RareCounters {
 public:
  // listener, version, group, cipher, resumed, result
  using Handshake = std::tuple<std::string, std::string, std::string, std::string, bool, std::string>;
  using Action = std::tuple<std::string, std::string, std::string>;  // policy, trigger, action

  void count_handshake(Handshake key) { add(handshakes_, std::move(key)); }
  void count_action(Action key) { add(actions_, std::move(key)); }
  void count_reason(const std::string& reason) { add(reasons_, reason); }

  // Adds this worker's counts to the sums.
  void sum(std::map<Handshake, uint64_t>& handshakes, std::map<Action, uint64_t>& actions,
           std::map<std::string, uint64_t>& reasons) const;

 private:
  // Peers choose some of the keys (cipher, group), from finite sets; this is the belt to those braces.
  static constexpr size_t kMaxKeys = 4096;
  template <typename Key>
  void add(std::map<Key, uint64_t>& counts, Key key) {
    const std::lock_guard lock(mutex_);
    if (counts.size() < kMaxKeys || counts.contains(key)) ++counts[std::move(key)];
  }

  mutable std::mutex mutex_;
  std::map<Handshake, uint64_t> handshakes_;
  std::map<Action, uint64_t> actions_;
  std::map<std::string, uint64_t> reasons_;
};

struct WorkerCounters {
  Blocks<ListenerCounters> listeners;
  Blocks<RouteCounters> routes;
  Blocks<ServerCounters> servers;  // by ServerKey::text
  RareCounters rare;
  OwnCounter sessions, events, events_dropped;
};

}  // namespace mango::proxy
