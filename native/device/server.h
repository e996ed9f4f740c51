// SPDX-License-Identifier: Apache-2.0
// A device: TCP for other processes. One thread, one epoll set, Linux TCP underneath, optionally in a network
// namespace of its own.
//
// Nothing a client writes into shared memory or sends over its link is believed: counts are checked against
// the device's own, ids against the sessions the client owns or can show a descriptor of, and whoever lies
// loses the session (shared memory) or the link (messages).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "device/shared_session.h"
#include "ipc/message.h"

namespace mango::device {

struct ServerOptions {
  uint32_t index = 0;
  std::string netns;      // name under /run/netns, or a path; empty: the process's own
  std::string link_path;  // a leading '@' is the abstract space; empty: one is made up
  std::string access;  // who may use it besides root and its own user: "owner" (default), "all", "group:NAME"
  uint32_t rx_ring_bytes = kRingBytes;
  uint32_t tx_ring_bytes = kRingBytes;
  uint32_t most_sessions = 0;      // 0: what the descriptor limit allows
  std::function<void()> on_reset;  // on the device's thread, once per reset, when all sessions are gone
};

class Server {
 public:
  // Null on failure, with errno and a sentence in `error`. The device is ready when this returns.
  [[nodiscard]] static std::unique_ptr<Server> start(const ServerOptions& options, std::string& error);
  virtual ~Server() = default;  // sessions end with RST, the link closes

  // One message of the IPC channel; from any thread. `answer` is called once, on the device's thread, at
  // once.
  virtual void serve(const ipc::Request& request, std::function<void(const ipc::Response&)> answer) = 0;
  [[nodiscard]] virtual const std::string& link_path() const noexcept = 0;
};

}  // namespace mango::device
