// SPDX-License-Identifier: Apache-2.0
#include "http/request_rules.h"

#include <algorithm>

#include "http/chars.h"
#include "http/uri.h"

namespace mango::http {

Method method_of(std::string_view name) noexcept {
  switch (name.size()) {
    case 3:
      if (name == "GET") return Method::get;
      return name == "PUT" ? Method::put : Method::other;
    case 4:
      if (name == "POST") return Method::post;
      return name == "HEAD" ? Method::head : Method::other;
    case 5:
      if (name == "PATCH") return Method::patch;
      return name == "TRACE" ? Method::trace : Method::other;
    case 6:
      return name == "DELETE" ? Method::delete_ : Method::other;
    case 7:
      if (name == "OPTIONS") return Method::options;
      return name == "CONNECT" ? Method::connect : Method::other;
    default:
      return Method::other;
  }
}

bool set_origin_target(RequestHead& head, std::span<char> target, bool allow_escaped_slashes) noexcept {
  const std::string_view raw(target.data(), target.size());
  const size_t path_bytes = std::min(raw.find('?'), raw.size());
  char* path = target.data();
  const size_t normal_bytes = normalise_path({path, path_bytes}, allow_escaped_slashes);
  if (normal_bytes == 0) return false;
  const size_t tail_bytes = raw.size() - path_bytes;
  if (tail_bytes != 0 && normal_bytes != path_bytes) {
    std::copy_backward(path, path + normal_bytes, path + path_bytes);
    path += path_bytes - normal_bytes;
  }
  head.target = {path, normal_bytes + tail_bytes};
  head.path = head.target.substr(0, normal_bytes);
  head.has_query = tail_bytes != 0;
  if (head.has_query) head.query = head.target.substr(normal_bytes + 1);
  return true;
}

bool read_expectation(RequestHead& head) noexcept {
  for (const Field& field : head.fields) {
    if (field.id == FieldId::expect && !equals_ignore_case(field.value, "100-continue")) return false;
  }
  const bool expected = head.fields.find(FieldId::expect) != nullptr;
  const bool content = head.framing == Framing::chunked || head.content_length > 0;
  head.expect_continue = expected && content && head.version != Version::http10;
  return true;
}

}  // namespace mango::http
