// SPDX-License-Identifier: Apache-2.0
#include "http/h2_request.h"

#include <algorithm>
#include <cstring>

#include "http/chars.h"
#include "http/request_rules.h"
#include "http/uri.h"

namespace mango::http {

namespace {

constexpr size_t kTypicalHeadBytes = 1024;
constexpr size_t kFieldOverhead = 4;  // ": " and CRLF in HTTP/1.1, where the same limits hold
constexpr uint64_t kBombFactor = 4;
constexpr std::string_view kCookie = "cookie";
constexpr std::string_view kCrumbGlue = "; ";

}  // namespace

// Views of what is there do not survive it. Without memory the process cannot go on, as everywhere else.
void H2RequestReader::reserve(size_t bytes) noexcept {
  if (bytes <= capacity_) return;
  capacity_ = std::max(bytes, 2 * capacity_);
  std::unique_ptr<char[], FreeBytes> larger(static_cast<char*>(h2_allocate(capacity_)));
  if (larger == nullptr) std::terminate();
  if (used_ != 0) std::memcpy(larger.get(), bytes_.get(), used_);
  bytes_ = std::move(larger);
}

char* H2RequestReader::extend(size_t bytes) noexcept {
  reserve(used_ + bytes);
  char* const at = bytes_.get() + used_;
  used_ += bytes;
  return at;
}

void H2RequestReader::begin() noexcept {
  end();
  reserve(kTypicalHeadBytes);
}

void H2RequestReader::end() noexcept {
  bytes_.reset();
  used_ = capacity_ = 0;
  total_bytes_ = 0;
  total_fields_ = crumbs_ = crumb_bytes_ = 0;
  over_ = false;
  method_ = scheme_ = authority_ = protocol_ = priority_ = {};
  path_ = {};
  known_ = {};
}

bool H2RequestReader::add(std::string_view name, std::string_view value) noexcept {
  total_bytes_ += name.size() + value.size() + kFieldOverhead;
  if (!name.starts_with(':')) ++total_fields_;
  over_ = over_ || total_bytes_ > limits_.head_bytes || total_fields_ > limits_.fields;
  if (total_bytes_ > kBombFactor * limits_.head_bytes) return false;
  if (over_) return true;
  if (name == kCookie) {
    ++crumbs_;
    crumb_bytes_ += static_cast<uint32_t>(value.size() + kCrumbGlue.size());
  }
  const Lengths lengths{static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size())};
  char* const at = extend(sizeof lengths + name.size() + value.size());
  std::memcpy(at, &lengths, sizeof lengths);
  std::copy_n(name.data(), name.size(), at + sizeof lengths);
  std::copy_n(value.data(), value.size(), at + sizeof lengths + name.size());
  return true;
}

// nghttp2 has seen to it that each comes once, and before the fields.
bool H2RequestReader::take_pseudo(std::string_view name, std::span<char> value) noexcept {
  const std::string_view text(value.data(), value.size());
  if (name == ":method") {
    method_ = text;
  } else if (name == ":path") {
    path_ = value;
  } else if (name == ":authority") {
    authority_ = text;
  } else if (name == ":scheme") {
    scheme_ = text;
  } else if (name == ":protocol") {
    protocol_ = text;
  } else {
    return false;
  }
  return true;
}

bool H2RequestReader::take_fields(RequestHead& head) noexcept {
  bool cookies_taken = false;
  const size_t end = used_;  // joined cookies come behind it
  for (size_t at = 0; at < end;) {
    Lengths lengths;
    std::memcpy(&lengths, bytes_.get() + at, sizeof lengths);
    char* const bytes = bytes_.get() + at + sizeof lengths;
    at += sizeof lengths + lengths.name + lengths.value;
    const std::string_view name(bytes, lengths.name);
    const std::span<char> value(bytes + lengths.name, lengths.value);
    if (name.starts_with(':')) {
      if (!take_pseudo(name, value)) return false;
      continue;
    }
    const Field field{name, {value.data(), value.size()}, field_id(name)};
    known_.note(field);
    if (field.id == FieldId::host) continue;  // the authority says it
    if (name == "priority") priority_ = field.value;
    if (name == kCookie && crumbs_ > 1) {
      if (!cookies_taken) take_cookies(head);
      cookies_taken = true;
    } else if (!head.fields.push(field)) {
      return false;
    }
  }
  return true;
}

