// SPDX-License-Identifier: Apache-2.0
// The message heads that codecs produce and the proxy routes: views only, whatever the protocol version.
//
// Every string_view points into the bytes the codec was given; a head lives no longer than they do. Heads are
// large (a fixed field table) and are meant to be reused: one of each kind a worker, cleared before a parse.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "http/limits.h"

namespace mango::http {

enum class Version : uint8_t { http10, http11, http2 };

enum class Method : uint8_t { other, get, head, post, put, delete_, connect, options, trace, patch };

// Names the proxy itself acts on (RFC 9110 unless said otherwise). Everything else is `other`.
enum class FieldId : uint8_t {
  other,
  connection,
  content_length,
  date,
  expect,
  forwarded,  // RFC 7239
  host,
  http2_settings,  // RFC 7540; obsolete, never forwarded
  keep_alive,
  proxy,  // no field of any standard: CGI turns it into HTTP_PROXY (CVE-2016-5385)
  proxy_connection,
  server,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  via,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_port,
  x_forwarded_proto,
  x_forwarded_other,  // any other name that starts so
  x_real_ip,
  x_request_id,
};

// Classifies a field name (a token), case-insensitively.
[[nodiscard]] FieldId field_id(std::string_view name) noexcept;

struct Field {
  std::string_view name;   // as received
  std::string_view value;  // without surrounding white space (RFC 9110 section 5.5)
  FieldId id = FieldId::other;
};

class FieldList {
 public:
  void clear() noexcept { count_ = 0; }
  [[nodiscard]] bool push(const Field& field) noexcept {
    if (count_ == kMaxFields) return false;
    fields_[count_++] = field;
    return true;
  }
  [[nodiscard]] size_t size() const noexcept { return count_; }
  [[nodiscard]] const Field* begin() const noexcept { return fields_.data(); }
  [[nodiscard]] const Field* end() const noexcept { return fields_.data() + count_; }
  // The first field of that id, or null.
  [[nodiscard]] const Field* find(FieldId id) const noexcept;
  // The first field of that name (case-insensitive), or null.
  [[nodiscard]] const Field* find(std::string_view name) const noexcept;

 private:
  size_t count_ = 0;
  std::array<Field, kMaxFields> fields_;
};

// How a message's content ends (RFC 9112 section 6.3).
enum class Framing : uint8_t { none, length, chunked, until_close };

struct RequestHead {
  std::string_view method_name;
  Method method = Method::other;
  Version version = Version::http11;
  std::string_view target;     // path and query ready to forward ("*" for asterisk): origin-form, normalised
  std::string_view authority;  // from the target (absolute-form) or Host; lower case is not applied
  std::string_view host;       // authority without port and final dot; IPv6 keeps its brackets ("[::1]")
  std::string_view path;       // normalised (see normalise_path); what is matched is what is forwarded
  std::string_view query;      // without '?'
  bool has_query = false;
  bool asterisk = false;  // OPTIONS *
  FieldList fields;
  Framing framing = Framing::none;
  uint64_t content_length = 0;   // when framing is length
  bool keep_alive = true;        // persistence the sender asked for (RFC 9112 section 9.3)
  bool expect_continue = false;  // Expect: 100-continue, from HTTP/1.1 and with content to come
  // The Upgrade field's value if Connection names it and framing is none; never one that lists h2c (RFC 9113
  // section 3.1).
  std::string_view upgrade;
  uint32_t head_bytes = 0;  // bytes of the head including the empty line

  void clear() noexcept;
};

struct ResponseHead {
  uint16_t status = 0;
  std::string_view reason;
  Version version = Version::http11;
  FieldList fields;
  Framing framing = Framing::none;
  uint64_t content_length = 0;
  bool keep_alive = true;
  std::string_view upgrade;  // of a 101
  uint32_t head_bytes = 0;

  void clear() noexcept;
};

// Why a head or a body was refused: the status to answer and a stable word for logs ("bare-lf").
struct Refusal {
  uint16_t status = 0;
  const char* reason = "";
};

}  // namespace mango::http
