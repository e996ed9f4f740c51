// SPDX-License-Identifier: Apache-2.0
#include "config/base64.h"

#include <cstddef>

namespace mango::config {

namespace {

constexpr int kInvalid = -1;

int sextet(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : kInvalid;
}

}  // namespace

bool decode_base64(std::string_view text, std::span<uint8_t> out) noexcept {
  if (text.size() != (out.size() + 2) / 3 * 4) return false;
  const size_t padding = (3 - out.size() % 3) % 3;
  if (text.substr(text.size() - padding).find_first_not_of('=') != std::string_view::npos) return false;
  uint32_t bits = 0;
  unsigned held = 0;
  size_t written = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const int value = sextet(c);
    if (value == kInvalid) return false;
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out[written++] = static_cast<uint8_t>(bits >> held);
  }
  return written == out.size() && (bits & ((1u << held) - 1)) == 0;
}

}  // namespace mango::config
