// SPDX-License-Identifier: Apache-2.0
// The offload engine as a table of function pointers: the built-in libmango or a library opened at run time.
//
// This folder is the only caller of mango_* functions, and all calls go through the table, so that a DPU's
// own libmango.so can stand in without a rebuild. Rejected: linking against libmango.so directly, which would
// make the vendor's library a build dependency and hide a missing symbol until its first call.
#pragma once

#include <atomic>
#include <functional>
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

// What is needed besides where TCP lives in another process. Only asked for there: a DPU's library may well
// come without them.
#define MANGO_ENGINE_DEVICE_FUNCTIONS(X) \
  X(ipc_open)                            \
  X(ipc_close)                           \
  X(ipc_set_index)                       \
  X(ipc_get_config)                      \
  X(tcp_set_ipc)

// Null where a library lacks one, and the data plane does without: a TLS session keeps its SSL, a device that
// cannot be reset is not, a reset is learnt of from the sockets that died.
#define MANGO_ENGINE_EXTENSIONS(X) \
  X(socket_set_tls_keys)           \
  X(socket_get_num_avail)          \
  X(tcp_epoll_set_exclusive)       \
  X(tcp_reset)                     \
  X(tcp_register_reset)            \
  X(tcp_get_address)               \
  X(get_version)                   \
  X(status_message)

namespace mango::net {

struct EngineOptions {
  std::string library;  // "" = the built-in one
  std::string
      ipc_address;    // of the process that owns TCP: "host:port", "iceoryx:NAME"; "" = this process does
  int ipc_index = 0;  // which of its devices
};

class Engine {
 public:
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Opens the built-in engine (`library` empty) or the one at that path. Null on failure, with a sentence in
  // `error` that names the path and, where that is the cause, the missing symbols, or the device that does
  // not answer.
  [[nodiscard]] static std::unique_ptr<Engine> open(const EngineOptions& options, std::string& error);
  [[nodiscard]] static std::unique_ptr<Engine> open(const std::string& library, std::string& error) {
    return open(EngineOptions{.library = library, .ipc_address = ""}, error);
  }

#define X(name) decltype(&::mango_##name) name = nullptr;
  MANGO_ENGINE_FUNCTIONS(X)
  MANGO_ENGINE_DEVICE_FUNCTIONS(X)
  MANGO_ENGINE_EXTENSIONS(X)
#undef X
  mango_status_e (*tcp_create)(mango_tcp_h*) = nullptr;  // libmango.h overloads this name in C++

  [[nodiscard]] mango_tcp_h tcp() const noexcept { return tcp_; }
  // Null where TCP lives in this process.
  [[nodiscard]] mango_ipc_h ipc() const noexcept { return ipc_; }
  [[nodiscard]] const EngineOptions& options() const noexcept { return options_; }
  // "kernel (built in)", the library's path, "device 0 at localhost:32847".
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  // --- resets: any thread ---
  // A reset of the device ends all sockets of an era. Each socket belongs to the era it was made in: so one
  // that died before is told from one that dies now, and a reset that thousands report is one.
  [[nodiscard]] uint32_t era() const noexcept { return era_.load(std::memory_order_acquire); }
  // A socket of that era says that its device was reset, or is gone.
  void note_reset(uint32_t era) noexcept;
  // From note_reset() until somebody has settled all that follows: what fails now is nobody else's fault.
  [[nodiscard]] bool lost() const noexcept { return settled_.load(std::memory_order_acquire) != era(); }
  void settle(uint32_t era) noexcept { settled_.store(era, std::memory_order_release); }
  // Called once for each era that ends, by whoever noticed; must not block. Before the first socket is made.
  void on_reset(std::function<void()> noticed) { noticed_ = std::move(noticed); }

 private:
  Engine() = default;
  [[nodiscard]] bool resolve(std::string& error);
  void resolve_built_in() noexcept;
  [[nodiscard]] bool start(std::string& error);
  [[nodiscard]] bool start_device(std::string& error);
  [[nodiscard]] std::string describe(const char* call, mango_status_e status) const;

  EngineOptions options_;
  void* library_ = nullptr;
  mango_context_h context_ = nullptr;
  mango_ipc_h ipc_ = nullptr;
  mango_tcp_h tcp_ = nullptr;
  std::string name_;
  std::atomic<uint32_t> era_{0};
  std::atomic<uint32_t> settled_{0};
  std::function<void()> noticed_;
};

// Whether a status says that the device below was reset, or that its process is gone.
[[nodiscard]] constexpr bool means_reset(mango_status_e status) noexcept {
  return status == MANGO_STATUS_DEVICE_RESET || status == MANGO_STATUS_IPC_UNAVAILABLE;
}

}  // namespace mango::net
