// SPDX-License-Identifier: Apache-2.0
#include "http/h2_frames.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

namespace mango::http {

uint32_t H2FrameReader::number(size_t at, size_t bytes) const noexcept {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(bytes_[at + i]);
  return value;
}

// False if there has to be more.
bool H2FrameReader::read_head() noexcept {
  if (known_ < kHeadBytes) return false;
  head_ = {.payload_bytes = number(0, 3),
           .stream = number(5, 4) & 0x7fffffff,
           .type = static_cast<uint8_t>(bytes_[3]),
           .flags = static_cast<uint8_t>(bytes_[4])};
  size_t payload_known = known_ - kHeadBytes;
  if (head_.type == NGHTTP2_PRIORITY) {
    const size_t wanted = std::min<size_t>(head_.payload_bytes, kDependencyBytes);
    if (payload_known < wanted) return false;
    if (wanted == kDependencyBytes) head_.dependency = number(kHeadBytes, kDependencyBytes) & 0x7fffffff;
  } else {
    payload_known = 0;
  }
  left_ = head_.payload_bytes - payload_known;
  known_ = 0;
  return true;
}

size_t H2FrameReader::next(std::span<const char> bytes, bool& begun) noexcept {
  begun = false;
  size_t used = 0;
  while (left_ == 0 && used < bytes.size() && !begun) {
    bytes_[known_++] = bytes[used++];
    begun = read_head();
  }
  const size_t payload = std::min(left_, bytes.size() - used);
  left_ -= payload;
  return used + payload;
}

}  // namespace mango::http
