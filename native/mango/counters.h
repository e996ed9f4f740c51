// SPDX-License-Identifier: Apache-2.0
// What the engine did, counted without contention: each thread writes a block of its own, a reader sums the
// blocks, and a thread that ends leaves its sums behind. Single writer, so an increment is a plain load and
// store.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "typedef.h"

namespace mango::kernel {

// In the order of mango_counters_t.
enum class Counter : uint8_t {
  kRecvCalls,
  kRecvBytes,
  kSendCalls,
  kSendBytes,
  kAcceptCalls,
  kAccepted,
  kConnectCalls,
  kEpollWaitCalls,
  kEpollEvents,
  kOpened,
  kClosed,
  kAborted,
  kReset,
  kTlsBytesIn,
  kTlsBytesOut,
  kCount
};
constexpr size_t kCounterCount = static_cast<size_t>(Counter::kCount);
static_assert(sizeof(mango_counters_t) == kCounterCount * sizeof(uint64_t));

struct alignas(64) CounterBlock {
  std::array<std::atomic<uint64_t>, kCounterCount> values{};
};

CounterBlock& thread_counters() noexcept;

inline void count(Counter which, uint64_t n = 1) noexcept {
  std::atomic<uint64_t>& value = thread_counters().values[static_cast<size_t>(which)];
  value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

// Two counters of one event, with one look-up of the thread's block.
inline void count_io(Counter calls, Counter bytes, int64_t n) noexcept {
  CounterBlock& block = thread_counters();
  std::atomic<uint64_t>& call = block.values[static_cast<size_t>(calls)];
  call.store(call.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (n <= 0) return;
  std::atomic<uint64_t>& sum = block.values[static_cast<size_t>(bytes)];
  sum.store(sum.load(std::memory_order_relaxed) + static_cast<uint64_t>(n), std::memory_order_relaxed);
}

}  // namespace mango::kernel
