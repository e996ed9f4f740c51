// SPDX-License-Identifier: Apache-2.0
#include "http/hop_by_hop.h"

#include <algorithm>

#include "http/chars.h"

namespace mango::http {

NominatedFields::NominatedFields(const FieldList& fields) noexcept {
  for (const Field& field : fields) {
    if (field.id != FieldId::connection) continue;
    std::string_view rest = field.value;
    std::string_view option;
    while (count_ < names_.size() && next_list_item(rest, option)) {
      if (equals_ignore_case(option, "close") || equals_ignore_case(option, "keep-alive")) continue;
      names_[count_++] = option;
    }
  }
}

bool NominatedFields::contains(std::string_view name) const noexcept {
  for (size_t i = 0; i < count_; ++i) {
    if (equals_ignore_case(names_[i], name)) return true;
  }
  return false;
}

bool is_connection_field(FieldId id) noexcept {
  switch (id) {
    case FieldId::connection:
    case FieldId::content_length:
    case FieldId::expect:
    case FieldId::host:
    case FieldId::http2_settings:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::trailer:
    case FieldId::transfer_encoding:
    case FieldId::upgrade:
      return true;
    default:
      return false;
  }
}

bool overrides(const FieldModifier* modifier, std::string_view name) noexcept {
  if (modifier == nullptr || modifier->empty()) return false;
  const auto is_name = [name](std::string_view other) { return equals_ignore_case(other, name); };
  return std::any_of(modifier->remove.begin(), modifier->remove.end(), is_name) ||
         std::any_of(modifier->set.begin(), modifier->set.end(),
                     [&](const auto& field) { return is_name(field.first); });
}

void write_modifier_fields(HeadWriter& out, const FieldModifier* modifier) noexcept {
  if (modifier == nullptr) return;
  for (const auto* fields : {&modifier->set, &modifier->add}) {
    for (const auto& [name, value] : *fields) {
      if (!is_connection_field(field_id(name))) out.field(name, value);
    }
  }
}

}  // namespace mango::http
