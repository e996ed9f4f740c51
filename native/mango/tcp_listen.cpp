// SPDX-License-Identifier: Apache-2.0
// Listening and accepting by address rather than by socket handle, on either engine: a small table of
// listeners per tcp handle, whose sockets are ordinary ones. They never block; a blocking mango_tcp_accept
// waits in poll(2), so that one listener serves blocking and non-blocking callers at once.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <new>

#include "libmango.h"
#include "mango/fd_table.h"
#include "mango/socket.h"
#include "mango/sys.h"
#include "mango/tcp.h"
#include "mango/tcp_session.h"

namespace mango::kernel {

TcpListener::~TcpListener() {
  if (socket) (void)mango_socket_destroy(socket);
}

int tcp_listener_fd(Tcp& tcp) noexcept {
  std::lock_guard lock(tcp.mutex);
  int fd = -1;
  if (!tcp.listeners.empty()) (void)mango_socket_get_fd(tcp.listeners.back()->socket, &fd);
  return fd;
}

}  // namespace mango::kernel

using namespace mango::kernel;

namespace {

using Listener = std::shared_ptr<TcpListener>;

bool same(const sockaddr_in& a, const sockaddr_in& b) noexcept {
  return a.sin_addr.s_addr == b.sin_addr.s_addr && a.sin_port == b.sin_port;
}

bool named(const TcpListener& listener, const sockaddr_in& address) noexcept {
  return same(listener.bound, address) || same(listener.asked, address);
}

// After accept() an address names the connection's own side, so a listener on all addresses answers to any of
// them.
bool covers(const TcpListener& listener, const sockaddr_in& address) noexcept {
  return listener.bound.sin_addr.s_addr == htonl(INADDR_ANY) && listener.bound.sin_port == address.sin_port;
}

// The last one made of those that `fits`; the caller holds the mutex.
template <class Fits>
Listener find_last(const Tcp& tcp, Fits fits) noexcept {
  const auto found = std::find_if(tcp.listeners.rbegin(), tcp.listeners.rend(),
                                  [&](const Listener& listener) { return fits(*listener); });
  return found == tcp.listeners.rend() ? nullptr : *found;
}

Listener find_to_accept(Tcp& tcp, const sockaddr_in& address) noexcept {
  std::lock_guard lock(tcp.mutex);
  if (address.sin_port == 0) return tcp.listeners.empty() ? nullptr : tcp.listeners.back();
  Listener listener = find_last(tcp, [&](const TcpListener& one) { return named(one, address); });
  return listener ? listener : find_last(tcp, [&](const TcpListener& one) { return covers(one, address); });
}

Listener take_to_close(Tcp& tcp, const sockaddr_in& address) noexcept {
  std::lock_guard lock(tcp.mutex);
  Listener listener = find_last(tcp, [&](const TcpListener& one) { return named(one, address); });
  if (listener) std::erase(tcp.listeners, listener);
  return listener;
}

bool is_dead(const TcpListener& listener) noexcept {
  const Socket* socket = sockets().find(from_api(listener.socket));
  return !socket || socket->dead.load(std::memory_order_relaxed);
}

// Enters a listener; one of the same address that a reset has killed makes way.
mango_status_e enter(Tcp& tcp, Listener listener) noexcept try {
  std::vector<Listener> gone;  // destroyed after the mutex is released
  std::lock_guard lock(tcp.mutex);
  for (Listener& old : tcp.listeners) {
    if (named(*old, listener->bound) && is_dead(*old)) gone.push_back(old);
  }
  for (const Listener& old : gone) std::erase(tcp.listeners, old);
  tcp.listeners.push_back(std::move(listener));
  return MANGO_STATUS_OK;
} catch (const std::bad_alloc&) {
  return MANGO_STATUS_NO_MEMORY;
}

mango_status_e start(TcpListener& listener) noexcept {
  const mango_socket_h socket = listener.socket;
  const int reuse = 1;  // there is no other moment at which a caller could ask for it
  mango_status_e status = mango_socket_set_option(socket, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
  if (status == MANGO_STATUS_OK) {
    status =
        mango_socket_bind(socket, reinterpret_cast<const sockaddr*>(&listener.asked), sizeof(listener.asked));
  }
  if (status == MANGO_STATUS_OK) status = mango_socket_listen(socket, SOMAXCONN);
  if (status == MANGO_STATUS_OK) status = mango_socket_set_nonblocking(socket, true);
  socklen_t length = sizeof(listener.bound);
  if (status != MANGO_STATUS_OK) return status;
  return mango_socket_get_name(socket, reinterpret_cast<sockaddr*>(&listener.bound), &length);
}

// A reset that somebody else asked for is learnt here; the listener makes way for the next of its address.
void note_reset(const TcpListener& listener) noexcept {
  Socket* socket = sockets().find(from_api(listener.socket));
  if (socket) socket->dead.store(true, std::memory_order_relaxed);
}

// A hung-up listener is readable, too: accepting then says why.
void wait_for_connection(const TcpListener& listener) noexcept {
  pollfd watched{-1, POLLIN, 0};
  if (mango_socket_get_fd(listener.socket, &watched.fd) != MANGO_STATUS_OK) return;
  (void)retry_interrupted([&] { return poll(&watched, 1, -1); });
}

mango_status_e accept_one(const TcpListener& listener, sockaddr_in* peer, bool non_blocking,
                          mango_socket_h* client) noexcept {
  for (;;) {
    socklen_t length = sizeof(*peer);
    const mango_status_e status =
        mango_socket_accept(listener.socket, reinterpret_cast<sockaddr*>(peer), &length, client);
    if (status == MANGO_STATUS_OK) return status;
    if (listener.closing.load(std::memory_order_acquire)) return MANGO_STATUS_ABORTED;
    if (status == MANGO_STATUS_DEVICE_RESET) note_reset(listener);
    if (status != MANGO_STATUS_AGAIN || non_blocking) return status;
    wait_for_connection(listener);
  }
}

}  // namespace

extern "C" {

mango_status_e mango_tcp_listen(mango_tcp_h tcp, struct sockaddr_in* addr) try {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!addr) return MANGO_STATUS_INVALID_ARGUMENT;
  if (addr->sin_family != AF_INET) return MANGO_STATUS_FAMILY_NOT_SUPPORTED;
  const Listener listener = std::make_shared<TcpListener>();
  listener->asked = *addr;
  mango_status_e status = tcp_open_socket(tcp, &listener->socket);
  if (status == MANGO_STATUS_OK) status = start(*listener);
  if (status == MANGO_STATUS_OK) status = enter(*found, listener);
  if (status == MANGO_STATUS_OK) addr->sin_port = listener->bound.sin_port;
  return status;
} catch (const std::bad_alloc&) {
  return MANGO_STATUS_NO_MEMORY;
}

mango_status_e mango_tcp_listen_close(mango_tcp_h tcp, struct sockaddr_in* addr) {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!addr) return MANGO_STATUS_INVALID_ARGUMENT;
  const Listener listener = take_to_close(*found, *addr);
  if (!listener) return MANGO_STATUS_NOT_FOUND;
  listener->closing.store(true, std::memory_order_release);
  tcp_tell_device(listener->socket, MANGO_IPC_MSG_TCP_LISTEN_CLOSE);
  int fd = -1;
  if (mango_socket_get_fd(listener->socket, &fd) == MANGO_STATUS_OK) {
    hang_up(fd, found->device.load(std::memory_order_acquire) != nullptr);
  }
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_accept(mango_tcp_h tcp, struct sockaddr_in* saddr, struct sockaddr_in* caddr,
                                bool non_blocking, int* session) {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!saddr || !session) return MANGO_STATUS_INVALID_ARGUMENT;
  const Listener listener = find_to_accept(*found, *saddr);
  if (!listener) return MANGO_STATUS_NOT_FOUND;
  sockaddr_in peer{};
  mango_socket_h client = nullptr;
  mango_status_e status = accept_one(*listener, &peer, non_blocking, &client);
  if (status != MANGO_STATUS_OK) return status;
  status = mango_socket_set_nonblocking(client, non_blocking);
  if (status == MANGO_STATUS_OK) status = tcp_hand_out(client, saddr, session);
  if (status != MANGO_STATUS_OK) {
    (void)mango_socket_destroy(client);
    return status;
  }
  if (caddr) *caddr = peer;
  return MANGO_STATUS_OK;
}

}  // extern "C"
