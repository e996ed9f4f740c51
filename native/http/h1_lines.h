// SPDX-License-Identifier: Apache-2.0
// The lexical layer of HTTP/1.1 (RFC 9112 sections 2.2 and 5), shared by heads and trailers. Every function
// reads strictly from left to right and decides on a byte as soon as it is there, so that what is decided
// never depends on how the bytes were split on their way.
#pragma once

#include "http/h1_parser.h"

namespace mango::http {

// A place in received bytes. Functions move it past what they took, and only on `complete`.
struct Cursor {
  const char* at;
  const char* end;
  [[nodiscard]] bool empty() const noexcept { return at == end; }
};

// CRLF. A lone LF is "bare-lf", a CR without LF "bare-cr", anything else "control-character".
[[nodiscard]] Parsed take_line_end(Cursor& cursor, const char*& reason) noexcept;

// "name: value" CRLF, no leading or trailing white space in either, no folding (RFC 9112 section 5.2).
[[nodiscard]] Parsed take_field(Cursor& cursor, Field& field, const char*& reason) noexcept;

// "HTTP/1.x", x > 1 read as 1 (RFC 9110 section 2.5). `unsupported` tells another major version from
// nonsense.
[[nodiscard]] Parsed take_version(Cursor& cursor, Version& version, bool& unsupported) noexcept;

// The first byte in [at, end) that may not stand in a field value, or end.
[[nodiscard]] const char* find_value_end(const char* at, const char* end) noexcept;

// The value of the first field of that name in the text of a head or of trailers, or empty.
[[nodiscard]] std::string_view find_text_field(std::string_view text, std::string_view name) noexcept;

}  // namespace mango::http
