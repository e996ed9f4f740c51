// SPDX-License-Identifier: Apache-2.0
#include "toed/values.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>

namespace mango::toed {

namespace {

constexpr int kMostPrefix = 31;
constexpr size_t kMacText = 17;

bool is_hex(char c) noexcept {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}

std::optional<uint32_t> host_order(const std::string& text) noexcept {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

uint32_t mask_bits(int prefix) noexcept {
  return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix);
}

}  // namespace

std::optional<uint64_t> parse_number(std::string_view text) noexcept {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<uint64_t> parse_size(std::string_view text) noexcept {
  if (text.ends_with("iB")) text.remove_suffix(2);
  uint64_t unit = 1;
  if (text.ends_with('K')) unit = 1024;
  if (text.ends_with('M')) unit = uint64_t{1024} * 1024;
  if (unit != 1) text.remove_suffix(1);
  const auto number = parse_number(text);
  if (!number || *number > UINT64_MAX / unit) return std::nullopt;
  return *number * unit;
}

std::optional<Network> parse_network(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto prefix = parse_number(text.substr(slash + 1));
  Network network{.address = std::string(text.substr(0, slash))};
  if (!prefix || *prefix < 1 || *prefix > kMostPrefix || !is_ipv4(network.address)) return std::nullopt;
  network.prefix = static_cast<int>(*prefix);
  return network;
}

bool is_ipv4(const std::string& text) noexcept {
  return host_order(text).has_value();
}

bool same_network(const std::string& a, const std::string& b, int prefix) noexcept {
  const auto first = host_order(a);
  const auto second = host_order(b);
  return first && second && ((*first ^ *second) & mask_bits(prefix)) == 0;
}

std::string subnet_mask(int prefix) {
  const in_addr mask{.s_addr = htonl(mask_bits(prefix))};
  char text[INET_ADDRSTRLEN];
  return ::inet_ntop(AF_INET, &mask, text, sizeof text);
}

bool is_mac(std::string_view text) noexcept {
  if (text.size() != kMacText) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (i % 3 == 2 ? text[i] != ':' : !is_hex(text[i])) return false;
  unsigned first = 0;
  (void)std::from_chars(text.data(), text.data() + 2, first, 16);
  return (first & 1) == 0 && text.find_first_not_of("0:") != std::string_view::npos;
}

bool is_netns_name(std::string_view text) noexcept {
  constexpr size_t kLongest = 64;
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= kLongest && text[0] != '.' && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), allowed);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string json_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (octet < 0x20 || octet == 0x7F) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", octet);
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace mango::toed
