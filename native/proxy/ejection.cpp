// SPDX-License-Identifier: Apache-2.0
// The word, from the top: 40 bits the time until which the server is out (0 = it is in), 8 bits how many
// times in a row it was ejected, 1 bit a trial is out, 15 bits failures in a row.
#include "proxy/ejection.h"

#include <algorithm>

namespace mango::proxy {

namespace {

constexpr unsigned kUntilShift = 24;
constexpr unsigned kTimesShift = 16;
constexpr uint64_t kMaxTimes = 0xff;
constexpr uint64_t kTrialBit = uint64_t{1} << 15;
constexpr uint64_t kMaxFailures = kTrialBit - 1;
constexpr uint64_t kMaxUntil = (uint64_t{1} << 40) - 1;  // 34 years of uptime

struct Word {
  uint64_t until_ms = 0;
  uint64_t times = 0;
  bool trial = false;
  uint64_t failures = 0;
};

Word unpack(uint64_t word) noexcept {
  return {word >> kUntilShift, word >> kTimesShift & kMaxTimes, (word & kTrialBit) != 0, word & kMaxFailures};
}

uint64_t pack(const Word& word) noexcept {
  return std::min(word.until_ms, kMaxUntil) << kUntilShift | std::min(word.times, kMaxTimes) << kTimesShift |
         (word.trial ? kTrialBit : 0) | std::min(word.failures, kMaxFailures);
}

// base * 2^(times - 1), at most max.
uint64_t out_for_ms(uint64_t times, const config::EjectionRule& rule) noexcept {
  const uint64_t base = std::max<uint64_t>(rule.base_ms, 1);
  const uint64_t most = std::max<uint64_t>(rule.max_ms, base);
  const uint64_t doublings = std::min<uint64_t>(times > 0 ? times - 1 : 0, 31);
  return std::min(base << doublings, most);
}

}  // namespace

Ejection::State Ejection::state(uint64_t now_ms) const noexcept {
  const uint64_t until_ms = word_.load(std::memory_order_relaxed) >> kUntilShift;
  if (until_ms == 0) return State::healthy;
  return now_ms < until_ms ? State::ejected : State::trial_due;
}

bool Ejection::claim_trial(uint64_t now_ms, const config::EjectionRule& rule) noexcept {
  uint64_t seen = word_.load(std::memory_order_relaxed);
  Word word = unpack(seen);
  if (word.until_ms == 0 || now_ms < word.until_ms) return false;
  word.until_ms = now_ms + out_for_ms(word.times, rule);
  word.trial = true;
  return word_.compare_exchange_strong(seen, pack(word), std::memory_order_relaxed);
}

bool Ejection::failed(uint64_t now_ms, const config::EjectionRule& rule) noexcept {
  if (rule.consecutive_failures == 0) return false;
  uint64_t seen = word_.load(std::memory_order_relaxed);
  for (;;) {
    Word word = unpack(seen);
    const bool out = word.until_ms != 0;
    if (out && !word.trial) return false;
    const uint64_t needed = std::min<uint64_t>(rule.consecutive_failures, kMaxFailures);
    word.failures = std::min(word.failures + 1, kMaxFailures);
    const bool eject = out || word.failures >= needed;
    if (eject) {
      word = {.until_ms = 0, .times = std::min(word.times + 1, kMaxTimes), .trial = false, .failures = 0};
      word.until_ms = now_ms + out_for_ms(word.times, rule);
    }
    if (word_.compare_exchange_weak(seen, pack(word), std::memory_order_relaxed)) return eject && !out;
  }
}

bool Ejection::succeeded() noexcept {
  if (word_.load(std::memory_order_relaxed) == 0) return false;
  return word_.exchange(0, std::memory_order_relaxed) >> kUntilShift != 0;
}

}  // namespace mango::proxy
