// SPDX-License-Identifier: Apache-2.0
#include "shim/table.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>

#include "shim/real.h"

namespace mango::shim {
namespace {

using Entry = std::atomic<Offloaded*>;
constexpr size_t kChunkEntries = 8192;
constexpr size_t kChunks = 2048;  // sixteen million descriptors; fs.nr_open is one million by default

constinit std::array<std::atomic<Entry*>, kChunks> chunks{};
constinit std::atomic<int> end{0};
constinit std::atomic<pid_t> owner{0};

// Zero pages of a mapping are valid null entries.
Entry* map_chunk(std::atomic<Entry*>& place) noexcept {
  const size_t bytes = kChunkEntries * sizeof(Entry);
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* fresh = static_cast<Entry*>(mapped);
  Entry* other = nullptr;
  if (place.compare_exchange_strong(other, fresh, std::memory_order_acq_rel)) return fresh;
  munmap(mapped, bytes);
  return other;
}

Entry* entry_of(int fd, bool make) noexcept {
  const size_t number = static_cast<size_t>(fd) / kChunkEntries;
  if (fd < 0 || number >= kChunks) return nullptr;
  Entry* chunk = chunks[number].load(std::memory_order_acquire);
  if (!chunk && make) chunk = map_chunk(chunks[number]);
  return chunk ? chunk + static_cast<size_t>(fd) % kChunkEntries : nullptr;
}

void note_end(int fd) noexcept {
  int seen = end.load(std::memory_order_relaxed);
  while (seen <= fd && !end.compare_exchange_weak(seen, fd + 1, std::memory_order_release)) {
  }
}

// The object behind `fd`, held, whoever asks.
Ref hold(int fd) noexcept {
  Entry* entry = entry_of(fd, false);
  if (!entry) return Ref();
  while (Offloaded* found = entry->load(std::memory_order_acquire)) {
    if (!offloaded_use(*found)) continue;  // on its way out: the entry is about to change
    Ref held(found);
    // Between the two loads the object may have ended and begun anew under another number.
    if (entry->load(std::memory_order_acquire) == found) return held;
  }
  return Ref();
}

}  // namespace

Ref table_find(int fd) noexcept {
  return bypassed() ? Ref() : hold(fd);
}

bool table_has(int fd) noexcept {
  Entry* entry = entry_of(fd, false);
  return entry && entry->load(std::memory_order_acquire);
}

bool table_put(int fd, Offloaded* offloaded) noexcept {
  Entry* entry = entry_of(fd, true);
  if (!entry) return false;
  note_end(fd);
  entry->store(offloaded, std::memory_order_release);
  return true;
}

Offloaded* table_take(int fd) noexcept {
  Entry* entry = entry_of(fd, false);
  if (!entry || !entry->load(std::memory_order_acquire) || !table_is_ours()) return nullptr;
  return entry->exchange(nullptr, std::memory_order_acq_rel);
}

void table_restore(int fd, Offloaded* offloaded) noexcept {
  if (Entry* entry = entry_of(fd, false)) entry->store(offloaded, std::memory_order_release);
}

void table_add_name(int fd, int copy) noexcept {
  const Ref original = hold(fd);
  if (!original || !offloaded_use(*original)) return;
  original->descriptors.fetch_add(1, std::memory_order_relaxed);
  if (table_put(copy, &*original)) return;
  original->descriptors.fetch_sub(1, std::memory_order_relaxed);
  offloaded_leave(*original);
}

int table_other_name(const Offloaded& offloaded, int than) noexcept {
  for (int fd = 0; fd < table_end(); ++fd) {
    const Entry* entry = fd == than ? nullptr : entry_of(fd, false);
    if (entry && entry->load(std::memory_order_acquire) == &offloaded) return fd;
  }
  return -1;
}

int table_end() noexcept {
  return end.load(std::memory_order_acquire);
}

bool table_is_ours() noexcept {
  return owner.load(std::memory_order_relaxed) == getpid();
}

void table_set_owner() noexcept {
  owner.store(getpid(), std::memory_order_relaxed);
}

}  // namespace mango::shim
