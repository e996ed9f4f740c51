// SPDX-License-Identifier: Apache-2.0
// A session's beginning and end, and what its parts share.
#include "device/session.h"

#include <fcntl.h>

#include <new>

#include "device/ready_set.h"
#include "device/session_parts.h"

namespace mango::device {

Session::Session(const Birth& birth, const SessionMemory& memory) noexcept
    : memory_(memory),
      rx_(rx_ring(memory.shared)),
      tx_(tx_ring(memory.shared, memory.rx_bytes)),
      nonblocking_(birth.nonblocking),
      family_(birth.family),
      client_(birth.client),
      link_(birth.link),
      proven_(birth.owned ? birth.link : nullptr) {}

Session* Session::make(const Birth& birth, raw::Fd& fd, const raw::Fd& memory_fd) noexcept {
  SessionMemory memory;
  Session* session = nullptr;
  if (!fd) {
    errno = EPROTO;
  } else if (memory.map(memory_fd.get())) {
    session = new (std::nothrow) Session(birth, memory);
    if (!session) errno = ENOMEM;
  }
  if (!session) {
    const int error = errno;
    memory.unmap();
    birth.link->release();
    errno = error;
    return nullptr;
  }
  session->fd_ = fd.release();
  live_add(*session);
  return session;
}

Session::~Session() {
  ReadySet::leave(*this);
  live_remove(*this);
  if (fd_ >= 0) {
    wish(linger_.l_onoff != 0 && linger_.l_linger == 0 ? kWishAbort : kWishOrderly);
    raw::close(fd_);
  }
  forget_options();
  memory_.unmap();
  link_.load(std::memory_order_relaxed)->release();
}

int Session::release_fd() noexcept {
  wish(kWishOrderly);  // whoever closes it cannot say so
  return std::exchange(fd_, -1);
}

int Session::set_nonblocking(bool enable) noexcept {
  if (raw::set_nonblocking(fd_, enable) != 0) return -1;
  nonblocking_ = enable;
  return 0;
}

void Session::wish(uint32_t wishes) noexcept {
  memory_.shared->wishes.fetch_or(wishes, std::memory_order_acq_rel);
}

void Session::notify() noexcept {
  if (memory_.shared->notified.exchange(1, std::memory_order_seq_cst) != 0) return;
  if (ClientLink* link = usable_link()) {
    link->mark(id());
  } else {
    memory_.shared->notified.store(0, std::memory_order_relaxed);
  }
}

// The link whose channel this process may mark; null when the device cannot be reached.
ClientLink* Session::usable_link() noexcept {
  ClientLink* link = link_.load(std::memory_order_acquire);
  return link->usable() ? link : adopt_link();
}

// After fork(), or when the link was lost though the device lives. Another thread may be looking at the old
// link, so its reference is kept for good.
ClientLink* Session::adopt_link() noexcept {
  ClientLink* fresh = nullptr;
  if (device_is_gone() || client_.acquire(fresh) != MANGO_STATUS_OK) return nullptr;
  ClientLink* old = link_.load(std::memory_order_acquire);
  if (!fresh->same_device(*old)) {
    fresh->release();
    return nullptr;
  }
  if (!old->usable() && link_.compare_exchange_strong(old, fresh, std::memory_order_acq_rel)) return fresh;
  fresh->release();
  return link_.load(std::memory_order_acquire);
}

// The pair has hung up and nothing says why: then the device's process is no more.
bool Session::device_is_gone() noexcept {
  if (gone_.load(std::memory_order_relaxed)) return true;
  if (!raw::hung_up(fd_) || is_over()) return false;
  gone_.store(true, std::memory_order_relaxed);
  (void)link_.load(std::memory_order_acquire)->alive();  // so that other sessions learn of it without asking
  return true;
}

// Ended in one of the ways that sessions end in.
bool Session::is_over() const noexcept {
  const SharedState now = state();
  const bool closed_listener = now == SharedState::listening && rx_shut_.load(std::memory_order_relaxed);
  return now == SharedState::failed || now == SharedState::reset || wishes(kWishAbort) || closed_listener;
}

int Session::gone() noexcept {
  gone_.store(true, std::memory_order_relaxed);
  return fail(kDeviceReset);
}

// The device's error, which is told once; 0: none.
int Session::take_error() noexcept {
  const int error = memory_.shared->error.exchange(0, std::memory_order_acq_rel);
  return error > 0 ? error : 0;
}

// What a call says on a session that is_over(), and 0 when the error has been told: receiving ends there.
int Session::over_error() noexcept {
  if (wishes(kWishAbort)) return ENOTCONN;
  return state() == SharedState::reset ? kDeviceReset : take_error();
}

int Session::shutdown(int how) noexcept {
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return fail(EINVAL);
  if (device_is_gone()) return fail(kDeviceReset);
  const SharedState now = state();
  if (now == SharedState::reset) return fail(kDeviceReset);
  if (now != SharedState::connected && now != SharedState::listening) return fail(ENOTCONN);
  if (wishes(kWishAbort)) return fail(ENOTCONN);
  if (how != SHUT_WR) {
    rx_shut_.store(true, std::memory_order_relaxed);
    raw::shutdown(fd_, SHUT_RD);  // readable from now on, for whoever waits
  }
  if (now == SharedState::listening)
    return how == SHUT_WR ? 0 : result_of(tell(MANGO_IPC_MSG_TCP_LISTEN_CLOSE));
  if (how != SHUT_RD) {
    wish(kWishFin);
    notify();
  }
  return 0;
}

int Session::abort() noexcept {
  if (device_is_gone() || state() == SharedState::reset) return fail(kDeviceReset);
  wish(kWishAbort);
  memory_.shared->rx_head.store(memory_.shared->rx_tail.load(std::memory_order_acquire),
                                std::memory_order_release);
  notify();
  return 0;
}

int Session::available() noexcept {
  if (state() == SharedState::listening) return fail(EINVAL);
  uint32_t ready = 0;
  if (!ready_octets(ready)) return -1;
  if (ready != 0) return static_cast<int>(ready);
  // Who waits in a readiness set is told of a hang-up there, and need not ask for it.
  const bool told = set_.load(std::memory_order_relaxed) != nullptr;
  if ((!told && device_is_gone()) || state() == SharedState::reset) return fail(kDeviceReset);
  return 0;
}

}  // namespace mango::device
