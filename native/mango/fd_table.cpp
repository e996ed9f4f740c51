// SPDX-License-Identifier: Apache-2.0
#include "mango/fd_table.h"

namespace mango::kernel {
namespace {

constexpr size_t kChunkEntries = 1024;
constexpr size_t kChunks = 16384;  // sixteen million descriptors; fs.nr_open is one million by default
using Chunk = std::array<std::atomic<Handle>, kChunkEntries>;

constinit std::array<std::atomic<Chunk*>, kChunks> chunks{};

std::atomic<Handle>* entry_of(int fd, bool make) noexcept {
  if (fd < 0 || static_cast<size_t>(fd) / kChunkEntries >= kChunks) return nullptr;
  std::atomic<Chunk*>& place = chunks[static_cast<size_t>(fd) / kChunkEntries];
  Chunk* chunk = place.load(std::memory_order_acquire);
  if (!chunk && make) {
    Chunk* fresh = new (std::nothrow) Chunk{};
    if (!fresh) return nullptr;
    if (place.compare_exchange_strong(chunk, fresh, std::memory_order_acq_rel)) {
      chunk = fresh;
    } else {
      delete fresh;
    }
  }
  return chunk ? &(*chunk)[static_cast<size_t>(fd) % kChunkEntries] : nullptr;
}

}  // namespace

bool fd_table_set(int fd, Handle owner) noexcept {
  std::atomic<Handle>* entry = entry_of(fd, true);
  if (entry) entry->store(owner, std::memory_order_release);
  return entry != nullptr;
}

void fd_table_clear(int fd) noexcept {
  if (std::atomic<Handle>* entry = entry_of(fd, false)) entry->store(kNoHandle, std::memory_order_release);
}

Handle fd_table_get(int fd) noexcept {
  std::atomic<Handle>* entry = entry_of(fd, false);
  return entry ? entry->load(std::memory_order_acquire) : kNoHandle;
}

}  // namespace mango::kernel
