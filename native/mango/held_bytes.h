// SPDX-License-Identifier: Apache-2.0
// Bytes kept between two calls, in an allocation of their own size that goes away when they are used up: an
// idle session holds one null pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace mango::kernel {

class HeldBytes {
 public:
  HeldBytes() = default;
  ~HeldBytes() { std::free(block_); }
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;

  [[nodiscard]] size_t size() const noexcept { return block_ ? block_->end - block_->begin : 0; }
  [[nodiscard]] const uint8_t* data() const noexcept { return bytes(block_) + block_->begin; }

  // False when memory is out; then nothing changed.
  [[nodiscard]] bool append(const void* more, size_t count) noexcept {
    if (count == 0) return true;
    const size_t kept = size();
    auto* grown = static_cast<Block*>(std::malloc(sizeof(Block) + kept + count));
    if (!grown) return false;
    if (kept) std::memcpy(bytes(grown), data(), kept);
    std::memcpy(bytes(grown) + kept, more, count);
    grown->begin = 0;
    grown->end = static_cast<uint32_t>(kept + count);
    std::free(block_);
    block_ = grown;
    return true;
  }

  void consume(size_t count) noexcept {
    block_->begin += static_cast<uint32_t>(count);
    if (block_->begin < block_->end) return;
    std::free(block_);
    block_ = nullptr;
  }

 private:
  struct Block {
    uint32_t begin;
    uint32_t end;
  };
  static uint8_t* bytes(Block* block) noexcept { return reinterpret_cast<uint8_t*>(block + 1); }

  Block* block_ = nullptr;
};

}  // namespace mango::kernel
