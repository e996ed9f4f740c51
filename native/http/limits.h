// SPDX-License-Identifier: Apache-2.0
// Every limit of HTTP/1.1 in one place, each with the reason it exists. Limits an operator may change are the
// defaults of HeadLimits and BodyLimits; the others are fixed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mango::http {

// Start line and fields of one head. RFC 9112 section 3 recommends at least 8,000 octets for the request line
// alone; RFC 6585 section 5 gives 431 for more than we take.
inline constexpr uint32_t kDefaultHeadBytes = 16 * 1024;

// Fields of one head, for a session of unknown trust. The field *count* is capped apart from the bytes,
// because a table of fields costs more memory than the bytes it came from (the 2026 "HTTP/2 bomb").
inline constexpr uint16_t kDefaultHeadFields = 100;

// The most fields any configuration may allow in one head: the size of the field table.
inline constexpr size_t kMaxFields = 1000;

// Content-Length and chunk sizes above 2^63-1 are refused (RFC 9110 section 8.6: recipients must prevent
// overflow; CVE-2023-25690 and its kin come from signed readers behind unsigned ones).
inline constexpr uint64_t kMaxContentLength = 0x7fffffffffffffff;
inline constexpr size_t kMaxContentLengthDigits = 19;
inline constexpr size_t kMaxChunkSizeDigits = 16;

// Size, extensions and CRLF of one chunk. Unbounded extensions let one byte of content cost any amount of
// work (RFC 9112 section 7.1.1; CVE-2023-39326 in Go, CVE-2024-22019 in Node).
inline constexpr uint32_t kDefaultChunkHeadBytes = 256;

// Trailer fields of one message (RFC 9112 section 7.1.2): kept in memory until the message ends.
inline constexpr uint32_t kDefaultTrailerBytes = 8 * 1024;
inline constexpr uint16_t kDefaultTrailerFields = 32;

// Options over all Connection fields of one head: each names a field to remove, so the work is options times
// fields (RFC 9110 section 7.6.1).
inline constexpr size_t kMaxConnectionOptions = 32;

// Empty lines before a request that are skipped (RFC 9112 section 2.2: "at least one").
inline constexpr int kMaxLeadingEmptyLines = 1;

// Host and authority: a DNS name has at most 253 octets (RFC 1035 section 2.3.4), a label 63.
inline constexpr size_t kMaxHostBytes = 253;
inline constexpr size_t kMaxLabelBytes = 63;
inline constexpr uint32_t kMaxPort = 65535;

}  // namespace mango::http
