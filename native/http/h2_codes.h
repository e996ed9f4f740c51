// SPDX-License-Identifier: Apache-2.0
// HTTP/2's error codes (RFC 9113 section 7) in our own terms.
#pragma once

#include "http/codec.h"

namespace mango::http {

// RFC 9113 section 7, both ways.
[[nodiscard]] uint32_t h2_error_code(StreamError error) noexcept;
[[nodiscard]] StreamError h2_stream_error(uint32_t code) noexcept;

// A word for logs for a connection error, or one of a stream.
[[nodiscard]] const char* h2_reason(uint32_t code) noexcept;

}  // namespace mango::http
