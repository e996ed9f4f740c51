// SPDX-License-Identifier: Apache-2.0
#include "config/text_rules.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>

namespace mango::config {

namespace {

constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) noexcept {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) noexcept {
  return c >= 'A' && c <= 'Z';
}
bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_control(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

template <typename Predicate>
bool all(std::string_view text, Predicate predicate) noexcept {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool is_label_text(std::string_view text) noexcept {
  return all(text, [](char c) {
    return is_digit(c) || is_lower(c) || is_upper(c) || c == '-' || c == '_' || c == '.';
  });
}

bool is_bracketed(std::string_view text) noexcept {
  if (text.size() < 4 || text.front() != '[' || text.back() != ']') return false;
  return all(text.substr(1, text.size() - 2), [](char c) { return is_hex(c) || c == ':' || c == '.'; });
}

bool is_port(std::string_view text) noexcept {
  unsigned port = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), port);
  return status == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

bool is_address(int family, std::string_view text) noexcept {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof copy) return false;
  *std::copy(text.begin(), text.end(), copy) = '\0';
  in6_addr ignored;
  return inet_pton(family, copy, &ignored) == 1;
}

}  // namespace

bool is_printable(std::string_view text) noexcept {
  return all(text, [](char c) { return !is_control(c); });
}

bool is_visible(std::string_view text) noexcept {
  return all(text, [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_token(std::string_view text) noexcept {
  return all(text, [](char c) {
    return is_digit(c) || is_lower(c) || is_upper(c) || kTokenMarks.find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) noexcept {
  return all(text, [](char c) { return !is_control(c) || c == '\t'; });
}

bool is_path(std::string_view text) noexcept {
  return text.starts_with('/') && is_printable(text);
}

bool is_path_text(std::string_view text) noexcept {
  if (!text.empty() && text.front() != '/') return false;
  return is_visible(text) && text.find_first_of("?#\\") == std::string_view::npos;
}

bool is_host(std::string_view text) noexcept {
  return is_label_text(text) || is_bracketed(text);
}

bool is_host_pattern(std::string_view text) noexcept {
  if (std::any_of(text.begin(), text.end(), is_upper)) return false;
  if (!text.starts_with("*.")) return is_host(text);
  return text.size() > 2 && is_label_text(text.substr(2));
}

bool is_network(std::string_view text) noexcept {
  return all(text, [](char c) { return is_hex(c) || c == ':' || c == '.' || c == '/'; });
}

bool is_endpoint(std::string_view text) noexcept {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    const std::string_view path = text.substr(kUnix.size());
    return path.starts_with('/') && path.size() < sizeof(sockaddr_un::sun_path) && is_printable(path);
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !is_port(text.substr(colon + 1))) return false;
  const std::string_view host = text.substr(0, colon);
  if (!host.starts_with('[')) return is_address(AF_INET, host);
  return host.ends_with(']') && is_address(AF_INET6, host.substr(1, host.size() - 2));
}

bool read_field(const Node& node, std::pair<std::string, std::string>& out) {
  std::vector<std::string> parts;
  const auto read_part = [&](const Node& item, std::string& part) {
    return item.text(part, parts.size() == 1 ? kToken : kFieldValue);
  };
  if (!node.list(parts, 2, 2, read_part)) return false;
  out = {std::move(parts[0]), std::move(parts[1])};
  return true;
}

}  // namespace mango::config
