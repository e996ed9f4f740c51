// SPDX-License-Identifier: Apache-2.0
#include "http/h1_body.h"

#include <algorithm>
#include <cassert>

#include "http/chars.h"
#include "http/forwarding.h"
#include "http/h1_lines.h"

namespace mango::http {

namespace {

constexpr std::string_view kForbiddenTrailers[] = {
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "cookie",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "retry-after",
    "set-cookie",
    "vary",
    "www-authenticate",
};

// The bytes after a chunk's size, up to the CR: nothing, or extensions (RFC 9112 section 7.1.1), which are
// skipped. White space is allowed before a ';' only: "5 \r\n" has been read in two ways.
Parsed skip_extensions(Cursor& cursor, const char*& reason) noexcept {
  while (!cursor.empty() && is_blank(*cursor.at)) ++cursor.at;
  if (cursor.empty()) return Parsed::incomplete;
  if (*cursor.at != ';') {
    reason = "bad-chunk-size";
    return Parsed::refused;
  }
  cursor.at = find_value_end(cursor.at, cursor.end);
  return Parsed::complete;
}

Parsed take_chunk_size(Cursor& cursor, uint64_t& size, const char*& reason) noexcept {
  const char* const begin = cursor.at;
  size = 0;
  while (!cursor.empty() && hex_value(*cursor.at) >= 0) {
    if (cursor.at - begin == kMaxChunkSizeDigits) break;
    size = size * 16 + static_cast<uint64_t>(hex_value(*cursor.at++));
  }
  if (cursor.empty()) return Parsed::incomplete;
  reason = "bad-chunk-size";
  const bool too_long = hex_value(*cursor.at) >= 0;
  return cursor.at == begin || too_long || size > kMaxContentLength ? Parsed::refused : Parsed::complete;
}

Parsed take_chunk_head(Cursor& cursor, uint64_t& size, const char*& reason) noexcept {
  const Parsed taken = take_chunk_size(cursor, size, reason);
  if (taken != Parsed::complete) return taken;
  if (*cursor.at != '\r' && *cursor.at != '\n') {
    const Parsed extensions = skip_extensions(cursor, reason);
    if (extensions != Parsed::complete) return extensions;
  }
  return take_line_end(cursor, reason);
}

Cursor bounded(std::string_view input, size_t limit) noexcept {
  return {input.data(), input.data() + std::min(input.size(), limit)};
}

}  // namespace

bool is_forbidden_trailer(std::string_view name) noexcept {
  if (field_id(name) != FieldId::other || is_alias_name(name)) return true;
  return std::any_of(std::begin(kForbiddenTrailers), std::end(kForbiddenTrailers),
                     [name](std::string_view forbidden) { return equals_ignore_case(name, forbidden); });
}

void BodyReader::start(Framing framing, uint64_t content_length) noexcept {
  constexpr State kFirst[] = {State::ended, State::length, State::chunk_head, State::until_close};
  state_ = kFirst[static_cast<size_t>(framing)];
  remaining_ = framing == Framing::length ? content_length : 0;
  if (state_ == State::length && remaining_ == 0) state_ = State::ended;
  trailer_fields_ = 0;
  trailer_bytes_ = 0;
  refusal_ = {};
  if (!trailers_.empty()) std::string().swap(trailers_);  // idle connections hold no buffers
}

BodyReader::Result BodyReader::next(std::string_view input, const BodyLimits& limits) noexcept {
  size_t consumed = 0;
  for (;;) {
    const std::string_view rest = input.substr(consumed);
    if (state_ == State::ended) return {Step::end, consumed, {}};
    if (state_ == State::refused) return {Step::refused, consumed, {}};
    const bool content =
        state_ == State::length || state_ == State::chunk_data || state_ == State::until_close;
    if (content && !rest.empty()) {
      const std::string_view slice = take_content(rest);
      return {Step::data, consumed + slice.size(), slice};
    }
    if (content || !advance(rest, limits, consumed)) {
      return {state_ == State::refused ? Step::refused : Step::need_more, consumed, {}};
    }
  }
}

bool BodyReader::finish() noexcept {
  if (state_ == State::until_close) set_state(State::ended);
  return state_ == State::ended;
}

bool BodyReader::ended() const noexcept {
  return state_ == State::ended;
}
const Refusal& BodyReader::refusal() const noexcept {
  return refusal_;
}
uint64_t BodyReader::remaining() const noexcept {
  return remaining_;
}
std::string_view BodyReader::trailers() const noexcept {
  return trailers_;
}

bool BodyReader::advance(std::string_view input, const BodyLimits& limits, size_t& consumed) noexcept {
  switch (state_) {
    case State::chunk_head:
      return read_chunk_head(input, limits, consumed);
    case State::chunk_end:
      return read_chunk_end(input, consumed);
    case State::trailers:
      return read_trailer_line(input, limits, consumed);
    default:
      return false;
  }
}

std::string_view BodyReader::take_content(std::string_view input) noexcept {
  if (state_ == State::until_close) return input;
  const std::string_view slice = input.substr(0, std::min<uint64_t>(input.size(), remaining_));
  remaining_ -= slice.size();
  if (remaining_ == 0) set_state(state_ == State::length ? State::ended : State::chunk_end);
  return slice;
}

bool BodyReader::read_chunk_head(std::string_view input, const BodyLimits& limits,
                                 size_t& consumed) noexcept {
  Cursor cursor = bounded(input, limits.chunk_head_bytes);
  const char* reason = "";
  uint64_t size = 0;
  const Parsed taken = take_chunk_head(cursor, size, reason);
  if (taken == Parsed::incomplete) {
    if (input.size() >= limits.chunk_head_bytes) refuse(400, "chunk-head-too-long");
    return false;
  }
  if (taken == Parsed::refused) {
    refuse(400, reason);
    return false;
  }
  consumed += static_cast<size_t>(cursor.at - input.data());
  remaining_ = size;
  set_state(size == 0 ? State::trailers : State::chunk_data);
  return true;
}

bool BodyReader::read_chunk_end(std::string_view input, size_t& consumed) noexcept {
  Cursor cursor = bounded(input, input.size());
  const char* reason = "";
  const Parsed taken = take_line_end(cursor, reason);
  if (taken == Parsed::refused) refuse(400, "bad-chunk-end");
  if (taken != Parsed::complete) return false;
  consumed += 2;
  set_state(State::chunk_head);
  return true;
}

// One trailer field, or the empty line that ends the message. trailer_bytes_ never exceeds the limit: a line
// that would is refused.
bool BodyReader::read_trailer_line(std::string_view input, const BodyLimits& limits,
                                   size_t& consumed) noexcept {
  const size_t left = limits.trailer_bytes - std::min(trailer_bytes_, limits.trailer_bytes);
  Cursor cursor = bounded(input, left);
  const char* reason = "";
  Field field;
  const bool last = !cursor.empty() && *cursor.at == '\r';
  const Parsed taken = last ? take_line_end(cursor, reason) : take_field(cursor, field, reason);
  if (taken == Parsed::incomplete && input.size() >= left) refuse(431, "trailers-too-large");
  if (taken == Parsed::refused) refuse(400, reason);
  if (taken != Parsed::complete) return false;
  if (!last && trailer_fields_++ >= limits.trailer_fields) {
    refuse(431, "too-many-trailers");
    return false;
  }
  const auto bytes = static_cast<size_t>(cursor.at - input.data());
  consumed += bytes;
  trailer_bytes_ += static_cast<uint32_t>(bytes);
  if (last) {
    set_state(State::ended);
  } else if (!is_forbidden_trailer(field.name)) {
    trailers_.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return true;
}

void BodyReader::refuse(uint16_t status, const char* reason) noexcept {
  refusal_ = {status, reason};
  set_state(State::refused);
}

void BodyReader::set_state(State next) noexcept {
  switch (next) {
    case State::chunk_head:
      assert(state_ == State::chunk_end);
      break;
    case State::chunk_data:
    case State::trailers:
      assert(state_ == State::chunk_head);
      break;
    case State::chunk_end:
      assert(state_ == State::chunk_data);
      break;
    case State::ended:
      assert(state_ == State::length || state_ == State::trailers || state_ == State::until_close);
      break;
    case State::refused:
      assert(state_ != State::ended && state_ != State::refused);
      break;
    case State::length:
    case State::until_close:
      assert(false && "start() only");
      break;
  }
  state_ = next;
}

}  // namespace mango::http
