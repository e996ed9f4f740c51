// SPDX-License-Identifier: Apache-2.0
// What a measuring program runs on: plain sockets, or libmango on either engine. The same blocking calls for
// all, so that a difference between two runs is the engine's. Public API only: the vendor's library could be
// measured the same way.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <memory>
#include <string>

namespace mango::bench {

// One connection. Failures end the program with a sentence: a run with a failed operation has no figures.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void send_all(const void* bytes, size_t length) = 0;
  virtual void recv_all(void* bytes, size_t length) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  [[nodiscard]] virtual std::unique_ptr<Connection> connect(const sockaddr_in& peer) = 0;
  // One session begun and ended in order, by number: mango_tcp_connect() and mango_tcp_close().
  virtual void connect_and_close(const sockaddr_in& peer) = 0;
};

// name: "sockets", "kernel", or the path of a device's IPC channel ("HOST:PORT", "iceoryx:NAME").
[[nodiscard]] std::unique_ptr<Engine> make_engine(const std::string& name);

// Called by make_engine().
[[nodiscard]] std::unique_ptr<Engine> make_plain_engine();
[[nodiscard]] std::unique_ptr<Engine> make_library_engine(const std::string& ipc_path);  // empty: kernel

[[noreturn]] void die(const char* what, const char* why);

}  // namespace mango::bench
