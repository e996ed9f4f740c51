// SPDX-License-Identifier: Apache-2.0
// Strict base64 (RFC 4648 section 4) of a known size: padding required, no white space, no stray bits.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace mango::config {

// True if `text` is exactly out.size() bytes in base64; otherwise `out` is undefined.
[[nodiscard]] bool decode_base64(std::string_view text, std::span<uint8_t> out) noexcept;

}  // namespace mango::config
