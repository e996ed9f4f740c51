// SPDX-License-Identifier: Apache-2.0
#include "device/server_ready.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "device/server_limits.h"

namespace mango::device {

uint32_t ServerReadySets::add(uint64_t client) noexcept {
  const auto own =
      std::count_if(sets_.begin(), sets_.end(), [&](auto& set) { return set && set->client == client; });
  auto place = std::find(sets_.begin(), sets_.end(), nullptr);
  if (own >= kMostSetsPerClient || (place == sets_.end() && sets_.size() >= kMostSets)) {
    errno = ENFILE;
    return 0;
  }
  std::unique_ptr<Set> made(new (std::nothrow) Set);
  if (!made || !SharedMemory::make("mango-ready", sizeof(SharedChannel), made->memory)) return 0;
  made->bell.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!made->bell) return 0;
  made->client = client;
  made->channel = new (made->memory.data()) SharedChannel;
  made->channel->magic = kSessionMagic;
  made->channel->version = kSharedVersion;
  if (place == sets_.end()) place = sets_.insert(place, nullptr);
  *place = std::move(made);
  return static_cast<uint32_t>(place - sets_.begin()) + 1;
}

void ServerReadySets::drop(uint64_t client) noexcept {
  for (auto& set : sets_)
    if (set && set->client == client) set.reset();
}

void ServerReadySets::mark(Set& set, uint32_t id) noexcept {
  if (channel_mark(*set.channel, id)) set.to_ring = any_to_ring_ = true;
}

void ServerReadySets::ring() noexcept {
  if (!std::exchange(any_to_ring_, false)) return;
  for (auto& set : sets_)
    if (set && std::exchange(set->to_ring, false)) (void)::eventfd_write(set->bell.get(), 1);
}

}  // namespace mango::device
