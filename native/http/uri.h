// SPDX-License-Identifier: Apache-2.0
// The parts of a request's target (RFC 3986, RFC 9110 section 4, RFC 9112 section 3.2). What is matched is
// what is forwarded: a path is normalised once, here, and one that two servers might read differently is
// refused.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace mango::http {

struct Authority {
  std::string_view host;  // without port and final dot; IPv6 keeps its brackets
  std::string_view port;  // digits, or empty
};

// Reads "host[:port]". Stricter than RFC 3986: no userinfo, no percent-encoding, no sub-delimiters, no empty
// or zero port: none occurs in DNS names, and every one has been read in two ways.
[[nodiscard]] bool parse_authority(std::string_view text, Authority& authority) noexcept;

// Compares two authorities of one scheme: host without case, port with the scheme's default filled in.
[[nodiscard]] bool same_authority(const Authority& left, const Authority& right,
                                  std::string_view default_port) noexcept;

// Normalises a path in place (RFC 3986 section 6.2.2): decodes escaped unreserved octets, makes other escapes
// upper case, removes dot segments, merges slashes. Returns the new length; 0 means refused: a NUL, a raw or
// escaped control, a raw octet that is not visible ASCII, a backslash, a broken or doubly encoded escape, an
// escaped slash unless allowed (and never next to a dot segment), "..;" (a dot segment to servlet
// containers), or a way above the root.
[[nodiscard]] size_t normalise_path(std::span<char> path, bool allow_escaped_slashes) noexcept;

}  // namespace mango::http
