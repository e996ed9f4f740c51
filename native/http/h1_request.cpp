// SPDX-License-Identifier: Apache-2.0
// Request heads (RFC 9112 sections 2, 3 and 5). Bytes are read once, left to right; what the fields mean
// together is decided at the empty line; the path is normalised last of all.
#include <algorithm>

#include "http/chars.h"
#include "http/h1_lines.h"
#include "http/h1_semantics.h"
#include "http/request_rules.h"

namespace mango::http {

namespace {

struct RequestParse {
  Cursor cursor;
  char* bytes;  // the same memory, mutable
  const HeadLimits& limits;
  RequestHead& head;
  Refusal& refusal;
  std::string_view raw_target;
  std::string_view target_scheme;
  std::string_view target_authority;  // of an absolute-form target
  KnownFields known;
  bool in_fields = false;

  Parsed refuse(uint16_t status, const char* reason) noexcept {
    refusal = {status, reason};
    return Parsed::refused;
  }
  Parsed check(Parsed result, const char* reason) noexcept {
    return result == Parsed::refused ? refuse(400, reason) : result;
  }
};

Parsed take_method(RequestParse& parse) noexcept {
  Cursor& cursor = parse.cursor;
  const char* at = cursor.at;
  while (at != cursor.end && is_class(*at, kTokenChar)) ++at;
  if (at == cursor.end) return Parsed::incomplete;
  if (at == cursor.at || *at != ' ') return parse.refuse(400, *at == '\n' ? "bare-lf" : "bad-method");
  parse.head.method_name = {cursor.at, static_cast<size_t>(at - cursor.at)};
  parse.head.method = method_of(parse.head.method_name);
  if (parse.head.method == Method::connect) return parse.refuse(405, "connect");
  cursor.at = at + 1;
  return Parsed::complete;
}

const char* bad_target_reason(char stopped_at) noexcept {
  if (stopped_at == '\r' || stopped_at == '\n') return "http-0.9";
  return stopped_at == '#' ? "fragment" : "bad-target";
}

Parsed take_target(RequestParse& parse) noexcept {
  Cursor& cursor = parse.cursor;
  const char* at = cursor.at;
  while (at != cursor.end && is_class(*at, kTargetChar)) ++at;
  if (at == cursor.end) return Parsed::incomplete;
  if (at == cursor.at || *at != ' ') return parse.refuse(400, bad_target_reason(*at));
  parse.raw_target = {cursor.at, static_cast<size_t>(at - cursor.at)};
  cursor.at = at + 1;
  return Parsed::complete;
}

// Of one of the forms of RFC 9112 section 3.2 that a gateway is sent.
bool is_target(std::string_view text) noexcept {
  return text.starts_with('/') || text == "*" || text.find("://") != std::string_view::npos;
}

Parsed take_request_line(RequestParse& parse) noexcept {
  if (const Parsed method = take_method(parse); method != Parsed::complete) return method;
  if (const Parsed target = take_target(parse); target != Parsed::complete) return target;
  // A line with neither a target nor a version is another protocol's; one of them is known.
  const char* reason = is_target(parse.raw_target) ? "bad-version" : "not-http";
  if (parse.head.method_name == "PROXY") reason = "unexpected-proxy-header";
  bool unsupported = false;
  const Parsed version = take_version(parse.cursor, parse.head.version, unsupported);
  if (unsupported) return parse.refuse(505, "unsupported-version");
  if (version != Parsed::complete) return parse.check(version, reason);
  const bool junk = !parse.cursor.empty() && is_class(*parse.cursor.at, kValueChar);
  if (junk) return parse.refuse(400, reason);
  const Parsed line_end = take_line_end(parse.cursor, reason);
  return parse.check(line_end, reason);
}

// All fields and the empty line.
Parsed take_fields(RequestParse& parse) noexcept {
  const char* reason = "";
  while (!parse.cursor.empty()) {
    if (*parse.cursor.at == '\r') {
      const Parsed empty_line = take_line_end(parse.cursor, reason);
      return parse.check(empty_line, reason);
    }
    if (parse.head.fields.size() >= parse.limits.fields) return parse.refuse(431, "too-many-fields");
    Field field;
    const Parsed taken = take_field(parse.cursor, field, reason);
    if (taken != Parsed::complete) return parse.check(taken, reason);
    if (!parse.head.fields.push(field)) return parse.refuse(431, "too-many-fields");
    parse.known.note(field);
  }
  return Parsed::incomplete;
}

// Takes scheme and authority off an absolute-form target; what stays is the origin-form.
bool split_absolute_form(RequestParse& parse) noexcept {
  std::string_view rest = parse.raw_target;
  parse.target_scheme = starts_with_ignore_case(rest, "https://") ? "https" : "http";
  const size_t prefix = parse.target_scheme.size() + 3;
  if (prefix == 7 && !starts_with_ignore_case(rest, "http://")) return false;
  rest.remove_prefix(prefix);
  const size_t authority_bytes = std::min(rest.find_first_of("/?"), rest.size());
  parse.target_authority = rest.substr(0, authority_bytes);
  parse.raw_target = rest.substr(authority_bytes);
  return true;
}

Parsed check_host(RequestParse& parse) noexcept {
  RequestHead& head = parse.head;
  const Single& field = parse.known.host;
  if (field.count > 1) return parse.refuse(400, "duplicate-host");
  if (field.count == 0 && head.version != Version::http10) return parse.refuse(400, "missing-host");
  Authority from_field;
  if (field.count == 1 && !parse_authority(field.value, from_field)) return parse.refuse(400, "bad-host");
  head.authority = field.value;
  head.host = from_field.host;
  if (parse.target_scheme.empty()) return Parsed::complete;

  Authority from_target;
  if (!parse_authority(parse.target_authority, from_target)) return parse.refuse(400, "bad-authority");
  const std::string_view default_port = parse.target_scheme == "https" ? "443" : "80";
  if (field.count == 1) {
    if (same_authority(from_field, from_target, default_port)) return Parsed::complete;
    return parse.refuse(400, "host-mismatch");
  }
  head.authority = parse.target_authority;
  head.host = from_target.host;
  return Parsed::complete;
}

Parsed check_fields(RequestParse& parse) noexcept {
  RequestHead& head = parse.head;
  const char* reason = read_framing(parse.known, head.version, head.framing, head.content_length);
  if (reason != nullptr) return parse.refuse(400, reason);
  if (parse.known.expect.count != 0 && !read_expectation(head))
    return parse.refuse(417, "unknown-expectation");
  ConnectionOptions options;
  if (parse.known.connections != 0) options = read_connection(head.fields);
  if (options.too_many) return parse.refuse(400, "too-many-connection-options");
  head.keep_alive = persists(options, head.version);
  if (head.framing == Framing::none) head.upgrade = read_upgrade(parse.known, options, head.version);
  return Parsed::complete;
}

// "http://host?query" has no path to stand before the query. The authority moves one byte to the left, over
// the scheme's last slash, to make room for one; views of it move along.
void insert_root_path(RequestParse& parse) noexcept {
  char* const authority = parse.bytes + (parse.target_authority.data() - parse.bytes);
  const size_t bytes = parse.target_authority.size();
  std::copy(authority, authority + bytes, authority - 1);
  authority[bytes - 1] = '/';
  RequestHead& head = parse.head;
  if (head.authority.data() == authority) {
    head.host = {authority - 1 + (head.host.data() - authority), head.host.size()};
    head.authority = {authority - 1, bytes};
  }
  parse.raw_target = {authority + bytes - 1, parse.raw_target.size() + 1};
}

bool is_asterisk_form(const RequestParse& parse) noexcept {
  // RFC 9112 section 3.2.4: an absolute-form OPTIONS without path and query means the server itself.
  if (!parse.target_scheme.empty()) return parse.raw_target.empty() && parse.head.method == Method::options;
  return parse.raw_target == "*";
}

Parsed set_target(RequestParse& parse) noexcept {
  RequestHead& head = parse.head;
  if (!parse.target_scheme.empty() && parse.raw_target.starts_with('?')) insert_root_path(parse);
  if (parse.raw_target.empty()) {
    head.target = head.path = "/";
    return Parsed::complete;
  }
  char* const target = parse.bytes + (parse.raw_target.data() - parse.bytes);
  if (!set_origin_target(head, {target, parse.raw_target.size()}, parse.limits.allow_escaped_slashes))
    return parse.refuse(400, "bad-path");
  return Parsed::complete;
}

Parsed check_target(RequestParse& parse) noexcept {
  const bool absolute = !parse.raw_target.starts_with('/') && parse.raw_target != "*";
  if (absolute && !split_absolute_form(parse)) return parse.refuse(400, "bad-target");
  if (const Parsed host = check_host(parse); host != Parsed::complete) return host;
  if (!is_asterisk_form(parse)) return set_target(parse);
  if (parse.head.method != Method::options) return parse.refuse(400, "bad-target");
  parse.head.asterisk = true;
  parse.head.target = parse.head.path = "*";
  return Parsed::complete;
}

Parsed take_head(RequestParse& parse) noexcept {
  const char* const begin = parse.cursor.at;
  if (!parse.cursor.empty() && *parse.cursor.at == '\r') {
    static_assert(kMaxLeadingEmptyLines == 1);
    const char* reason = "";
    const Parsed empty_line = take_line_end(parse.cursor, reason);
    if (empty_line != Parsed::complete) return parse.check(empty_line, reason);
  }
  if (const Parsed line = take_request_line(parse); line != Parsed::complete) return line;
  parse.in_fields = true;
  if (const Parsed fields = take_fields(parse); fields != Parsed::complete) return fields;
  parse.head.head_bytes = static_cast<uint32_t>(parse.cursor.at - begin);
  if (const Parsed fields = check_fields(parse); fields != Parsed::complete) return fields;
  return check_target(parse);
}

}  // namespace

size_t find_head_end(std::string_view bytes, size_t* scanned) noexcept {
  size_t at = *scanned;
  while ((at = bytes.find('\n', at)) != std::string_view::npos) {
    *scanned = at;
    const std::string_view rest = bytes.substr(at + 1);
    if (rest.starts_with('\n')) return at + 2;
    if (rest.starts_with("\r\n")) return at + 3;
    if (rest.empty() || rest == "\r") return 0;
    ++at;
  }
  *scanned = bytes.size();
  return 0;
}

Parsed parse_request_head(std::span<char> bytes, const HeadLimits& limits, RequestHead& head,
                          Refusal& refusal) noexcept {
  head.clear();
  const size_t usable = std::min<size_t>(bytes.size(), limits.head_bytes);
  RequestParse parse{.cursor = {bytes.data(), bytes.data() + usable},
                     .bytes = bytes.data(),
                     .limits = limits,
                     .head = head,
                     .refusal = refusal};
  const Parsed result = take_head(parse);
  if (result != Parsed::incomplete || bytes.size() < limits.head_bytes) return result;
  return parse.in_fields ? parse.refuse(431, "head-too-large") : parse.refuse(414, "target-too-long");
}

}  // namespace mango::http
