// SPDX-License-Identifier: Apache-2.0
// A place in a caller's buffers, and copies between them and a ring.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace mango::device {

class IovCursor {
 public:
  IovCursor(const iovec* iov, int count) noexcept : at_(iov), end_(iov + (count > 0 ? count : 0)) {
    skip_empty();
  }

  [[nodiscard]] bool done() const noexcept { return at_ == end_; }

  // Moves up to `most` octets between the ring, from position `count` on, and the buffers; how many it was.
  uint32_t copy_from_ring(const char* ring, uint32_t size, uint32_t count, uint32_t most) noexcept {
    return copy(size, count, most,
                [ring](char* piece, uint32_t at, size_t n) { std::memcpy(piece, ring + at, n); });
  }
  uint32_t copy_to_ring(char* ring, uint32_t size, uint32_t count, uint32_t most) noexcept {
    return copy(size, count, most,
                [ring](const char* piece, uint32_t at, size_t n) { std::memcpy(ring + at, piece, n); });
  }

 private:
  template <class Move>
  uint32_t copy(uint32_t size, uint32_t count, uint32_t most, Move move) noexcept {
    uint32_t moved = 0;
    while (moved < most && !done()) {
      const uint32_t at = (count + moved) & (size - 1);
      const size_t n = std::min({at_->iov_len - offset_, size_t{most - moved}, size_t{size - at}});
      move(static_cast<char*>(at_->iov_base) + offset_, at, n);
      moved += static_cast<uint32_t>(n);
      advance(n);
    }
    return moved;
  }
  void advance(size_t n) noexcept {
    offset_ += n;
    if (offset_ < at_->iov_len) return;
    offset_ = 0;
    ++at_;
    skip_empty();
  }
  void skip_empty() noexcept {
    while (at_ != end_ && at_->iov_len == 0) ++at_;
  }

  const iovec* at_;
  const iovec* end_;
  size_t offset_ = 0;
};

}  // namespace mango::device
