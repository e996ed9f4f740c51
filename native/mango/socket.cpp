// SPDX-License-Identifier: Apache-2.0
#include "mango/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <thread>

#include <utility>

#include "device/client.h"
#include "libmango.h"
#include "mango/carrier.h"
#include "mango/counters.h"
#include "mango/fd_table.h"
#include "mango/tcp.h"
#include "mango/tls_session.h"

namespace mango::kernel {
namespace {

constexpr uint8_t bit(SocketState state) noexcept {
  return static_cast<uint8_t>(1U << static_cast<uint8_t>(state));
}

// Which states may come before each state, in the order of SocketState.
constexpr uint8_t kAnyOpen = bit(SocketState::kFresh) | bit(SocketState::kBound) |
                             bit(SocketState::kListening) | bit(SocketState::kConnecting) |
                             bit(SocketState::kConnected) | bit(SocketState::kAborted);
constexpr uint8_t kPredecessors[] = {
    kAnyOpen,                              // kClosed: close, detach
    bit(SocketState::kClosed) | kAnyOpen,  // kFresh: open, reset, failed connect
    bit(SocketState::kFresh),              // kBound
    bit(SocketState::kFresh) | bit(SocketState::kBound) | bit(SocketState::kListening),  // kListening
    bit(SocketState::kFresh) | bit(SocketState::kBound),                                 // kConnecting
    bit(SocketState::kClosed) | bit(SocketState::kFresh) | bit(SocketState::kBound) |
        bit(SocketState::kConnecting),  // kConnected: accept, connect
    kAnyOpen,                           // kAborted
};

int make_fd(int family, bool nonblocking) noexcept {
  return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), IPPROTO_TCP);
}

void forget_tcp(Handle tcp) noexcept {
  if (Tcp* found = tcps().find(tcp)) found->sockets.fetch_sub(1, std::memory_order_release);
}

// For the duration, nobody else closes, detaches or destroys the socket.
class Closing {
 public:
  explicit Closing(Socket& socket) noexcept : socket_(socket) {
    while (socket.closing.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  }
  ~Closing() { socket_.closing.clear(std::memory_order_release); }
  Closing(const Closing&) = delete;
  Closing& operator=(const Closing&) = delete;

 private:
  Socket& socket_;
};

// False when it was closed already.
bool close_descriptor(Socket& socket) noexcept {
  const Closing alone(socket);
  if (socket.descriptor() < 0) return false;
  if (socket.tls) socket.tls->say_goodbye();
  const int fd = socket_release_fd(socket);
  if (socket.session) {
    delete std::exchange(socket.session, nullptr);  // closes it
  } else {
    ::close(fd);
  }
  count(Counter::kClosed);
  return true;
}

device::Client* device_of(const Socket& socket) noexcept {
  const Tcp* tcp = tcps().find(socket.tcp.load(std::memory_order_relaxed));
  return tcp ? tcp->device.load(std::memory_order_acquire) : nullptr;
}

// Descriptor numbers of a replaced socket: the new one moves under the old one's.
int replace_kernel_fd(Socket& socket, int family) noexcept {
  const int fresh = make_fd(family, socket.nonblocking);
  if (fresh < 0) return errno;
  const int error = dup3(fresh, socket.descriptor(), O_CLOEXEC) < 0 ? errno : 0;
  ::close(fresh);
  return error;
}

int replace_session(Socket& socket, int family) noexcept {
  device::Client* device = device_of(socket);
  device::Session* fresh = device ? device->open(family, SOCK_CLOEXEC) : nullptr;
  if (!fresh) return device ? errno : EBADF;
  const int temporary = fresh->fd();
  if (dup3(temporary, socket.descriptor(), O_CLOEXEC) < 0) {
    const int error = errno;
    delete fresh;
    return error;
  }
  fresh->move_to_fd(socket.descriptor());
  ::close(temporary);
  (void)socket.session->release_fd();  // overwritten by dup3
  delete std::exchange(socket.session, fresh);
  return fresh->set_nonblocking(socket.nonblocking) == 0 ? 0 : errno;
}

}  // namespace

HandleTable<Socket, HandleType::kSocket>& sockets() noexcept {
  static auto* table =
      new HandleTable<Socket, HandleType::kSocket>;  // never destroyed: threads may outlive main
  return *table;
}

Socket* find_open(mango_socket_h handle) noexcept {
  Socket* socket = sockets().find(from_api(handle));
  return socket && socket->descriptor() >= 0 ? socket : nullptr;
}

void socket_set_state(Socket& socket, SocketState next) noexcept {
  assert(kPredecessors[static_cast<size_t>(next)] & bit(socket.state));
  socket.state = next;
}

Socket* socket_make(Handle tcp) noexcept {
  Socket* socket = sockets().allocate();
  if (!socket) return nullptr;
  socket->tcp.store(tcp, std::memory_order_relaxed);
  socket->nonblocking = false;
  socket->numbered = false;
  if (Tcp* owner = tcps().find(tcp)) owner->sockets.fetch_add(1, std::memory_order_relaxed);
  socket->handle = sockets().publish(socket);
  return socket;
}

