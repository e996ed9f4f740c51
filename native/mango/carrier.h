// SPDX-License-Identifier: Apache-2.0
// What carries a socket's bytes: the kernel's TCP, or a session of the device. The one place that asks which.
// Every function is the system call of its name: -1 and errno on failure.
#pragma once

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "device/session.h"
#include "mango/socket.h"
#include "mango/sys.h"

namespace mango::kernel {

inline ssize_t carrier_recv_iov(const Socket& socket, const iovec* iov, int iovcnt) noexcept {
  if (!socket.session) return sys_recv_iov(socket.descriptor(), iov, iovcnt);
  const ssize_t n = retry_interrupted([&] { return socket.session->recv(iov, iovcnt, 0); });
  if (n > 0) count(Counter::kRecvBytes, static_cast<uint64_t>(n));
  return n;
}

inline ssize_t carrier_recv(const Socket& socket, void* buf, size_t len) noexcept {
  if (!socket.session) return sys_recv(socket.descriptor(), buf, len);
  const iovec whole{buf, len};
  return carrier_recv_iov(socket, &whole, 1);
}

inline ssize_t carrier_send_iov(const Socket& socket, const iovec* iov, int iovcnt, int flags = 0) noexcept {
  if (!socket.session) return sys_send_iov(socket.descriptor(), iov, iovcnt, flags);
  const ssize_t n = retry_interrupted([&] { return socket.session->send(iov, iovcnt, flags); });
  if (n > 0) count(Counter::kSendBytes, static_cast<uint64_t>(n));
  return n;
}

inline ssize_t carrier_send(const Socket& socket, const void* buf, size_t len, int flags = 0) noexcept {
  if (!socket.session) return sys_send(socket.descriptor(), buf, len, flags);
  const iovec whole{const_cast<void*>(buf), len};
  return carrier_send_iov(socket, &whole, 1, flags);
}

inline int carrier_bind(const Socket& socket, const sockaddr* addr, socklen_t length) noexcept {
  return socket.session ? socket.session->bind(addr, length) : ::bind(socket.descriptor(), addr, length);
}

inline int carrier_listen(const Socket& socket, int backlog) noexcept {
  return socket.session ? socket.session->listen(backlog) : ::listen(socket.descriptor(), backlog);
}

inline int carrier_connect(const Socket& socket, const sockaddr* addr, socklen_t length) noexcept {
  return socket.session ? socket.session->connect(addr, length)
                        : ::connect(socket.descriptor(), addr, length);
}

inline int carrier_shutdown(const Socket& socket, int how) noexcept {
  return socket.session ? socket.session->shutdown(how) : ::shutdown(socket.descriptor(), how);
}

inline int carrier_get_name(const Socket& socket, sockaddr* addr, socklen_t* length) noexcept {
  return socket.session ? socket.session->get_name(addr, length)
                        : ::getsockname(socket.descriptor(), addr, length);
}

inline int carrier_get_peer(const Socket& socket, sockaddr* addr, socklen_t* length) noexcept {
  return socket.session ? socket.session->get_peer(addr, length)
                        : ::getpeername(socket.descriptor(), addr, length);
}

inline int carrier_get_option(const Socket& socket, int level, int name, void* value,
                              socklen_t* length) noexcept {
  return socket.session ? socket.session->get_option(level, name, value, length)
                        : ::getsockopt(socket.descriptor(), level, name, value, length);
}

inline int carrier_set_option(const Socket& socket, int level, int name, const void* value,
                              socklen_t length) noexcept {
  return socket.session ? socket.session->set_option(level, name, value, length)
                        : ::setsockopt(socket.descriptor(), level, name, value, length);
}

inline int carrier_set_nonblocking(const Socket& socket, bool enable) noexcept {
  int on = enable ? 1 : 0;
  return socket.session ? socket.session->set_nonblocking(enable) : ioctl(socket.descriptor(), FIONBIO, &on);
}

// A number that ioctl(2) writes, or -1.
inline int carrier_count(const Socket& socket, unsigned long request) noexcept {
  int octets = 0;
  return ioctl(socket.descriptor(), request, &octets) == 0 ? octets : -1;
}

// Octets a recv would find.
inline int carrier_available(const Socket& socket) noexcept {
  return socket.session ? socket.session->available() : carrier_count(socket, SIOCINQ);
}

// Octets sent that the peer's TCP has not acknowledged.
inline int carrier_unacknowledged(const Socket& socket) noexcept {
  return socket.session ? socket.session->unacknowledged() : carrier_count(socket, SIOCOUTQ);
}

}  // namespace mango::kernel
