// SPDX-License-Identifier: Apache-2.0
// Octets of the device engine: copied under the direction's lock, waited for without it.
#include <cerrno>
#include <csignal>
#include <mutex>

#include "mango/counters.h"
#include "shim/device_engine.h"
#include "shim/pieces.h"
#include "shim/real.h"
#include "shim/waiting.h"

namespace mango::shim {
namespace {

using kernel::Counter;

constexpr size_t kDiscardBytes = 4096;

bool may_wait(const Offloaded& offloaded, int flags) noexcept {
  return !(flags & MSG_DONTWAIT) && !offloaded.nonblocking.load(std::memory_order_relaxed);
}

ssize_t receive_now(Offloaded& offloaded, device::Session& session, Pieces& pieces, int flags,
                    int& at) noexcept {
  const Bypass bypass;
  const std::lock_guard lock(offloaded.receiving);
  at = session.fd();
  const ssize_t n = session.recv(pieces.data(), pieces.count(), MSG_DONTWAIT | (flags & MSG_PEEK));
  kernel::count_io(Counter::kRecvCalls, Counter::kRecvBytes, n);
  return n;
}

ssize_t send_now(Offloaded& offloaded, device::Session& session, Pieces& pieces, int flags,
                 int& at) noexcept {
  const Bypass bypass;
  const std::lock_guard lock(offloaded.sending);
  at = session.fd();
  const ssize_t n = session.send(pieces.data(), pieces.count(), MSG_DONTWAIT | (flags & MSG_MORE));
  kernel::count_io(Counter::kSendCalls, Counter::kSendBytes, n);
  return n;
}

ssize_t fail_send(int flags) noexcept {
  const ssize_t result = fail_data();
  if (errno != EPIPE || (flags & MSG_NOSIGNAL)) return result;
  raise(SIGPIPE);
  errno = EPIPE;
  return result;
}

}  // namespace

ssize_t DeviceEngine::receive(Offloaded& offloaded, int fd, const iovec* iov, int iovcnt, int flags) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  if (flags & (MSG_OOB | MSG_ERRQUEUE)) {
    errno = flags & MSG_OOB ? EINVAL : EAGAIN;
    return -1;
  }
  Pieces pieces(iov, iovcnt);
  if (flags & MSG_TRUNC) return discard(offloaded, fd, pieces.left(), flags);
  const bool all = (flags & MSG_WAITALL) && !(flags & MSG_PEEK);
  size_t done = 0;
  for (int at = fd;;) {
    const ssize_t n = receive_now(offloaded, *session, pieces, flags, at);
    if (n >= 0) {
      done += static_cast<size_t>(n);
      if (!all || n == 0) return static_cast<ssize_t>(done);
      pieces.advance(static_cast<size_t>(n));
      if (pieces.left() == 0) return static_cast<ssize_t>(done);
      continue;
    }
    if (errno != EAGAIN || !may_wait(offloaded, flags))
      return done ? static_cast<ssize_t>(done) : fail_data();
    if (!wait_readable(at)) return done ? static_cast<ssize_t>(done) : -1;
  }
}

// MSG_TRUNC on a stream: the octets are taken and thrown away; the buffer may be null.
ssize_t DeviceEngine::discard(Offloaded& offloaded, int fd, size_t length, int flags) {
  char waste[kDiscardBytes];
  size_t done = 0;
  while (done < length) {
    const iovec piece{waste, std::min(sizeof(waste), length - done)};
    const int wait = done ? MSG_DONTWAIT : 0;
    const ssize_t n = receive(offloaded, fd, &piece, 1, (flags & ~(MSG_TRUNC | MSG_WAITALL)) | wait);
    if (n <= 0) return done ? static_cast<ssize_t>(done) : n;
    done += static_cast<size_t>(n);
    if (flags & MSG_PEEK) break;
  }
  return static_cast<ssize_t>(done);
}

// As Linux: a blocking send returns when all is taken, or with what was taken before the failure.
ssize_t DeviceEngine::send(Offloaded& offloaded, int fd, const iovec* iov, int iovcnt, int flags) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  if (flags & MSG_OOB) {
    errno = EOPNOTSUPP;
    return -1;
  }
  Pieces pieces(iov, iovcnt);
  const size_t whole = pieces.left();
  for (int at = fd;;) {
    const ssize_t n = send_now(offloaded, *session, pieces, flags, at);
    const bool full = n < 0 && errno == EAGAIN;
    if (n > 0) pieces.advance(static_cast<size_t>(n));
    const size_t done = whole - pieces.left();
    if (n >= 0 && (pieces.left() == 0 || !may_wait(offloaded, flags))) return static_cast<ssize_t>(done);
    if (n >= 0) continue;
    if (!full || !may_wait(offloaded, flags)) return done ? static_cast<ssize_t>(done) : fail_send(flags);
    if (!wait_writable(at, offloaded.send_timeout_ms.load(std::memory_order_relaxed))) {
      return done ? static_cast<ssize_t>(done) : -1;
    }
  }
}

// TCP has neither a sender's address nor control data here.
ssize_t DeviceEngine::receive_message(Offloaded& offloaded, int fd, msghdr* message, int flags) {
  const ssize_t n = receive(offloaded, fd, message->msg_iov, static_cast<int>(message->msg_iovlen), flags);
  if (n < 0) return n;
  message->msg_namelen = 0;
  message->msg_controllen = 0;
  message->msg_flags = flags & MSG_TRUNC;
  return n;
}

ssize_t DeviceEngine::send_message(Offloaded& offloaded, int fd, const msghdr* message, int flags) {
  return send(offloaded, fd, message->msg_iov, static_cast<int>(message->msg_iovlen), flags);
}

}  // namespace mango::shim
