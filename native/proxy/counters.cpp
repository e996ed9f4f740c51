// SPDX-License-Identifier: Apache-2.0
#include "proxy/counters.h"

namespace mango::proxy {

void Histogram::observe_ns(uint64_t ns) noexcept {
  const double seconds = static_cast<double>(ns) / 1e9;
  size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  ++counts[bucket];
  sum_ns += ns;
}

StatusCounts::Slot* StatusCounts::slot_of(uint16_t status, size_t limit) noexcept {
  for (size_t i = 0; i < limit; ++i) {
    const uint16_t found = slots_[i].status.load(std::memory_order_relaxed);
    if (found == status) return &slots_[i];
    if (found != 0) continue;
    slots_[i].status.store(status, std::memory_order_release);
    return &slots_[i];
  }
  return nullptr;
}

void StatusCounts::count(uint16_t status) noexcept {
  Slot* slot = slot_of(status, kSlots);
  if (slot == nullptr) {
    const auto status_class = static_cast<uint16_t>(status / 100 % 10);
    slot = &slots_[kSlots + (status_class + 4) % 5];
    slot->status.store(static_cast<uint16_t>(status_class * 100), std::memory_order_release);
  }
  ++slot->count;
}

void RareCounters::sum(std::map<Handshake, uint64_t>& handshakes, std::map<Action, uint64_t>& actions,
                       std::map<std::string, uint64_t>& reasons) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, count] : handshakes_) handshakes[key] += count;
  for (const auto& [key, count] : actions_) actions[key] += count;
  for (const auto& [key, count] : reasons_) reasons[key] += count;
}

}  // namespace mango::proxy
