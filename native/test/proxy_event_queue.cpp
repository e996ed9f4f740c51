// SPDX-License-Identifier: Apache-2.0
#include "proxy/event_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

namespace mango::proxy {
namespace {

TEST(EventQueue, WakesOncePerBatch) {
  int wakes = 0;
  EventQueue queue([&wakes] { ++wakes; });
  EXPECT_EQ("[]", queue.take());
  EXPECT_TRUE(queue.put("{\"n\":1}"));
  EXPECT_TRUE(queue.put("{\"n\":2}"));
  EXPECT_EQ(1, wakes);
  EXPECT_EQ("[{\"n\":1},{\"n\":2}]", queue.take());
  EXPECT_EQ("[]", queue.take());
  EXPECT_TRUE(queue.put("3"));
  EXPECT_EQ(2, wakes);
}

TEST(EventQueue, RefusesMoreThanItsBound) {
  EventQueue queue([] {});
  size_t taken = 0;
  while (queue.put("0")) ASSERT_LT(++taken, 100'000U);
  EXPECT_EQ(taken, nlohmann::json::parse(queue.take()).size());
  EXPECT_TRUE(queue.put("0"));
}

TEST(EventQueue, MayBeReadFromItsOwnWakeUp) {
  std::string taken;
  EventQueue* self = nullptr;
  EventQueue queue([&] { taken = self->take(); });
  self = &queue;
  EXPECT_TRUE(queue.put("1"));
  EXPECT_EQ("[1]", taken);
}

TEST(EventQueue, LosesNothingBetweenThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 20'000;
  std::atomic<int> wakes{0};
  EventQueue queue([&wakes] { ++wakes; });
  std::atomic<int> refused{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < kThreads; ++i)
    writers.emplace_back([&] {
      for (int k = 0; k < kEach; ++k)
        if (!queue.put("1")) ++refused;
    });
  size_t read = 0;
  while (read + static_cast<size_t>(refused) < kThreads * kEach)
    read += nlohmann::json::parse(queue.take()).size();
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(static_cast<size_t>(kThreads * kEach), read + static_cast<size_t>(refused));
  EXPECT_GT(wakes.load(), 0);
}

}  // namespace
}  // namespace mango::proxy
