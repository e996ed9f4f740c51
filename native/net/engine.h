// SPDX-License-Identifier: Apache-2.0
// The offload engine as a table of function pointers: the built-in libmango or a library opened at run time.
//
// This folder is the only caller of mango_* functions, and all calls go through the table, so that a DPU's
// own libmango.so can stand in without a rebuild. Rejected: linking against libmango.so directly, which would
// make the vendor's library a build dependency and hide a missing symbol until its first call.
#pragma once

#include <memory>
#include <string>

#include "libmango.h"

// Every function the data plane needs from an engine. A library that lacks one is refused at start-up.
#define MANGO_ENGINE_FUNCTIONS(X) \
  X(context_create)               \
  X(context_destroy)              \
  X(tcp_destroy)                  \
  X(tcp_set_context)              \
  X(tcp_epoll_create)             \
  X(tcp_epoll_ctl)                \
  X(tcp_epoll_wait)               \
  X(tcp_epoll_close)              \
  X(socket_create)                \
  X(socket_destroy)               \
  X(socket_open)                  \
  X(socket_bind)                  \
  X(socket_listen)                \
  X(socket_accept)                \
  X(socket_connect)               \
  X(socket_send)                  \
  X(socket_recv)                  \
  X(socket_set_ssl)               \
  X(socket_send_tls)              \
  X(socket_recv_tls)              \
  X(socket_set_nonblocking)       \
  X(socket_set_option)            \
  X(socket_get_option)            \
  X(socket_get_name)              \
  X(socket_get_fd)                \
  X(socket_shutdown)              \
  X(socket_abort)                 \
  X(socket_reset)                 \
  X(socket_close)

// Extensions of the built-in engine: null where a library lacks one, and the data plane does without.
#define MANGO_ENGINE_EXTENSIONS(X) X(socket_set_tls_keys)

namespace mango::net {

class Engine {
 public:
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Opens the built-in engine (`library` empty) or the one at that path. Null on failure, with a sentence in
  // `error` that names the path and, where that is the cause, the missing symbols.
  [[nodiscard]] static std::unique_ptr<Engine> open(const std::string& library, std::string& error);

#define X(name) decltype(&::mango_##name) name = nullptr;
  MANGO_ENGINE_FUNCTIONS(X)
  MANGO_ENGINE_EXTENSIONS(X)
#undef X
  mango_status_e (*tcp_create)(mango_tcp_h*) = nullptr;  // libmango.h overloads this name in C++

  [[nodiscard]] mango_tcp_h tcp() const noexcept { return tcp_; }
  // "kernel (built in)" or the library's path.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  Engine() = default;
  [[nodiscard]] bool resolve(const std::string& library, std::string& error);
  [[nodiscard]] bool start(std::string& error);

  void* library_ = nullptr;
  mango_context_h context_ = nullptr;
  mango_tcp_h tcp_ = nullptr;
  std::string name_;
};

}  // namespace mango::net