mango_status_e socket_adopt_fd(Socket& socket, int fd, SocketState state) noexcept {
  if (!fd_table_set(fd, socket.handle)) return MANGO_STATUS_NO_MEMORY;
  socket.bound = false;
  socket.stale = false;
  socket.dead.store(false, std::memory_order_relaxed);
  socket.fd.store(fd, std::memory_order_relaxed);
  socket_set_state(socket, state);
  return MANGO_STATUS_OK;
}

int socket_release_fd(Socket& socket) noexcept {
  const int fd = socket.descriptor();
  fd_table_clear(fd);
  socket_drop_tls(socket);
  delete socket.options;
  socket.options = nullptr;
  while (socket.held.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  socket.fd.store(-1, std::memory_order_relaxed);
  socket.held.clear(std::memory_order_release);
  socket_set_state(socket, SocketState::kClosed);
  return fd;
}

mango_status_e socket_replace_fd(Socket& socket, int family) noexcept {
  int error = socket.session ? replace_session(socket, family) : replace_kernel_fd(socket, family);
  if (error == 0 && socket.options) error = socket.options->replay(socket, family);
  if (error != 0) return status_of_errno(error);
  socket.ipv6 = family == AF_INET6;
  socket.stale = false;
  return MANGO_STATUS_OK;
}

mango_status_e socket_error(const Socket& socket, int error) noexcept {
  if (socket.dead.load(std::memory_order_relaxed)) return MANGO_STATUS_DEVICE_RESET;
  return socket.state == SocketState::kAborted ? MANGO_STATUS_ABORTED : status_of_errno(error);
}

mango_status_e socket_open(Socket& socket, int family) noexcept {
  device::Client* device = device_of(socket);
  device::Session* session = device ? device->open(family, SOCK_CLOEXEC) : nullptr;
  if (device && !session) return status_of_errno(errno);
  const int fd = session ? session->fd() : make_fd(family, false);
  if (fd < 0) return status_of_errno(errno);
  socket.nonblocking = false;
  socket.ipv6 = family == AF_INET6;
  socket.session = session;
  const mango_status_e status = socket_adopt_fd(socket, fd, SocketState::kFresh);
  if (status == MANGO_STATUS_OK) {
    count(Counter::kOpened);
  } else if (session) {
    delete std::exchange(socket.session, nullptr);
  } else {
    ::close(fd);
  }
  return status;
}

void socket_drop_tls(Socket& socket) noexcept {
  delete socket.tls;
  socket.tls = nullptr;
}

}  // namespace mango::kernel

using namespace mango::kernel;

extern "C" {

mango_status_e mango_socket_create(mango_tcp_h tcp, mango_socket_h* socket) {
  if (!tcps().find(from_api(tcp))) return MANGO_STATUS_INVALID_HANDLE;
  if (!socket) return MANGO_STATUS_INVALID_ARGUMENT;
  const Socket* made = socket_make(from_api(tcp));
  if (!made) return MANGO_STATUS_NO_MEMORY;
  *socket = to_api(made->handle);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_open(mango_socket_h socket, int* fd) {
  Socket* found = sockets().find(from_api(socket));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->descriptor() >= 0) return MANGO_STATUS_BUSY;
  const Tcp* tcp = tcps().find(found->tcp.load(std::memory_order_relaxed));
  if (!tcp ||
      (!tcp->context.load(std::memory_order_acquire) && !tcp->device.load(std::memory_order_acquire))) {
    return MANGO_STATUS_INVALID_ARGUMENT;
  }
  const mango_status_e status = socket_open(*found, AF_INET);
  if (status == MANGO_STATUS_OK && fd) *fd = found->descriptor();
  return status;
}

mango_status_e mango_socket_close(mango_socket_h socket) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  return close_descriptor(*found) ? MANGO_STATUS_OK : MANGO_STATUS_INVALID_HANDLE;
}

mango_status_e mango_socket_destroy(mango_socket_h socket) {
  Socket* claimed = sockets().claim(from_api(socket));
  if (!claimed) return MANGO_STATUS_INVALID_HANDLE;
  (void)close_descriptor(*claimed);
  forget_tcp(claimed->tcp.load(std::memory_order_relaxed));
  sockets().recycle(claimed);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_detach(mango_socket_h socket) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  const Closing alone(*found);
  if (found->descriptor() < 0) return MANGO_STATUS_INVALID_HANDLE;
  if (found->tls && found->tls->holds_bytes()) return MANGO_STATUS_BUSY;
  if (found->session && found->session->detach() != 0) return socket_error(*found, errno);
  delete std::exchange(found->session, nullptr);
  socket_release_fd(*found);
  return MANGO_STATUS_OK;
}

}  // extern "C"
