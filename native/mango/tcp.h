// SPDX-License-Identifier: Apache-2.0
// A tcp handle: the engine its sockets run on, how many there are, the listeners of mango_tcp_listen, and how
// far a reset has come. The data path reads `context` and `device` only; the rest is behind `mutex`.
#pragma once

#include <netinet/in.h>

#include <memory>
#include <mutex>
#include <vector>

#include "mango/address.h"
#include "mango/handle.h"
#include "typedef.h"

namespace mango::device {
class Client;
}

namespace mango::kernel {

// A listener of mango_tcp_listen. Shared with the threads that wait in mango_tcp_accept: the last one closes
// it.
struct TcpListener {
  mango_socket_h socket = nullptr;  // owned
  sockaddr_in asked{};              // as the caller gave it
  sockaddr_in bound{};              // with the port the system chose
  std::atomic<bool> closing{false};

  TcpListener() = default;
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  ~TcpListener();
};

// A reset of mango_tcp_reset, from the first call to the one that says OK.
enum class ResetPhase : uint8_t {
  kIdle,
  kKilling,   // the first call is at work
  kKilled,    // every session is dead; the next call finishes
  kFinishing  // addresses come back, the reset function runs
};

struct Tcp {
  std::atomic<Handle> context{kNoHandle};        // the engine; none until mango_tcp_set_context
  std::atomic<device::Client*> device{nullptr};  // owned; none unless mango_tcp_set_ipc
  std::atomic<uint32_t> sockets{0};
  std::atomic<uint32_t> users{0};  // ipc handles that serve this one, and resets under way

  std::mutex mutex;  // guards what follows
  Handle ipc = kNoHandle;
  bool choosing = false;                                // mango_tcp_set_ipc is connecting
  std::vector<std::shared_ptr<TcpListener>> listeners;  // in the order of their making
  ResetPhase phase = ResetPhase::kIdle;
  bool preserved = false;  // what the reset under way was asked for
  mango_tcp_reset_fn* reset_function = nullptr;
  void* reset_param = nullptr;
  std::unique_ptr<SavedAddresses> before;  // addresses as they were before mango_tcp_set_address
};

HandleTable<Tcp, HandleType::kTcp>& tcps() noexcept;

// While in use, mango_tcp_destroy() says BUSY. Null when the handle is none.
[[nodiscard]] Tcp* tcp_use(Handle tcp) noexcept;
void tcp_unuse(Tcp& tcp) noexcept;

// Runs what mango_tcp_register_reset() registered, in the calling thread; nothing when there is none.
void tcp_run_reset_function(Handle tcp) noexcept;

// The listener made last and not closed: what a negative descriptor means to epoll. -1: none.
[[nodiscard]] int tcp_listener_fd(Tcp& tcp) noexcept;

// Hangs a socket's descriptor up, from whatever thread: RST, and every call blocked on it returns.
void hang_up(int fd, bool session) noexcept;

}  // namespace mango::kernel
