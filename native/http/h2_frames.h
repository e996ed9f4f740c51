// SPDX-License-Identifier: Apache-2.0
// The heads of the frames that come in (RFC 9113 section 4.1), seen before nghttp2 sees them: it does not
// tell of frames that it ignores, and those cost us as well as the others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mango::http {

inline constexpr size_t kH2PrefaceBytes = 24;

struct H2FrameHead {
  uint32_t payload_bytes = 0;
  uint32_t stream = 0;
  uint32_t dependency = 0;  // of a PRIORITY frame
  uint8_t type = 0;
  uint8_t flags = 0;
};

class H2FrameReader {
 public:
  // `skipped` bytes come before the first frame.
  explicit H2FrameReader(size_t skipped) noexcept : left_(skipped) {}

  // How many of the bytes, which must not be none, belong to one frame. `begun` if its head is complete with
  // them, and was not before.
  [[nodiscard]] size_t next(std::span<const char> bytes, bool& begun) noexcept;
  [[nodiscard]] const H2FrameHead& head() const noexcept { return head_; }
  // No frame is under way.
  [[nodiscard]] bool between_frames() const noexcept { return known_ == 0 && left_ == 0; }

 private:
  static constexpr size_t kHeadBytes = 9;
  static constexpr size_t kDependencyBytes = 4;

  [[nodiscard]] uint32_t number(size_t at, size_t bytes) const noexcept;
  [[nodiscard]] bool read_head() noexcept;

  std::array<char, kHeadBytes + kDependencyBytes> bytes_{};
  size_t known_ = 0;  // of the head, and of a PRIORITY frame's payload
  size_t left_;       // of the payload
  H2FrameHead head_;
};

}  // namespace mango::http
