// SPDX-License-Identifier: Apache-2.0
// The time, for protocol code that limits what a peer may cost in a second.
#pragma once

#include <cstdint>

namespace mango::http {

class Clock {
 public:
  [[nodiscard]] virtual uint64_t now_ms() const noexcept = 0;  // monotonic

 protected:
  ~Clock() = default;
};

}  // namespace mango::http
