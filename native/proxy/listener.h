// SPDX-License-Identifier: Apache-2.0
// A listening socket of one worker. On the kernel engine every worker has its own (SO_REUSEPORT); where the engine
// allows one only, the first worker accepts and deals the sessions out in turn.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/loop.h"
#include "proxy/worker.h"

namespace mango::proxy {

class Session;

class Listener final : public net::Handler, public std::enable_shared_from_this<Listener> {
 public:
  Listener(Worker& worker, std::string name, ListenerCounters& own_counters)
      : counters(own_counters), worker_(worker), name_(std::move(name)) {}
  ~Listener() override { close(); }

  // A bound, listening socket of the engine, not yet watched.
  struct Socket {
    mango_socket_h handle = nullptr;
    int fd = -1;
  };
  // Control thread. Opens one socket per worker for the address; a single one if the engine cannot share a port.
  // `endpoint` gets the port the system chose if it was 0. `ours`: another socket of this process may have the port.
  // False with a sentence in `error`.
  [[nodiscard]] static bool bind(net::Engine& engine, net::Endpoint& endpoint, int backlog, size_t workers, bool ours,
                                 std::vector<Socket>& sockets, std::string& error);
  static void close(net::Engine& engine, const Socket& socket) noexcept;

  // Control thread, before the worker knows this listener.
  void give(const Socket& socket, uint16_t port, bool spread) noexcept;

  // Worker's thread. Starts or goes on listening under a new view.
  [[nodiscard]] bool adopt(std::shared_ptr<WorkerView> view, uint32_t index);
  // Stops accepting; sessions keep the last view that had this listener.
  void close();

  void on_turn(uint32_t events) override;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] uint16_t port() const noexcept { return port_; }
  [[nodiscard]] uint32_t index() const noexcept { return index_; }
  [[nodiscard]] const std::shared_ptr<WorkerView>& view() const noexcept { return view_; }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

  ListenerCounters& counters;

 private:
  static constexpr int kAcceptsPerTurn = 16;
  [[nodiscard]] bool accept_one();
  void shed();
  void deal(net::Stream stream, const net::Endpoint& peer);

  Worker& worker_;
  const std::string name_;
  Socket socket_;
  std::shared_ptr<WorkerView> view_;
  uint32_t index_ = 0;
  uint16_t port_ = 0;
  bool spread_ = false;
  bool watched_ = false;
  bool closed_ = false;
  size_t next_worker_ = 0;
  int reserve_fd_ = -1;  // given up to accept and refuse when descriptors run out
};

}  // namespace mango::proxy
