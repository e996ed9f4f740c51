// SPDX-License-Identifier: Apache-2.0
// Sockets getting an address and a peer: bind, listen, accept, connect.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libmango.h"
#include "mango/carrier.h"

using namespace mango::kernel;

namespace {

// The descriptor was made before the family was known: bring it in line with the address.
mango_status_e settle_family(Socket& socket, const sockaddr* addr, socklen_t addrlen) noexcept {
  if (!addr || addrlen < sizeof(sa_family_t)) return MANGO_STATUS_INVALID_ARGUMENT;
  if (socket.dead.load(std::memory_order_relaxed)) return MANGO_STATUS_DEVICE_RESET;
  if (socket.state == SocketState::kAborted) return MANGO_STATUS_ABORTED;
  // A connected or connecting socket gets the kernel's own answer; AF_UNSPEC would be an abort by another
  // name.
  if (addr->sa_family != AF_INET && addr->sa_family != AF_INET6) return MANGO_STATUS_FAMILY_NOT_SUPPORTED;
  const bool want_ipv6 = addr->sa_family == AF_INET6;
  if (socket.state != SocketState::kFresh || (want_ipv6 == socket.ipv6 && !socket.stale))
    return MANGO_STATUS_OK;
  return socket_replace_fd(socket, addr->sa_family);
}

struct Accepted {
  int fd;
  mango::device::Session* session;  // owned; null on the kernel engine
};

Accepted take_connection(const Socket& listener, sockaddr* addr, socklen_t* addrlen) noexcept {
  const int flags = SOCK_CLOEXEC | (listener.nonblocking ? SOCK_NONBLOCK : 0);
  count(Counter::kAcceptCalls);
  if (listener.session) {
    mango::device::Session* session = nullptr;
    const int fd = retry_interrupted([&] {
      session = listener.session->accept(addr, addrlen, flags);
      return session ? session->fd() : -1;
    });
    return {fd, session};
  }
  return {retry_interrupted([&] { return ::accept4(listener.descriptor(), addr, addrlen, flags); }), nullptr};
}

// A socket of the connection, or null when memory is out; then the connection is closed.
Socket* adopt_connection(const Socket& listener, const Accepted& taken) noexcept {
  Socket* accepted = socket_make(listener.tcp.load(std::memory_order_relaxed));
  if (!accepted || socket_adopt_fd(*accepted, taken.fd, SocketState::kConnected) != MANGO_STATUS_OK) {
    if (taken.session) {
      delete taken.session;
    } else {
      ::close(taken.fd);
    }
    if (accepted) mango_socket_destroy(to_api(accepted->handle));
    return nullptr;
  }
  accepted->session = taken.session;
  accepted->nonblocking = listener.nonblocking;
  accepted->ipv6 = listener.ipv6;
  return accepted;
}

// Records what connect(2) said; a refused socket may try again, as on Linux.
mango_status_e note_connect(Socket& socket, int result, int error) noexcept {
  if (result == 0) {
    socket_set_state(socket, SocketState::kConnected);
    return MANGO_STATUS_OK;
  }
  const bool waiting = error == EINPROGRESS || error == EALREADY;
  if (waiting && socket.state != SocketState::kConnecting) socket_set_state(socket, SocketState::kConnecting);
  if (!waiting && socket.state == SocketState::kConnecting) socket_set_state(socket, SocketState::kFresh);
  return socket_error(socket, error);
}

}  // namespace

extern "C" {

mango_status_e mango_socket_bind(mango_socket_h socket, const struct sockaddr* addr, socklen_t addrlen) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (const mango_status_e status = settle_family(*found, addr, addrlen); status != MANGO_STATUS_OK)
    return status;
  if (carrier_bind(*found, addr, addrlen) != 0) return socket_error(*found, errno);
  found->bound = true;
  socket_set_state(*found, SocketState::kBound);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_listen(mango_socket_h socket, int backlog) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->dead.load(std::memory_order_relaxed)) return MANGO_STATUS_DEVICE_RESET;
  if (found->state == SocketState::kAborted) return MANGO_STATUS_ABORTED;
  if (found->state == SocketState::kConnecting || found->state == SocketState::kConnected) {
    return MANGO_STATUS_IS_CONNECTED;
  }
  if (found->stale) {
    const mango_status_e status = socket_replace_fd(*found, found->ipv6 ? AF_INET6 : AF_INET);
    if (status != MANGO_STATUS_OK) return status;
  }
  if (carrier_listen(*found, backlog) != 0) return socket_error(*found, errno);
  found->bound = true;
  socket_set_state(*found, SocketState::kListening);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_accept(mango_socket_h socket, struct sockaddr* addr, socklen_t* addrlen,
                                   mango_socket_h* client) {
  Socket* listener = find_open(socket);
  if (!listener) return MANGO_STATUS_INVALID_HANDLE;
  if (!client || (addr && !addrlen)) return MANGO_STATUS_INVALID_ARGUMENT;
  const Accepted taken = take_connection(*listener, addr, addrlen);
  if (taken.fd < 0) return socket_error(*listener, errno);
  const Socket* accepted = adopt_connection(*listener, taken);
  if (!accepted) return MANGO_STATUS_NO_MEMORY;
  count(Counter::kAccepted);
  *client = to_api(accepted->handle);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_connect(mango_socket_h socket, const struct sockaddr* addr, socklen_t addrlen) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (const mango_status_e status = settle_family(*found, addr, addrlen); status != MANGO_STATUS_OK)
    return status;
  if (found->state == SocketState::kConnected) return MANGO_STATUS_IS_CONNECTED;
  // An interrupted connect goes on in the kernel: calling again waits for it (blocking) or says EALREADY.
  const int result = retry_interrupted([&] {
    count(Counter::kConnectCalls);
    return carrier_connect(*found, addr, addrlen);
  });
  return note_connect(*found, result, errno);
}

}  // extern "C"
