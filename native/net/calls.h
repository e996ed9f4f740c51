// SPDX-License-Identifier: Apache-2.0
// The calling thread's count of engine calls. A thread registers its block when it first counts; blocks live
// as long as the process (there are as many as threads ever used the engine), so a reader needs no lock per
// call.
#pragma once

#include <atomic>
#include <cstdint>

namespace mango::net {

// One writer (its thread), any reader: plain relaxed stores, no locked instructions.
class OwnCounter {
 public:
  OwnCounter& operator++() noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return *this;
  }
  OwnCounter& operator+=(uint64_t count) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    return *this;
  }
  OwnCounter& operator--() noexcept {
    value_.store(value_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    return *this;
  }
  [[nodiscard]] uint64_t read() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct Calls {
  OwnCounter accept, connect, recv, send, wait, close, abort, reset;
};

// The calling thread's block.
[[nodiscard]] Calls& calls() noexcept;

// The sums over all threads.
struct CallSums {
  uint64_t accept = 0, connect = 0, recv = 0, send = 0, wait = 0, close = 0, abort = 0, reset = 0;
};
[[nodiscard]] CallSums sum_calls() noexcept;

}  // namespace mango::net
