// SPDX-License-Identifier: Apache-2.0
// Receiving: octets out of the ring, and the receive doorbell's client side (shared_session.h).
//
// Whoever leaves octets in the ring leaves the descriptor readable: either the doorbell's octet has not been
// taken, or (`owed_`) the device is asked to ring again. The octet is therefore taken when the ring is empty,
// and while waiting only looked at, unless the caller is one who empties the ring each time.
#include "device/ready_set.h"
#include "device/session_parts.h"

namespace mango::device {

constexpr uint8_t kPartialMemory = 8;  // calls that emptied the ring until a caller counts as one who does
constexpr uint8_t kSpinPause = 64;     // waits
constexpr int kLookAgain = 1;          // beside 0, the end of the stream, and -1 with errno

ssize_t Session::recv(const iovec* iov, int iovcnt, int flags) noexcept {
  IovCursor to(iov, iovcnt);
  if (to.done()) return 0;
  if (flags & MSG_PEEK) return peek(to, flags);
  const ssize_t total = take_ready(to);
  const bool enough = total > 0 && (!(flags & MSG_WAITALL) || to.done());
  return enough || total < 0 ? total : recv_waiting(to, total, flags);
}

ssize_t Session::recv_waiting(IovCursor& to, ssize_t total, int flags) noexcept {
  const int64_t deadline_ns = deadline_in(rx_timeout_ns_);
  for (;;) {
    const int outcome = wait_for_octets(flags, deadline_ns);
    if (outcome != kLookAgain) return total > 0 ? total : outcome;
    const ssize_t n = take_ready(to);
    if (n < 0) return total > 0 ? total : n;
    total += n;
    if (total > 0 && (!(flags & MSG_WAITALL) || to.done())) return total;
  }
}

ssize_t Session::peek(IovCursor& to, int flags) noexcept {
  const int64_t deadline_ns = deadline_in(rx_timeout_ns_);
  for (;;) {
    uint32_t ready = 0;
    if (!ready_octets(ready)) return -1;
    if (ready != 0) {
      const uint32_t n = to.copy_from_ring(rx_, memory_.rx_bytes,
                                           memory_.shared->rx_head.load(std::memory_order_relaxed), ready);
      left_over(ready);
      return n;
    }
    const int outcome = wait_for_octets(flags, deadline_ns);
    if (outcome != kLookAgain) return outcome;
  }
}

// False with errno: the device lies.
bool Session::ready_octets(uint32_t& ready) noexcept {
  ready = memory_.shared->rx_tail.load(std::memory_order_acquire) -
          memory_.shared->rx_head.load(std::memory_order_relaxed);
  return ready <= memory_.rx_bytes || gone() == 0;
}

bool Session::ring_empty() const noexcept {
  return memory_.shared->rx_tail.load(std::memory_order_acquire) ==
         memory_.shared->rx_head.load(std::memory_order_relaxed);
}

// Whether the ring is empty and its doorbell armed, so that what comes next is told. A device may disarm it
// and tell of octets when they have been read already: whoever is told has to arm it again, as recv() does.
bool Session::rests() noexcept {
  if (!ring_empty()) return false;
  if (memory_.shared->rx_armed.load(std::memory_order_relaxed) != 0) return true;
  memory_.shared->rx_armed.exchange(1, std::memory_order_seq_cst);
  return ring_empty();
}

// What is there, as much as fits. Emptying the ring arms the doorbell.
ssize_t Session::take_ready(IovCursor& to) noexcept {
  SharedSession& shared = *memory_.shared;
  ssize_t total = 0;
  for (;;) {
    const uint32_t head = shared.rx_head.load(std::memory_order_relaxed);
    const uint32_t ready = shared.rx_tail.load(std::memory_order_acquire) - head;
    if (ready == 0) return total;
    if (ready > memory_.rx_bytes) return gone();
    const uint32_t n = to.copy_from_ring(rx_, memory_.rx_bytes, head, ready);
    total += n;
    if (n < ready) {
      shared.rx_head.store(head + n, std::memory_order_release);
      left_over(ready - n);
      return total;
    }
    shared.rx_head.exchange(head + n, std::memory_order_seq_cst);  // a barrier before looking at rx_starved
    if (shared.rx_starved.load(std::memory_order_seq_cst) != 0) notify();
    if (partial_ > 0) --partial_;
    if (rearm()) return total;
    if (to.done()) {
      left_over(1);
      return total;
    }
  }
}

// Octets stay in the ring.
void Session::left_over(uint32_t left) noexcept {
  partial_ = kPartialMemory;
  const bool room_again = memory_.shared->rx_starved.load(std::memory_order_relaxed) != 0 &&
                          memory_.rx_bytes - left >= memory_.rx_bytes / 4;
  if (!owed_ && !room_again) return;
  if (owed_) memory_.shared->rx_armed.exchange(1, std::memory_order_seq_cst);
  owed_ = false;
  notify();
}

// The ring being empty, makes the device ring for what comes next. True when nothing has come meanwhile. An
// armed doorbell that did not ring needs nothing: it rings for whatever is published from now on.
bool Session::rearm() noexcept {
  SharedSession& shared = *memory_.shared;
  const bool rung = shared.rx_rung.load(std::memory_order_acquire) != 0;
  if (rung) take_octet();
  if (rung || shared.rx_armed.load(std::memory_order_relaxed) == 0)
    shared.rx_armed.exchange(1, std::memory_order_seq_cst);
  owed_ = !ring_empty();
  return !owed_;
}

void Session::take_octet() noexcept {
  char octet = 0;
  (void)raw::recv(fd_, &octet, 1, MSG_DONTWAIT);
  memory_.shared->rx_rung.store(0, std::memory_order_relaxed);
}

// Readability is told by the descriptor from now on.
void Session::ring_by_octet() noexcept {
  memory_.shared->rx_set.exchange(0, std::memory_order_seq_cst);
  memory_.shared->rx_armed.exchange(1, std::memory_order_seq_cst);
  if (!ring_empty()) notify();
}

// The ring was found empty. kLookAgain: there may be octets.
int Session::wait_for_octets(int flags, int64_t deadline_ns) noexcept {
  const SharedState now = state();
  if (memory_.shared->rx_end.load(std::memory_order_acquire) != 0 || is_over() ||
      gone_.load(std::memory_order_relaxed))
    return end_of_receiving(false);
  const bool unconnected = now == SharedState::open && !connect_pending_.load(std::memory_order_relaxed);
  if (unconnected || now == SharedState::listening)
    return device_is_gone() ? fail(kDeviceReset) : fail(ENOTCONN);
  if (rx_shut_.load(std::memory_order_relaxed)) return ring_empty() ? 0 : kLookAgain;
  const bool dont_wait = nonblocking_ || (flags & MSG_DONTWAIT);
  if (!dont_wait) ReadySet::go_native(*this);
  if (!rearm()) return kLookAgain;
  if (!dont_wait && spin()) return kLookAgain;
  return look_at_pair(dont_wait, deadline_ns);
}

// Whether octets came within a moment. Where they did not, it is not tried again for a while.
bool Session::spin() noexcept {
  if (spin_pause_ > 0 && --spin_pause_ > 0) return false;
  for (int i = 0; i < kSpins; ++i, relax())
    if (!ring_empty()) return true;
  spin_pause_ = kSpinPause;
  return false;
}

// Sleeps in the pair as a socket's receiver sleeps in recv(2), so that signals do here what they do there;
// only a time limit, which is not the descriptor's, takes poll(2).
int Session::look_at_pair(bool dont_wait, int64_t deadline_ns) noexcept {
  if (!dont_wait && deadline_ns != 0) {
    short revents = 0;
    const int ready = raw::poll(fd_, POLLIN, left_until(deadline_ns), revents);
    if (ready <= 0) return ready < 0 ? -1 : fail(EAGAIN);
    dont_wait = true;
  }
  // One call less for those who will empty the ring; for the others the octet has to stay.
  const bool take = !dont_wait && partial_ == 0;
  char octet = 0;
  const ssize_t n = raw::recv(fd_, &octet, 1, (take ? 0 : MSG_PEEK) | (dont_wait ? MSG_DONTWAIT : 0));
  if (n == 1) {
    if (take) {
      memory_.shared->rx_rung.store(0, std::memory_order_relaxed);
      owed_ = true;
    } else if (ring_empty()) {
      take_octet();
    }
    return kLookAgain;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return -1;
  return end_of_receiving(true);
}

// Octets come before the end, whatever the end is.
int Session::end_of_receiving(bool pair_over) noexcept {
  const bool finished = memory_.shared->rx_end.load(std::memory_order_acquire) != 0;
  const bool over = is_over();
  if (!ring_empty()) return kLookAgain;
  if (gone_.load(std::memory_order_relaxed)) return fail(kDeviceReset);
  if (finished && state() != SharedState::reset && !wishes(kWishAbort)) return 0;
  if (over) {
    const int error = over_error();
    return error != 0 ? fail(error) : 0;
  }
  if (rx_shut_.load(std::memory_order_relaxed)) return 0;
  return pair_over ? gone() : kLookAgain;
}

}  // namespace mango::device
