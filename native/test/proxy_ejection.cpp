// SPDX-License-Identifier: Apache-2.0
#include "proxy/ejection.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace mango::proxy {
namespace {

using State = Ejection::State;

constexpr config::EjectionRule kRule{.consecutive_failures = 3, .base_ms = 100, .max_ms = 350};

void eject(Ejection& ejection, uint64_t now_ms) {
  for (uint32_t i = 1; i < kRule.consecutive_failures; ++i) EXPECT_FALSE(ejection.failed(now_ms, kRule));
  EXPECT_TRUE(ejection.failed(now_ms, kRule));
}

TEST(ProxyEjection, EjectsAfterFailuresInARowOnly) {
  Ejection ejection;
  EXPECT_EQ(ejection.state(0), State::healthy);
  EXPECT_FALSE(ejection.failed(1000, kRule));
  EXPECT_FALSE(ejection.failed(1000, kRule));
  EXPECT_FALSE(ejection.succeeded());
  EXPECT_EQ(ejection.state(1000), State::healthy);
  eject(ejection, 1000);
  EXPECT_EQ(ejection.state(1000), State::ejected);
  EXPECT_EQ(ejection.state(1099), State::ejected);
  EXPECT_EQ(ejection.state(1100), State::trial_due);
}

TEST(ProxyEjection, NeverEjectsWithoutARule) {
  Ejection ejection;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(ejection.failed(1, {}));
  EXPECT_EQ(ejection.state(1), State::healthy);
}

TEST(ProxyEjection, GrantsOneTrial) {
  Ejection ejection;
  eject(ejection, 1000);
  EXPECT_FALSE(ejection.claim_trial(1099, kRule));
  EXPECT_TRUE(ejection.claim_trial(1100, kRule));
  EXPECT_FALSE(ejection.claim_trial(1100, kRule));
  EXPECT_EQ(ejection.state(1100), State::ejected);
  EXPECT_TRUE(ejection.succeeded());
  EXPECT_EQ(ejection.state(1100), State::healthy);
  EXPECT_FALSE(ejection.succeeded());
}

TEST(ProxyEjection, GrantsAnotherTrialIfTheFirstNeverReports) {
  Ejection ejection;
  eject(ejection, 1000);
  ASSERT_TRUE(ejection.claim_trial(1100, kRule));
  EXPECT_EQ(ejection.state(1199), State::ejected);
  EXPECT_EQ(ejection.state(1200), State::trial_due);
}

TEST(ProxyEjection, DoublesUpToTheMaximumWithEachFailedTrial) {
  Ejection ejection;
  eject(ejection, 1000);
  uint64_t now_ms = 1100;
  for (const uint64_t out_ms : {200u, 350u, 350u}) {
    ASSERT_TRUE(ejection.claim_trial(now_ms, kRule));
    EXPECT_FALSE(ejection.failed(now_ms, kRule)) << "it was out already";
    EXPECT_EQ(ejection.state(now_ms + out_ms - 1), State::ejected);
    now_ms += out_ms;
    EXPECT_EQ(ejection.state(now_ms), State::trial_due);
  }
  ASSERT_TRUE(ejection.succeeded());
  eject(ejection, now_ms);
  EXPECT_EQ(ejection.state(now_ms + 100), State::trial_due) << "a success forgets the doubling";
}

TEST(ProxyEjection, IsNotProlongedByFailuresOfEarlierRequests) {
  Ejection ejection;
  eject(ejection, 1000);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(ejection.failed(1090, kRule));
  EXPECT_EQ(ejection.state(1100), State::trial_due);
}

TEST(ProxyEjection, SurvivesEndlessFailuresAndExtremeRules) {
  const config::EjectionRule extreme{
      .consecutive_failures = UINT32_MAX, .base_ms = UINT32_MAX, .max_ms = UINT32_MAX};
  Ejection ejection;
  int ejected = 0;
  for (int i = 0; i < 100000; ++i) ejected += ejection.failed(1, extreme) ? 1 : 0;
  EXPECT_EQ(ejected, 1);
  EXPECT_EQ(ejection.state(1), State::ejected);
}

TEST(ProxyEjection, TellsOneThreadOfEachChange) {
  Ejection ejection;
  std::atomic<int> ejected{0};
  std::atomic<int> trials{0};
  std::atomic<int> restored{0};
  constexpr int kThreads = 4;
  const auto all = [](auto work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back(work);
    for (std::thread& thread : threads) thread.join();
  };
  for (int round = 1; round <= 50; ++round) {
    const auto now_ms = static_cast<uint64_t>(round) * 1000;
    all([&] {
      for (int i = 0; i < 100; ++i) ejected += ejection.failed(now_ms, kRule) ? 1 : 0;
    });
    EXPECT_EQ(ejection.state(now_ms), State::ejected);
    all([&] { trials += ejection.claim_trial(now_ms + 500, kRule) ? 1 : 0; });
    all([&] { restored += ejection.succeeded() ? 1 : 0; });
    ASSERT_EQ(ejected, round);
    ASSERT_EQ(trials, round);
    ASSERT_EQ(restored, round);
  }
}

}  // namespace
}  // namespace mango::proxy
