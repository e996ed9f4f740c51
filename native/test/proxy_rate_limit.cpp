// SPDX-License-Identifier: Apache-2.0
#include "proxy/rate_limit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace mango::proxy {
namespace {

constexpr uint64_t kMs = 1'000'000;  // in ns
constexpr uint64_t kSecond = 1000 * kMs;

Address address(std::string_view text) {
  Address out;
  EXPECT_TRUE(Address::parse(text, out)) << text;
  return out;
}

int admitted(RateLimiter& limiter, uint64_t key, uint64_t now_ns, const Rate& rate, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += limiter.admit(key, now_ns, rate) ? 1 : 0;
  return count;
}

TEST(ProxyRateLimit, AdmitsABurstThenTheRate) {
  RateLimiter limiter;
  const Rate rate = Rate::from({.requests = 10, .per_ms = 1000, .burst = 5});
  const uint64_t key = limiter.key(address("192.0.2.1"), 0);
  EXPECT_EQ(admitted(limiter, key, kSecond, rate, 20), 5);
  EXPECT_EQ(admitted(limiter, key, kSecond + 99 * kMs, rate, 20), 0);
  EXPECT_EQ(admitted(limiter, key, kSecond + 100 * kMs, rate, 20), 1);
  EXPECT_EQ(admitted(limiter, key, 2 * kSecond + 100 * kMs, rate, 20), 5)
      << "the bucket holds no more than a burst";
}

TEST(ProxyRateLimit, RefusalsTakeNothing) {
  RateLimiter limiter;
  const Rate rate = Rate::from({.requests = 1, .per_ms = 1000, .burst = 1});
  const uint64_t key = limiter.key(address("192.0.2.1"), 0);
  EXPECT_EQ(admitted(limiter, key, kSecond, rate, 1000), 1);
  EXPECT_EQ(admitted(limiter, key, 2 * kSecond, rate, 1000), 1);
}

TEST(ProxyRateLimit, AdmitsEverythingWithoutALimit) {
  RateLimiter limiter;
  EXPECT_EQ(admitted(limiter, 1, 0, Rate{}, 1000), 1000);
  EXPECT_EQ(admitted(limiter, 1, 0, Rate::from({}), 1000), 1000);
}

TEST(ProxyRateLimit, WorksAtTheStartOfTheClockAndForExtremeLimits) {
  RateLimiter limiter;
  EXPECT_EQ(admitted(limiter, 1, 0, Rate::from({.requests = 1, .per_ms = UINT32_MAX, .burst = 2}), 10), 2);
  // A burst worth more than a year is cut to a year's: nine intervals of 50 days.
  const Rate centuries = Rate::from({.requests = 1, .per_ms = UINT32_MAX, .burst = UINT32_MAX});
  EXPECT_EQ(admitted(limiter, 2, 0, centuries, 1000), 9);
  EXPECT_EQ(admitted(limiter, 3, 0, Rate::from({.requests = UINT32_MAX, .per_ms = 1, .burst = 0}), 10), 1);
}

TEST(ProxyRateLimit, CountsClientsApart) {
  RateLimiter limiter;
  const Rate rate = Rate::from({.requests = 1, .per_ms = 1000, .burst = 1});
  int count = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    count += limiter.admit(limiter.key(Address::v4(0x0a000000 + i), 0), kSecond, rate) ? 1 : 0;
  }
  EXPECT_GE(count, 999);  // tags collide with a chance of 1 in 10,000 here
}

TEST(ProxyRateLimit, KeysIPv6ByNetworkAndScopesApart) {
  RateLimiter limiter;
  EXPECT_EQ(limiter.key(address("2001:db8::1"), 0), limiter.key(address("2001:db8::ffff:1"), 0));
  EXPECT_NE(limiter.key(address("2001:db8::1"), 0), limiter.key(address("2001:db8:0:1::1"), 0));
  EXPECT_NE(limiter.key(address("192.0.2.1"), 0), limiter.key(address("192.0.2.1"), 1));
  EXPECT_NE(limiter.key(address("192.0.2.1"), 0), limiter.key(address("192.0.2.2"), 0));
  EXPECT_NE(limiter.key(address("0.0.0.0"), 0), limiter.key(address("::"), 0));
}

TEST(ProxyRateLimit, SeedsEachTableAnew) {
  EXPECT_NE(RateLimiter().key(address("192.0.2.1"), 0), RateLimiter().key(address("192.0.2.1"), 0));
}

TEST(ProxyRateLimit, ForgivesTheFullestBucketWhenASetIsFull) {
  RateLimiter limiter(8);  // one set
  const Rate rate = Rate::from({.requests = 1, .per_ms = 1000, .burst = 1});
  const auto key = [](uint64_t tag) { return tag << 48; };
  for (uint64_t tag = 1; tag <= 8; ++tag) EXPECT_TRUE(limiter.admit(key(tag), kSecond + tag * kMs, rate));
  EXPECT_TRUE(limiter.admit(key(9), kSecond + 10 * kMs, rate)) << "a newcomer is never refused";
  for (uint64_t tag = 2; tag <= 9; ++tag)
    EXPECT_FALSE(limiter.admit(key(tag), kSecond + 11 * kMs, rate)) << tag;
}

TEST(ProxyRateLimit, ReplacesExpiredClientsFirst) {
  RateLimiter limiter(8);
  const Rate fast = Rate::from({.requests = 1, .per_ms = 1, .burst = 1});
  const Rate slow = Rate::from({.requests = 1, .per_ms = 100000, .burst = 1});
  const auto key = [](uint64_t tag) { return tag << 48; };
  EXPECT_TRUE(limiter.admit(key(1), kSecond, fast));
  for (uint64_t tag = 2; tag <= 8; ++tag) EXPECT_TRUE(limiter.admit(key(tag), kSecond, slow));
  EXPECT_TRUE(limiter.admit(key(9), 2 * kSecond, slow));
  for (uint64_t tag = 2; tag <= 9; ++tag) EXPECT_FALSE(limiter.admit(key(tag), 2 * kSecond, slow)) << tag;
}

TEST(ProxyRateLimit, IsExactUnderConcurrency) {
  RateLimiter limiter;
  const Rate rate = Rate::from({.requests = 1, .per_ms = 1000, .burst = 500});
  const uint64_t key = limiter.key(address("192.0.2.1"), 0);
  std::atomic<int> count{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { count += admitted(limiter, key, kSecond, rate, 1000); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 500);
}

}  // namespace
}  // namespace mango::proxy
