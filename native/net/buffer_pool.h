// SPDX-License-Identifier: Apache-2.0
// Memory for bytes that must wait: partial heads, heads kept for a retry, what a slow peer has not taken yet.
//
// One pool a worker, so no locks. Five size classes with free lists; an idle session holds none. All of it is
// bounded by a budget: past it `take` gives an empty buffer and the caller sheds load. A counter of real heap
// allocations shows that the warm path makes none.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace mango::net {

class BufferPool;

// A chunk of the pool with the bytes [begin, end) in it. Move-only; goes back to the pool when destroyed.
class Buffer {
 public:
  Buffer() noexcept = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer taken(static_cast<Buffer&&>(other));
    swap(taken);
    return *this;
  }
  ~Buffer();

  [[nodiscard]] explicit operator bool() const noexcept { return data_ != nullptr; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::span<char> bytes() noexcept { return {data_ + begin_, size()}; }
  [[nodiscard]] std::string_view text() const noexcept { return {data_ + begin_, size()}; }
  [[nodiscard]] std::span<char> room() noexcept { return {data_ + end_, capacity_ - end_}; }

  void produced(size_t count) noexcept { end_ += static_cast<uint32_t>(count); }
  void consumed(size_t count) noexcept { begin_ += static_cast<uint32_t>(count); }
  // Moves the bytes to the front, so that all free space is behind them.
  void compact() noexcept;
  // Appends as much as fits; returns how much.
  size_t append(std::string_view text) noexcept;

 private:
  friend class BufferPool;
  void swap(Buffer& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
  }

  BufferPool* pool_ = nullptr;
  char* data_ = nullptr;
  uint32_t capacity_ = 0;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
};

class BufferPool {
 public:
  static constexpr std::array<uint32_t, 5> kClasses = {1024, 4096, 16384, 65536, 262144};
  static constexpr size_t kLargest = kClasses.back();

  explicit BufferPool(uint64_t budget_bytes) noexcept : budget_bytes_(budget_bytes) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // A buffer of at least `size` bytes (at most kLargest), or an empty one when the budget is spent.
  [[nodiscard]] Buffer take(size_t size) noexcept;
  // A copy of `text` in a buffer of fitting size.
  [[nodiscard]] Buffer keep(std::string_view text) noexcept;
  // Moves the bytes of `buffer` to one of at least `size` bytes. False when the budget is spent.
  [[nodiscard]] bool grow(Buffer& buffer, size_t size) noexcept;

  void set_budget(uint64_t bytes) noexcept { budget_bytes_ = bytes; }
  // Readable from any thread.
  [[nodiscard]] uint64_t held_bytes() const noexcept { return held_bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t allocations() const noexcept { return allocations_.load(std::memory_order_relaxed); }

 private:
  friend class Buffer;
  static constexpr size_t kSpareBytes = 4 << 20;  // kept in free lists, per class, for the next burst
  void give_back(char* data, uint32_t capacity) noexcept;
  static size_t class_of(size_t size) noexcept;

  uint64_t budget_bytes_;
  std::atomic<uint64_t> held_bytes_{0};
  std::atomic<uint64_t> allocations_{0};
  std::array<std::vector<char*>, kClasses.size()> spare_;
};

}  // namespace mango::net
