// SPDX-License-Identifier: Apache-2.0
// Responses the proxy makes itself: refusals, gateway errors, redirects. Head and content in one go, plain
// text, nothing in it that the peer sent.
#pragma once

#include "http/head_writer.h"

namespace mango::http {

struct LocalResponse {
  uint16_t status = 500;
  bool keep_alive = false;      // else Connection: close
  bool http10 = false;          // to an HTTP/1.0 client: keep-alive is announced
  bool head_request = false;    // the head only
  std::string_view date;        // IMF-fixdate
  std::string_view request_id;  // X-Request-Id, and in the content
  std::string_view location;    // for redirects; left out if it is not a clean field value
  uint32_t retry_after_s = 0;   // Retry-After for 429 and 503; 0 leaves it out
  int grpc_status = -1;         // a gRPC status instead of an HTTP one: 200 and "trailers only"
};

// The gRPC status that says the same as an HTTP status of ours ("HTTP to gRPC Status Code Mapping" of gRPC;
// a 504 of ours is a deadline that passed).
[[nodiscard]] int grpc_status_of(uint16_t status) noexcept;

// Writes the whole response; check out.ok().
void write_local_response(HeadWriter& out, const LocalResponse& how) noexcept;

}  // namespace mango::http
