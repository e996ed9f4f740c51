// SPDX-License-Identifier: Apache-2.0
#include "http/uri.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "http/chars.h"
#include "http/limits.h"

namespace mango::http {

namespace {

// "[...]" with an IPv6 address in it; no zone (RFC 6874 is obsolete), no IPvFuture.
bool is_ip_literal(std::string_view text) noexcept {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return false;
  const std::string_view inner = text.substr(1, text.size() - 2);
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (inner.size() >= terminated.size()) return false;
  std::copy(inner.begin(), inner.end(), terminated.begin());
  in6_addr address{};
  return inner.find('\0') == std::string_view::npos && inet_pton(AF_INET6, terminated.data(), &address) == 1;
}

// Labels of 1 to 63 characters between single dots; covers IPv4 addresses.
bool is_registered_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > kMaxHostBytes) return false;
  size_t label = 0;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!is_class(c, kHostChar) || ++label > kMaxLabelBytes) {
      return false;
    }
  }
  return label != 0;
}

bool is_port(std::string_view text) noexcept {
  uint64_t port = 0;
  return read_decimal(text, kMaxPort, port) && port != 0 && text.front() != '0';
}

size_t host_length(std::string_view text) noexcept {
  const size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  if (bracket == std::string_view::npos) return text.size();
  return std::min(text.find(':', bracket), text.size());
}

// --- paths ---

// The escape at `at`, as an octet, or -1 if it is not one.
int read_escape(const char* at, const char* end) noexcept {
  if (end - at < 3 || at[0] != '%') return -1;
  const int high = hex_value(at[1]);
  const int low = hex_value(at[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool is_control(int octet) noexcept {
  return octet < 0x20 || octet == 0x7f;
}

// What a second decoder would make trouble of.
bool is_dangerous_octet(int octet) noexcept {
  return octet >= 0 && (is_control(octet) || octet == '.' || octet == '/' || octet == '\\' || octet == '%');
}

bool is_slash_escape(const char* at, const char* end) noexcept {
  const int octet = read_escape(at, end);
  return octet == '/' || octet == '\\';
}

// True for a path that is already normal, without escapes: the usual case, and one pass.
bool is_plain(const char* at, const char* end) noexcept {
  char previous = 0;
  for (; at != end; ++at) {
    const char c = *at;
    if (!is_class(c, kPlainPathChar)) {
      const bool harmless = (c == '/' && previous != '/') || (c == '.' && previous != '/');
      if (!harmless) return false;
    }
    previous = c;
  }
  return true;
}

bool is_raw_path_char(char c) noexcept {
  return is_class(c, kTargetChar) && c != '\\' && c != '?';
}

// Decodes escaped unreserved octets and makes the other escapes upper case. Returns the new end, null if
// refused.
char* decode_escapes(char* const begin, char* const end, bool allow_escaped_slashes) noexcept {
  constexpr const char* kHexDigits = "0123456789ABCDEF";
  char* out = begin;
  for (const char* at = begin; at != end;) {
    if (*at != '%') {
      if (!is_raw_path_char(*at)) return nullptr;
      *out++ = *at++;
      continue;
    }
    const int octet = read_escape(at, end);
    if (octet < 0 || is_control(octet)) return nullptr;
    if ((octet == '/' || octet == '\\') && !allow_escaped_slashes) return nullptr;
    at += 3;
    if (octet < 0x80 && is_class(static_cast<char>(octet), kUnreservedChar)) {
      *out++ = static_cast<char>(octet);
      continue;
    }
    *out++ = '%';
    *out++ = kHexDigits[octet >> 4];
    *out++ = kHexDigits[octet & 15];
  }
  return out;
}

// "%252e": an escaped '%' that makes a dangerous escape with what follows it once decoded.
bool is_doubly_encoded(const char* at, const char* end) noexcept {
  for (; at != end; ++at) {
    if (read_escape(at, end) == '%' && at + 4 < end) {
      const std::array<char, 3> inner{'%', at[3], at[4]};
      if (is_dangerous_octet(read_escape(inner.data(), inner.data() + inner.size()))) return true;
    }
  }
  return false;
}

bool is_dot_segment(std::string_view segment) noexcept {
  return segment == "." || segment == "..";
}

// A dot segment that only some readers see: behind or before an escaped slash, or with a parameter ("..;a").
bool is_hidden_dot_segment(std::string_view segment) noexcept {
  if (is_dot_segment(segment.substr(0, segment.find(';'))) && !is_dot_segment(segment)) return true;
  const char* part = segment.data();
  const char* const end = part + segment.size();
  bool escaped = false;
  for (const char* at = part; at != end; ++at) {
    if (!is_slash_escape(at, end)) continue;
    escaped = true;
    if (is_dot_segment({part, static_cast<size_t>(at - part)})) return true;
    part = at + 3;
  }
  return escaped && is_dot_segment({part, static_cast<size_t>(end - part)});
}

// Drops the last segment of what was written, keeping the slash before it; false at the root.
bool drop_last_segment(const char* begin, char*& out) noexcept {
  if (out - begin < 2) return false;
  --out;
  while (out[-1] != '/') --out;
  return true;
}

// Removes dot segments and empty segments. `out` always ends with a slash between segments. Returns the new
// end, null if refused.
char* remove_segments(char* const begin, char* const end) noexcept {
  char* out = begin + 1;
  for (const char* at = begin + 1; at < end;) {
    const char* const stop = std::find(at, static_cast<const char*>(end), '/');
    const std::string_view segment{at, static_cast<size_t>(stop - at)};
    if (is_hidden_dot_segment(segment)) return nullptr;
    if (segment == "..") {
      if (!drop_last_segment(begin, out)) return nullptr;
    } else if (!segment.empty() && segment != ".") {
      out = std::copy(at, stop, out);
      if (stop != end) *out++ = '/';
    }
    at = stop == end ? stop : stop + 1;
  }
  return out;
}

}  // namespace

bool parse_authority(std::string_view text, Authority& authority) noexcept {
  const size_t length = host_length(text);
  std::string_view host = text.substr(0, length);
  const std::string_view port = text.substr(std::min(length + 1, text.size()));
  if (length != text.size() && !is_port(port)) return false;
  if (host.ends_with('.')) host.remove_suffix(1);
  if (!is_registered_name(host) && !is_ip_literal(host)) return false;
  authority = {host, port};
  return true;
}

bool same_authority(const Authority& left, const Authority& right, std::string_view default_port) noexcept {
  const std::string_view left_port = left.port.empty() ? default_port : left.port;
  const std::string_view right_port = right.port.empty() ? default_port : right.port;
  return left_port == right_port && equals_ignore_case(left.host, right.host);
}

size_t normalise_path(std::span<char> path, bool allow_escaped_slashes) noexcept {
  if (path.empty() || path.front() != '/') return 0;
  char* const begin = path.data();
  char* end = begin + path.size();
  if (is_plain(begin, end)) return path.size();
  end = decode_escapes(begin, end, allow_escaped_slashes);
  if (end == nullptr || is_doubly_encoded(begin, end)) return 0;
  end = remove_segments(begin, end);
  return end == nullptr ? 0 : static_cast<size_t>(end - begin);
}

}  // namespace mango::http
