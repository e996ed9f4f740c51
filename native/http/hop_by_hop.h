// SPDX-License-Identifier: Apache-2.0
// Which of a message's fields may go on to the next hop (RFC 9110 section 7.6.1), and what a route's
// modifiers make of the rest. The part of forwarding that requests and responses share.
#pragma once

#include "http/forwarding.h"

namespace mango::http {

// The fields a head's Connection fields name, other than the usual "close" and "keep-alive". Views into the
// head.
class NominatedFields {
 public:
  explicit NominatedFields(const FieldList& fields) noexcept;
  [[nodiscard]] bool contains(std::string_view name) const noexcept;

 private:
  std::array<std::string_view, kMaxConnectionOptions> names_;
  size_t count_ = 0;
};

// True for fields that concern one connection only, and for those that frame a message or name its host: they
// are dropped from what was received and written anew. No modifier may touch them.
[[nodiscard]] bool is_connection_field(FieldId id) noexcept;

// True if the modifier replaces or removes fields of that name.
[[nodiscard]] bool overrides(const FieldModifier* modifier, std::string_view name) noexcept;

// Writes the fields the modifier sets and adds.
void write_modifier_fields(HeadWriter& out, const FieldModifier* modifier) noexcept;

}  // namespace mango::http
