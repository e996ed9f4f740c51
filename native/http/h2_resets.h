// SPDX-License-Identifier: Apache-2.0
// Which streams were reset lately, and by whom. Frames for a stream that we have reset were on their way and
// are ignored; behind the peer's own reset, or behind the end of its stream, they are its mistake (RFC 9113
// section 5.1). What is too long ago counts as ours.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace mango::http {

class H2RecentResets {
 public:
  enum class By : uint8_t { nobody, us, peer };

  void add(uint32_t stream, By who) noexcept {
    if (find(stream) != By::nobody) return;
    Reset& oldest = resets_[next_++ % resets_.size()];
    forgotten_ = std::max(forgotten_, oldest.stream);
    oldest = {stream, who};
  }
  [[nodiscard]] By find(uint32_t stream) const noexcept {
    for (const Reset& reset : resets_) {
      if (reset.stream == stream) return reset.who;
    }
    return stream <= forgotten_ ? By::us : By::nobody;
  }

 private:
  struct Reset {
    uint32_t stream = 0;
    By who = By::nobody;
  };
  std::array<Reset, 16> resets_;
  size_t next_ = 0;
  uint32_t forgotten_ = 0;  // the last of the streams that are no longer here
};

}  // namespace mango::http
