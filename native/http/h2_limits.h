// SPDX-License-Identifier: Apache-2.0
// Every limit of HTTP/2 in one place; the ones an operator may change are the defaults of Http2Limits.
#pragma once

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

}  // namespace mango::http
