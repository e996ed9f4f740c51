// SPDX-License-Identifier: Apache-2.0
// The filters that compute text: redirects and URL rewrites (Gateway API HTTPRequestRedirectFilter and
// HTTPURLRewriteFilter). Pure; they write into memory the caller bounds.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "config/document.h"
#include "http/forwarding.h"
#include "http/head_writer.h"

namespace mango::proxy {

struct FilterRequest {
  std::string_view scheme;  // "https" or "http": how the client reached us
  std::string_view host;    // RequestHead::host; may be empty (HTTP/1.0)
  uint16_t listener_port = 0;
  std::string_view path;
  std::string_view query;
  bool has_query = false;
  uint32_t prefix_length = 0;  // RouteMatch::prefix_length
};

// Writes the value of Location; check out.ok(). The port is the configured one; else the well-known one of a
// configured scheme; else the listener's. It is left out where it is the well-known one of the resulting
// scheme. The query is kept. Without any hostname the result is a relative reference, path and query.
void write_location(http::HeadWriter& out, const config::Redirect& redirect,
                    const FilterRequest& request) noexcept;

// Writes path and query to send upstream; `modifier` may be null: the path is then unchanged.
void write_target(http::HeadWriter& out, const config::PathModifier* modifier,
                  const FilterRequest& request) noexcept;

[[nodiscard]] http::FieldModifier to_field_modifier(const config::Modifier& modifier);

}  // namespace mango::proxy
