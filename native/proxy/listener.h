// SPDX-License-Identifier: Apache-2.0
// A listener of one worker. On the kernel engine every worker has its own socket (SO_REUSEPORT); where the
// engine allows one only, the first worker accepts and deals the sessions out in turn.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "net/listening_socket.h"
#include "proxy/worker.h"

namespace mango::proxy {

class Session;

class Listener final : public net::Handler, public std::enable_shared_from_this<Listener> {
 public:
  Listener(Worker& worker, std::string name, ListenerCounters& own_counters)
      : counters(own_counters), worker_(worker), name_(std::move(name)) {}

  // Control thread, before the worker knows this listener. `socket` may be empty: then another worker accepts
  // for all
  // (`spread`).
  void give(net::ListeningSocket socket, uint16_t port, bool spread) noexcept;

  // Worker's thread. Starts or goes on listening under a new view.
  [[nodiscard]] bool adopt(std::shared_ptr<WorkerView> view, uint32_t index);
  // Stops accepting; sessions keep the last view that had this listener.
  void close();
  // Gives a socket up that died when that era of the engine began: another one follows by reopen().
  void drop_older_than(uint32_t era);
  void reopen(net::ListeningSocket socket);

  void on_turn(uint32_t events) override;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] Worker& worker() noexcept { return worker_; }
  [[nodiscard]] uint16_t port() const noexcept { return port_; }
  [[nodiscard]] uint32_t index() const noexcept { return index_; }
  [[nodiscard]] const std::shared_ptr<WorkerView>& view() const noexcept { return view_; }
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  // Waits for another socket. Any thread.
  [[nodiscard]] bool lost() const noexcept { return lost_.load(std::memory_order_acquire); }

  ListenerCounters& counters;

 private:
  static constexpr int kAcceptsPerTurn = 16;
  static constexpr int kAcceptsAtClose = 4096;
  [[nodiscard]] bool accept_one();
  void lose();
  void deal(net::Stream stream, const net::Endpoint& peer);

  Worker& worker_;
  const std::string name_;
  net::ListeningSocket socket_;
  std::shared_ptr<WorkerView> view_;
  uint32_t index_ = 0;
  uint16_t port_ = 0;
  bool spread_ = false;
  bool closed_ = false;
  std::atomic<bool> lost_{false};
  size_t next_worker_ = 0;
};

}  // namespace mango::proxy
