// SPDX-License-Identifier: Apache-2.0
// The abrupt and the half ends of a connection: abort, reset, shutdown. (Orderly close: socket.cpp.)
//
// RST comes from connect(AF_UNSPEC), Linux's tcp_disconnect(): on a connected socket it sends RST whatever is
// unread or unsent, drops the queues and leaves an unconnected socket under the same descriptor, epoll
// registrations included. Rejected: SO_LINGER 0 + close, which gives the descriptor's number away while the
// caller still uses it.
#include <sys/socket.h>

#include "libmango.h"
#include "mango/counters.h"
#include "mango/socket.h"
#include "mango/tls_session.h"

using namespace mango::kernel;

namespace {

bool has_peer(const Socket& socket) noexcept {
  return socket.state == SocketState::kConnected || socket.state == SocketState::kConnecting;
}

mango_status_e disconnect(const Socket& socket) noexcept {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  const int result = ::connect(socket.descriptor(), &nobody, sizeof(nobody));
  // Nothing left to reset: the connection was over already.
  return result != 0 && errno != ENOTCONN ? status_of_errno(errno) : MANGO_STATUS_OK;
}

}  // namespace

extern "C" {

mango_status_e mango_socket_abort(mango_socket_h socket) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->state == SocketState::kAborted) return MANGO_STATUS_OK;
  if (!has_peer(*found) && found->state != SocketState::kListening) return MANGO_STATUS_NOT_CONNECTED;
  if (const mango_status_e status = disconnect(*found); status != MANGO_STATUS_OK) return status;
  socket_drop_tls(*found);
  socket_set_state(*found, SocketState::kAborted);
  count(Counter::kAborted);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_reset(mango_socket_h socket) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (has_peer(*found) || found->state == SocketState::kListening) {
    if (const mango_status_e status = disconnect(*found); status != MANGO_STATUS_OK) return status;
  }
  socket_drop_tls(*found);
  found->stale = found->stale || found->bound;
  found->bound = false;
  socket_set_state(*found, SocketState::kFresh);
  count(Counter::kReset);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_reset_blocking(mango_socket_h socket, useconds_t) {
  return mango_socket_reset(socket);  // done at once on this engine, so there is nothing to wait for
}

mango_status_e mango_socket_shutdown(mango_socket_h socket, int how) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->tls && (how == SHUT_WR || how == SHUT_RDWR)) {
    const mango_status_e status = found->tls->send_close_notify();
    if (status == MANGO_STATUS_AGAIN) return status;
  }
  if (::shutdown(found->descriptor(), how) != 0) return socket_error(*found, errno);
  return MANGO_STATUS_OK;
}

}  // extern "C"
