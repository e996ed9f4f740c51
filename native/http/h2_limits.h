// SPDX-License-Identifier: Apache-2.0
// Every limit of HTTP/2 in one place; the ones an operator may change are the defaults of Http2Limits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mango::http {

struct Http2Limits {
  uint32_t max_concurrent_streams = 100;           // RFC 9113 section 6.5.2
  uint32_t stream_window_bytes = 64 * 1024;        // what a peer may send ahead of us, per stream
  uint32_t connection_window_bytes = 1024 * 1024;  // and in all
  // Token buckets. A stream that ends by a reset, theirs or one that their mistake made us send, costs one of
  // the first (CVE-2023-44487, CVE-2025-8671); any frame that is neither HEADERS nor DATA with content costs
  // one of the second, which requests and content that moves refill, too.
  uint32_t reset_burst = 200;
  uint32_t resets_per_second = 20;
  uint32_t control_burst = 1000;
  uint32_t controls_per_second = 100;
};

// RFC 9113 section 6.10 sets no limit (CVE-2024-27316). A head within any configured limit needs fewer.
inline constexpr uint32_t kMaxHeadContinuations = 8;

// What waits in nghttp2 for a peer that does not read: answers to PING and SETTINGS, and all frames, resets
// of refused streams among them (CVE-2019-9512, CVE-2019-9515).
inline constexpr size_t kMaxOutboundAcks = 1000;
inline constexpr size_t kMaxQueuedFrames = 4096;

// How a peer's budget of control frames refills, in thousandths of a token. It may answer each frame of
// content with two WINDOW_UPDATEs, and a small message with a PING on top. A frame that its window cut short
// earns for its bytes alone: one octet a window is a flood (CVE-2019-9511).
inline constexpr uint64_t kEarnedByRequest = 2 * 1000;
inline constexpr uint64_t kEarnedByByte = 4;
inline constexpr uint64_t kEarnedByMessageSent = 3 * 1000;
inline constexpr uint64_t kEarnedByFrameReceived = 1 * 1000;

// --- of upstreams ---

// Until an upstream says how many streams it takes. It may refuse what is beyond, and a request whose content
// went out cannot be sent again; to wait costs the others one round trip of a new connection.
inline constexpr uint32_t kUnsettledStreams = 1;

// As for HTTP/1.1: an endless row of 1xx must not keep us busy.
inline constexpr uint8_t kMaxInterimHeads = 16;

// One header block, decoded. What is larger than we take costs its stream, what is larger than this the
// connection: somebody uses compression as a weapon (CVE-2016-6581).
inline constexpr uint32_t kMaxBlockBytes = 128 * 1024;
inline constexpr uint16_t kMaxBlockFields = 1000;

// What we take of a response, and tell so: as much as over HTTP/1.1.
inline constexpr uint32_t kMaxResponseHeadBytes = 32 * 1024;
inline constexpr uint16_t kMaxResponseFields = 256;

}  // namespace mango::http
