// SPDX-License-Identifier: Apache-2.0
// What the fields of a head mean for the connection it came on: framing (RFC 9112 section 6.3), persistence
// (section 9.3) and upgrades (RFC 9110 section 7.8). Shared by requests and responses.
#pragma once

#include "http/message.h"

namespace mango::http {

// A field that must not be repeated: how often it came, and its last value.
struct Single {
  uint16_t count = 0;
  std::string_view value;
  void note(std::string_view text) noexcept {
    ++count;
    value = text;
  }
};

// The fields the proxy acts on, noted while the head is read.
struct KnownFields {
  Single host, content_length, transfer_encoding, upgrade, expect;
  uint16_t connections = 0;
  void note(const Field& field) noexcept;
};

// Reads the framing that the fields declare: none, length or chunked. Returns null, or why it is refused:
// both of the two fields, either of them twice, a length that is not plain digits, a coding that is not
// chunked, or any coding in HTTP/1.0 (RFC 9112 section 6.1).
[[nodiscard]] const char* read_framing(const KnownFields& known, Version version, Framing& framing,
                                       uint64_t& content_length) noexcept;

struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool too_many = false;  // more than kMaxConnectionOptions
};

[[nodiscard]] ConnectionOptions read_connection(const FieldList& fields) noexcept;

[[nodiscard]] inline bool persists(const ConnectionOptions& options, Version version) noexcept {
  return !options.close && (version != Version::http10 || options.keep_alive);
}

// The protocols offered or chosen, or empty: it takes the option, exactly one Upgrade field, HTTP/1.1 and no
// h2c.
[[nodiscard]] std::string_view read_upgrade(const KnownFields& known, const ConnectionOptions& options,
                                            Version version) noexcept;

}  // namespace mango::http
