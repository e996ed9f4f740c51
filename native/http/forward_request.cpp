// SPDX-License-Identifier: Apache-2.0
// Request heads towards the upstream. Proxy-Authorization is passed on (RFC 9110 section 11.7.2: a proxy may
// relay credentials it did not ask for); Expect: 100-continue too, so that the upstream decides.
#include "http/chars.h"
#include "http/hop_by_hop.h"

namespace mango::http {

namespace {

constexpr std::string_view kPseudonym = "mango-edge";

struct RequestWriter {
  HeadWriter& out;
  const RequestHead& head;
  const RequestForwarding& how;
  NominatedFields nominated;

  // A field this proxy extends or keeps, as the client sent it: only trusted peers have any.
  [[nodiscard]] bool client_has(FieldId id) const noexcept {
    if (!how.trusted) return false;
    const Field* const field = head.fields.find(id);
    return field != nullptr && !nominated.contains(field->name);
  }
};

// Fields by which a client could pose as somebody else.
bool is_forwarding_field(FieldId id) noexcept {
  switch (id) {
    case FieldId::forwarded:
    case FieldId::x_forwarded_for:
    case FieldId::x_forwarded_host:
    case FieldId::x_forwarded_port:
    case FieldId::x_forwarded_proto:
    case FieldId::x_forwarded_other:
    case FieldId::x_real_ip:
    case FieldId::x_request_id:
      return true;
    default:
      return false;
  }
}

// True if the client's field goes on as it is. Forwarded and X-Forwarded-For are written later, extended.
bool passes(const RequestWriter& writer, const Field& field) noexcept {
  switch (field.id) {
    case FieldId::other:
      if (is_alias_name(field.name)) return false;
      break;
    case FieldId::x_forwarded_other:
      if (!writer.how.trusted || is_alias_name(field.name)) return false;
      break;
    case FieldId::proxy:
    case FieldId::forwarded:
    case FieldId::x_forwarded_for:
      return false;
    default:
      if (is_connection_field(field.id) || (is_forwarding_field(field.id) && !writer.how.trusted))
        return false;
  }
  return !writer.nominated.contains(field.name) && !overrides(writer.how.modifier, field.name);
}

void write_start(RequestWriter& writer) noexcept {
  HeadWriter& out = writer.out;
  out.raw(writer.head.method_name);
  out.raw(" ");
  out.raw(writer.how.target);
  out.raw(" HTTP/1.1\r\n");
  out.field("Host", writer.how.host);
}

// The client's own values of a list field, each followed by ", ".
void write_received_list(RequestWriter& writer, FieldId id) noexcept {
  if (!writer.client_has(id)) return;
  for (const Field& field : writer.head.fields) {
    if (field.id != id || field.value.empty()) continue;
    writer.out.raw(field.value);
    writer.out.raw(", ");
  }
}

void write_x_forwarded_for(RequestWriter& writer) noexcept {
  if (writer.how.client_address.empty()) {  // a Unix socket has no address to name
    for (const Field& field : writer.head.fields) {
      if (field.id == FieldId::x_forwarded_for && writer.client_has(field.id)) {
        writer.out.field("X-Forwarded-For", field.value);
      }
    }
    return;
  }
  writer.out.raw("X-Forwarded-For: ");
  write_received_list(writer, FieldId::x_forwarded_for);
  writer.out.raw(writer.how.client_address);
  writer.out.raw("\r\n");
}

// A parameter's value (RFC 7239 section 4): a token, or quoted.
void write_parameter(HeadWriter& out, std::string_view name, std::string_view value) noexcept {
  out.raw(name);
  if (is_token(value)) {
    out.raw(value);
    return;
  }
  out.raw("\"");
  for (const char& c : value) {
    if (c == '"' || c == '\\') out.raw("\\");
    out.raw({&c, 1});
  }
  out.raw("\"");
}

// IPv6 addresses are bracketed and quoted, an unknown client is "unknown" (RFC 7239 section 6).
void write_forwarded(RequestWriter& writer) noexcept {
  HeadWriter& out = writer.out;
  const std::string_view client = writer.how.client_address;
  out.raw("Forwarded: ");
  write_received_list(writer, FieldId::forwarded);
  if (client.find(':') != std::string_view::npos) {
    out.raw("for=\"[");
    out.raw(client);
    out.raw("]\"");
  } else {
    write_parameter(out, "for=", client.empty() ? "unknown" : client);
  }
  write_parameter(out, ";proto=", writer.how.proto);
  if (!writer.how.original_host.empty()) write_parameter(out, ";host=", writer.how.original_host);
  out.raw("\r\n");
}

// Ours, unless a trusted peer's is kept or the route's modifier has its own idea.
void write_unless_kept(RequestWriter& writer, FieldId id, std::string_view name,
                       std::string_view value) noexcept {
  if (value.empty() || writer.client_has(id) || overrides(writer.how.modifier, name)) return;
  writer.out.field(name, value);
}

void write_forwarding_fields(RequestWriter& writer) noexcept {
  const RequestForwarding& how = writer.how;
  if (!overrides(how.modifier, "X-Forwarded-For")) write_x_forwarded_for(writer);
  write_unless_kept(writer, FieldId::x_forwarded_proto, "X-Forwarded-Proto", how.proto);
  write_unless_kept(writer, FieldId::x_forwarded_host, "X-Forwarded-Host", how.original_host);
  if (!overrides(how.modifier, "Forwarded")) write_forwarded(writer);
  write_unless_kept(writer, FieldId::x_request_id, "X-Request-Id", how.request_id);
}

// RFC 9110 section 7.6.3: a line of its own says the same as an extended list.
void write_via(RequestWriter& writer) noexcept {
  if (overrides(writer.how.modifier, "Via")) return;
  constexpr std::string_view kReceivedBy[] = {"1.0 ", "1.1 ", "2 "};
  writer.out.raw("Via: ");
  writer.out.raw(kReceivedBy[static_cast<size_t>(writer.head.version)]);
  writer.out.raw(kPseudonym);
  writer.out.raw("\r\n");
}

bool accepts_trailers(const FieldList& fields) noexcept {
  for (const Field& field : fields) {
    if (field.id == FieldId::te && list_contains(field.value, "trailers")) return true;
  }
  return false;
}

void write_connection_fields(RequestWriter& writer) noexcept {
  HeadWriter& out = writer.out;
  if (writer.how.upgrade && !writer.head.upgrade.empty()) {
    out.field("Connection", "upgrade");
    out.field("Upgrade", writer.head.upgrade);
    if (!writer.how.websocket_key.empty()) out.field("Sec-WebSocket-Key", writer.how.websocket_key);
  } else if (accepts_trailers(writer.head.fields)) {
    out.field("Connection", "TE");
    out.field("TE", "trailers");
  }
}

void write_framing(RequestWriter& writer) noexcept {
  if (writer.how.framing == Framing::length) writer.out.field("Content-Length", writer.how.content_length);
  if (writer.how.framing == Framing::chunked) {
    writer.out.field("Transfer-Encoding", "chunked");
    for (const Field& field : writer.head.fields) {
      if (field.id == FieldId::trailer && !writer.nominated.contains(field.name)) {
        writer.out.field("Trailer", field.value);
      }
    }
  }
  if (writer.head.expect_continue) writer.out.field("Expect", "100-continue");
}

}  // namespace

bool is_alias_name(std::string_view name) noexcept {
  for (const char c : name) {
    if (c == '_' || c == '.') return true;
  }
  return false;
}

void write_request_head(HeadWriter& out, const RequestHead& head, const RequestForwarding& how) noexcept {
  RequestWriter writer{out, head, how, NominatedFields(head.fields)};
  write_start(writer);
  for (const Field& field : head.fields) {
    if (passes(writer, field)) out.field(field.name, field.value);
  }
  write_modifier_fields(out, how.modifier);
  write_forwarding_fields(writer);
  write_via(writer);
  write_connection_fields(writer);
  write_framing(writer);
  out.raw("\r\n");
}

}  // namespace mango::http
