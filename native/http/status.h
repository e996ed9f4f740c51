// SPDX-License-Identifier: Apache-2.0
// Status codes (RFC 9110 section 15) and the dates that go with responses (section 5.6.7).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mango::http {

// The registered phrase, or that of the class ("Client Error") for a code without one; never empty.
[[nodiscard]] std::string_view reason_phrase(uint16_t status) noexcept;

// True if a response of that status never has content: 1xx, 204, 304 (RFC 9112 section 6.3).
[[nodiscard]] constexpr bool is_bodiless(uint16_t status) noexcept {
  return status < 200 || status == 204 || status == 304;
}

inline constexpr size_t kHttpDateBytes = 29;

// Writes "Sun, 06 Nov 1994 08:49:37 GMT"; times before 1970 or after 9999 are clamped.
[[nodiscard]] std::string_view format_http_date(int64_t unix_seconds,
                                                std::array<char, kHttpDateBytes>& memory) noexcept;

}  // namespace mango::http
