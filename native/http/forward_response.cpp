// SPDX-License-Identifier: Apache-2.0
// Response heads towards the client. No Via is added: RFC 9110 section 7.6.3 leaves it to gateways, and it
// tells an attacker more than a client. Upgrade goes with a 101 only: what an upstream offers is its own
// affair.
#include "http/chars.h"
#include "http/hop_by_hop.h"
#include "http/status.h"

namespace mango::http {

namespace {

struct ResponseWriter {
  HeadWriter& out;
  const ResponseHead& head;
  const ResponseForwarding& how;
  NominatedFields nominated;
  bool interim;  // 1xx
};

bool passes(const ResponseWriter& writer, const Field& field) noexcept {
  if (is_connection_field(field.id)) return false;
  if (field.id == FieldId::x_request_id && !writer.how.request_id.empty() && !writer.interim) return false;
  return !writer.nominated.contains(field.name) && !overrides(writer.how.modifier, field.name);
}

void write_status_line(ResponseWriter& writer) noexcept {
  HeadWriter& out = writer.out;
  out.raw("HTTP/1.1 ");
  out.number(writer.head.status);
  out.raw(" ");
  out.raw(writer.head.reason.empty() ? reason_phrase(writer.head.status) : writer.head.reason);
  out.raw("\r\n");
}

void write_own_fields(ResponseWriter& writer) noexcept {
  const ResponseForwarding& how = writer.how;
  const bool dated = writer.head.fields.find(FieldId::date) != nullptr;
  if (!dated && !how.date.empty() && !overrides(how.modifier, "Date")) writer.out.field("Date", how.date);
  if (!how.request_id.empty() && !overrides(how.modifier, "X-Request-Id")) {
    writer.out.field("X-Request-Id", how.request_id);
  }
}

void write_connection(ResponseWriter& writer) noexcept {
  if (!writer.how.keep_alive) {
    writer.out.field("Connection", "close");
  } else if (writer.how.http10) {
    writer.out.field("Connection", "keep-alive");
  }
}

// The length a GET would have brought, in answers to HEAD and in 304 (RFC 9110 section 8.6); never in 204.
void write_described_length(ResponseWriter& writer) noexcept {
  const Field* const length = writer.head.fields.find(FieldId::content_length);
  if (length != nullptr && writer.head.status != 204) writer.out.field("Content-Length", length->value);
}

void write_framing(ResponseWriter& writer) noexcept {
  switch (writer.how.framing) {
    case Framing::none:
      return write_described_length(writer);
    case Framing::length:
      return writer.out.field("Content-Length", writer.how.content_length);
    case Framing::until_close:
      return;
    case Framing::chunked:
      break;
  }
  writer.out.field("Transfer-Encoding", "chunked");
  for (const Field& field : writer.head.fields) {
    if (field.id == FieldId::trailer && !writer.nominated.contains(field.name)) {
      writer.out.field("Trailer", field.value);
    }
  }
}

}  // namespace

void write_response_head(HeadWriter& out, const ResponseHead& head, const ResponseForwarding& how) noexcept {
  ResponseWriter writer{out, head, how, NominatedFields(head.fields), head.status < 200};
  write_status_line(writer);
  for (const Field& field : head.fields) {
    if (passes(writer, field)) out.field(field.name, field.value);
  }
  if (!writer.interim) {
    write_modifier_fields(out, how.modifier);
    write_own_fields(writer);
    write_connection(writer);
    write_framing(writer);
  } else if (how.upgrade && !head.upgrade.empty()) {
    out.field("Connection", "upgrade");
    out.field("Upgrade", head.upgrade);
  }
  out.raw("\r\n");
}

}  // namespace mango::http
