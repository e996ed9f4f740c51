// SPDX-License-Identifier: Apache-2.0
// What the parts of one device share: its epoll set, its figures, what identifies it. The device's thread
// only.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "device/descriptor.h"
#include "device/server_limits.h"
#include "device/server_ready.h"

namespace mango::device {

struct DeviceCounters {
  uint64_t accepted = 0;
  uint64_t connected = 0;
  uint64_t failed = 0;   // connects
  uint64_t aborted = 0;  // by the client, or its death
  uint64_t reset = 0;    // by the peer, or by TCP's giving up
  uint64_t closed = 0;   // orderly
  uint64_t rx_bytes = 0;
  uint64_t tx_bytes = 0;
  uint64_t hostile = 0;
  uint64_t doorbells = 0;  // octets rung into pairs, stuffing taken out
  uint64_t link_requests = 0;
  uint64_t messages = 0;
  uint64_t wakeups = 0;
};

struct SessionSettings {
  uint32_t most = 0;
  uint32_t rx_bytes = kRingBytes;
  uint32_t tx_bytes = kRingBytes;
  uint32_t spin_us = kSpinUs;
  uint32_t drain_timeout_ms = kDrainTimeoutMs;
};

// Whose event it is, in epoll's user data: kind, and the session's generation and id, or a client's serial.
enum class EventKind : uint8_t { wake, link_listener, link, doorbell, tcp, pair };

constexpr uint64_t kEventValueMask = (uint64_t{1} << 56) - 1;
constexpr uint64_t event_key(EventKind kind, uint64_t value) noexcept {
  return static_cast<uint64_t>(kind) << 56 | (value & kEventValueMask);
}
constexpr uint64_t session_value(uint32_t generation, uint32_t id) noexcept {
  return uint64_t{generation} << 16 | id;
}

struct ServerCore {
  Descriptor epoll;
  uint32_t device = 0;
  DeviceCounters counters;
  SessionSettings settings;
  ServerReadySets ready;

  // False with errno.
  [[nodiscard]] bool watch(int fd, uint32_t events, uint64_t key) const noexcept {
    epoll_event event{events, {.u64 = key}};
    return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }
  void rewatch(int fd, uint32_t events, uint64_t key) const noexcept {
    epoll_event event{events, {.u64 = key}};
    (void)::epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd, &event);
  }
  void unwatch(int fd) const noexcept { (void)::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd, nullptr); }
};

}  // namespace mango::device
