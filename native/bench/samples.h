// SPDX-License-Identifier: Apache-2.0
// Latencies of a run, every one of them: percentiles are exact, and recording one is a store into memory that
// was made, and touched, before the clock started. Rejected: a histogram of buckets, whose width is an error
// of its own exactly where two engines lie close together.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <vector>

namespace mango::bench {

constexpr int64_t kSecondNs = 1'000'000'000;

inline int64_t clock_ns(clockid_t clock) noexcept {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * kSecondNs + time.tv_nsec;
}
inline int64_t now_ns() noexcept {
  return clock_ns(CLOCK_MONOTONIC);
}
inline int64_t process_cpu_ns() noexcept {
  return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

class Samples {
 public:
  explicit Samples(size_t most) : values_(most) {}

  // False when there is no room: the run ends, rather than counts what it did not record.
  [[nodiscard]] bool record(int64_t ns) noexcept {
    if (count_ == values_.size()) return false;
    values_[count_++] = static_cast<uint32_t>(std::min<int64_t>(ns, UINT32_MAX));
    return true;
  }

  [[nodiscard]] size_t count() const noexcept { return count_; }

  // Nearest rank: the smallest recorded value that at least `percent` of them do not exceed; 0 when nothing
  // was recorded. Reorders.
  [[nodiscard]] double percentile_us(double percent) noexcept {
    if (count_ == 0) return 0;
    const auto rank = static_cast<std::ptrdiff_t>(std::ceil(percent / 100 * static_cast<double>(count_)));
    const auto at = values_.begin() + std::max<std::ptrdiff_t>(rank - 1, 0);
    std::nth_element(values_.begin(), at, values_.begin() + static_cast<std::ptrdiff_t>(count_));
    return *at / 1000.0;
  }

 private:
  std::vector<uint32_t> values_;  // nanoseconds; four seconds is the longest that can be told
  size_t count_ = 0;
};

}  // namespace mango::bench
