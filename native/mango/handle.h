// SPDX-License-Identifier: Apache-2.0
// Handles: numbers that name a slot, its generation and its type, so that a stale, foreign or wrong-type
// handle is recognised with two loads and nothing is ever dereferenced on a caller's word.
//
//   63      56 55         32 31          0
//   [0xA0|type][ generation ][ slot index ]      0xA. on top is no canonical address: no pointer looks so
//
// Slots live in chunks that are never freed, so a racing lookup reads valid memory; an odd generation is a
// live slot. Rejected: raw pointers with a magic word (a freed one is undefined behaviour) and a locked map
// (a lock on the hot path). Free slots hang in a few locked lists, one per group of threads; a thread whose
// list is empty takes from the others before it grows the table, else sockets accepted by one thread and
// destroyed by another leak.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>

namespace mango::kernel {

enum class HandleType : uint8_t { kContext = 1, kIpc = 2, kTcp = 3, kSocket = 4 };

using Handle = uint64_t;

constexpr Handle kNoHandle = 0;
constexpr uint32_t kGenerationMask = 0xFFFFFF;

constexpr Handle make_handle(HandleType type, uint32_t generation, uint32_t index) noexcept {
  return (uint64_t{0xA0} | static_cast<uint64_t>(type)) << 56 | uint64_t{generation} << 32 | index;
}
constexpr uint8_t handle_tag(Handle handle) noexcept {
  return static_cast<uint8_t>(handle >> 56);
}
constexpr uint8_t type_tag(HandleType type) noexcept {
  return 0xA0 | static_cast<uint8_t>(type);
}
constexpr bool handle_is(Handle handle, HandleType type) noexcept {
  return handle_tag(handle) == type_tag(type);
}

static_assert(sizeof(void*) == sizeof(Handle), "handles travel as void *");
inline Handle from_api(void* handle) noexcept {
  return reinterpret_cast<Handle>(handle);
}
inline void* to_api(Handle handle) noexcept {
  return reinterpret_cast<void*>(handle);
}

// The free-list shard of the calling thread, 0..kShards-1.
constexpr uint32_t kShards = 8;
uint32_t thread_shard() noexcept;

// T must be default constructible; an object is reused without being destroyed, so its owner resets it.
template <class T, HandleType kType>
class HandleTable {
 public:
  // The live object behind `handle`, or null.
  [[nodiscard]] T* find(Handle handle) noexcept {
    Slot* slot = slot_of(handle);
    if (!slot || slot->generation.load(std::memory_order_acquire) != generation_of(handle)) return nullptr;
    return &slot->object;
  }

  // A free object, not yet visible; publish() makes its handle valid. Null when memory is out.
  [[nodiscard]] T* allocate() noexcept {
    Slot* slot = pop_free();
    if (!slot) slot = grow();
    return slot ? &slot->object : nullptr;
  }
  Handle publish(T* object) noexcept {
    Slot* slot = slot_from(object);
    const uint32_t generation = (slot->generation.load(std::memory_order_relaxed) + 1) & kGenerationMask;
    slot->generation.store(generation, std::memory_order_release);
    return make_handle(kType, generation, slot->index);
  }

  // Ends the life of `handle`: exactly one caller gets the object, and gives it back with recycle().
  [[nodiscard]] T* claim(Handle handle) noexcept {
    Slot* slot = slot_of(handle);
    if (!slot) return nullptr;
    uint32_t expected = generation_of(handle);
    const uint32_t dead = (expected + 1) & kGenerationMask;
    if (!slot->generation.compare_exchange_strong(expected, dead, std::memory_order_acq_rel)) return nullptr;
    return &slot->object;
  }
  void recycle(T* object) noexcept {
    Slot* slot = slot_from(object);
    Shard& shard = shards_[thread_shard()];
    std::lock_guard lock(shard.mutex);
    slot->next_free = shard.head;
    shard.head = slot;
  }

  // Visits every live object; those that begin or end meanwhile may be met or missed, and an object met may
  // be somebody else's by the time it is looked at.
  template <class Visit>
  void for_each(Visit visit) noexcept {
    const uint32_t slots = capacity();
    for (uint32_t index = 0; index < slots; ++index) {
      Chunk* chunk = chunks_[index / kChunkSlots].load(std::memory_order_acquire);
      if (!chunk) return;
      Slot& slot = (*chunk)[index % kChunkSlots];
      if (slot.generation.load(std::memory_order_acquire) & 1) visit(slot.object);
    }
  }

  // Slots ever made: the table's footprint.
  [[nodiscard]] uint32_t capacity() const noexcept { return grown_.load(std::memory_order_relaxed); }

 private:
  struct Slot {
    std::atomic<uint32_t> generation{0};
    uint32_t index = 0;
    Slot* next_free = nullptr;
    T object;
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    Slot* head = nullptr;
  };
  static constexpr uint32_t kChunkSlots = 256;
  static constexpr uint32_t kChunks = 16384;  // four million handles of one type
  using Chunk = std::array<Slot, kChunkSlots>;

  static uint32_t generation_of(Handle handle) noexcept {
    return static_cast<uint32_t>(handle >> 32) & kGenerationMask;
  }
  static Slot* slot_from(T* object) noexcept {
    return reinterpret_cast<Slot*>(reinterpret_cast<char*>(object) - offsetof(Slot, object));
  }

  // An even generation is never a live handle's: without this test a forged one would find a free slot.
  Slot* slot_of(Handle handle) noexcept {
    const auto index = static_cast<uint32_t>(handle);
    const uint32_t chunk_number = index / kChunkSlots;
    if (!handle_is(handle, kType) || !(generation_of(handle) & 1) || chunk_number >= kChunks) return nullptr;
    Chunk* chunk = chunks_[chunk_number].load(std::memory_order_acquire);
    return chunk ? &(*chunk)[index % kChunkSlots] : nullptr;
  }

  Slot* pop_free() noexcept {
    const uint32_t own = thread_shard();
    for (uint32_t i = 0; i < kShards; ++i) {
      Shard& shard = shards_[(own + i) % kShards];
      std::lock_guard lock(shard.mutex);
      if (!shard.head) continue;
      Slot* slot = shard.head;
      shard.head = slot->next_free;
      return slot;
    }
    return nullptr;
  }

  Slot* grow() noexcept {
    std::lock_guard lock(grow_mutex_);
    const uint32_t index = grown_.load(std::memory_order_relaxed);
    if (index / kChunkSlots >= kChunks) return nullptr;
    std::atomic<Chunk*>& place = chunks_[index / kChunkSlots];
    Chunk* chunk = place.load(std::memory_order_relaxed);
    if (!chunk) {
      chunk = new (std::nothrow) Chunk;
      if (!chunk) return nullptr;
      place.store(chunk, std::memory_order_release);
    }
    Slot* slot = &(*chunk)[index % kChunkSlots];
    slot->index = index;
    grown_.store(index + 1, std::memory_order_relaxed);
    return slot;
  }

  std::array<std::atomic<Chunk*>, kChunks> chunks_{};
  std::array<Shard, kShards> shards_{};
  std::mutex grow_mutex_;
  std::atomic<uint32_t> grown_{0};
};

}  // namespace mango::kernel
