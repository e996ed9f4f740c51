// SPDX-License-Identifier: Apache-2.0
// A read-mostly hash table from hashes to small numbers: open addressing, keys live with the caller. Lookups
// take a hash that was computed on the way (a rolling one), which std::unordered_map has no way to accept.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace mango::proxy {

// FNV-1a, 64 bits: byte by byte, so that every prefix of a text has its hash on the way to the whole. Keys
// come from the configuration, so nobody can choose colliding ones; a looked-up text that collides costs one
// compare.
class RollingHash {
 public:
  explicit constexpr RollingHash(uint64_t seed) noexcept : state_(kOffset) {
    for (int shift = 0; shift < 64; shift += 8) add(static_cast<char>(seed >> shift));
  }
  constexpr void add(char c) noexcept { state_ = (state_ ^ static_cast<unsigned char>(c)) * kPrime; }
  // Finished by a mixer: FNV's low bits alone are weak.
  [[nodiscard]] constexpr uint64_t value() const noexcept {
    const uint64_t mixed = (state_ ^ state_ >> 32) * 0x9e3779b97f4a7c15;
    return mixed ^ mixed >> 29;
  }

 private:
  static constexpr uint64_t kOffset = 0xcbf29ce484222325;
  static constexpr uint64_t kPrime = 0x100000001b3;
  uint64_t state_;
};

class HashIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Room for `count` keys, at most half full.
  void reserve(size_t count) { slots_.assign(std::bit_ceil(count * 2 + 1), Slot{}); }
  // The key must not be in yet and room must have been reserved.
  void insert(uint64_t hash, uint32_t value) noexcept {
    size_t at = hash & mask();
    while (slots_[at].value != kNone) at = (at + 1) & mask();
    slots_[at] = {hash, value};
  }
  // `equal(value) -> bool` confirms a key.
  template <typename Equal>
  [[nodiscard]] uint32_t find(uint64_t hash, Equal&& equal) const noexcept {
    if (slots_.empty()) return kNone;
    for (size_t at = hash & mask(); slots_[at].value != kNone; at = (at + 1) & mask()) {
      if (slots_[at].hash == hash && equal(slots_[at].value)) return slots_[at].value;
    }
    return kNone;
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t value = kNone;
  };
  [[nodiscard]] size_t mask() const noexcept { return slots_.size() - 1; }
  std::vector<Slot> slots_;
};

}  // namespace mango::proxy
