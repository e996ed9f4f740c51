// SPDX-License-Identifier: Apache-2.0
// Fuzzes the header rules and path normalisation. Input: one byte of switches (64 makes it a path), then the
// client's field lines, with modifiers behind an empty line ("=name:value", "+name:value", "-name"). It holds
// that nobody but us writes framing, Host, or (unless trusted) forwarding fields, that what Connection names
// and all aliases are gone, and that a normal path is stable and has nothing in it to be decoded or resolved
// again.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "http/chars.h"
#include "http/forwarding.h"
#include "http/h1_parser.h"

namespace {

using namespace mango::http;

constexpr HeadLimits kLimits{.head_bytes = 64 * 1024, .fields = 1000, .allow_escaped_slashes = false};
constexpr std::string_view kClient = "2001:db8::1";

enum Switch : uint8_t { kTrusted = 1, kUpgrade = 2, kAllowSlashes = 4, kPath = 64 };

#define REQUIRE(condition) require((condition), #condition, __LINE__)

void require(bool condition, const char* text, int line) {
  if (condition) return;
  std::fprintf(stderr, "line %d: property violated: %s\n", line, text);
  std::abort();
}

size_t count_of(const FieldList& fields, FieldId id) {
  return static_cast<size_t>(
      std::count_if(fields.begin(), fields.end(), [id](const Field& field) { return field.id == id; }));
}

FieldModifier read_modifier(std::string_view lines) {
  FieldModifier modifier;
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.size() < 2) continue;
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string name(line.substr(1, colon - 1));
    const std::string value(line.substr(std::min(colon + 1, line.size())));
    if (!is_token(name) || !is_field_value(value)) continue;  // as configuration validation does
    if (line[0] == '=') modifier.set.emplace_back(name, value);
    if (line[0] == '+') modifier.add.emplace_back(name, value);
    if (line[0] == '-') modifier.remove.push_back(name);
  }
  return modifier;
}

bool connection_names(const FieldList& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (field.id == FieldId::connection && list_contains(field.value, name)) return true;
  }
  return false;
}

void check_owned_fields(const RequestHead& sent, const RequestHead& head, const RequestForwarding& how) {
  REQUIRE(count_of(sent.fields, FieldId::host) == 1 && sent.authority == how.host);
  REQUIRE(sent.framing == head.framing && sent.content_length == head.content_length);
  REQUIRE(count_of(sent.fields, FieldId::connection) <= 1);
  for (const FieldId gone : {FieldId::keep_alive, FieldId::proxy_connection, FieldId::http2_settings}) {
    REQUIRE(count_of(sent.fields, gone) == 0);
  }
  REQUIRE(sent.upgrade == (how.upgrade ? head.upgrade : std::string_view{}));
}

// Without modifiers, every forwarding field of a stranger's request is ours.
void check_stranger(const RequestHead& sent, const RequestHead& head, const RequestForwarding& how) {
  for (const Field& field : sent.fields) {
    REQUIRE(!is_alias_name(field.name));
    const bool named = connection_names(head.fields, field.name);
    REQUIRE(!named || field.id != FieldId::other || equals_ignore_case(field.name, "close") ||
            equals_ignore_case(field.name, "keep-alive"));
  }
  if (how.trusted) return;
  const std::pair<FieldId, std::string_view> ours[] = {{FieldId::x_forwarded_for, kClient},
                                                       {FieldId::x_forwarded_proto, how.proto},
                                                       {FieldId::x_forwarded_host, how.original_host},
                                                       {FieldId::x_request_id, how.request_id}};
  for (const auto& [id, value] : ours) {
    REQUIRE(count_of(sent.fields, id) == 1 && sent.fields.find(id)->value == value);
  }
  REQUIRE(count_of(sent.fields, FieldId::forwarded) == 1);
  REQUIRE(count_of(sent.fields, FieldId::x_real_ip) == 0);
  REQUIRE(count_of(sent.fields, FieldId::x_forwarded_other) == 0);
}

void check_rules(std::string_view input, uint8_t switches) {
  static auto head = std::make_unique<RequestHead>();
  static auto sent = std::make_unique<RequestHead>();
  const size_t split = std::min(input.find("\n\n"), input.size());
  std::string bytes = "POST /a HTTP/1.1\r\nHost: example.org\r\n";
  for (const char c : input.substr(0, split)) {
    if (c == '\n' && bytes.back() != '\r') bytes += '\r';
    bytes += c;
  }
  bytes += bytes.ends_with("\r\n") ? "\r\n" : "\r\n\r\n";
  Refusal refusal;
  if (parse_request_head(bytes, kLimits, *head, refusal) != Parsed::complete) return;

  const FieldModifier modifier = read_modifier(input.substr(std::min(split + 2, input.size())));
  const RequestForwarding how{.target = head->target,
                              .host = "up.internal",
                              .client_address = kClient,
                              .proto = "https",
                              .original_host = "example.org:8443",
                              .request_id = "our-id",
                              .trusted = (switches & kTrusted) != 0,
                              .upgrade = (switches & kUpgrade) != 0,
                              .framing = head->framing,
                              .content_length = head->content_length,
                              .modifier = &modifier};
  std::array<char, 64 * 1024> memory;
  HeadWriter out(memory);
  write_request_head(out, *head, how);
  if (!out.ok()) return;
  REQUIRE(parse_request_head({memory.data(), out.size()}, kLimits, *sent, refusal) == Parsed::complete);
  REQUIRE(sent->head_bytes == out.size());
  check_owned_fields(*sent, *head, how);
  if (modifier.empty()) check_stranger(*sent, *head, how);
}

void check_path(std::string_view input, bool allow_escaped_slashes) {
  std::string path(input);
  const size_t size = normalise_path(path, allow_escaped_slashes);
  REQUIRE(size <= input.size());
  if (size == 0) return;
  path.resize(size);
  REQUIRE(path.front() == '/' && path.find("//") == std::string::npos);
  REQUIRE((path + "/").find("/./") == std::string::npos && (path + "/").find("/../") == std::string::npos);
  REQUIRE(path.find_first_of("\\?# ") == std::string::npos);
  for (const std::string_view escape : {"%2E", "%00", "%252E", "%252e", "%252F", "%252f", "%255C", "%255c"}) {
    REQUIRE(path.find(escape) == std::string::npos);
  }
  if (!allow_escaped_slashes) {
    REQUIRE(path.find("%2F") == std::string::npos && path.find("%5C") == std::string::npos);
  }
  std::string again = path;
  REQUIRE(normalise_path(again, allow_escaped_slashes) == size && again == path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & kPath) != 0) {
    check_path(input, (data[0] & kAllowSlashes) != 0);
  } else {
    check_rules(input, data[0]);
  }
  return 0;
}
