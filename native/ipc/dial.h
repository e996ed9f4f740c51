// SPDX-License-Identifier: Apache-2.0
// Descriptors of the IPC channel. They live in programs that know nothing of them, so none is 0, 1 or 2
// (which a daemon reopens), all are closed by exec, and before use one asks whether the number still means
// what it meant: a program that closes "all descriptors" may have given it to a file of its own.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace mango::ipc {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

// Nanoseconds until then, 0 when it has passed.
[[nodiscard]] int64_t ns_until(Deadline deadline) noexcept;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) noexcept;  // takes it, under a number above 2; -1 when that fails
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool ours() const noexcept;  // the same file as when it was taken
  void reset() noexcept;                     // closes it if it is ours

 private:
  int fd_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// A connection to host:port, non-blocking, TCP_NODELAY; invalid when there is none by the deadline. A name's
// addresses are tried in their order; resolving a name may take the resolver's time.
[[nodiscard]] Descriptor dial(const std::string& host, uint16_t port, Deadline deadline) noexcept;

}  // namespace mango::ipc
