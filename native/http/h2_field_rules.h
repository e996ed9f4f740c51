// SPDX-License-Identifier: Apache-2.0
// What a single field of HTTP/2 may be (RFC 9113 section 8.2): the rules that messages share. nghttp2's own
// check of messages is off: ours costs half as much, and knows which rule was broken.
#pragma once

#include "http/message.h"

namespace mango::http {

// A token in lower case.
[[nodiscard]] bool is_h2_name(std::string_view name) noexcept;
// Nothing that could end a line, and no blanks around it.
[[nodiscard]] bool is_h2_value(std::string_view value) noexcept;
// A field of one connection, which has no meaning in HTTP/2 and is a trap elsewhere.
[[nodiscard]] bool is_h2_forbidden(FieldId id, std::string_view value) noexcept;

}  // namespace mango::http
