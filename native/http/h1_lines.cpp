// SPDX-License-Identifier: Apache-2.0
#include "http/h1_lines.h"

#include <algorithm>

#include "http/chars.h"

#if defined(__SSE2__)
#include <emmintrin.h>

#include <bit>
#endif

namespace mango::http {

namespace {

constexpr std::string_view kVersionPrefix = "HTTP/";

const char* bad_name_reason(const char* name, const char* at) noexcept {
  if (*at == '\n') return "bare-lf";
  if (is_blank(*at)) return at == name ? "obs-fold" : "space-before-colon";
  return at == name && *at == ':' ? "empty-field-name" : "bad-field-name";
}

}  // namespace

const char* find_value_end(const char* at, const char* end) noexcept {
#if defined(__SSE2__)
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  const __m128i del = _mm_set1_epi8(0x7f);
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(bytes, last_control), last_control);
    const __m128i stop =
        _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), control), _mm_cmpeq_epi8(bytes, del));
    const auto mask = static_cast<uint32_t>(_mm_movemask_epi8(stop));
    if (mask != 0) return at + std::countr_zero(mask);
  }
#endif
  while (at != end && is_class(*at, kValueChar)) ++at;
  return at;
}

Parsed take_line_end(Cursor& cursor, const char*& reason) noexcept {
  if (cursor.empty()) return Parsed::incomplete;
  if (*cursor.at != '\r') {
    reason = *cursor.at == '\n' ? "bare-lf" : "control-character";
    return Parsed::refused;
  }
  if (cursor.end - cursor.at < 2) return Parsed::incomplete;
  if (cursor.at[1] != '\n') {
    reason = "bare-cr";
    return Parsed::refused;
  }
  cursor.at += 2;
  return Parsed::complete;
}

Parsed take_field(Cursor& cursor, Field& field, const char*& reason) noexcept {
  const char* const name = cursor.at;
  const char* at = name;
  while (at != cursor.end && is_class(*at, kTokenChar)) ++at;
  if (at == cursor.end) return Parsed::incomplete;
  if (*at != ':' || at == name) {
    reason = bad_name_reason(name, at);
    return Parsed::refused;
  }
  field.name = {name, static_cast<size_t>(at - name)};
  do ++at;
  while (at != cursor.end && is_blank(*at));
  const char* const value = at;
  at = find_value_end(at, cursor.end);
  Cursor rest{at, cursor.end};
  const Parsed line_end = take_line_end(rest, reason);
  if (line_end != Parsed::complete) return line_end;
  while (at != value && is_blank(at[-1])) --at;
  field.value = {value, static_cast<size_t>(at - value)};
  field.id = field_id(field.name);
  cursor.at = rest.at;
  return Parsed::complete;
}

Parsed take_version(Cursor& cursor, Version& version, bool& unsupported) noexcept {
  const char* at = cursor.at;
  unsupported = false;
  for (const char expected : kVersionPrefix) {
    if (at == cursor.end) return Parsed::incomplete;
    if (*at++ != expected) return Parsed::refused;
  }
  for (int i = 0; i < 3; ++i, ++at) {
    if (at == cursor.end) return Parsed::incomplete;
    if (i == 1 ? *at != '.' : !is_digit(*at)) return Parsed::refused;
  }
  unsupported = at[-3] != '1';
  if (unsupported) return Parsed::refused;
  version = at[-1] == '0' ? Version::http10 : Version::http11;
  cursor.at = at;
  return Parsed::complete;
}

std::string_view find_text_field(std::string_view rest, std::string_view name) noexcept {
  while (!rest.empty()) {
    const size_t end = std::min(rest.find("\r\n"), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (line.size() > name.size() && line[name.size()] == ':' && starts_with_ignore_case(line, name))
      return trim(line.substr(name.size() + 1));
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
  return {};
}

}  // namespace mango::http
