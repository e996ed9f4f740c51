// SPDX-License-Identifier: Apache-2.0
#include "http/h2_request.h"

#include <algorithm>
#include <array>

#include "http/chars.h"
#include "http/h2_field_rules.h"
#include "http/request_rules.h"
#include "http/uri.h"

namespace mango::http {

namespace {

constexpr size_t kTypicalFields = 24;
constexpr size_t kFieldOverhead = 4;  // ": " and CRLF in HTTP/1.1, where the same limits hold
constexpr uint64_t kBombFactor = 4;
constexpr std::string_view kCookie = "cookie";
constexpr std::string_view kCrumbGlue = "; ";
constexpr const char* kBadField = "http2-bad-field";
constexpr const char* kBadMessage = "http2-bad-message";

}  // namespace

// --- field by field ---

size_t H2RequestReader::pseudo_of(std::string_view name) noexcept {
  switch (name.size()) {
    case 5:
      return name == ":path" ? kPath : kPseudos;
    case 7:
      if (name == ":method") return kMethod;
      return name == ":scheme" ? kScheme : kPseudos;
    case 9:
      return name == ":protocol" ? kProtocol : kPseudos;
    case 10:
      return name == ":authority" ? kAuthority : kPseudos;
    default:
      return kPseudos;
  }
}

void H2RequestReader::begin() noexcept {
  end();
  kept_.reserve(kTypicalFields);
}

void H2RequestReader::end() noexcept {
  for (const Kept& kept : kept_) {
    nghttp2_rcbuf_decref(kept.name);
    nghttp2_rcbuf_decref(kept.value);
  }
  decltype(kept_)().swap(kept_);
  H2String().swap(path_);
  H2String().swap(cookies_);
  total_bytes_ = 0;
  total_fields_ = crumbs_ = 0;
  malformed_ = nullptr;
  over_ = false;
  pseudo_ = {};
  priority_ = {};
  known_ = {};
}

const char* H2RequestReader::check_pseudo(std::string_view name, std::string_view value) noexcept {
  const size_t which = pseudo_of(name);
  if (which == kPseudos || total_fields_ != 0) return kBadField;
  std::string_view& text = pseudo_[which];
  if (text.data() != nullptr || value.empty()) return kBadField;
  text = value;
  return nullptr;
}

const char* H2RequestReader::check_field(std::string_view name, std::string_view value, FieldId id) noexcept {
  if (!is_h2_name(name) || is_h2_forbidden(id, value)) return kBadField;
  known_.note({name, value, id});
  if (name == "priority") priority_ = value;
  return nullptr;
}

void H2RequestReader::keep(nghttp2_rcbuf* name, nghttp2_rcbuf* value, FieldId id) {
  const bool crumb = id == FieldId::other && text_of(name) == kCookie;
  if (crumb) ++crumbs_;
  nghttp2_rcbuf_incref(name);
  nghttp2_rcbuf_incref(value);
  kept_.push_back({name, value, id, crumb});
}

bool H2RequestReader::add(nghttp2_rcbuf* name_buffer, nghttp2_rcbuf* value_buffer) noexcept {
  const std::string_view name = text_of(name_buffer);
  const std::string_view value = text_of(value_buffer);
  const bool pseudo = name.starts_with(':');
  total_bytes_ += name.size() + value.size() + kFieldOverhead;
  if (total_bytes_ > kBombFactor * limits_.head_bytes) return false;
  over_ = over_ || total_bytes_ > limits_.head_bytes || total_fields_ + (pseudo ? 0 : 1) > limits_.fields;
  const FieldId id = pseudo ? FieldId::other : field_id(name);
  const bool wanted = malformed_ == nullptr && (!over_ || pseudo);
  if (wanted) {
    keep(name_buffer, value_buffer, id);  // first: views are taken of what is kept only
    malformed_ = pseudo ? check_pseudo(name, value) : check_field(name, value, id);
    if (malformed_ == nullptr && !is_h2_value(value)) malformed_ = kBadField;
  }
  if (!pseudo) ++total_fields_;
  return true;
}

// --- all together ---

void H2RequestReader::push_fields(RequestHead& head) {
  bool cookies_pushed = false;
  for (const Kept& kept : kept_) {
    const std::string_view name = text_of(kept.name);
    if (kept.id == FieldId::host || name.starts_with(':')) continue;  // the target and the authority say it
    if (kept.crumb && crumbs_ > 1) {
      if (!cookies_pushed) (void)head.fields.push({kCookie, join_crumbs(), FieldId::other});
      cookies_pushed = true;
    } else {
      (void)head.fields.push(
          {name, text_of(kept.value), kept.id});  // limits_ allow no more than there is room for
    }
  }
}

std::string_view H2RequestReader::join_crumbs() {
  for (const Kept& kept : kept_) {
    if (!kept.crumb) continue;
    if (!cookies_.empty()) cookies_.append(kCrumbGlue);
    cookies_.append(text_of(kept.value));
  }
  return cookies_;
}

// Null, or which rule is broken (RFC 9113 sections 8.3.1 and 8.5).
const char* H2RequestReader::check_parts(RequestHead& head) const noexcept {
  if (!is_token(text(kMethod))) return kBadMessage;
  head.method_name = text(kMethod);
  head.method = method_of(head.method_name);
  if (head.method == Method::connect && !has(kProtocol)) {
    if (has(kScheme) || has(kPath) || !has(kAuthority)) return kBadMessage;
    return nullptr;
  }
  if (head.method != Method::connect && has(kProtocol)) return kBadMessage;
  if (!has(kScheme) || !has(kPath) || (!has(kAuthority) && known_.host.count == 0)) return kBadMessage;
  if (text(kScheme) != "http" && text(kScheme) != "https") return "bad-scheme";
  const bool asterisk = text(kPath) == "*" && head.method == Method::options;
  return asterisk || text(kPath).starts_with('/') ? nullptr : kBadMessage;
}

// Null, or why the two names of the host cannot both be true (RFC 9113 section 8.3.1).
const char* H2RequestReader::check_authority(RequestHead& head) const noexcept {
  if (known_.host.count > 1) return "duplicate-host";
  head.authority = has(kAuthority) ? text(kAuthority) : known_.host.value;
  Authority authority;
  if (!parse_authority(head.authority, authority)) return "bad-authority";
  head.host = authority.host;
  if (!has(kAuthority) || known_.host.count == 0) return nullptr;
  Authority host;
  if (!parse_authority(known_.host.value, host)) return "bad-host";
  const bool same = same_authority(authority, host, text(kScheme) == "https" ? "443" : "80");
  return same ? nullptr : "host-mismatch";
}

const char* H2RequestReader::check_content(RequestHead& head, bool ended) const noexcept {
  const char* const reason = read_framing(known_, head.version, head.framing, head.content_length);
  if (reason != nullptr) return reason;
  if (ended && head.content_length != 0) return kBadMessage;
  if (ended)
    head.framing = Framing::none;
  else if (head.framing == Framing::none)
    head.framing = Framing::chunked;
  return nullptr;
}

// CONNECT, which a gateway has no use for, or the extended one that opens a tunnel (RFC 8441 section 4): to
// everybody but this codec that is the GET with Upgrade that it is in HTTP/1.1.
H2RequestReader::Result H2RequestReader::check_protocol(RequestHead& head, Refusal& refusal) const noexcept {
  if (head.method != Method::connect) return Result::request;
  if (!has(kProtocol)) {
    refusal = {405, "connect"};
    return Result::refused;
  }
  if (!equals_ignore_case(text(kProtocol), "websocket")) {
    refusal = {501, "unknown-protocol"};
    return Result::refused;
  }
  head.upgrade = "websocket";
  head.method = Method::get;
  head.method_name = "GET";
  head.framing = Framing::none;
  head.content_length = 0;
  return Result::request;
}

H2RequestReader::Result H2RequestReader::check_target(RequestHead& head, Refusal& refusal) {
  const std::string_view raw = text(kPath);
  if (raw == "*") {
    head.asterisk = true;
    head.target = head.path = "*";
    return Result::request;
  }
  const auto* const bad =
      std::find_if(raw.begin(), raw.end(), [](char c) { return !is_class(c, kTargetChar); });
  if (bad != raw.end()) {
    refusal = {400, *bad == '#' ? "fragment" : "bad-target"};
    return Result::refused;
  }
  path_ = raw;
  if (set_origin_target(head, path_, limits_.allow_escaped_slashes)) return Result::request;
  refusal = {400, "bad-path"};
  return Result::refused;
}

H2RequestReader::Result H2RequestReader::read(RequestHead& head, bool ended, Refusal& refusal) noexcept {
  head.clear();
  head.version = Version::http2;
  head.head_bytes = static_cast<uint32_t>(total_bytes_);
  const char* reason = malformed_;
  if (reason == nullptr && over_) {
    refusal = {431, total_fields_ > limits_.fields ? "too-many-fields" : "head-too-large"};
    return Result::refused;
  }
  if (reason == nullptr) reason = check_parts(head);
  if (reason == nullptr) reason = check_authority(head);
  if (reason == nullptr) reason = check_content(head, ended);
  if (reason != nullptr) {
    refusal = {400, reason};
    return Result::malformed;
  }
  push_fields(head);
  if (const Result result = check_protocol(head, refusal); result != Result::request) return result;
  if (known_.expect.count != 0 && !read_expectation(head)) {
    refusal = {417, "unknown-expectation"};
    return Result::refused;
  }
  return check_target(head, refusal);
}

}  // namespace mango::http
