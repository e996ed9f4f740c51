// SPDX-License-Identifier: Apache-2.0
// A mutex of one word. Unlike pthread's it may be set free by whoever knows that its holder is gone: a forked
// child inherits locks that threads held which it does not have.
#pragma once

#include <atomic>

namespace mango::shim {

class Lock {
 public:
  void lock() noexcept {
    int free = kFree;
    if (state_.compare_exchange_strong(free, kHeld, std::memory_order_acquire)) return;
    while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
      state_.wait(kContended, std::memory_order_relaxed);
    }
  }
  void unlock() noexcept {
    if (state_.exchange(kFree, std::memory_order_release) == kContended) state_.notify_one();
  }
  // In a forked child, before it has threads.
  void abandon() noexcept { state_.store(kFree, std::memory_order_relaxed); }

 private:
  static constexpr int kFree = 0;
  static constexpr int kHeld = 1;
  static constexpr int kContended = 2;
  std::atomic<int> state_{kFree};
};

}  // namespace mango::shim
