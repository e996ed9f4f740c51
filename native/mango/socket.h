// SPDX-License-Identifier: Apache-2.0
// A socket: a slot that names a descriptor and what is attached to it. Small on purpose,
// since an idle session is little else: no buffers, TLS state only when TLS is used, remembered options only
// before connecting.
#pragma once

#include <atomic>
#include <cstdint>

#include "mango/handle.h"
#include "mango/option_log.h"
#include "mango/status.h"
#include "typedef.h"

namespace mango::device {
class Session;
}

namespace mango::kernel {

class TlsSession;

// The life of a socket. Legal steps are listed in socket_set_state().
enum class SocketState : uint8_t {
  kClosed,  // a handle without a descriptor
  kFresh,   // opened; family open, nothing bound
  kBound,   // has a local address
  kListening,
  kConnecting,  // a non-blocking connect is under way
  kConnected,   // connect succeeded, or accepted; also after either side's FIN or the peer's RST
  kAborted      // RST sent by us; only close or reset leads out
};

struct Socket {
  std::atomic<int> fd{-1};  // atomic for mango_socket_find, which any thread may call
  SocketState state = SocketState::kClosed;
  bool nonblocking = false;
  bool ipv6 = false;   // family of the descriptor
  bool bound = false;  // has an address the caller chose, which Linux keeps across a disconnect,
  bool stale = false;  // so that after a reset the next bind, listen or connect needs a new descriptor
  Handle handle = kNoHandle;
  std::atomic<Handle> tcp{kNoHandle};
  bool numbered = false;  // made by mango_tcp_accept or _connect: mango_tcp_close frees the handle, too
  // Held by a reset of the tcp handle while it hangs the descriptor up, and by the owner while it gives the
  // descriptor away, so that a number that is somebody else's by now is never hung up.
  std::atomic_flag held;
  std::atomic_flag closing;            // one close at a time, whatever callers do
  std::atomic<bool> dead{false};       // its device was reset: every call but close answers DEVICE_RESET
  device::Session* session = nullptr;  // owned; null on the kernel engine
  TlsSession* tls = nullptr;           // owned
  OptionLog* options = nullptr;        // owned

  [[nodiscard]] int descriptor() const noexcept { return fd.load(std::memory_order_relaxed); }
};

HandleTable<Socket, HandleType::kSocket>& sockets() noexcept;

// The socket behind a handle when it is open, else null.
[[nodiscard]] Socket* find_open(mango_socket_h handle) noexcept;

void socket_set_state(Socket& socket, SocketState next) noexcept;

// A new handle of tcp, with no descriptor; counts as one of tcp's sockets.
[[nodiscard]] Socket* socket_make(Handle tcp) noexcept;

// Opens a closed socket of an engine: AF_INET or AF_INET6, blocking, close-on-exec.
[[nodiscard]] mango_status_e socket_open(Socket& socket, int family) noexcept;

// Gives a closed socket its descriptor, which the socket owns from then on, or not at all when memory is out.
[[nodiscard]] mango_status_e socket_adopt_fd(Socket& socket, int fd, SocketState state) noexcept;

// Takes the descriptor away without closing it; drops TLS and options. The session stays the caller's
// business.
int socket_release_fd(Socket& socket) noexcept;

// Puts a fresh socket of the given family under the same descriptor number, with options and blocking mode.
[[nodiscard]] mango_status_e socket_replace_fd(Socket& socket, int family) noexcept;

// What a failed call means for this socket: after an abort the kernel says ENOTCONN or EPIPE.
[[nodiscard]] mango_status_e socket_error(const Socket& socket, int error) noexcept;

void socket_drop_tls(Socket& socket) noexcept;

}  // namespace mango::kernel
