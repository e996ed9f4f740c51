// SPDX-License-Identifier: Apache-2.0
// The abrupt and the half ends of a connection: abort, reset, shutdown. (Orderly close: socket.cpp.)
//
// RST comes from connect(AF_UNSPEC), Linux's tcp_disconnect(): on a connected socket it sends RST whatever is
// unread or unsent, drops the queues and leaves an unconnected socket under the same descriptor, epoll
// registrations included. Rejected: SO_LINGER 0 + close, which gives the descriptor's number away while the
// caller still uses it.
#include <sys/socket.h>

#include "libmango.h"
#include "mango/carrier.h"
#include "mango/counters.h"
#include "mango/tls_session.h"

using namespace mango::kernel;

namespace {

bool has_peer(const Socket& socket) noexcept {
  return socket.state == SocketState::kConnected || socket.state == SocketState::kConnecting;
}

mango_status_e abort_session(const Socket& socket) noexcept {
  return socket.session->abort() == 0 ? MANGO_STATUS_OK : socket_error(socket, errno);
}

mango_status_e disconnect(const Socket& socket) noexcept {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  const int result = ::connect(socket.descriptor(), &nobody, sizeof(nobody));
  // Nothing left to reset: the connection was over already.
  return result != 0 && errno != ENOTCONN ? status_of_errno(errno) : MANGO_STATUS_OK;
}

mango_status_e renew_session(Socket& socket) noexcept {
  return socket.session->renew() == 0 ? MANGO_STATUS_OK : socket_error(socket, errno);
}

mango_status_e renew_descriptor(Socket& socket) noexcept {
  if (has_peer(socket) || socket.state == SocketState::kListening) {
    if (const mango_status_e status = disconnect(socket); status != MANGO_STATUS_OK) return status;
  }
  socket.stale = socket.stale || socket.bound;
  return MANGO_STATUS_OK;
}

}  // namespace

extern "C" {

mango_status_e mango_socket_abort(mango_socket_h socket) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->dead.load(std::memory_order_relaxed)) return MANGO_STATUS_DEVICE_RESET;
  if (found->state == SocketState::kAborted) return MANGO_STATUS_OK;
  if (!has_peer(*found) && found->state != SocketState::kListening) return MANGO_STATUS_NOT_CONNECTED;
  const mango_status_e status = found->session ? abort_session(*found) : disconnect(*found);
  if (status != MANGO_STATUS_OK) return status;
  socket_drop_tls(*found);
  socket_set_state(*found, SocketState::kAborted);
  count(Counter::kAborted);
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_reset(mango_socket_h socket) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (found->dead.load(std::memory_order_relaxed)) return MANGO_STATUS_DEVICE_RESET;
  if (const mango_status_e status = found->session ? renew_session(*found) : renew_descriptor(*found);
      status != MANGO_STATUS_OK) {
    return status;
  }
  socket_drop_tls(*found);
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
  if (carrier_shutdown(*found, how) != 0) return socket_error(*found, errno);
  return MANGO_STATUS_OK;
}

}  // extern "C"
