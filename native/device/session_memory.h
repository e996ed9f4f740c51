// SPDX-License-Identifier: Apache-2.0
// Memory that came by descriptor, mapped once it is certain that no later change of the memfd can make an
// access fault: sealed against shrinking, and as large as what it says of itself.
#pragma once

#include "device/shared_session.h"

namespace mango::device {

// The whole memfd, if it is of at least `least` and at most `most` octets: null with errno (EPROTO: it is
// not), else `bytes` is its size. The descriptor stays the caller's.
[[nodiscard]] void* map_sealed(int fd, size_t least, size_t most, size_t& bytes) noexcept;

struct SessionMemory {
  SharedSession* shared = nullptr;
  size_t bytes = 0;
  uint32_t id = 0;
  uint32_t rx_bytes = 0;
  uint32_t tx_bytes = 0;

  // False with errno; EPROTO when it is no session's.
  [[nodiscard]] bool map(int fd) noexcept;
  void unmap() noexcept;
};

}  // namespace mango::device
