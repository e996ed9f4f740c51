// SPDX-License-Identifier: Apache-2.0
// An offloaded socket as the program's descriptors share it. Memory of these objects is never given back, so
// that a look-up racing with a close reads a valid count and sees that it is zero.
//
// Rejected: a lock around table and objects. Every read and write of the program would take it.
#pragma once

#include <atomic>
#include <cstdint>

#include "libmango.h"
#include "shim/lock.h"

namespace mango::device {
class Session;
}

namespace mango::shim {

struct Offloaded {
  std::atomic<uint32_t> users{0};        // descriptors and calls under way; 0: free
  std::atomic<uint32_t> descriptors{0};  // numbers of this process that name it
  std::atomic<bool> nonblocking{false};  // device: the descriptor's O_NONBLOCK
  std::atomic<int> send_timeout_ms{
      -1};         // device: SO_SNDTIMEO; -1: none. (The pair keeps SO_RCVTIMEO itself.)
  Lock receiving;  // of the session; never held while waiting
  Lock sending;

  // One of the two, by engine.
  mango_socket_h socket = nullptr;
  std::atomic<device::Session*> session{nullptr};  // owned; null until attached when it was inherited
  std::atomic<bool> inherited{false};              // device: came through exec or from another process

  Offloaded* next_free = nullptr;
};

// A free object with one user and one descriptor; null when memory is out.
[[nodiscard]] Offloaded* offloaded_make() noexcept;

// One user more, unless the object is free already.
[[nodiscard]] bool offloaded_use(Offloaded& offloaded) noexcept;
// One user less; the last one's leaving ends the socket.
void offloaded_leave(Offloaded& offloaded) noexcept;

// Around fork(): locks held by threads the child does not have are set free there.
void offloaded_before_fork() noexcept;
void offloaded_after_fork(bool in_child) noexcept;

// A call's hold on the object behind a descriptor; empty when the descriptor is not offloaded.
class Ref {
 public:
  Ref() noexcept = default;
  explicit Ref(Offloaded* taken) noexcept : taken_(taken) {}
  ~Ref() {
    if (taken_) offloaded_leave(*taken_);
  }
  Ref(Ref&& other) noexcept : taken_(other.taken_) { other.taken_ = nullptr; }
  Ref& operator=(Ref&&) = delete;

  explicit operator bool() const noexcept { return taken_ != nullptr; }
  Offloaded& operator*() const noexcept { return *taken_; }
  Offloaded* operator->() const noexcept { return taken_; }

 private:
  Offloaded* taken_ = nullptr;
};

}  // namespace mango::shim
