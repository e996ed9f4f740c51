// SPDX-License-Identifier: Apache-2.0
// Response heads (RFC 9112 sections 4 and 6.3). As strict as for requests: an upstream that frames badly is
// as good a smuggler as a client. Every refusal is a 502.
#include <algorithm>

#include "http/chars.h"
#include "http/h1_lines.h"
#include "http/h1_semantics.h"
#include "http/status.h"

namespace mango::http {

namespace {

constexpr int kStatusDigits = 3;

Parsed take_status(Cursor& cursor, ResponseHead& head) noexcept {
  const char* at = cursor.at;
  uint16_t status = 0;
  for (int i = 0; i < kStatusDigits; ++i, ++at) {
    if (at == cursor.end) return Parsed::incomplete;
    if (!is_digit(*at)) return Parsed::refused;
    status = static_cast<uint16_t>(status * 10 + (*at - '0'));
    if (i == 0 && (status == 0 || status > 5)) return Parsed::refused;
  }
  head.status = status;
  cursor.at = at;
  return Parsed::complete;
}

Parsed take_space(Cursor& cursor) noexcept {
  if (cursor.empty()) return Parsed::incomplete;
  if (*cursor.at != ' ') return Parsed::refused;
  ++cursor.at;
  return Parsed::complete;
}

// The reason phrase may be missing, with the space before it (widespread, and harmless).
Parsed take_reason(Cursor& cursor, ResponseHead& head, const char*& why) noexcept {
  if (cursor.empty()) return Parsed::incomplete;
  if (*cursor.at == ' ') {
    const char* const phrase = cursor.at + 1;
    cursor.at = find_value_end(phrase, cursor.end);
    head.reason = trim({phrase, static_cast<size_t>(cursor.at - phrase)});
  } else if (is_class(*cursor.at, kValueChar)) {
    why = "bad-status";  // a fourth digit
    return Parsed::refused;
  }
  return take_line_end(cursor, why);
}

Parsed take_status_line(Cursor& cursor, ResponseHead& head, const char*& why) noexcept {
  bool unsupported = false;
  why = "bad-version";
  Parsed step = take_version(cursor, head.version, unsupported);
  if (step == Parsed::complete) step = take_space(cursor);
  if (step != Parsed::complete) return step;
  why = "bad-status";
  step = take_status(cursor, head);
  return step == Parsed::complete ? take_reason(cursor, head, why) : step;
}

Parsed take_fields(Cursor& cursor, const HeadLimits& limits, ResponseHead& head, KnownFields& known,
                   const char*& why) noexcept {
  while (!cursor.empty()) {
    if (*cursor.at == '\r') return take_line_end(cursor, why);
    why = "too-many-fields";
    if (head.fields.size() >= limits.fields) return Parsed::refused;
    Field field;
    const Parsed taken = take_field(cursor, field, why);
    if (taken != Parsed::complete) return taken;
    if (!head.fields.push(field)) return Parsed::refused;
    known.note(field);
  }
  return Parsed::incomplete;
}

bool has_content(uint16_t status, Method request_method) noexcept {
  const bool tunnel = request_method == Method::connect && status / 100 == 2;
  return !is_bodiless(status) && request_method != Method::head && !tunnel;
}

const char* check_fields(ResponseHead& head, const KnownFields& known, Method request_method) noexcept {
  const char* why = read_framing(known, head.version, head.framing, head.content_length);
  if (why != nullptr) return why;
  if (!has_content(head.status, request_method)) {
    head.framing = Framing::none;
    head.content_length = 0;
  } else if (head.framing == Framing::none) {
    head.framing = Framing::until_close;
  }
  ConnectionOptions options;
  if (known.connections != 0) options = read_connection(head.fields);
  if (options.too_many) return "too-many-connection-options";
  head.keep_alive = persists(options, head.version) && head.framing != Framing::until_close;
  if (head.status == 101) head.upgrade = read_upgrade(known, options, head.version);
  return nullptr;
}

Parsed take_head(Cursor cursor, const HeadLimits& limits, Method request_method, ResponseHead& head,
                 const char*& why) noexcept {
  const char* const begin = cursor.at;
  KnownFields known;
  Parsed step = take_status_line(cursor, head, why);
  if (step == Parsed::complete) step = take_fields(cursor, limits, head, known, why);
  if (step != Parsed::complete) return step;
  head.head_bytes = static_cast<uint32_t>(cursor.at - begin);
  why = check_fields(head, known, request_method);
  return why == nullptr ? Parsed::complete : Parsed::refused;
}

}  // namespace

Parsed parse_response_head(std::string_view bytes, const HeadLimits& limits, Method request_method,
                           ResponseHead& head, Refusal& refusal) noexcept {
  head.clear();
  const size_t usable = std::min<size_t>(bytes.size(), limits.head_bytes);
  const char* why = "";
  Parsed result = take_head({bytes.data(), bytes.data() + usable}, limits, request_method, head, why);
  if (result == Parsed::incomplete && bytes.size() >= limits.head_bytes) {
    why = "head-too-large";
    result = Parsed::refused;
  }
  if (result == Parsed::refused) refusal = {502, why};
  return result;
}

}  // namespace mango::http
