// SPDX-License-Identifier: Apache-2.0
// The listening sockets of the gRPC server, and the thread that accepts. libgrpc could listen itself, but it
// makes a wildcard of either family a dual-stack one, and answers every failure alike; ours binds what it is
// told and says why it cannot.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "ipc/transport.h"

namespace mango::ipc {

class Listener {
 public:
  using Accepted = std::function<void(int fd)>;  // takes the descriptor

  Listener() = default;
  ~Listener();  // stops; no call of `accepted` follows
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Binds all addresses the host has, with one port. Updates endpoint.port.
  [[nodiscard]] bool bind(Endpoint& endpoint, Failure& failure);
  void start(Accepted accepted);

 private:
  void run();
  void accept_all(int listening);

  std::vector<int> sockets_;
  int stop_ = -1;  // an eventfd
  Accepted accepted_;
  std::thread thread_;
};

}  // namespace mango::ipc
