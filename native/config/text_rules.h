// SPDX-License-Identifier: Apache-2.0
// What texts of a snapshot may hold. Whatever can end up on the wire (fields, paths, host names) is held to
// the grammar of its place, so that no document can inject a line into a head. Internal to native/config.
#pragma once

#include "config/json_reader.h"

namespace mango::config {

[[nodiscard]] bool is_printable(std::string_view text) noexcept;     // no controls
[[nodiscard]] bool is_visible(std::string_view text) noexcept;       // ASCII without controls and spaces
[[nodiscard]] bool is_token(std::string_view text) noexcept;         // RFC 9110 section 5.6.2
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;   // RFC 9110 section 5.5
[[nodiscard]] bool is_path(std::string_view text) noexcept;          // begins with "/"; no controls
[[nodiscard]] bool is_path_text(std::string_view text) noexcept;     // may be written as (part of) a path
[[nodiscard]] bool is_host(std::string_view text) noexcept;          // a name or address; "[...]" for IPv6
[[nodiscard]] bool is_host_pattern(std::string_view text) noexcept;  // lower case, perhaps "*." in front
[[nodiscard]] bool is_network(std::string_view text) noexcept;       // letters of addresses and CIDRs

inline constexpr size_t kMaxHostBytes = 253;  // RFC 1035 section 2.3.4, as text
inline constexpr size_t kMaxNameBytes = 512;
inline constexpr size_t kMaxPathBytes = 4096;
inline constexpr size_t kMaxPemBytes = size_t{1} << 20;
inline constexpr size_t kMaxValueBytes = 8192;

inline constexpr TextRule kName{"a name without control characters", 1, kMaxNameBytes, is_printable};
inline constexpr TextRule kAnyText{"text without control characters", 0, kMaxNameBytes, is_printable};
inline constexpr TextRule kPem{"PEM text", 1, kMaxPemBytes, nullptr};
inline constexpr TextRule kOptionalPem{"PEM text", 0, kMaxPemBytes, nullptr};
inline constexpr TextRule kAddress{"an IP address", 2, 64, is_network};
inline constexpr TextRule kCidr{"a CIDR or an IP address", 2, 64, is_network};
inline constexpr TextRule kToken{"a token (RFC 9110)", 1, 256, is_token};
inline constexpr TextRule kOptionalToken{"a token (RFC 9110) or nothing", 0, 256, is_token};
inline constexpr TextRule kFieldValue{"a field value without control characters", 0, kMaxValueBytes,
                                      is_field_value};
inline constexpr TextRule kPath{"a path beginning with /", 1, kMaxPathBytes, is_path};
inline constexpr TextRule kPattern{"a regular expression", 0, kMaxPathBytes, is_printable};
inline constexpr TextRule kFullPath{"a path beginning with /, in ASCII", 1, kMaxPathBytes, is_path_text};
inline constexpr TextRule kPathPart{"a path in ASCII or nothing", 0, kMaxPathBytes, is_path_text};
inline constexpr TextRule kHost{"a host name", 1, kMaxHostBytes, is_host};
inline constexpr TextRule kOptionalHost{"a host name or nothing", 0, kMaxHostBytes, is_host};
inline constexpr TextRule kHostPattern{"a host name in lower case, perhaps with *. in front", 1,
                                       kMaxHostBytes, is_host_pattern};
inline constexpr TextRule kVisible{"text without spaces and control characters", 1, kMaxNameBytes,
                                   is_visible};
inline constexpr TextRule kOptionalVisible{"text without spaces and control characters", 0, kMaxNameBytes,
                                           is_visible};
inline constexpr TextRule kEndpoint{"address:port or unix:/path", 1, 256, is_endpoint};

// A header as [name, value].
[[nodiscard]] bool read_field(const Node& node, std::pair<std::string, std::string>& out);

}  // namespace mango::config
