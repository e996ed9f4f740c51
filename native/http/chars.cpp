// SPDX-License-Identifier: Apache-2.0
#include "http/chars.h"

namespace mango::http {

bool equals_ignore_case(std::string_view left, std::string_view right) noexcept {
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i] != right[i] && to_lower(left[i]) != to_lower(right[i])) return false;
  }
  return true;
}

bool starts_with_ignore_case(std::string_view text, std::string_view prefix) noexcept {
  return text.size() >= prefix.size() && equals_ignore_case(text.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_token(std::string_view text) noexcept {
  for (const char c : text) {
    if (!is_class(c, kTokenChar)) return false;
  }
  return !text.empty();
}

bool is_field_value(std::string_view text) noexcept {
  for (const char c : text) {
    if (!is_class(c, kValueChar)) return false;
  }
  return true;
}

bool read_decimal(std::string_view text, uint64_t max, uint64_t& value) noexcept {
  if (text.empty()) return false;
  uint64_t result = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (result > (max - digit) / 10) return false;
    result = result * 10 + digit;
  }
  value = result;
  return true;
}

bool next_list_item(std::string_view& rest, std::string_view& item) noexcept {
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    item = trim(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    if (!item.empty()) return true;
  }
  return false;
}

bool list_contains(std::string_view list, std::string_view token) noexcept {
  std::string_view item;
  while (next_list_item(list, item)) {
    if (equals_ignore_case(item, token)) return true;
  }
  return false;
}

}  // namespace mango::http
