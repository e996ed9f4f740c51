// SPDX-License-Identifier: Apache-2.0
#include "mango/handle.h"

namespace mango::kernel {

uint32_t thread_shard() noexcept {
  static std::atomic<uint32_t> next{0};
  thread_local const uint32_t shard = next.fetch_add(1, std::memory_order_relaxed) % kShards;
  return shard;
}

}  // namespace mango::kernel
