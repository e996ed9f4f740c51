// SPDX-License-Identifier: Apache-2.0
#include "net/buffer_pool.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace mango::net {

Buffer::~Buffer() {
  if (data_ != nullptr) pool_->give_back(data_, capacity_);
}

void Buffer::compact() noexcept {
  if (begin_ == 0) return;
  std::memmove(data_, data_ + begin_, size());
  end_ -= begin_;
  begin_ = 0;
}

size_t Buffer::append(std::string_view text) noexcept {
  const size_t count = std::min<size_t>(text.size(), capacity_ - end_);
  if (count != 0) std::memcpy(data_ + end_, text.data(), count);
  produced(count);
  return count;
}

BufferPool::~BufferPool() {
  for (auto& list : spare_)
    for (char* data : list) std::free(data);
}

size_t BufferPool::class_of(size_t size) noexcept {
  size_t index = 0;
  while (index + 1 < kClasses.size() && kClasses[index] < size) ++index;
  return index;
}

Buffer BufferPool::take(size_t size) noexcept {
  const size_t index = class_of(size);
  const uint32_t capacity = kClasses[index];
  Buffer buffer;
  if (size > kLargest || held_bytes() + capacity > budget_bytes_) return buffer;
  auto& spare = spare_[index];
  char* data = nullptr;
  if (!spare.empty()) {
    data = spare.back();
    spare.pop_back();
  } else {
    data = static_cast<char*>(std::malloc(capacity));
    allocations_.store(allocations() + 1, std::memory_order_relaxed);
  }
  if (data == nullptr) return buffer;
  held_bytes_.store(held_bytes() + capacity, std::memory_order_relaxed);
  buffer.pool_ = this;
  buffer.data_ = data;
  buffer.capacity_ = capacity;
  return buffer;
}

Buffer BufferPool::keep(std::string_view text) noexcept {
  Buffer buffer = take(text.size());
  if (buffer) buffer.append(text);
  return buffer;
}

bool BufferPool::grow(Buffer& buffer, size_t size) noexcept {
  Buffer larger = take(size);
  if (!larger) return false;
  larger.append(buffer.text());
  buffer = std::move(larger);
  return true;
}

void BufferPool::give_back(char* data, uint32_t capacity) noexcept {
  held_bytes_.store(held_bytes() - capacity, std::memory_order_relaxed);
  auto& spare = spare_[class_of(capacity)];
  if (spare.size() * capacity >= kSpareBytes) {
    std::free(data);
    return;
  }
  spare.push_back(data);
}

}  // namespace mango::net
