// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include "http/chars.h"

namespace mango::http {

namespace {

// `known` is lower case. Setting bit 5 lowers letters and leaves '-' and digits alone; it would also turn
// some controls into them, but those are in no token.
template <size_t N>
bool is(std::string_view name, const char (&known)[N]) noexcept {
  for (size_t i = 0; i < N - 1; ++i) {
    if ((name[i] | 0x20) != known[i]) return false;
  }
  return true;
}

// By length: the first letter nearly always decides.
FieldId known_by_length(std::string_view name) noexcept {
  switch (name.size()) {
    case 2:
      return is(name, "te") ? FieldId::te : FieldId::other;
    case 3:
      return is(name, "via") ? FieldId::via : FieldId::other;
    case 4:
      if (is(name, "host")) return FieldId::host;
      return is(name, "date") ? FieldId::date : FieldId::other;
    case 5:
      return is(name, "proxy") ? FieldId::proxy : FieldId::other;
    case 6:
      if (is(name, "expect")) return FieldId::expect;
      return is(name, "server") ? FieldId::server : FieldId::other;
    case 7:
      if (is(name, "upgrade")) return FieldId::upgrade;
      return is(name, "trailer") ? FieldId::trailer : FieldId::other;
    case 9:
      if (is(name, "forwarded")) return FieldId::forwarded;
      return is(name, "x-real-ip") ? FieldId::x_real_ip : FieldId::other;
    case 10:
      if (is(name, "connection")) return FieldId::connection;
      return is(name, "keep-alive") ? FieldId::keep_alive : FieldId::other;
    case 12:
      return is(name, "x-request-id") ? FieldId::x_request_id : FieldId::other;
    case 14:
      if (is(name, "content-length")) return FieldId::content_length;
      return is(name, "http2-settings") ? FieldId::http2_settings : FieldId::other;
    case 15:
      return is(name, "x-forwarded-for") ? FieldId::x_forwarded_for : FieldId::other;
    case 16:
      if (is(name, "x-forwarded-host")) return FieldId::x_forwarded_host;
      if (is(name, "x-forwarded-port")) return FieldId::x_forwarded_port;
      return is(name, "proxy-connection") ? FieldId::proxy_connection : FieldId::other;
    case 17:
      if (is(name, "transfer-encoding")) return FieldId::transfer_encoding;
      return is(name, "x-forwarded-proto") ? FieldId::x_forwarded_proto : FieldId::other;
    default:
      return FieldId::other;
  }
}

}  // namespace

FieldId field_id(std::string_view name) noexcept {
  const FieldId id = known_by_length(name);
  if (id != FieldId::other || name.size() < 12 || to_lower(name[0]) != 'x') return id;
  return starts_with_ignore_case(name, "x-forwarded-") ? FieldId::x_forwarded_other : FieldId::other;
}

const Field* FieldList::find(FieldId id) const noexcept {
  for (const Field& field : *this) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

const Field* FieldList::find(std::string_view name) const noexcept {
  for (const Field& field : *this) {
    if (equals_ignore_case(field.name, name)) return &field;
  }
  return nullptr;
}

void RequestHead::clear() noexcept {
  method_name = target = authority = host = path = query = upgrade = {};
  method = Method::other;
  version = Version::http11;
  has_query = asterisk = expect_continue = false;
  keep_alive = true;
  fields.clear();
  framing = Framing::none;
  content_length = 0;
  head_bytes = 0;
}

void ResponseHead::clear() noexcept {
  status = 0;
  reason = upgrade = {};
  version = Version::http11;
  fields.clear();
  framing = Framing::none;
  content_length = 0;
  keep_alive = true;
  head_bytes = 0;
}

}  // namespace mango::http
