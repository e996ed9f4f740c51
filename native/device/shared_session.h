// SPDX-License-Identifier: Apache-2.0
// The memory a client process and the device share for one session, and the rules of its doorbells.
//
// A session is three things: this memory (a sealed memfd: header, receive ring, send ring), a pair of
// AF_UNIX/SOCK_SEQPACKET sockets, and inside the device a TCP socket. The client's end of the pair is the
// session's descriptor. Nothing but wake-ups, accepted connections and the end travels through it, yet the
// kernel reports on it what a TCP socket would: so epoll, poll, select, fork, dup and descriptor passing need
// no emulation. Rejected: an eventfd per session, which cannot say "writable", "hung up" or "the device is
// gone", and dies unnoticed with a killed process.
//
//   readable   a message waits in the client's end: one octet (ring rung) or an accepted connection
//   EPOLLRDHUP the device has shut its end for writing: the peer's FIN is behind the bytes in the ring
//   EPOLLHUP   the device has closed its end: the session, or the whole device, is gone (see `state`)
//   writable   unless the client has stuffed its end with kStuffingBytes: connecting, or the ring is full
//
// Neither side trusts the other: each keeps its own counts privately and reads only the other's count from
// here, checked against the ring's size. Counts are octets since the beginning, modulo 2^32.
//
// Receive doorbell. The device, having published rx_tail: if rx_armed.exchange(0): rx_rung = 1, one octet
// into the pair. The client, having emptied the ring: if rx_rung: take the octet, rx_rung = 0; then
// rx_armed.exchange(1), look at rx_tail again; if bytes came meanwhile, either read on, or notify() and leave
// them: a device that is notified rings for octets in the ring if rx_armed is 1. Now and then an octet or a
// mark (ReadySet) comes for bytes that have been read already: whoever finds the ring empty arms the doorbell
// again, and takes the octet.
//
// Send doorbell. The client, the ring being full: stuff the pair (not writable from now on), whatever
// tx_armed says, since the device may be about to take the last stuffing; tx_armed.exchange(1); look at
// tx_head again, and notify() if there is room by now. The device, having published tx_head with a quarter of
// the ring free: if tx_armed.exchange(0), take the stuffing out of the pair (which wakes waiters for
// EPOLLOUT). The other order would now and then leave a client stuffed and unarmed. Writable may be said too
// early, never too late.
//
// Exchanges, because each finds what the other's published before; without them it would take fences.
//
// notify(): if notified.exchange(1) was 0, mark the session in the process's SharedChannel. The device sets
// notified = 0 before it looks at the session.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace mango::device {

constexpr uint32_t kSessionMagic = 0x6D616E67;  // "mang"
constexpr uint32_t kSharedVersion = 1;
constexpr size_t kSessionHeaderBytes = 4096;
constexpr uint32_t kRingBytes = 128 * 1024;  // default of session.{rx,tx}_buffer_bytes; a power of two
constexpr uint32_t kLeastRingBytes = 4096;
constexpr uint32_t kMostRingBytes = 16 * 1024 * 1024;
// With the least SO_SNDBUF (Linux makes it 4.5 KiB) one message of this size makes a socket not writable.
constexpr size_t kStuffingBytes = 4096;

// What the device says of a session. Errors: `error`, an errno, until the client takes it.
enum class SharedState : uint32_t {
  open = 0,    // made; not connected
  listening,   // accepted connections come through the pair (AcceptedFrame in link.h)
  connecting,  // outcome: connected, or failed
  connected,
  failed,  // refused, reset by the peer, timed out: `error`. The pair is closed, the device has forgotten it
  reset    // the device was reset. As failed, with DEVICE_RESET
};

// What the client wants of a session beyond sending: bits of `wishes`.
constexpr uint32_t kWishFin = 1;      // FIN after the octets up to tx_tail
constexpr uint32_t kWishAbort = 2;    // RST now
constexpr uint32_t kWishOrderly = 4;  // the closing of the pair is a close(), not a process that died

struct SharedSession {
  // Constant once made.
  uint32_t magic;
  uint32_t version;
  uint32_t id;
  uint32_t rx_bytes;
  uint32_t tx_bytes;

