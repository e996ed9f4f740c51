// SPDX-License-Identifier: Apache-2.0
// What the parts of a request mean whatever the version that brought them: method, target, expectation.
#pragma once

#include "http/message.h"

namespace mango::http {

[[nodiscard]] Method method_of(std::string_view name) noexcept;

// Splits and normalises an origin-form target in place; sets the head's target, path and query. The path is
// moved up against its query, so that the target is one view. False: the path is refused.
[[nodiscard]] bool set_origin_target(RequestHead& head, std::span<char> target,
                                     bool allow_escaped_slashes) noexcept;

// Reads Expect (RFC 9110 section 10.1.1) once the framing is known; false if something else is expected than
// we can give.
[[nodiscard]] bool read_expectation(RequestHead& head) noexcept;

}  // namespace mango::http
