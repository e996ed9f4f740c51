// SPDX-License-Identifier: Apache-2.0
// Sessions by number: the socket functions, for callers who have no handle. A session made here frees its
// handle when it is closed here; mango_socket_find() lends the handle meanwhile.
#include "mango/tcp_session.h"

#include <thread>

#include "device/session.h"
#include "libmango.h"
#include "mango/fd_table.h"
#include "mango/socket.h"
#include "mango/tcp.h"

namespace mango::kernel {

mango_status_e tcp_open_socket(mango_tcp_h tcp, mango_socket_h* socket) noexcept {
  mango_socket_h made = nullptr;
  mango_status_e status = mango_socket_create(tcp, &made);
  if (status != MANGO_STATUS_OK) return status;
  status = mango_socket_open(made, nullptr);
  if (status == MANGO_STATUS_OK) {
    *socket = made;
  } else {
    (void)mango_socket_destroy(made);
  }
  return status;
}

mango_status_e tcp_hand_out(mango_socket_h socket, sockaddr_in* local, int* session) noexcept {
  sockaddr_in name{};
  socklen_t length = sizeof(name);
  mango_status_e status = mango_socket_get_name(socket, reinterpret_cast<sockaddr*>(&name), &length);
  if (status != MANGO_STATUS_OK) return status;
  Socket* found = find_open(socket);
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  found->numbered = true;
  *session = found->descriptor();
  if (local) *local = name;
  return MANGO_STATUS_OK;
}

// As a closer of the socket: another one would take the session away under our feet.
void tcp_tell_device(mango_socket_h socket, mango_ipc_msg_e type) noexcept {
  Socket* found = sockets().find(from_api(socket));
  if (!found) return;
  while (found->closing.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  if (found->descriptor() >= 0 && found->session) (void)found->session->tell(type);
  found->closing.clear(std::memory_order_release);
}

}  // namespace mango::kernel

using namespace mango::kernel;

namespace {

constexpr useconds_t kResetRoundUs = 1'000'000;

// One of tcp's own sessions, or null.
Socket* session_of(mango_tcp_h tcp, int session) noexcept {
  Socket* found = sockets().find(fd_table_get(session));
  if (!found || found->descriptor() != session) return nullptr;
  return found->tcp.load(std::memory_order_relaxed) == from_api(tcp) ? found : nullptr;
}

struct Target {
  Socket* socket = nullptr;
  mango_socket_h handle = nullptr;
  mango_status_e status = MANGO_STATUS_OK;
};

Target target_of(mango_tcp_h tcp, int session) noexcept {
  Target target;
  if (!tcps().find(from_api(tcp))) {
    target.status = MANGO_STATUS_INVALID_HANDLE;
    return target;
  }
  target.socket = session_of(tcp, session);
  if (target.socket) target.handle = to_api(target.socket->handle);
  if (!target.socket) target.status = MANGO_STATUS_NOT_FOUND;
  return target;
}

// Somebody else closed it between the search and the call.
mango_status_e unless_gone(mango_status_e status) noexcept {
  return status == MANGO_STATUS_INVALID_HANDLE ? MANGO_STATUS_NOT_FOUND : status;
}

}  // namespace

extern "C" {

mango_status_e mango_tcp_connect(mango_tcp_h tcp, const struct sockaddr_in* saddr, struct sockaddr_in* caddr,
                                 int* session) {
  if (!tcps().find(from_api(tcp))) return MANGO_STATUS_INVALID_HANDLE;
  if (!saddr || !session) return MANGO_STATUS_INVALID_ARGUMENT;
  if (saddr->sin_family != AF_INET) return MANGO_STATUS_FAMILY_NOT_SUPPORTED;
  mango_socket_h socket = nullptr;
  mango_status_e status = tcp_open_socket(tcp, &socket);
  if (status != MANGO_STATUS_OK) return status;
  status = mango_socket_connect(socket, reinterpret_cast<const sockaddr*>(saddr), sizeof(*saddr));
  if (status == MANGO_STATUS_OK) status = tcp_hand_out(socket, caddr, session);
  if (status != MANGO_STATUS_OK) (void)mango_socket_destroy(socket);
  return status;
}

mango_status_e mango_tcp_close(mango_tcp_h tcp, int session) {
  const Target target = target_of(tcp, session);
  if (target.status != MANGO_STATUS_OK) return target.status;
  const bool numbered = target.socket->numbered;
  tcp_tell_device(target.handle, MANGO_IPC_MSG_TCP_CLOSE);
  return unless_gone(numbered ? mango_socket_destroy(target.handle) : mango_socket_close(target.handle));
}

mango_status_e mango_tcp_abort(mango_tcp_h tcp, int session) {
  const Target target = target_of(tcp, session);
  if (target.status != MANGO_STATUS_OK) return target.status;
  tcp_tell_device(target.handle, MANGO_IPC_MSG_TCP_ABORT);
  return unless_gone(mango_socket_abort(target.handle));
}

mango_status_e mango_tcp_session_reset(mango_tcp_h tcp, int session, suseconds_t timeout) {
  const Target target = target_of(tcp, session);
  if (target.status != MANGO_STATUS_OK) return target.status;
  if (timeout < -1) return MANGO_STATUS_INVALID_ARGUMENT;
  if (timeout == 0) return unless_gone(mango_socket_reset(target.handle));
  mango_status_e status;
  do {
    const auto usec = timeout < 0 ? kResetRoundUs : static_cast<useconds_t>(timeout);
    status = mango_socket_reset_blocking(target.handle, usec);
  } while (timeout < 0 && status == MANGO_STATUS_TIMED_OUT);
  return unless_gone(status);
}

mango_status_e mango_tcp_wait(mango_tcp_h tcp, int session) {
  const Target target = target_of(tcp, session);
  if (target.status != MANGO_STATUS_OK) return target.status;
  return unless_gone(mango_socket_wait(target.handle));
}

}  // extern "C"
