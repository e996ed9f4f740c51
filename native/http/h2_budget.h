// SPDX-License-Identifier: Apache-2.0
// A token bucket: what a peer may cost us. Refilled by time, and by what the peer does that is worth it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mango::http {

class H2Budget {
 public:
  H2Budget(uint32_t burst, uint32_t per_second, uint64_t now_ms) noexcept
      : capacity_(uint64_t{burst} * kUnit), per_ms_(per_second), level_(capacity_), filled_ms_(now_ms) {}

  // False: overdrawn.
  [[nodiscard]] bool take(uint64_t now_ms) noexcept {
    if (now_ms != filled_ms_) refill(now_ms);
    if (level_ < kUnit) return false;
    level_ -= kUnit;
    return true;
  }
  // Gives thousandths of tokens back.
  void earn(uint64_t thousandths) noexcept { level_ = std::min(capacity_, level_ + thousandths); }

 private:
  static constexpr uint64_t kUnit = 1000;

  void refill(uint64_t now_ms) noexcept {
    const uint64_t elapsed_ms = std::min<uint64_t>(now_ms - filled_ms_, 24 * 3600 * 1000);
    filled_ms_ = now_ms;
    earn(elapsed_ms * per_ms_);
  }

  uint64_t capacity_;
  uint64_t per_ms_;  // thousandths of a token
  uint64_t level_;
  uint64_t filled_ms_;
};

}  // namespace mango::http
