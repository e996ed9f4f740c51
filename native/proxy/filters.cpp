// SPDX-License-Identifier: Apache-2.0
#include "proxy/filters.h"

namespace mango::proxy {

namespace {

constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

uint16_t well_known_port(std::string_view scheme) noexcept {
  return scheme == "https" ? kHttpsPort : kHttpPort;
}

uint16_t redirect_port(const config::Redirect& redirect, const FilterRequest& request) noexcept {
  if (redirect.port != 0) return redirect.port;
  return redirect.scheme.empty() ? request.listener_port : well_known_port(redirect.scheme);
}

void write_authority(http::HeadWriter& out, const config::Redirect& redirect, const FilterRequest& request,
                     std::string_view scheme) noexcept {
  out.raw(redirect.hostname.empty() ? request.host : std::string_view(redirect.hostname));
  const uint16_t port = redirect_port(redirect, request);
  if (port == 0 || port == well_known_port(scheme)) return;
  out.raw(":");
  out.number(port);
}

// The table of Gateway API's HTTPPathModifier: "/foo" and "/foo/" replace alike, what is left keeps its
// slash, and nothing left is "/".
void write_replaced_prefix(http::HeadWriter& out, std::string_view value,
                           const FilterRequest& request) noexcept {
  std::string_view rest = request.path;
  rest.remove_prefix(request.prefix_length < rest.size() ? request.prefix_length : rest.size());
  if (value.ends_with('/')) value.remove_suffix(1);
  out.raw(value);
  out.raw(rest);
  if (value.empty() && rest.empty()) out.raw("/");
}

void write_path(http::HeadWriter& out, const config::PathModifier* modifier,
                const FilterRequest& request) noexcept {
  if (modifier == nullptr) {
    out.raw(request.path);
  } else if (modifier->type == config::PathModifierType::replace_full_path) {
    out.raw(modifier->value);
  } else {
    write_replaced_prefix(out, modifier->value, request);
  }
}

}  // namespace

void write_target(http::HeadWriter& out, const config::PathModifier* modifier,
                  const FilterRequest& request) noexcept {
  write_path(out, modifier, request);
  if (!request.has_query) return;
  out.raw("?");
  out.raw(request.query);
}

void write_location(http::HeadWriter& out, const config::Redirect& redirect,
                    const FilterRequest& request) noexcept {
  if (!redirect.hostname.empty() || !request.host.empty()) {
    const std::string_view scheme =
        redirect.scheme.empty() ? request.scheme : std::string_view(redirect.scheme);
    out.raw(scheme);
    out.raw("://");
    write_authority(out, redirect, request, scheme);
  }
  write_target(out, redirect.path ? &*redirect.path : nullptr, request);
}

http::FieldModifier to_field_modifier(const config::Modifier& modifier) {
  return {modifier.set, modifier.add, modifier.remove};
}

}  // namespace mango::proxy
