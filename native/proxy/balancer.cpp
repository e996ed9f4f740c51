// SPDX-License-Identifier: Apache-2.0
#include "proxy/balancer.h"

namespace mango::proxy {

Balancer::Balancer(config::LoadBalancer kind, std::span<const uint32_t> weights) : kind_(kind) {
  entries_.reserve(weights.size());
  for (const uint32_t weight : weights) entries_.push_back(Entry{weight});
}

void Balancer::begin() noexcept {
  best_ = kNone;
  total_ = 0;
  best_active_ = 0;
}

size_t Balancer::position(size_t step) const noexcept {
  const size_t index = start_ + step;  // start_ < size, step < size
  return index < entries_.size() ? index : index - entries_.size();
}

void Balancer::consider(size_t index, uint32_t active) noexcept {
  Entry& entry = entries_[index];
  if (kind_ == config::LoadBalancer::round_robin) {
    entry.current += entry.weight;
    total_ += entry.weight;
    if (best_ == kNone || entry.current > entries_[static_cast<size_t>(best_)].current)
      best_ = static_cast<int>(index);
    return;
  }
  // (active + 1) / weight without dividing; both factors are below 2^33 and 2^32: no overflow.
  const uint64_t load = uint64_t{active} + 1;
  if (best_ != kNone) {
    const auto best_weight = static_cast<uint64_t>(entries_[static_cast<size_t>(best_)].weight);
    if (load * best_weight >= best_active_ * static_cast<uint64_t>(entry.weight)) return;
  }
  best_ = static_cast<int>(index);
  best_active_ = load;
}

int Balancer::finish() noexcept {
  if (best_ == kNone) return kNone;
  const auto best = static_cast<size_t>(best_);
  if (kind_ == config::LoadBalancer::round_robin) {
    entries_[best].current -= total_;
  } else {
    start_ = best + 1 < entries_.size() ? best + 1 : 0;
  }
  return best_;
}

}  // namespace mango::proxy
