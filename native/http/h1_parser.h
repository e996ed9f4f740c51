// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 heads (RFC 9112): pure functions, bytes in, a head or a refusal out. Strict on purpose: what two
// parsers could read differently is refused, for that is how requests are smuggled.
#pragma once

#include "http/message.h"
#include "http/uri.h"

namespace mango::http {

struct HeadLimits {
  uint32_t head_bytes = kDefaultHeadBytes;  // start line and fields together
  uint16_t fields = kDefaultHeadFields;
  bool allow_escaped_slashes = false;  // pass %2F and %5C on instead of refusing them
};

enum class Parsed : uint8_t { complete, incomplete, refused };

// Where the head at the start of `bytes` ends, in bytes, or 0 if it is not all there. Resumes at `*scanned`
// (start with 0), so that a head fed byte by byte costs linear time. A head ended by bare LFs "ends" too: the
// parser then refuses it.
[[nodiscard]] size_t find_head_end(std::string_view bytes, size_t* scanned) noexcept;

// Parses the request head at the start of `bytes`; at most one empty line before it is skipped (RFC 9112
// section 2.2) and counted in head_bytes. The path is normalised in place, hence the mutable bytes. On
// `incomplete` nothing in `bytes` has changed; a head that exceeds the limits is refused even if incomplete.
// Transfer-Encoding other than exactly "chunked" is 400, not 501: no coding but chunked is ever offered, so
// another one is an attempt, not a negotiation. CONNECT is 405: this is a gateway.
[[nodiscard]] Parsed parse_request_head(std::span<char> bytes, const HeadLimits& limits, RequestHead& head,
                                        Refusal& refusal) noexcept;

// Parses a response head. `request_method` decides the framing (HEAD, CONNECT; RFC 9112 section 6.3).
// A refusal's status is 502.
[[nodiscard]] Parsed parse_response_head(std::string_view bytes, const HeadLimits& limits,
                                         Method request_method, ResponseHead& head,
                                         Refusal& refusal) noexcept;

}  // namespace mango::http
