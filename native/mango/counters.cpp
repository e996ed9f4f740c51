// SPDX-License-Identifier: Apache-2.0
#include "mango/counters.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

#include "libmango.h"

namespace mango::kernel {
namespace {

using Sums = std::array<uint64_t, kCounterCount>;

struct Registry {
  std::mutex mutex;
  std::vector<CounterBlock*> live;
  Sums ended{};
};

// Never destroyed: threads may end after static destructors have run.
Registry& registry() noexcept {
  static auto* instance = new Registry;
  return *instance;
}

void add(Sums& sums, const CounterBlock& block) noexcept {
  for (size_t i = 0; i < kCounterCount; ++i) sums[i] += block.values[i].load(std::memory_order_relaxed);
}

struct RegisteredBlock {
  CounterBlock block;
  RegisteredBlock() {
    Registry& all = registry();
    std::lock_guard lock(all.mutex);
    all.live.push_back(&block);
  }
  ~RegisteredBlock() {
    Registry& all = registry();
    std::lock_guard lock(all.mutex);
    add(all.ended, block);
    all.live.erase(std::find(all.live.begin(), all.live.end(), &block));
  }
};

}  // namespace

CounterBlock& thread_counters() noexcept {
  thread_local RegisteredBlock registered;
  return registered.block;
}

}  // namespace mango::kernel

extern "C" mango_status_e mango_get_counters(mango_counters_t* counters, size_t size) {
  using namespace mango::kernel;
  if (!counters) return MANGO_STATUS_INVALID_ARGUMENT;
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  Sums sums = all.ended;
  for (const CounterBlock* block : all.live) add(sums, *block);
  std::memset(counters, 0, size);
  std::memcpy(counters, sums.data(), std::min(size, sizeof(sums)));
  return MANGO_STATUS_OK;
}
