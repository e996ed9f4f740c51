// SPDX-License-Identifier: Apache-2.0
// One worker's event loop: readiness from the engine's epoll, timers, work posted by other threads, and the
// "again" list of handlers that have something to do without a new event.
//
// Rules that keep everything above simple:
// - a handler is only entered from the loop, never from another handler's stack (use again() to get a turn);
// - a handler that is done is retired, and freed only after the current turn, so stale events find it alive.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/engine.h"
#include "net/timer_wheel.h"

namespace mango::net {

class Loop;

class Handler {
 public:
  virtual ~Handler() = default;
  // `events` are epoll's; 0 is a turn asked for by again().
  virtual void on_turn(uint32_t events) = 0;

 private:
  friend class Loop;
  bool wants_again_ = false;
};

class Loop {
 public:
  explicit Loop(Engine& engine);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Null if all went well, else what did not.
  [[nodiscard]] const char* start() noexcept;
  // Runs until stop(); `after_turn` is called after each batch of events.
  void run(const std::function<void()>& after_turn);
  void stop() noexcept;  // from any thread

  // Registers, changes or forgets an fd's interest. Level-triggered.
  [[nodiscard]] bool watch(int fd, Handler& handler, uint32_t events) noexcept;
  [[nodiscard]] bool rewatch(int fd, Handler& handler, uint32_t events) noexcept;
  void unwatch(int fd) noexcept;

  // Gives the handler a turn before the loop sleeps again. Idempotent within a turn.
  void again(Handler& handler);
  // Takes ownership; the handler gets no turn any more and is freed after this one.
  void retire(std::unique_ptr<Handler> handler);
  // Frees what was posted or retired and got no turn any more. Only after run() has returned.
  void drop_leftovers() noexcept;
  // Runs `work` on the loop's thread. From any thread.
  void post(std::function<void()> work);

  [[nodiscard]] TimerWheel& timers() noexcept { return timers_; }
  [[nodiscard]] uint64_t now_ms() const noexcept { return now_ns_ / 1'000'000; }  // monotonic
  [[nodiscard]] uint64_t now_ns() const noexcept { return now_ns_; }
  [[nodiscard]] uint64_t refresh_now() noexcept;  // a fresh clock reading, in ns
  [[nodiscard]] Engine& engine() noexcept { return engine_; }
  [[nodiscard]] uint64_t turns() const noexcept { return turns_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kMaxEvents = 256;
  static constexpr int kLongestSleepMs = 1000;

  void run_posted();
  void run_again();

  Engine& engine_;
  int epoll_ = -1;
  int wake_ = -1;
  uint64_t now_ns_;
  TimerWheel timers_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> turns_{0};
  std::vector<Handler*> again_;
  std::vector<Handler*> again_running_;
  std::vector<std::unique_ptr<Handler>> retired_;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace mango::net
