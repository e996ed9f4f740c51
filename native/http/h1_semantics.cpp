// SPDX-License-Identifier: Apache-2.0
#include "http/h1_semantics.h"

#include "http/chars.h"

namespace mango::http {

void KnownFields::note(const Field& field) noexcept {
  switch (field.id) {
    case FieldId::host:
      return host.note(field.value);
    case FieldId::content_length:
      return content_length.note(field.value);
    case FieldId::transfer_encoding:
      return transfer_encoding.note(field.value);
    case FieldId::upgrade:
      return upgrade.note(field.value);
    case FieldId::expect:
      return expect.note(field.value);
    case FieldId::connection:
      ++connections;
      return;
    default:
      return;
  }
}

const char* read_framing(const KnownFields& known, Version version, Framing& framing,
                         uint64_t& content_length) noexcept {
  framing = Framing::none;
  content_length = 0;
  if (known.transfer_encoding.count != 0) {
    if (known.content_length.count != 0) return "length-and-transfer-encoding";
    if (version == Version::http10) return "transfer-encoding-in-http10";
    if (known.transfer_encoding.count > 1) return "duplicate-transfer-encoding";
    if (!equals_ignore_case(known.transfer_encoding.value, "chunked")) return "bad-transfer-encoding";
    framing = Framing::chunked;
    return nullptr;
  }
  if (known.content_length.count == 0) return nullptr;
  if (known.content_length.count > 1) return "duplicate-content-length";
  const std::string_view digits = known.content_length.value;
  if (digits.size() > kMaxContentLengthDigits) return "bad-content-length";
  if (!read_decimal(digits, kMaxContentLength, content_length)) return "bad-content-length";
  framing = Framing::length;
  return nullptr;
}

ConnectionOptions read_connection(const FieldList& fields) noexcept {
  ConnectionOptions options;
  size_t count = 0;
  for (const Field& field : fields) {
    if (field.id != FieldId::connection) continue;
    std::string_view rest = field.value;
    std::string_view option;
    while (next_list_item(rest, option)) {
      if (++count > kMaxConnectionOptions) {
        options.too_many = true;
        return options;
      }
      options.close |= equals_ignore_case(option, "close");
      options.keep_alive |= equals_ignore_case(option, "keep-alive");
      options.upgrade |= equals_ignore_case(option, "upgrade");
    }
  }
  return options;
}

std::string_view read_upgrade(const KnownFields& known, const ConnectionOptions& options,
                              Version version) noexcept {
  if (!options.upgrade || known.upgrade.count != 1 || version != Version::http11) return {};
  return list_contains(known.upgrade.value, "h2c") ? std::string_view{} : known.upgrade.value;
}

}  // namespace mango::http
