// SPDX-License-Identifier: Apache-2.0
// The wheel against the simplest timers there are: a list of deadlines. Time is a number here, so days pass
// quickly.
#include "net/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace mango::net {
namespace {

constexpr uint64_t kTickMs = 8;

struct Alarm final : TimerTarget {
  void on_timer(Timer& fired) override {
    EXPECT_EQ(&timer, &fired);
    ++count;
    if (action) action();
  }
  Timer timer{*this};
  int count = 0;
  uint64_t due_ms = 0;
  std::function<void()> action;
};

TEST(TimerWheel, FiresNeverEarlyAndAtMostATickLate) {
  TimerWheel wheel(1003);
  Alarm alarm;
  wheel.set(alarm.timer, 100);
  for (uint64_t now = 1003; now < 1103; ++now) wheel.advance(now);
  EXPECT_EQ(0, alarm.count);
  wheel.advance(1103 + kTickMs);
  EXPECT_EQ(1, alarm.count);
  EXPECT_FALSE(alarm.timer.armed());
}

TEST(TimerWheel, FiresADelayOfNothingOnTheNextTick) {
  TimerWheel wheel(16);
  Alarm alarm;
  wheel.set(alarm.timer, 0);
  wheel.advance(16);
  EXPECT_EQ(0, alarm.count);
  wheel.advance(16 + kTickMs);
  EXPECT_EQ(1, alarm.count);
}

// One deadline at every tick of the first levels: each slot boundary is somebody's deadline.
TEST(TimerWheel, KeepsEveryDeadlineAcrossTheCascades) {
  TimerWheel wheel(0);
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (uint64_t due = kTickMs; due < 70'000 * kTickMs; due += 13 * kTickMs) {
    alarms.push_back(std::make_unique<Alarm>());
    alarms.back()->due_ms = due;
    wheel.set(alarms.back()->timer, due);
  }
  uint64_t now = 0;
  for (const auto& alarm : alarms) {
    alarm->action = [&now, raw = alarm.get()] {
      EXPECT_GE(now, raw->due_ms);
      EXPECT_LE(now, raw->due_ms + kTickMs);
    };
  }
  for (; now < 70'001 * kTickMs; now += kTickMs) wheel.advance(now);
  for (const auto& alarm : alarms) EXPECT_EQ(1, alarm->count) << alarm->due_ms;
}

TEST(TimerWheel, IsNotLateWhenSetJustBeforeASlotBoundary) {
  constexpr uint64_t kSlot = 256;
  for (const uint64_t span : {kSlot, kSlot * kSlot}) {
    for (uint64_t ahead = 1; ahead <= 3; ++ahead) {
      const uint64_t start = (span - ahead) * kTickMs;
      TimerWheel wheel(start);
      std::vector<std::unique_ptr<Alarm>> alarms;
      for (const uint64_t due : {span + kSlot - 2, span + kSlot - 1, span + kSlot, span * 2 - 1, span * 2}) {
        alarms.push_back(std::make_unique<Alarm>());
        alarms.back()->due_ms = due * kTickMs;
        wheel.set(alarms.back()->timer, due * kTickMs - start);
      }
      for (uint64_t tick = span; tick <= span * 2 + 1; ++tick) {
        wheel.advance(tick * kTickMs);
        for (const auto& alarm : alarms)
          ASSERT_EQ(alarm->due_ms <= tick * kTickMs, alarm->count == 1)
              << alarm->due_ms / kTickMs << " at " << tick;
      }
    }
  }
}

TEST(TimerWheel, WaitsForDeadlinesBeyondItsReach) {
  TimerWheel wheel(5);
  Alarm alarm;
  constexpr uint64_t kDays = 10 * 24 * 3600 * 1000ULL;
  wheel.set(alarm.timer, kDays);
  for (uint64_t now = 5; now < 5 + kDays; now += 60'000) wheel.advance(now);
  EXPECT_EQ(0, alarm.count);
  wheel.advance(5 + kDays + kTickMs);
  EXPECT_EQ(1, alarm.count);
}

TEST(TimerWheel, TakesTheLastDelaySet) {
  TimerWheel wheel(0);
  Alarm alarm;
  wheel.set(alarm.timer, 100'000);
  wheel.set(alarm.timer, 50);
  wheel.advance(58);
  EXPECT_EQ(1, alarm.count);
  wheel.set(alarm.timer, 50);
  alarm.timer.clear();
  alarm.timer.clear();
  wheel.advance(200'000);
  EXPECT_EQ(1, alarm.count);
}

TEST(TimerWheel, CanBeSetAgainFromItsCallback) {
  TimerWheel wheel(0);
  Alarm alarm;
  uint64_t now = 0;
  alarm.action = [&] { wheel.set(alarm.timer, 40); };
  wheel.set(alarm.timer, 40);
  for (; now <= 4000; now += kTickMs) wheel.advance(now);
  EXPECT_EQ(100, alarm.count);
}

// A loop that comes late fires once, and the callback counts from the late time: there is no catching up.
TEST(TimerWheel, DoesNotCatchUpAfterALongTurn) {
  TimerWheel wheel(0);
  Alarm alarm;
  alarm.action = [&] { wheel.set(alarm.timer, 40); };
  wheel.set(alarm.timer, 40);
  wheel.advance(100'000);
  EXPECT_EQ(1, alarm.count);
  wheel.advance(100'000 + 40 + kTickMs);
  EXPECT_EQ(2, alarm.count);
}

TEST(TimerWheel, LetsACallbackClearAndDestroyOthersOfTheSameTick) {
  TimerWheel wheel(0);
  Alarm first;
  auto second = std::make_unique<Alarm>();
  Alarm third;
  int others = 0;
  first.action = [&] {
    second.reset();
    third.timer.clear();
  };
  third.action = [&] { ++others; };
  wheel.set(first.timer, 10);
  wheel.set(second->timer, 10);
  wheel.set(third.timer, 10);
  wheel.advance(1000);
  EXPECT_EQ(1, first.count);
  EXPECT_EQ(0, others);
}

TEST(TimerWheel, SleepsUntilTheNextDeadline) {
  TimerWheel wheel(0);
  Alarm alarm;
  EXPECT_EQ(1000, wheel.sleep_ms(1000));
  wheel.set(alarm.timer, 100);
  const int sleep_ms = wheel.sleep_ms(1000);
  EXPECT_GE(sleep_ms, 100);
  EXPECT_LE(sleep_ms, 100 + static_cast<int>(kTickMs));
  wheel.advance(90);
  EXPECT_LE(wheel.sleep_ms(1000), 14 + static_cast<int>(kTickMs));
}

// The loop's own protocol: sleep as long as the wheel allows, then advance. Nothing may be slept past.
TEST(TimerWheel, IsNeverSleptPast) {
  std::mt19937 random(7);
  TimerWheel wheel(0);
  uint64_t now = 0;
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 200; ++i) {
    alarms.push_back(std::make_unique<Alarm>());
    Alarm* alarm = alarms.back().get();
    const auto rearm = [&wheel, &now, &random, alarm] {
      const uint64_t delay = random() % 20'000;
      alarm->due_ms = now + delay;
      wheel.set(alarm->timer, delay);
    };
    alarm->action = [&now, alarm, rearm] {
      EXPECT_GE(now, alarm->due_ms);
      EXPECT_LE(now, alarm->due_ms + 2 * kTickMs);
      rearm();
    };
    rearm();
  }
  while (now < 3600'000) {
    now += static_cast<uint64_t>(wheel.sleep_ms(1000));
    wheel.advance(now);
    if (wheel.sleep_ms(1000) == 0) ++now;
  }
  for (const auto& alarm : alarms) EXPECT_GT(alarm->count, 100);
}

// Random operations over some days of time, in steps from a millisecond to hours.
TEST(TimerWheel, AgreesWithAListOfDeadlines) {
  std::mt19937_64 random(2024);
  const auto up_to = [&](uint64_t limit) { return random() % limit; };
  const auto any_span = [&] { return up_to(uint64_t{1} << up_to(29)); };  // up to six days, mostly short
  uint64_t now = up_to(1'000'000'000);
  TimerWheel wheel(now);
  uint64_t previous = now;
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 300; ++i) {
    alarms.push_back(std::make_unique<Alarm>());
    alarms.back()->action = [&, alarm = alarms.back().get()] {
      ASSERT_GE(now, alarm->due_ms);
      // It was not due at the advance before: neither lost nor late.
      ASSERT_GT(alarm->due_ms + kTickMs, previous);
    };
  }
  for (int step = 0; step < 100'000; ++step) {
    Alarm& alarm = *alarms[up_to(alarms.size())];
    if (up_to(8) == 0) {
      alarm.timer.clear();
    } else {
      const uint64_t delay = any_span();
      wheel.set(alarm.timer, delay);
      alarm.due_ms = now + delay;
    }
    if (up_to(4) != 0) continue;
    previous = now;
    now += up_to(50) == 0 ? any_span() : up_to(3000);
    wheel.advance(now);
    if (step % 64 != 0) continue;
    for (const auto& one : alarms) ASSERT_TRUE(!one->timer.armed() || one->due_ms + kTickMs > now) << "lost";
  }
}

}  // namespace
}  // namespace mango::net
