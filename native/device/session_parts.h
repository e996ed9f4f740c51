// SPDX-License-Identifier: Apache-2.0
// What the parts of Session share beside it.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

#include "device/client.h"
#include "device/iov_cursor.h"
#include "device/session.h"

namespace mango::device {

inline int fail(int error) noexcept {
  errno = error;
  return -1;
}

inline int result_of(mango_status_e status) noexcept {
  return status == MANGO_STATUS_OK ? 0 : fail(-status);
}

// Fills in a caller's address as getsockname(2) does. False with errno.
[[nodiscard]] bool give_address(const sockaddr_storage& from, sockaddr* addr, socklen_t* length) noexcept;

// A look at the ring costs nanoseconds, going to sleep and being woken microseconds.
constexpr int kSpins = 64;
inline void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

inline int64_t monotonic_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}
// Deadlines: 0 is none.
inline int64_t deadline_in(int64_t timeout_ns) noexcept {
  return timeout_ns ? monotonic_ns() + timeout_ns : 0;
}
// For raw::poll().
inline int64_t left_until(int64_t deadline_ns) noexcept {
  if (deadline_ns == 0) return -1;
  const int64_t left = deadline_ns - monotonic_ns();
  return left > 0 ? left : 0;
}

}  // namespace mango::device
