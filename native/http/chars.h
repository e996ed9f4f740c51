// SPDX-License-Identifier: Apache-2.0
// The characters of HTTP (RFC 9110 section 5.6, RFC 3986 section 2) as one lookup table, and the few string
// operations protocol code shares. ASCII only: locales have no say in a protocol.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mango::http {

inline constexpr uint8_t kTokenChar = 1;       // tchar: field names, methods
inline constexpr uint8_t kTargetChar = 2;      // visible ASCII without '#'
inline constexpr uint8_t kHostChar = 4;        // letters, digits, '-', '_', '~': a label of a registered name
inline constexpr uint8_t kUnreservedChar = 8;  // RFC 3986 section 2.3
inline constexpr uint8_t kPlainPathChar =
    16;                                    // in a path, needs no thought: not '%', '\', '/', '?', '#', '.'
inline constexpr uint8_t kValueChar = 32;  // field-vchar, SP, HTAB

namespace detail {

constexpr bool is_alnum(int c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr bool one_of(int c, std::string_view set) {
  return c < 0x80 && set.find(static_cast<char>(c)) != std::string_view::npos;
}

constexpr std::array<uint8_t, 256> make_char_classes() {
  std::array<uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool visible = c > 0x20 && c < 0x7f;
    uint8_t bits = 0;
    if (is_alnum(c) || (visible && one_of(c, "!#$%&'*+-.^_`|~"))) bits |= kTokenChar;
    if (visible && c != '#') bits |= kTargetChar;
    if (is_alnum(c) || (visible && one_of(c, "-_~"))) bits |= kHostChar;
    if (is_alnum(c) || (visible && one_of(c, "-._~"))) bits |= kUnreservedChar;
    if (visible && !one_of(c, "%\\/?#.")) bits |= kPlainPathChar;
    if (visible || c == ' ' || c == '\t' || c >= 0x80) bits |= kValueChar;
    table[static_cast<size_t>(c)] = bits;
  }
  return table;
}

inline constexpr std::array<uint8_t, 256> kCharClasses = make_char_classes();

}  // namespace detail

[[nodiscard]] inline bool is_class(char c, uint8_t classes) noexcept {
  return (detail::kCharClasses[static_cast<uint8_t>(c)] & classes) != 0;
}
[[nodiscard]] inline bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
[[nodiscard]] inline bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t';
}
[[nodiscard]] inline char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// The value of a hexadecimal digit, or -1.
[[nodiscard]] inline int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  const char low = to_lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

[[nodiscard]] bool equals_ignore_case(std::string_view left, std::string_view right) noexcept;
[[nodiscard]] bool starts_with_ignore_case(std::string_view text, std::string_view prefix) noexcept;

// Without surrounding spaces and tabs (OWS).
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

[[nodiscard]] bool is_token(std::string_view text) noexcept;

// True if `text` may stand as a field value: no controls, so nothing that could end the line.
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;

// Reads a whole decimal number, digits only; false if empty, signed, or above `max`.
[[nodiscard]] bool read_decimal(std::string_view text, uint64_t max, uint64_t& value) noexcept;

// Takes the next element off a comma list (RFC 9110 section 5.6.1), skipping empty ones; false at its end.
// Quoted strings are not understood: none of the lists the proxy acts on has them.
[[nodiscard]] bool next_list_item(std::string_view& rest, std::string_view& item) noexcept;

[[nodiscard]] bool list_contains(std::string_view list, std::string_view token) noexcept;

}  // namespace mango::http
