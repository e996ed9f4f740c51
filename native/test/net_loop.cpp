// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace mango::net {
namespace {

// Calls back for every turn; counts its lives.
struct Probe final : Handler {
  explicit Probe(std::function<void(uint32_t)> on_turn_in = {}) : act(std::move(on_turn_in)) { ++alive; }
  ~Probe() override { --alive; }
  void on_turn(uint32_t events) override {
    ++turns;
    if (act) act(events);
  }
  std::function<void(uint32_t)> act;
  int turns = 0;
  static inline int alive = 0;
};

class LoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    engine = Engine::open("", error);
    ASSERT_NE(nullptr, engine) << error;
    loop = std::make_unique<Loop>(*engine);
    ASSERT_EQ(nullptr, loop->start());
  }
  void run() {
    loop->run([this] { ++after_turns; });
  }

  std::string error;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Loop> loop;
  int after_turns = 0;
};

TEST_F(LoopTest, RunsPostedWorkInOrder) {
  std::string order;
  for (const char c : {'a', 'b', 'c'}) loop->post([&order, c] { order += c; });
  loop->post([this] { loop->stop(); });
  run();
  EXPECT_EQ("abc", order);
  EXPECT_EQ(1, after_turns);
}

TEST_F(LoopTest, RunsWorkPostedByManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 5000;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < kEach; ++k)
        loop->post([&] {
          if (++count == kThreads * kEach) loop->stop();
        });
    });
  run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(kThreads * kEach, count);
}

TEST_F(LoopTest, GivesOneMoreTurnHoweverOftenItIsAskedFor) {
  Probe probe([this](uint32_t events) {
    EXPECT_EQ(0U, events);
    loop->stop();
  });
  loop->again(probe);
  loop->again(probe);
  run();
  EXPECT_EQ(1, probe.turns);
}

TEST_F(LoopTest, DoesNotSleepWhileSomebodyWantsATurn) {
  Probe probe;
  probe.act = [&](uint32_t) {
    if (probe.turns < 1000)
      loop->again(probe);
    else
      loop->stop();
  };
  loop->again(probe);
  run();
  EXPECT_EQ(1000, probe.turns);
  EXPECT_GE(loop->turns(), 1000U) << "others had their turn in between";
}

TEST_F(LoopTest, TellsWhatAnFdIsReadyFor) {
  int pipe_ends[2];
  ASSERT_EQ(0, ::pipe(pipe_ends));
  uint32_t seen = 0;
  Probe reader([&](uint32_t events) {
    seen = events;
    loop->unwatch(pipe_ends[0]);
    loop->stop();
  });
  ASSERT_TRUE(loop->watch(pipe_ends[0], reader, 0));
  ASSERT_FALSE(loop->watch(pipe_ends[0], reader, EPOLLIN)) << "twice";
  ASSERT_TRUE(loop->rewatch(pipe_ends[0], reader, EPOLLIN));
  ASSERT_EQ(1, ::write(pipe_ends[1], "x", 1));
  run();
  EXPECT_EQ(static_cast<uint32_t>(EPOLLIN), seen);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
  EXPECT_FALSE(loop->watch(-1, reader, EPOLLIN));
}

// Two fds ready in one batch; the first to get its turn retires the other, whose stale event must find it
// alive.
TEST_F(LoopTest, FreesARetiredHandlerOnlyAfterTheTurn) {
  int fds[2][2];
  std::array<Probe*, 2> probes{};
  int turns = 0;
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(0, ::pipe(fds[i]));
    probes[i] = new Probe([&, i](uint32_t) {
      if (++turns > 1) return;  // the stale event: of one that is retired, but alive
      const size_t other = 1 - i;
      loop->unwatch(fds[other][0]);
      loop->again(*probes[other]);
      loop->retire(std::unique_ptr<Handler>(probes[other]));
      probes[other] = nullptr;
      loop->unwatch(fds[i][0]);
      EXPECT_EQ(2, Probe::alive);
      loop->post([this] {
        EXPECT_EQ(1, Probe::alive);
        loop->stop();
      });
    });
    ASSERT_TRUE(loop->watch(fds[i][0], *probes[i], EPOLLIN));
    ASSERT_EQ(1, ::write(fds[i][1], "x", 1));
  }
  run();
  EXPECT_LE(turns, 2);
  for (Probe* probe : probes) delete probe;
  for (const auto& ends : fds)
    for (const int fd : ends) ::close(fd);
  EXPECT_EQ(0, Probe::alive);
}

TEST_F(LoopTest, ForgetsTheTurnOfARetiredHandler) {
  auto probe = std::make_unique<Probe>([](uint32_t) { ADD_FAILURE(); });
  loop->again(*probe);
  loop->retire(std::move(probe));
  loop->post([this] { loop->stop(); });
  run();
  EXPECT_EQ(0, Probe::alive);
}

TEST_F(LoopTest, FiresTimers) {
  struct Target final : TimerTarget {
    void on_timer(Timer&) override { loop->stop(); }
    Loop* loop = nullptr;
  } target;
  target.loop = loop.get();
  Timer timer(target);
  loop->timers().set(timer, 20);
  const uint64_t start_ms = loop->now_ms();
  run();
  EXPECT_GE(loop->now_ms(), start_ms + 20);
}

TEST_F(LoopTest, DropsWhatWasPostedTooLate) {
  auto held = std::make_shared<int>(1);
  loop->stop();
  run();
  loop->post([held] { ADD_FAILURE(); });
  loop->retire(std::make_unique<Probe>());
  EXPECT_EQ(2, held.use_count());
  loop->drop_leftovers();
  EXPECT_EQ(1, held.use_count());
  EXPECT_EQ(0, Probe::alive);
}

}  // namespace
}  // namespace mango::net
