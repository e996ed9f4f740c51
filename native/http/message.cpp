// SPDX-License-Identifier: Apache-2.0
#include "http/message.h"

#include "http/chars.h"

namespace mango::http {

namespace {

struct KnownName {
  std::string_view name;
  FieldId id;
};

// By length: one comparison, rarely two, decides.
FieldId first_match(std::string_view name, std::initializer_list<KnownName> candidates) noexcept {
  for (const KnownName& known : candidates) {
    if (to_lower(name[0]) == known.name[0] && equals_ignore_case(name, known.name)) return known.id;
  }
  return FieldId::other;
}

FieldId known_by_length(std::string_view name) noexcept {
  switch (name.size()) {
    case 2: return first_match(name, {{"te", FieldId::te}});
    case 3: return first_match(name, {{"via", FieldId::via}});
    case 4: return first_match(name, {{"host", FieldId::host}, {"date", FieldId::date}});
    case 5: return first_match(name, {{"proxy", FieldId::proxy}});
    case 6: return first_match(name, {{"expect", FieldId::expect}, {"server", FieldId::server}});
    case 7: return first_match(name, {{"trailer", FieldId::trailer}, {"upgrade", FieldId::upgrade}});
    case 9: return first_match(name, {{"forwarded", FieldId::forwarded}, {"x-real-ip", FieldId::x_real_ip}});
    case 10: return first_match(name, {{"connection", FieldId::connection}, {"keep-alive", FieldId::keep_alive}});
    case 12: return first_match(name, {{"x-request-id", FieldId::x_request_id}});
    case 14:
      return first_match(name,
                         {{"content-length", FieldId::content_length}, {"http2-settings", FieldId::http2_settings}});
    case 15: return first_match(name, {{"x-forwarded-for", FieldId::x_forwarded_for}});
    case 16:
      return first_match(name, {{"proxy-connection", FieldId::proxy_connection},
                                {"x-forwarded-host", FieldId::x_forwarded_host},
                                {"x-forwarded-port", FieldId::x_forwarded_port}});
    case 17:
      return first_match(name, {{"transfer-encoding", FieldId::transfer_encoding},
                                {"x-forwarded-proto", FieldId::x_forwarded_proto}});
    default: return FieldId::other;
  }
}

}  // namespace

FieldId field_id(std::string_view name) noexcept {
  const FieldId id = known_by_length(name);
  if (id != FieldId::other || name.empty() || to_lower(name[0]) != 'x') return id;
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
