// SPDX-License-Identifier: Apache-2.0
// The device engine's calls that move no octets. What changes a session as a whole is done under the sender's
// lock, one after the other; what only asks needs none.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "mango/counters.h"
#include "shim/device_engine.h"
#include "shim/real.h"
#include "shim/waiting.h"

namespace mango::shim {
namespace {

bool is_listening(device::Session& session) noexcept {
  const Bypass bypass;
  int listening = 0;
  socklen_t length = sizeof(listening);
  return session.get_option(SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening != 0;
}

int timeout_ms_of(const void* value, socklen_t length) noexcept {
  timeval given{};
  if (length < sizeof(given)) return -1;
  memcpy(&given, value, sizeof(given));
  const int64_t ms = int64_t{given.tv_sec} * 1000 + (given.tv_usec + 999) / 1000;
  return ms <= 0 ? -1 : static_cast<int>(std::min<int64_t>(ms, INT32_MAX));
}

}  // namespace

int DeviceEngine::bind(Offloaded& offloaded, int fd, const sockaddr* addr, socklen_t length) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  const std::lock_guard lock(offloaded.sending);
  return session->bind(addr, length) == 0 ? 0 : fail_call();
}

int DeviceEngine::listen(Offloaded& offloaded, int fd, int backlog) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  const std::lock_guard lock(offloaded.sending);
  return session->listen(backlog) == 0 ? 0 : fail_call();
}

// Several threads and processes may accept on one listener at once: no lock.
int DeviceEngine::accept(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length, int flags) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
    errno = EINVAL;
    return -1;
  }
  const bool wait = !offloaded.nonblocking.load(std::memory_order_relaxed) && is_listening(*session);
  if (wait && !wait_readable(session->fd())) return -1;
  const Bypass bypass;
  device::Session* accepted = session->accept(addr, length, flags);
  kernel::count(kernel::Counter::kAcceptCalls);
  if (!accepted) return fail_call();
  kernel::count(kernel::Counter::kAccepted);
  return enter(accepted, (flags & SOCK_NONBLOCK) != 0);
}

int DeviceEngine::connect(Offloaded& offloaded, int fd, const sockaddr* addr, socklen_t length) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  for (;;) {
    int at = -1;
    {
      const Bypass bypass;
      const std::lock_guard lock(offloaded.sending);
      if (session->connect_start(addr, length) == 0) return 0;
      at = session->fd();
    }
    const bool under_way = errno == EINPROGRESS || errno == EALREADY;
    if (!under_way || offloaded.nonblocking.load(std::memory_order_relaxed)) return fail_call();
    if (wait_writable(at, offloaded.send_timeout_ms.load(std::memory_order_relaxed))) continue;
    if (errno == EAGAIN) errno = EINPROGRESS;
    return -1;
  }
}

int DeviceEngine::shutdown(Offloaded& offloaded, int fd, int how) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  const std::lock_guard lock(offloaded.sending);
  return session->shutdown(how) == 0 ? 0 : fail_call();
}

int DeviceEngine::get_name(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  return session->get_name(addr, length) == 0 ? 0 : fail_call();
}

int DeviceEngine::get_peer(Offloaded& offloaded, int fd, sockaddr* addr, socklen_t* length) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  return session->get_peer(addr, length) == 0 ? 0 : fail_call();
}

int DeviceEngine::get_option(Offloaded& offloaded, int fd, int level, int name, void* value,
                             socklen_t* length) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  if (session->get_option(level, name, value, length) != 0) return fail_call();
  const bool is_error = level == SOL_SOCKET && name == SO_ERROR && *length == sizeof(int);
  if (is_error && *static_cast<int*>(value) == device::kDeviceReset) *static_cast<int*>(value) = ECONNRESET;
  return 0;
}

// The time-outs are the shim's, since it does the waiting (waiting.h).
int DeviceEngine::set_option(Offloaded& offloaded, int fd, int level, int name, const void* value,
                             socklen_t length) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  if (session->set_option(level, name, value, length) != 0) return fail_call();
  if (level == SOL_SOCKET && name == SO_RCVTIMEO) return real().setsockopt(fd, level, name, value, length);
  if (level == SOL_SOCKET && name == SO_SNDTIMEO) {
    offloaded.send_timeout_ms.store(timeout_ms_of(value, length), std::memory_order_relaxed);
  }
  return 0;
}

int DeviceEngine::available(Offloaded& offloaded, int fd, int* octets) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  const int waiting = session->available();
  if (waiting < 0) return fail_call();
  *octets = waiting;
  return 0;
}

int DeviceEngine::unacknowledged(Offloaded& offloaded, int fd, int* octets) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  const int queued = session->unacknowledged();
  if (queued < 0) return fail_call();
  *octets = queued;
  return 0;
}

int DeviceEngine::set_nonblocking(Offloaded& offloaded, int fd, bool enable) {
  device::Session* const session = session_of(offloaded, fd);
  if (!session) return -1;
  const Bypass bypass;
  offloaded.nonblocking.store(enable, std::memory_order_relaxed);
  return session->set_nonblocking(enable) == 0 ? 0 : fail_call();
}

}  // namespace mango::shim
