// SPDX-License-Identifier: Apache-2.0
// The TLS functions of a socket, over TlsSession.
#include "libmango.h"
#include "mango/socket.h"
#include "mango/tls_session.h"

using namespace mango::kernel;

namespace {

mango_status_e tls_error(const Socket& socket, mango_status_e status) noexcept {
  if (status != MANGO_STATUS_OK && socket.dead.load(std::memory_order_relaxed))
    return MANGO_STATUS_DEVICE_RESET;
  return socket.state == SocketState::kAborted ? MANGO_STATUS_ABORTED : status;
}

mango_status_e no_tls(const Socket& socket) noexcept {
  return tls_error(socket, MANGO_STATUS_INVALID_ARGUMENT);
}

}  // namespace

extern "C" {

mango_status_e mango_socket_set_ssl(mango_socket_h socket, void* ssl) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!ssl) {
    socket_drop_tls(*found);
    return MANGO_STATUS_OK;
  }
  if (found->tls && found->tls->attached())
    return found->tls->ssl() == ssl ? MANGO_STATUS_OK : MANGO_STATUS_BUSY;
  auto* made = new (std::nothrow) TlsSession(*found);
  if (!made || !made->attach(static_cast<SSL*>(ssl))) {
    delete made;
    return MANGO_STATUS_NO_MEMORY;
  }
  socket_drop_tls(*found);
  found->tls = made;
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_set_tls_keys(mango_socket_h socket, const mango_tls_keys_t* keys) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!keys) return MANGO_STATUS_INVALID_ARGUMENT;
  if (found->tls) return tls_error(*found, found->tls->use_keys(*keys));
  std::unique_ptr<TlsSession> made(new (std::nothrow) TlsSession(*found));
  if (!made) return MANGO_STATUS_NO_MEMORY;
  if (const mango_status_e status = made->use_keys(*keys); status != MANGO_STATUS_OK) return status;
  found->tls = made.release();
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_send_tls(mango_socket_h socket, const void* buf, size_t len, size_t* sent) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!found->tls) return no_tls(*found);
  if (!buf && len) return MANGO_STATUS_INVALID_ARGUMENT;
  size_t total = 0;
  do {
    size_t taken = 0;
    const mango_status_e status =
        found->tls->send(static_cast<const char*>(buf) + total, len - total, &taken);
    if (status != MANGO_STATUS_OK && total == 0) return tls_error(*found, status);
    if (status != MANGO_STATUS_OK) break;
    total += taken;
  } while (!found->nonblocking && total < len);
  if (sent) *sent = total;
  return MANGO_STATUS_OK;
}

mango_status_e mango_socket_recv_tls(mango_socket_h socket, void* buf, size_t len, size_t* received) {
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!found->tls) return no_tls(*found);
  if ((!buf && len) || !received) return MANGO_STATUS_INVALID_ARGUMENT;
  return tls_error(*found, found->tls->recv(buf, len, received));
}

}  // extern "C"
