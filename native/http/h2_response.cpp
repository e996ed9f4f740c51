// SPDX-License-Identifier: Apache-2.0
#include "http/h2_response.h"

#include "http/chars.h"
#include "http/h1_body.h"
#include "http/h1_lines.h"
#include "http/h1_semantics.h"
#include "http/h2_field_rules.h"
#include "http/h2_limits.h"
#include "http/status.h"

namespace mango::http {

namespace {

constexpr BodyLimits kTrailerLimits;
constexpr uint32_t kLineOverhead = 4;  // ": " and CRLF

// A token in lower case (RFC 9113 section 8.2.1): null, or what is wrong with it.
const char* check_name(std::string_view name) noexcept {
  if (is_h2_name(name)) return nullptr;
  if (name.empty()) return "empty-field-name";
  return is_token(name) ? "upper-case-field-name" : "bad-field-name";
}

bool is_padded(std::string_view value) noexcept {
  return !value.empty() && (is_blank(value.front()) || is_blank(value.back()));
}

}  // namespace

void H2ResponseBlock::start(Kind kind) noexcept {
  clear();
  kind_ = kind;
  bytes_ = fields_ = status_ = 0;
}

void H2ResponseBlock::clear() noexcept {
  for (const Kept& kept : kept_) {
    nghttp2_rcbuf_decref(kept.name);
    nghttp2_rcbuf_decref(kept.value);
  }
  kept_.clear();
}

const char* H2ResponseBlock::add(nghttp2_rcbuf* name_buffer, nghttp2_rcbuf* value_buffer) {
  const std::string_view name = text_of(name_buffer);
  const std::string_view value = text_of(value_buffer);
  const bool head = kind_ == Kind::head;
  bytes_ += static_cast<uint32_t>(name.size() + value.size()) + kLineOverhead;
  if (bytes_ > (head ? kMaxResponseHeadBytes : kTrailerLimits.trailer_bytes))
    return head ? "head-too-large" : "trailers-too-large";
  if (!name.empty() && name.front() == ':') return add_pseudo(name, value);
  const Field field{name, value, field_id(name)};
  if (const char* const why = check_field(field)) return why;
  if (++fields_ > (head ? kMaxResponseFields : kTrailerLimits.trailer_fields))
    return head ? "too-many-fields" : "too-many-trailers";
  kept_.push_back({name_buffer, value_buffer, field.id});
  nghttp2_rcbuf_incref(name_buffer);
  nghttp2_rcbuf_incref(value_buffer);
  return nullptr;
}

// RFC 9113 section 8.3: ":status", once, before all fields, and no other.
const char* H2ResponseBlock::add_pseudo(std::string_view name, std::string_view value) noexcept {
  if (kind_ == Kind::trailers) return "pseudo-field-in-trailers";
  if (name != ":status") return "unknown-pseudo-field";
  if (fields_ != 0) return "late-pseudo-field";
  if (status_ != 0) return "duplicate-status";
  uint64_t status = 0;
  if (value.size() != 3 || !read_decimal(value, 599, status) || status < 100) return "bad-status";
  status_ = static_cast<uint16_t>(status);
  return nullptr;
}

const char* H2ResponseBlock::check_field(const Field& field) const noexcept {
  if (const char* const why = check_name(field.name)) return why;
  const char* const value_end = field.value.data() + field.value.size();
  if (find_value_end(field.value.data(), value_end) != value_end) return "control-character";
  if (is_padded(field.value)) return "padded-field-value";
  if (is_h2_forbidden(field.id, field.value)) return "connection-specific-field";
  if (kind_ == Kind::head && status_ == 0) return "missing-status";
  return nullptr;
}

const char* H2ResponseBlock::read_head(Method request_method, bool tunnel, bool ended, ResponseHead& head) {
  if (status_ == 0) return "missing-status";
  if (status_ == 101) return "unexpected-101";  // RFC 9113 section 8.6
  head.clear();
  head.version = Version::http2;
  head.head_bytes = bytes_;
  head.status = tunnel && status_ / 100 == 2 ? 101 : status_;
  for (const Kept& kept : kept_) {
    const std::string_view name = text_of(kept.name);
    // Not of HTTP/2 (RFC 8441 section 5): the answer to a key that the upstream was not given.
    if (head.status == 101 && name == "sec-websocket-accept") continue;
    (void)head.fields.push({name, text_of(kept.value), kept.id});  // our limit is below the table's
  }
  if (head.status < 200) return head.status != 101 && ended ? "interim-head-ends-stream" : nullptr;
  return read_framing_of(request_method, ended, head);
}

void H2ResponseBlock::read_trailers(H2String& text) const {
  for (const Kept& kept : kept_) {
    const std::string_view name = text_of(kept.name);
    if (!is_forbidden_trailer(name))
      text.append(name).append(": ").append(text_of(kept.value)).append("\r\n");
  }
}

const char* H2ResponseBlock::read_framing_of(Method request_method, bool ended, ResponseHead& head) {
  KnownFields known;
  for (const Field& field : head.fields) known.note(field);
  const char* const why = read_framing(known, head.version, head.framing, head.content_length);
  if (why != nullptr) return why;
  const bool bodiless = request_method == Method::head || is_bodiless(head.status);
  if (ended && !bodiless) {
    if (head.content_length != 0) return "content-too-short";
    // The length is said where the next hop needs one to see the end.
    if (known.content_length.count == 0)
      (void)head.fields.push({"content-length", "0", FieldId::content_length});
  }
  if (bodiless || ended) {
    head.framing = Framing::none;
    head.content_length = 0;
  } else if (head.framing == Framing::none) {
    head.framing = Framing::chunked;
  }
  return nullptr;
}

}  // namespace mango::http
