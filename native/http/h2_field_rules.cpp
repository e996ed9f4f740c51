// SPDX-License-Identifier: Apache-2.0
#include "http/h2_field_rules.h"

#include <array>
#include <cstring>

#include "http/chars.h"
#include "http/h1_lines.h"

namespace mango::http {

namespace {

constexpr std::array<bool, 256> kNameChars = [] {
  std::array<bool, 256> table{};
  for (size_t c = 0; c < table.size(); ++c)
    table[c] = (detail::kCharClasses[c] & kTokenChar) != 0 && (c < 'A' || c > 'Z');
  return table;
}();

// Not zero if any of eight octets is a control, or DEL. May see one too many, but misses none.
uint64_t odd_octets(const char* octets) noexcept {
  constexpr uint64_t kOnes = 0x0101010101010101;
  uint64_t word;
  std::memcpy(&word, octets, sizeof word);
  const uint64_t del = word ^ 0x7f * kOnes;
  return ((word - 0x20 * kOnes) & ~word & 0x80 * kOnes) | ((del - kOnes) & ~del & 0x80 * kOnes);
}

}  // namespace

bool is_h2_name(std::string_view name) noexcept {
  bool good = !name.empty();
  for (const char c : name) good &= kNameChars[static_cast<uint8_t>(c)];
  return good;
}

bool is_h2_value(std::string_view value) noexcept {
  if (value.empty()) return true;
  if (is_blank(value.front()) || is_blank(value.back())) return false;
  const char* const end = value.data() + value.size();
  const char* at = value.data();
  // Most values are plain and shorter than a vector.
  uint64_t odd = 0;
  for (; end - at >= 8; at += 8) odd |= odd_octets(at);
  if (at != end && value.size() >= 8)
    odd |= odd_octets(end - 8);
  else if (at != end)
    return find_value_end(at, end) == end;
  return odd == 0 || find_value_end(value.data(), end) == end;
}

bool is_h2_forbidden(FieldId id, std::string_view value) noexcept {
  switch (id) {
    case FieldId::connection:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::transfer_encoding:
    case FieldId::upgrade:
      return true;
    case FieldId::te:
      return !equals_ignore_case(value, "trailers");
    default:
      return false;
  }
}

}  // namespace mango::http
