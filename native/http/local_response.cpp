// SPDX-License-Identifier: Apache-2.0
#include "http/local_response.h"

#include <algorithm>

#include "http/chars.h"
#include "http/status.h"

namespace mango::http {

namespace {

constexpr std::string_view kIdLabel = "request ";
constexpr std::string_view kAllow = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

size_t content_bytes(const LocalResponse& how, std::string_view phrase) noexcept {
  const size_t id_line = how.request_id.empty() ? 0 : kIdLabel.size() + how.request_id.size() + 1;
  return 3 + 1 + phrase.size() + 1 + id_line;  // "404 Not Found\n" and "request <id>\n"
}

void write_content(HeadWriter& out, const LocalResponse& how, std::string_view phrase) noexcept {
  out.number(how.status);
  out.raw(" ");
  out.raw(phrase);
  out.raw("\n");
  if (how.request_id.empty()) return;
  out.raw(kIdLabel);
  out.raw(how.request_id);
  out.raw("\n");
}

bool is_clean_location(std::string_view text) noexcept {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_class(c, kTargetChar) || c == '#'; });
}

void write_fields(HeadWriter& out, const LocalResponse& how) noexcept {
  if (!how.date.empty()) out.field("Date", how.date);
  if (!how.request_id.empty()) out.field("X-Request-Id", how.request_id);
  if (is_clean_location(how.location)) out.field("Location", how.location);
  if (how.retry_after_s != 0) out.field("Retry-After", uint64_t{how.retry_after_s});
  if (how.status == 405) out.field("Allow", kAllow);  // required, RFC 9110 section 15.5.6
  if (!how.keep_alive) {
    out.field("Connection", "close");
  } else if (how.http10) {
    out.field("Connection", "keep-alive");
  }
}

// gRPC over HTTP/2, "Responses": what fails at once is one block of fields.
void write_grpc_response(HeadWriter& out, const LocalResponse& how) noexcept {
  out.raw("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n");
  if (!how.date.empty()) out.field("Date", how.date);
  if (!how.request_id.empty()) out.field("X-Request-Id", how.request_id);
  out.field("Grpc-Status", static_cast<uint64_t>(how.grpc_status));
  out.field("Grpc-Message", reason_phrase(how.status));
  if (!how.keep_alive) out.field("Connection", "close");
  out.raw("\r\n");
}

}  // namespace

int grpc_status_of(uint16_t status) noexcept {
  switch (status) {
    case 400:
      return 13;  // INTERNAL
    case 401:
      return 16;  // UNAUTHENTICATED
    case 403:
      return 7;  // PERMISSION_DENIED
    case 404:
      return 12;  // UNIMPLEMENTED
    case 504:
      return 4;  // DEADLINE_EXCEEDED
    case 429:
    case 502:
    case 503:
      return 14;  // UNAVAILABLE
    default:
      return 2;  // UNKNOWN
  }
}

void write_local_response(HeadWriter& out, const LocalResponse& how) noexcept {
  if (how.grpc_status >= 0) return write_grpc_response(out, how);
  const std::string_view phrase = reason_phrase(how.status);
  out.raw("HTTP/1.1 ");
  out.number(how.status);
  out.raw(" ");
  out.raw(phrase);
  out.raw("\r\n");
  write_fields(out, how);
  const bool content = !is_bodiless(how.status);
  if (content) {
    out.field("Content-Type", "text/plain; charset=utf-8");
    out.field("Content-Length", content_bytes(how, phrase));
  }
  out.raw("\r\n");
  if (content && !how.head_request) write_content(out, how, phrase);
}

}  // namespace mango::http