// Joins all crumbs behind the fields, where there is room for them: views of the rest must not move.
void H2RequestReader::take_cookies(RequestHead& head) noexcept {
  const size_t end = used_;
  for (size_t at = 0; at < end;) {
    Lengths lengths;
    std::memcpy(&lengths, bytes_.get() + at, sizeof lengths);
    const char* const bytes = bytes_.get() + at + sizeof lengths;
    at += sizeof lengths + lengths.name + lengths.value;
    if (std::string_view(bytes, lengths.name) != kCookie) continue;
    const std::string_view glue = used_ == end ? std::string_view() : kCrumbGlue;
    char* const to = extend(glue.size() + lengths.value);
    std::copy_n(glue.data(), glue.size(), to);
    std::copy_n(bytes + lengths.name, lengths.value, to + glue.size());
  }
  const std::string_view joined(bytes_.get() + end, used_ - end);
  (void)head.fields.push({kCookie, joined, FieldId::other});
}

// Null, or why the two names of the host cannot both be true (RFC 9113 section 8.3.1).
const char* H2RequestReader::check_authority(RequestHead& head) const noexcept {
  if (known_.host.count > 1) return "duplicate-host";
  head.authority = authority_.data() != nullptr ? authority_ : known_.host.value;
  Authority authority;
  if (!parse_authority(head.authority, authority)) return "bad-authority";
  head.host = authority.host;
  if (authority_.data() == nullptr || known_.host.count == 0) return nullptr;
  Authority host;
  if (!parse_authority(known_.host.value, host)) return "bad-host";
  const bool same = same_authority(authority, host, scheme_ == "https" ? "443" : "80");
  return same ? nullptr : "host-mismatch";
}

// CONNECT, which a gateway has no use for, or the extended one that opens a tunnel (RFC 8441 section 4): to
// everybody but this codec that is the GET with Upgrade that it is in HTTP/1.1.
H2RequestReader::Result H2RequestReader::check_protocol(RequestHead& head, Refusal& refusal) const noexcept {
  if (head.method != Method::connect) return protocol_.empty() ? Result::request : Result::malformed;
  if (protocol_.data() == nullptr) {
    refusal = {405, "connect"};
    return Result::refused;
  }
  if (!equals_ignore_case(protocol_, "websocket")) {
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

H2RequestReader::Result H2RequestReader::check_target(RequestHead& head, Refusal& refusal) noexcept {
  const std::string_view raw(path_.data(), path_.size());
  if (raw == "*" && head.method == Method::options) {
    head.asterisk = true;
    head.target = head.path = "*";
    return Result::request;
  }
  const auto bad = std::find_if(raw.begin(), raw.end(), [](char c) { return !is_class(c, kTargetChar); });
  if (bad != raw.end() || !raw.starts_with('/')) {
    refusal = {400, bad != raw.end() && *bad == '#' ? "fragment" : "bad-target"};
    return Result::refused;
  }
  if (set_origin_target(head, path_, limits_.allow_escaped_slashes)) return Result::request;
  refusal = {400, "bad-path"};
  return Result::refused;
}

H2RequestReader::Result H2RequestReader::read(RequestHead& head, bool ended, Refusal& refusal) noexcept {
  head.clear();
  head.version = Version::http2;
  head.head_bytes = static_cast<uint32_t>(total_bytes_);
  if (crumbs_ > 1) reserve(used_ + crumb_bytes_);
  if (!take_fields(head)) over_ = true;
  if (over_) {
    refusal = {431, total_fields_ > limits_.fields ? "too-many-fields" : "head-too-large"};
    return Result::refused;
  }
  head.method_name = method_;
  head.method = method_of(method_);
  const bool plain_connect = head.method == Method::connect && protocol_.data() == nullptr;
  if (!plain_connect && scheme_ != "http" && scheme_ != "https") {
    refusal = {400, "bad-scheme"};
    return Result::malformed;
  }
  if (const char* const reason = check_authority(head); reason != nullptr) {
    refusal = {400, reason};
    return Result::malformed;
  }
  if (const char* const reason = read_framing(known_, head.version, head.framing, head.content_length);
      reason != nullptr) {
    refusal = {400, reason};
    return Result::malformed;
  }
  if (ended)
    head.framing = Framing::none;
  else if (head.framing == Framing::none)
    head.framing = Framing::chunked;
  if (const Result result = check_protocol(head, refusal); result != Result::request) return result;
  if (known_.expect.count != 0 && !read_expectation(head)) {
    refusal = {417, "unknown-expectation"};
    return Result::refused;
  }
  return check_target(head, refusal);
}

}  // namespace mango::http
