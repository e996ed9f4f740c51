// SPDX-License-Identifier: Apache-2.0
// Facts and options of a socket: thin wrappers of the system calls, except where a socket's family is still
// open.
#include <netinet/in.h>
#include <sys/socket.h>

#include "libmango.h"
#include "mango/carrier.h"
#include "mango/fd_table.h"

using namespace mango::kernel;

namespace {

mango_status_e remember_option(Socket& socket, int level, int name, const void* value,
                               socklen_t length) noexcept {
  if (!socket.options) socket.options = new (std::nothrow) OptionLog;
  const bool kept = socket.options && socket.options->remember(level, name, value, length);
  return kept ? MANGO_STATUS_OK : MANGO_STATUS_NO_MEMORY;
}

mango_status_e status_of_call(const Socket& socket, int result) noexcept {
  return result == 0 ? MANGO_STATUS_OK : socket_error(socket, errno);
}

}  // namespace

extern "C" {

mango_status_e mango_socket_get_fd(mango_socket_h socket, int* fd) {
  const Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!fd) return MANGO_STATUS_INVALID_ARGUMENT;
  *fd = found->descriptor();
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_find(int fd, mango_socket_h* socket) {
  const Handle owner = fd_table_get(fd);
  const Socket* found = sockets().find(owner);
  if (!found || found->descriptor() != fd) return MANGO_STATUS_NOT_FOUND;
  if (socket) *socket = to_api(owner);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_get_session(mango_socket_h socket, int* session) {
  return mango_socket_get_fd(socket, session);  // the descriptor's number is the session id on this engine
}

mango_status_e mango_socket_get_name(mango_socket_h socket, struct sockaddr* addr, socklen_t* addrlen) {
  const Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!addr || !addrlen) return MANGO_STATUS_INVALID_ARGUMENT;
  return status_of_call(*found, carrier_get_name(*found, addr, addrlen));
}

mango_status_e mango_socket_get_peername(mango_socket_h socket, struct sockaddr* addr, socklen_t* addrlen) {
  const Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!addr || !addrlen) return MANGO_STATUS_INVALID_ARGUMENT;
  return status_of_call(*found, carrier_get_peer(*found, addr, addrlen));
}

mango_status_e mango_socket_get_option(mango_socket_h socket, int level, int optname, void* optval,
                                       socklen_t* optlen) {
  const Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!optval || !optlen) return MANGO_STATUS_INVALID_ARGUMENT;
  return status_of_call(*found, carrier_get_option(*found, level, optname, optval, optlen));
}

mango_status_e mango_socket_set_option(mango_socket_h socket, int level, int optname, const void* optval,
                                       socklen_t optlen) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!optval && optlen) return MANGO_STATUS_INVALID_ARGUMENT;
  const bool family_open = found->state == SocketState::kFresh;
  const bool too_early = family_open && level == IPPROTO_IPV6 && !found->ipv6;
  if (!too_early && carrier_set_option(*found, level, optname, optval, optlen) != 0) {
    return socket_error(*found, errno);
  }
  return family_open ? remember_option(*found, level, optname, optval, optlen) : MANGO_STATUS_OK;
}

mango_status_e mango_socket_set_nonblocking(mango_socket_h socket, bool enable) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->nonblocking == enable) return MANGO_STATUS_OK;
  if (carrier_set_nonblocking(*found, enable) != 0) return socket_error(*found, errno);
  found->nonblocking = enable;
  return MANGO_STATUS_OK;
}

}  // extern "C"
