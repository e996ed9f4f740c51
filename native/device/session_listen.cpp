// SPDX-License-Identifier: Apache-2.0
// Listening and accepting. Connections come through the listener's own pair, so any number of threads and
// processes may accept on one listener, and each connection goes to one of them.
#include <fcntl.h>

#include "device/session_parts.h"

namespace mango::device {

int Session::listen(int backlog) noexcept {
  ipc::Request request;
  request.type = MANGO_IPC_MSG_TCP_LISTEN;
  request.backlog = backlog;
  ipc::Response response;
  return result_of(call(request, response));
}

Session* Session::accept(sockaddr* addr, socklen_t* length, int flags) noexcept {
  if (addr && !length) errno = EINVAL;
  if (addr && !length) return nullptr;
  const int64_t deadline_ns = deadline_in(nonblocking_ ? 0 : rx_timeout_ns_);
  if (deadline_ns != 0) {
    short revents = 0;
    const int ready = raw::poll(fd_, POLLIN, left_until(deadline_ns), revents);
    if (ready == 0) errno = EAGAIN;
    if (ready <= 0) return nullptr;
  }
  if (state() != SharedState::listening) {
    (void)nothing_accepted(0);
    return nullptr;
  }
  AcceptedFrame frame{};
  LinkFds fds;
  const bool dont_wait = nonblocking_ || deadline_ns != 0;
  const ssize_t n = receive_with_fds(fd_, &frame, sizeof(frame), dont_wait ? MSG_DONTWAIT : 0, fds);
  if (n != sizeof(frame) || !fds.second) {
    (void)nothing_accepted(n);
    return nullptr;
  }
  Session* session = accepted(frame, fds, flags);
  if (session && addr) (void)give_address(frame.peer, addr, length);
  return session;
}

// Why: -1 with errno.
int Session::nothing_accepted(ssize_t n) noexcept {
  const bool transient =
      errno == EAGAIN || errno == EINTR || errno == EMFILE || errno == ENOMEM || errno == ENOBUFS;
  if (n < 0 && transient) return -1;
  if (device_is_gone() || state() == SharedState::reset) return fail(kDeviceReset);
  if (n > 0) return fail(EPROTO);
  const int error = state() == SharedState::failed ? take_error() : 0;
  return fail(error != 0 ? error : EINVAL);
}

// The connection's link is the listener's, as it stands: a worker that has none of its own yet makes one when
// it has something to say.
Session* Session::accepted(const AcceptedFrame& frame, LinkFds& fds, int flags) noexcept {
  const bool nonblocking = (flags & SOCK_NONBLOCK) != 0;
  if (!nonblocking) raw::set_nonblocking(fds.first.get(), false);
  if (!(flags & SOCK_CLOEXEC)) raw::fcntl(fds.first.get(), F_SETFD, 0);
  ClientLink* link = link_.load(std::memory_order_acquire);
  link->retain();
  const Birth birth{client_, link, frame.peer.ss_family, nonblocking, false};
  Session* session = make(birth, fds.first, fds.second);
  if (session && session->id() != frame.session) {
    delete session;
    errno = EPROTO;
    return nullptr;
  }
  if (session) session->copy_local_options(*this);
  return session;
}

}  // namespace mango::device
