// SPDX-License-Identifier: Apache-2.0
// A session as its client sees it: the calls of a TCP socket with the results of the system calls of the same
// names (-1 and errno; besides errno's own values kDeviceReset and kIpcUnavailable), made of memory copies
// and of system calls only where somebody has to wait or to be woken (shared_session.h).
//
// Receiving and sending may go on in two threads at once; two receivers or two senders at once may not.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>

#include "device/shared_session.h"

namespace mango::device {

class Session {
 public:
  virtual ~Session() = default;  // closes the descriptor unless released: orderly (FIN after what is queued)

  [[nodiscard]] virtual int fd() const noexcept = 0;
  // Gives the descriptor away; nothing but destroying the object may follow. The connection goes on.
  virtual int release_fd() noexcept = 0;
  // From now on the session's descriptor is this one, a duplicate of the old (for the shim's dup and close).
  virtual void move_to_fd(int fd) noexcept = 0;

  // Blocking mode is the descriptor's O_NONBLOCK, remembered here.
  virtual int set_nonblocking(bool enable) noexcept = 0;

  // flags: MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL; others of recv(2) that TCP ignores are ignored. SO_RCVTIMEO
  // and SO_SNDTIMEO are kept here and honoured.
  [[nodiscard]] virtual ssize_t recv(const iovec* iov, int iovcnt, int flags) noexcept = 0;
  // flags: MSG_DONTWAIT; MSG_MORE is a hint that is ignored. Never SIGPIPE.
  [[nodiscard]] virtual ssize_t send(const iovec* iov, int iovcnt, int flags) noexcept = 0;

  virtual int bind(const sockaddr* addr, socklen_t length) noexcept = 0;
  virtual int listen(int backlog) noexcept = 0;
  // flags: SOCK_CLOEXEC, SOCK_NONBLOCK of the new descriptor. Null with errno.
  [[nodiscard]] virtual Session* accept(sockaddr* addr, socklen_t* length, int flags) noexcept = 0;
  virtual int connect(const sockaddr* addr, socklen_t length) noexcept = 0;
  virtual int shutdown(int how) noexcept = 0;
  virtual int abort() noexcept = 0;  // RST now; the descriptor stays, hung up
  virtual int renew() noexcept = 0;  // RST, and a fresh session under the same descriptor number

  virtual int get_name(sockaddr* addr, socklen_t* length) noexcept = 0;
  virtual int get_peer(sockaddr* addr, socklen_t* length) noexcept = 0;
  virtual int get_option(int level, int name, void* value, socklen_t* length) noexcept = 0;
  virtual int set_option(int level, int name, const void* value, socklen_t length) noexcept = 0;

  // Octets a recv would find; octets sent and not yet acknowledged, those in the ring included. -1 with
  // errno.
  virtual int available() noexcept = 0;
  virtual int unacknowledged() noexcept = 0;
  virtual int sequence(uint32_t* tx, uint32_t* rx) noexcept = 0;
  // The connection's own TCP socket under the same descriptor number, and the session is gone (destroy the
  // object). EBUSY while octets are in the rings.
  virtual int detach() noexcept = 0;
};

}  // namespace mango::device
