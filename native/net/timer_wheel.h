// SPDX-License-Identifier: Apache-2.0
// A hierarchical timer wheel: setting, moving and clearing a timer are O(1) and touch no heap.
//
// Three levels of 256 slots, with ticks of 8 ms, 2 s and 9 min, reach 38 hours; later deadlines wait in the
// last slot and are filed again. A timer never fires early, and at most one tick plus the loop's turn late.
// Rejected: a heap (every request moves a deadline; O(log n) with cache misses) and timerfds (a system call
// each).
#pragma once

#include <array>
#include <cstdint>

namespace mango::net {

struct TimerLink {
  TimerLink* previous = nullptr;
  TimerLink* next = nullptr;  // null: not in a list

  void unlink() noexcept;
  void push_back(TimerLink& link) noexcept;  // `this` is a list's head
};

class Timer;

class TimerTarget {
 public:
  virtual void on_timer(Timer& timer) = 0;

 protected:
  ~TimerTarget() = default;
};

// Lives inside its owner, the target, and clears itself when destroyed.
class Timer : private TimerLink {
 public:
  explicit Timer(TimerTarget& target) noexcept : target_(target) {}
  ~Timer() { unlink(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  [[nodiscard]] bool armed() const noexcept { return next != nullptr; }
  void clear() noexcept { unlink(); }

 private:
  friend class TimerWheel;
  TimerTarget& target_;
  uint64_t deadline_ms_ = 0;
};

class TimerWheel {
 public:
  explicit TimerWheel(uint64_t now_ms) noexcept;

  // Sets or moves the timer to fire `delay_ms` from now. 0 fires on the next advance.
  void set(Timer& timer, uint64_t delay_ms) noexcept;

  // Moves time forward and fires what is due. Targets may set and clear any timer meanwhile.
  void advance(uint64_t now_ms) noexcept;

  // How long the loop may sleep, at most `longest_ms`; exact for deadlines within two seconds.
  [[nodiscard]] int sleep_ms(int longest_ms) const noexcept;

 private:
  static constexpr unsigned kSlotBits = 8;
  static constexpr unsigned kSlots = 1U << kSlotBits;
  static constexpr unsigned kLevels = 3;
  static constexpr unsigned kTickBits = 3;  // 8 ms

  void file(Timer& timer, uint64_t first) noexcept;
  void cascade(unsigned level) noexcept;
  void fire_slot(TimerLink& slot) noexcept;

  uint64_t now_ms_;
  uint64_t tick_;  // ticks already fired
  std::array<std::array<TimerLink, kSlots>, kLevels> slots_;
};

}  // namespace mango::net