  // Written by the device.
  alignas(64) std::atomic<uint32_t> rx_tail;
  std::atomic<uint32_t> tx_head;
  std::atomic<uint32_t> rx_end;  // 1: the peer's FIN follows the octet before rx_tail
  std::atomic<SharedState> state;
  std::atomic<int32_t> error;  // the client takes it with exchange(0)

  // Written by the client.
  alignas(64) std::atomic<uint32_t> rx_head;
  std::atomic<uint32_t> tx_tail;
  std::atomic<uint32_t> wishes;

  // Doorbells, written by both.
  alignas(64) std::atomic<uint32_t> rx_armed;  // starts as 1
  std::atomic<uint32_t> rx_rung;
  std::atomic<uint32_t> rx_starved;  // 1: the device has more than fits; notify() once there is room
  std::atomic<uint32_t> tx_armed;
  std::atomic<uint32_t> notified;
  std::atomic<uint32_t>
      rx_set;  // by the client: the readiness set (link.h) to mark instead of the octet; 0: none

  // Written by the device before `state` says connected (release) and never after.
  alignas(64) sockaddr_storage local;
  sockaddr_storage peer;
};
static_assert(sizeof(SharedSession) <= kSessionHeaderBytes);
static_assert(std::atomic<uint32_t>::is_always_lock_free && std::atomic<uint64_t>::is_always_lock_free);

constexpr size_t shared_session_bytes(uint32_t rx_bytes, uint32_t tx_bytes) noexcept {
  return kSessionHeaderBytes + size_t{rx_bytes} + size_t{tx_bytes};
}
inline char* rx_ring(SharedSession* shared) noexcept {
  return reinterpret_cast<char*>(shared) + kSessionHeaderBytes;
}
// `rx_bytes`: the caller's own knowledge, not the header's.
inline char* tx_ring(SharedSession* shared, uint32_t rx_bytes) noexcept {
  return rx_ring(shared) + rx_bytes;
}

// Which sessions of a process want the device's attention; one per process and device.
constexpr uint32_t kMaxSessions = 65536;  // session ids of a device are below
struct SharedChannel {
  uint32_t magic;
  uint32_t version;
  alignas(64) std::atomic<uint32_t> asleep;  // 1: the device sleeps; write its doorbell (an eventfd)
  alignas(64) std::atomic<uint64_t> summary[kMaxSessions / 64 / 64];  // bit w: words[w] has a bit
  std::atomic<uint64_t> words[kMaxSessions / 64];
};

// Marks session `id`. True when the device sleeps and its doorbell is the caller's to write.
[[nodiscard]] inline bool channel_mark(SharedChannel& channel, uint32_t id) noexcept {
  const uint32_t word = id / 64;
  channel.words[word].fetch_or(uint64_t{1} << (id % 64), std::memory_order_release);
  channel.summary[word / 64].fetch_or(uint64_t{1} << (word % 64), std::memory_order_seq_cst);
  return channel.asleep.load(std::memory_order_seq_cst) != 0 &&
         channel.asleep.exchange(0, std::memory_order_acq_rel) != 0;
}

// Takes all marks and calls visit(id) for each. Ids are below kMaxSessions whatever the client wrote.
template <class Visit>
inline void channel_take(SharedChannel& channel, Visit visit) noexcept {
  for (uint32_t s = 0; s < kMaxSessions / 64 / 64; ++s) {
    if (channel.summary[s].load(std::memory_order_relaxed) == 0) continue;
    uint64_t words = channel.summary[s].exchange(0, std::memory_order_seq_cst);
    for (; words != 0; words &= words - 1) {
      const uint32_t word = s * 64 + static_cast<uint32_t>(__builtin_ctzll(words));
      uint64_t ids = channel.words[word].exchange(0, std::memory_order_acq_rel);
      for (; ids != 0; ids &= ids - 1) visit(word * 64 + static_cast<uint32_t>(__builtin_ctzll(ids)));
    }
  }
}

[[nodiscard]] inline bool channel_marked(const SharedChannel& channel) noexcept {
  for (const auto& bits : channel.summary)
    if (bits.load(std::memory_order_seq_cst) != 0) return true;
  return false;
}

}  // namespace mango::device
