// SPDX-License-Identifier: Apache-2.0
// How long a device that ran out of work looks about before it sleeps. A spin that found nothing makes the
// next idle periods go without one, doubling each time; one that found work forgives all: busy clients are
// served without a system call, and an idle device costs nothing.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>

#include "device/server_limits.h"

namespace mango::device {

class SpinBudget {
 public:
  // Nothing is to be done: whether to look again rather than sleep.
  [[nodiscard]] bool again(uint32_t spin_us) noexcept {
    if (spin_us == 0) return false;
    if (!idle_) return begin(spin_us);
    if (now_ns() < until_ns_) return true;
    penalty_ = std::min(penalty_ * 2 + 1, kMostSpinPenalty);
    skip_ = penalty_;
    idle_ = false;
    return false;
  }
  void found_work() noexcept {
    if (idle_) penalty_ = 0;
    idle_ = false;
  }

 private:
  [[nodiscard]] bool begin(uint32_t spin_us) noexcept {
    if (skip_ != 0) {
      --skip_;
      return false;
    }
    idle_ = true;
    until_ns_ = now_ns() + uint64_t{spin_us} * 1000;
    return true;
  }
  [[nodiscard]] static uint64_t now_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  }

  bool idle_ = false;
  uint64_t until_ns_ = 0;
  uint32_t penalty_ = 0;
  uint32_t skip_ = 0;
};

}  // namespace mango::device
