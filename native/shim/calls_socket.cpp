// SPDX-License-Identifier: Apache-2.0
// Sockets: made, named, connected, asked. Only streams of TCP over IPv4 and IPv6 are offloaded.
#include <netinet/in.h>

#include <cerrno>

#include "shim/engine.h"
#include "shim/interpose.h"
#include "shim/real.h"
#include "shim/table.h"

using namespace mango::shim;

namespace {

constexpr int kTypeFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;

bool is_tcp(int family, int type, int protocol) noexcept {
  const bool inet = family == AF_INET || family == AF_INET6;
  return inet && (type & ~kTypeFlags) == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);
}

}  // namespace

extern "C" {

MANGO_INTERPOSE int socket(int family, int type, int protocol) noexcept {
  if (bypassed() || !is_tcp(family, type, protocol) || !table_is_ours())
    return real().socket(family, type, protocol);
  return engine().open(family, type);
}

MANGO_INTERPOSE int bind(int fd, const sockaddr* addr, socklen_t length) noexcept {
  const Ref found = table_find(fd);
  return found ? engine().bind(*found, fd, addr, length) : real().bind(fd, addr, length);
}

MANGO_INTERPOSE int listen(int fd, int backlog) noexcept {
  const Ref found = table_find(fd);
  return found ? engine().listen(*found, fd, backlog) : real().listen(fd, backlog);
}

MANGO_INTERPOSE int accept4(int fd, sockaddr* addr, socklen_t* length, int flags) {
  const Ref found = table_find(fd);
  return found ? engine().accept(*found, fd, addr, length, flags) : real().accept4(fd, addr, length, flags);
}

MANGO_INTERPOSE int accept(int fd, sockaddr* addr, socklen_t* length) {
  return accept4(fd, addr, length, 0);
}

MANGO_INTERPOSE int connect(int fd, const sockaddr* addr, socklen_t length) {
  const Ref found = table_find(fd);
  return found ? engine().connect(*found, fd, addr, length) : real().connect(fd, addr, length);
}

MANGO_INTERPOSE int shutdown(int fd, int how) noexcept {
  const Ref found = table_find(fd);
  return found ? engine().shutdown(*found, fd, how) : real().shutdown(fd, how);
}

MANGO_INTERPOSE int getsockname(int fd, sockaddr* addr, socklen_t* length) noexcept {
  const Ref found = table_find(fd);
  return found ? engine().get_name(*found, fd, addr, length) : real().getsockname(fd, addr, length);
}

MANGO_INTERPOSE int getpeername(int fd, sockaddr* addr, socklen_t* length) noexcept {
  const Ref found = table_find(fd);
  return found ? engine().get_peer(*found, fd, addr, length) : real().getpeername(fd, addr, length);
}

MANGO_INTERPOSE int getsockopt(int fd, int level, int name, void* value, socklen_t* length) noexcept {
  const Ref found = table_find(fd);
  if (!found) return real().getsockopt(fd, level, name, value, length);
  return engine().get_option(*found, fd, level, name, value, length);
}

MANGO_INTERPOSE int setsockopt(int fd, int level, int name, const void* value, socklen_t length) noexcept {
  const Ref found = table_find(fd);
  if (!found) return real().setsockopt(fd, level, name, value, length);
  return engine().set_option(*found, fd, level, name, value, length);
}

}  // extern "C"
