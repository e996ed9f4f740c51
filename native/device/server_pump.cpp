// SPDX-License-Identifier: Apache-2.0
// The bytes of a session: from TCP into the receive ring, from the send ring into TCP, and the doorbells of
// both (the rules are in shared_session.h). The other side's counts are read once each and checked before
// use. Where the rules say "fence", operations are sequentially consistent here.
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "device/server_session.h"

namespace mango::device {
namespace {

// `length` octets of a ring from count `at` on, as one or two pieces.
struct Pieces {
  iovec iov[2];
  int count;
};

Pieces ring_pieces(char* ring, uint32_t size, uint32_t at, uint32_t length) noexcept {
  const uint32_t offset = at & (size - 1);
  const uint32_t first = length < size - offset ? length : size - offset;
  return {{{ring + offset, first}, {ring, length - first}}, length > first ? 2 : 1};
}

}  // namespace

void ServerSession::pump() noexcept {
  wants_more_ = false;
  if (phase_ != Phase::connected && phase_ != Phase::draining) return;
  pump_rx();
  if (phase_ == Phase::gone) return;
  pump_tx();
  // What was received before sending failed is the client's first.
  if (phase_ == Phase::gone || tx_error_ == 0) return;
  if (rx_finished_) return fail(tx_error_);
  pump_rx();
}

void ServerSession::on_mark() noexcept {
  shared_->notified.exchange(0, std::memory_order_seq_cst);
  if (phase_ != Phase::draining && (shared_->wishes.load(std::memory_order_acquire) & kWishAbort))
    return abort();
  pump();
  if (phase_ == Phase::connected && rx_tail_ != shared_->rx_head.load(std::memory_order_relaxed))
    publish_rx(0);
}

void ServerSession::pump_rx() noexcept {
  for (uint32_t turn = 0; readable_ && !rx_finished_ && phase_ == Phase::connected; ++turn) {
    uint32_t room = 0;
    if (!rx_room(room)) return;
    if (turn == kPumpTurns) {
      wants_more_ = true;
      return;
    }
    Pieces pieces = ring_pieces(rx_ring(shared_), rx_bytes_, rx_tail_, room);
    const ssize_t n = ::readv(tcp_.get(), pieces.iov, pieces.count);
    if (n > 0) {
      publish_rx(static_cast<uint32_t>(n));
      if (static_cast<uint32_t>(n) < room && !end_seen_) readable_ = false;
    } else if (n == 0) {
      peer_finished();
    } else if (errno == EAGAIN) {
      readable_ = false;
    } else if (errno != EINTR) {
      fail(tx_error_ != 0 ? tx_error_ : errno);
    }
  }
}

// False: none, or the session is gone.
bool ServerSession::rx_room(uint32_t& room) noexcept {
  uint32_t used = rx_tail_ - shared_->rx_head.load(std::memory_order_acquire);
  if (used == rx_bytes_) {
    starved_ = true;
    shared_->rx_starved.store(1, std::memory_order_seq_cst);
    used = rx_tail_ - shared_->rx_head.load(std::memory_order_seq_cst);
  }
  if (used > rx_bytes_) {
    end(End::hostile);
    return false;
  }
  room = rx_bytes_ - used;
  if (room != 0 && starved_) {
    starved_ = false;
    shared_->rx_starved.store(0, std::memory_order_relaxed);
  }
  return room != 0;
}

void ServerSession::publish_rx(uint32_t bytes) noexcept {
  rx_tail_ += bytes;
  core_.counters.rx_bytes += bytes;
  shared_->rx_tail.store(rx_tail_, std::memory_order_seq_cst);
  if (shared_->rx_armed.load(std::memory_order_seq_cst) != 0 &&
      shared_->rx_armed.exchange(0, std::memory_order_acq_rel) != 0)
    ring();
}

// Which set is what the client wrote: one of its own, or none.
bool ServerSession::mark_ready() noexcept {
  const uint32_t number = shared_->rx_set.load(std::memory_order_relaxed);
  if (number == 0) return false;
  ServerReadySets::Set* set = core_.ready.find(number);
  if (!set || !owned_by(set->client)) return false;
  core_.ready.mark(*set, id());
  return true;
}

// A pair that is full is readable all the same.
void ServerSession::ring() noexcept {
  if (mark_ready()) return;
  shared_->rx_rung.store(1, std::memory_order_release);
  ++core_.counters.doorbells;
  const char octet = 1;
  (void)::send(pair_.get(), &octet, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void ServerSession::peer_finished() noexcept {
  if (tx_error_ != 0) return fail(tx_error_);
  rx_finished_ = true;
  shared_->rx_end.store(1, std::memory_order_release);
  (void)::shutdown(pair_.get(), SHUT_WR);
}

// Wishes are read before the tail: octets queued before a wish are seen with it.
void ServerSession::pump_tx() noexcept {
  const uint32_t wishes =
      phase_ == Phase::draining ? kWishFin : shared_->wishes.load(std::memory_order_acquire);
  uint32_t pending = 0;
  if (!tx_pending(pending)) return;
  for (uint32_t turn = 0; pending != 0; ++turn) {
    if (tx_error_ != 0 || fin_sent_) skip_tx(pending);
    if (!writable_ && tx_error_ == 0) break;
    if (turn == kPumpTurns) {
      wants_more_ = true;
      break;
    }
    if (tx_error_ == 0 && !fin_sent_ && !send_some(pending)) break;
    if (!tx_pending(pending)) return;
  }
  release_sender(pending);
  finish_sending(wishes, pending);
}

// False: the session is gone.
bool ServerSession::tx_pending(uint32_t& pending) noexcept {
  const uint32_t tail =
      phase_ == Phase::draining ? tx_final_ : shared_->tx_tail.load(std::memory_order_acquire);
  pending = tail - tx_head_;
  if (pending <= tx_bytes_) return true;
  end(End::hostile);
  return false;
}

void ServerSession::skip_tx(uint32_t pending) noexcept {
  tx_head_ += pending;
  shared_->tx_head.store(tx_head_, std::memory_order_seq_cst);
}

bool ServerSession::send_some(uint32_t pending) noexcept {
  Pieces pieces = ring_pieces(tx_ring(shared_, rx_bytes_), tx_bytes_, tx_head_, pending);
  msghdr message{};
  message.msg_iov = pieces.iov;
  message.msg_iovlen = static_cast<size_t>(pieces.count);
  const ssize_t n = ::sendmsg(tcp_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n > 0) {
    const auto sent = static_cast<uint32_t>(n);
    skip_tx(sent);
    core_.counters.tx_bytes += sent;
    if (phase_ == Phase::draining) progress_ms_ = monotonic_ms();
    if (sent < pending) writable_ = false;
    return true;
  }
  if (n < 0 && errno == EINTR) return true;
  if (n < 0 && errno == EAGAIN) {
    writable_ = false;
    return false;
  }
  tx_error_ = n < 0 ? errno : EIO;
  readable_ = true;
  end_seen_ = true;
  return true;
}

void ServerSession::release_sender(uint32_t pending) noexcept {
  if (phase_ != Phase::connected || tx_bytes_ - pending < tx_bytes_ / 4) return;
  if (shared_->tx_armed.load(std::memory_order_seq_cst) == 0 ||
      shared_->tx_armed.exchange(0, std::memory_order_acq_rel) == 0)
    return;
  take_stuffing(kMostStuffing);
}

void ServerSession::take_stuffing(int most) noexcept {
  char octet = 0;
  ++core_.counters.doorbells;
  for (int i = 0; i < most; ++i)
    if (::recv(pair_.get(), &octet, 1, MSG_DONTWAIT) <= 0) return;
}

void ServerSession::finish_sending(uint32_t wishes, uint32_t pending) noexcept {
  if (pending != 0) return;
  if (phase_ == Phase::draining) {
    if (tx_error_ != 0) return fail(tx_error_);
    ++core_.counters.closed;
    return close_tcp(false);
  }
  if (!(wishes & kWishFin) || fin_sent_ || tx_error_ != 0) return;
  fin_sent_ = true;
  (void)::shutdown(tcp_.get(), SHUT_WR);
}

}  // namespace mango::device
