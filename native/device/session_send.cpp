// SPDX-License-Identifier: Apache-2.0
// Sending: octets into the ring, and the send doorbell's client side (shared_session.h).
#include "device/session_parts.h"

namespace mango::device {
namespace {

constexpr char kStuffing[kStuffingBytes] = {};

}  // namespace

ssize_t Session::send(const iovec* iov, int iovcnt, int flags) noexcept {
  if (!may_send() && become_sendable(nonblocking_ || (flags & MSG_DONTWAIT)) != 0) return -1;
  IovCursor from(iov, iovcnt);
  const ssize_t total = put_ready(from);
  return from.done() || total < 0 ? total : send_waiting(from, total, flags);
}

ssize_t Session::send_waiting(IovCursor& from, ssize_t total, int flags) noexcept {
  const bool dont_wait = nonblocking_ || (flags & MSG_DONTWAIT);
  const int64_t deadline_ns = deadline_in(tx_timeout_ns_);
  for (;;) {
    if (!stuff() || (dont_wait && fail(EAGAIN) != 0)) return total > 0 ? total : -1;
    if (wait_writable(deadline_ns) != 0) return total > 0 ? total : -1;
    if (!may_send() && become_sendable(false) != 0) return total > 0 ? total : -1;
    const ssize_t n = put_ready(from);
    if (n < 0) return total > 0 ? total : n;
    total += n;
    if (from.done()) return total;
  }
}

size_t Session::room() noexcept {
  uint32_t room = 0;
  if (!may_send() || !send_room(room)) return 0;
  if (room == 0 && stuff()) (void)send_room(room);
  return room;
}

bool Session::may_send() const noexcept {
  return state() == SharedState::connected && !wishes(kWishFin | kWishAbort) &&
         !gone_.load(std::memory_order_relaxed);
}

// False with errno: the device lies.
bool Session::send_room(uint32_t& room) noexcept {
  const uint32_t used = memory_.shared->tx_tail.load(std::memory_order_relaxed) -
                        memory_.shared->tx_head.load(std::memory_order_acquire);
  room = memory_.tx_bytes - used;
  return used <= memory_.tx_bytes || gone() == 0;
}

// What fits, and the device knows.
ssize_t Session::put_ready(IovCursor& from) noexcept {
  uint32_t room = 0;
  if (!send_room(room)) return -1;
  const uint32_t tail = memory_.shared->tx_tail.load(std::memory_order_relaxed);
  const uint32_t n = from.copy_to_ring(tx_, memory_.tx_bytes, tail, room);
  if (n == 0) return 0;
  memory_.shared->tx_tail.store(tail + n, std::memory_order_release);
  return announce() ? static_cast<ssize_t>(n) : -1;
}

// False with errno when nobody will ever send it. A device that has not got round to the session's last
// notification may as well be dead: memory does not tell, the pair does. That the device is asleep proves
// nothing, and is not asked about: a send to a device that has just died may succeed once, as one to a dead
// peer does.
bool Session::announce() noexcept {
  if (memory_.shared->notified.exchange(1, std::memory_order_seq_cst) == 0) {
    if (ClientLink* link = usable_link()) {
      link->mark(id());
      return true;
    }
    memory_.shared->notified.store(0, std::memory_order_relaxed);
    return fail(device_is_gone() ? kDeviceReset : kIpcUnavailable) == 0;
  }
  return !device_is_gone() || fail(kDeviceReset) == 0;
}

// Why nothing can be sent now: -1 with errno; 0 once it can.
int Session::become_sendable(bool dont_wait) noexcept {
  if (device_is_gone()) return fail(kDeviceReset);
  if (is_over()) {
    const int error = wishes(kWishAbort) ? EPIPE : over_error();
    return fail(error != 0 ? error : EPIPE);
  }
  const SharedState now = state();
  const bool connecting = now == SharedState::connecting ||
                          (now == SharedState::open && connect_pending_.load(std::memory_order_relaxed));
  if (wishes(kWishFin) || (!connecting && now != SharedState::connected)) return fail(EPIPE);
  if (now == SharedState::connected) return 0;
  return dont_wait ? fail(EAGAIN) : wait_connected();
}

// The ring being full: not writable until the device has made room. Tried whatever tx_armed says, for the
// device may be about to take the last stuffing. False with errno when the session is over.
bool Session::stuff() noexcept {
  const ssize_t n = raw::send(fd_, kStuffing, sizeof(kStuffing), MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN && errno != EINTR) return become_sendable(true) == 0 || errno == EAGAIN;
  memory_.shared->tx_armed.exchange(1, std::memory_order_seq_cst);
  uint32_t room = 0;
  if (!send_room(room)) return false;
  if (room != 0) notify();
  return true;
}

int Session::wait_writable(int64_t deadline_ns) noexcept {
  short revents = 0;
  const int ready = raw::poll(fd_, POLLOUT, left_until(deadline_ns), revents);
  if (ready < 0) return -1;
  return ready > 0 ? 0 : fail(EAGAIN);
}

}  // namespace mango::device
