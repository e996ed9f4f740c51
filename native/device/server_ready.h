// SPDX-License-Identifier: Apache-2.0
// Readiness sets (link.h) as the device has them: where it marks sessions that have octets for their client,
// in place of an octet into each session's pair. The device's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "device/descriptor.h"
#include "device/shared_memory.h"
#include "device/shared_session.h"

namespace mango::device {

class ServerReadySets {
 public:
  struct Set {
    uint64_t client = 0;  // whose it is: only sessions that it owns are marked there
    SharedMemory memory;
    SharedChannel* channel = nullptr;
    Descriptor bell;
    bool to_ring = false;
  };

  // A set for a client: its number, or 0 with errno.
  [[nodiscard]] uint32_t add(uint64_t client) noexcept;
  void drop(uint64_t client) noexcept;
  // Null when there is none of that number, which a client wrote.
  [[nodiscard]] Set* find(uint32_t number) const noexcept {
    return number - 1 < sets_.size() ? sets_[number - 1].get() : nullptr;
  }
  // Marks a session there. A client that sleeps is woken by ring(), at the end of the device's turn, and
  // finds all that was marked in it: woken by the first mark it would take one session, and sleep again.
  void mark(Set& set, uint32_t id) noexcept;
  void ring() noexcept;

 private:
  std::vector<std::unique_ptr<Set>> sets_;  // number - 1; null where a client went
  bool any_to_ring_ = false;
};

}  // namespace mango::device
