// SPDX-License-Identifier: Apache-2.0
#include "proxy/rate_limit.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <chrono>

namespace mango::proxy {

namespace {

constexpr unsigned kTimeBits = 48;  // µs: wraps after 8.9 years, and comparisons survive it
constexpr uint64_t kTimeMask = (uint64_t{1} << kTimeBits) - 1;
constexpr uint64_t kFuture = uint64_t{1} << (kTimeBits - 1);
constexpr uint64_t kMaxToleranceUs = kFuture / 4;  // 1.1 years
constexpr uint64_t kNsPerUs = 1000;
constexpr uint64_t kUsPerMs = 1000;

// SipHash-1-3 over whole words (Aumasson and Bernstein): keyed, so that nobody can aim at a set.
class SipHash {
 public:
  explicit SipHash(const std::array<uint64_t, 2>& seed) noexcept
      : a_(0x736f6d6570736575 ^ seed[0]),
        b_(0x646f72616e646f6d ^ seed[1]),
        c_(0x6c7967656e657261 ^ seed[0]),
        d_(0x7465646279746573 ^ seed[1]) {}
  void add(uint64_t word) noexcept {
    d_ ^= word;
    round();
    a_ ^= word;
    ++words_;
  }
  [[nodiscard]] uint64_t finish() noexcept {
    add(words_ << 59);  // the length in bytes, in the top octet
    c_ ^= 0xff;
    for (int i = 0; i < 3; ++i) round();
    return a_ ^ b_ ^ c_ ^ d_;
  }

 private:
  void round() noexcept {
    a_ += b_;
    b_ = std::rotl(b_, 13) ^ a_;
    a_ = std::rotl(a_, 32);
    c_ += d_;
    d_ = std::rotl(d_, 16) ^ c_;
    a_ += d_;
    d_ = std::rotl(d_, 21) ^ a_;
    c_ += b_;
    b_ = std::rotl(b_, 17) ^ c_;
    c_ = std::rotl(c_, 32);
  }
  uint64_t a_, b_, c_, d_;
  uint64_t words_ = 0;
};

// How far `time` lies after `now`; 0 if it has passed.
uint64_t ahead_us(uint64_t time, uint64_t now) noexcept {
  const uint64_t distance = (time - now) & kTimeMask;
  return distance < kFuture ? distance : 0;
}

uint64_t random_word() noexcept {
  uint64_t word = 0;
  if (getrandom(&word, sizeof word, GRND_NONBLOCK) == sizeof word) return word;
  // Before the pool is seeded, at boot: the address space and the clock still differ from process to process.
  const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
  return reinterpret_cast<uintptr_t>(&word) * 0x9e3779b97f4a7c15 ^ static_cast<uint64_t>(ticks);
}

}  // namespace

Rate Rate::from(const config::RateLimit& limit) noexcept {
  if (limit.requests == 0 || limit.per_ms == 0) return {};
  const uint64_t interval = std::max<uint64_t>(limit.per_ms * kUsPerMs / limit.requests, 1);
  const uint64_t burst = std::max<uint64_t>(limit.burst, 1);
  // Both factors are below 2^42 and 2^32: compare before multiplying.
  const uint64_t most = kMaxToleranceUs / interval;
  return {interval, std::min(burst - 1, most) * interval};
}

RateLimiter::RateLimiter(size_t clients)
    : seed_{random_word(), random_word()}, sets_(std::bit_ceil(std::max(clients, kWays) / kWays)) {}

uint64_t RateLimiter::key(const Address& client, uint64_t scope) const noexcept {
  SipHash hash(seed_);
  hash.add(client.is_v4() ? client.low() : client.high());
  hash.add(scope ^ (client.is_v4() ? 0 : ~uint64_t{0}));
  return hash.finish();
}

bool RateLimiter::admit(uint64_t key, uint64_t now_ns, const Rate& rate) noexcept {
  if (rate.interval_us == 0) return true;
  const uint64_t now = now_ns / kNsPerUs & kTimeMask;
  const uint64_t tag = std::max<uint64_t>(key >> kTimeBits, 1);  // 0 marks a word never used
  auto& words = sets_[key & (sets_.size() - 1)].words;
  for (;;) {
    // The client's own word, or else the one whose bucket is full or fullest.
    std::atomic<uint64_t>* place = nullptr;
    uint64_t seen = 0;
    uint64_t nearest = ~uint64_t{0};
    uint64_t own_ahead = 0;
    for (std::atomic<uint64_t>& word : words) {
      const uint64_t value = word.load(std::memory_order_relaxed);
      const uint64_t ahead = value == 0 ? 0 : ahead_us(value & kTimeMask, now);
      const bool own = value >> kTimeBits == tag;
      if (!own && ahead >= nearest) continue;
      place = &word;
      seen = value;
      nearest = ahead;
      if (!own) continue;
      own_ahead = ahead;
      break;
    }
    if (own_ahead > rate.tolerance_us) return false;
    const uint64_t next = (now + own_ahead + rate.interval_us) & kTimeMask;
    if (place->compare_exchange_weak(seen, tag << kTimeBits | next, std::memory_order_relaxed)) return true;
  }
}

}  // namespace mango::proxy
