// SPDX-License-Identifier: Apache-2.0
// What an intermediary does to a head (RFC 9110 section 7.6, RFC 7239): hop-by-hop fields go, aliases of our
// own fields go, the route's modifiers apply, our fields are added last. Pure: a head in, bytes out.
//
// Order matters for safety: fields named by Connection are removed from what the client sent *before* ours
// are added, so a client cannot make us drop our own X-Forwarded-For.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "http/head_writer.h"
#include "http/message.h"

namespace mango::http {

// A route's HTTPHeaderFilter (Gateway API): names compare case-insensitively.
struct FieldModifier {
  std::vector<std::pair<std::string, std::string>> set;  // replace all of that name
  std::vector<std::pair<std::string, std::string>> add;  // append another
  std::vector<std::string> remove;
  [[nodiscard]] bool empty() const noexcept { return set.empty() && add.empty() && remove.empty(); }
};

struct RequestForwarding {
  std::string_view target;          // path and query to send upstream, already rewritten
  std::string_view host;            // Host to send
  std::string_view client_address;  // textual, without port; IPv6 without brackets
  std::string_view proto;           // "https" or "http"
  std::string_view original_host;   // for X-Forwarded-Host: the authority the client named
  std::string_view request_id;      // X-Request-Id to send
  bool trusted = false;             // the peer's own forwarding fields are kept and extended
  bool upgrade = false;             // forward Connection: upgrade and the Upgrade field
  std::string_view websocket_key;   // Sec-WebSocket-Key to add: a client that speaks HTTP/2 sends none
  Framing framing = Framing::none;
  uint64_t content_length = 0;
  const FieldModifier* modifier = nullptr;  // may be null
};

// Writes an HTTP/1.1 request head, including the empty line. Connection is only written for an upgrade or to
// go with "TE: trailers".
void write_request_head(HeadWriter& out, const RequestHead& head, const RequestForwarding& how) noexcept;

struct ResponseForwarding {
  bool keep_alive = true;           // else Connection: close is written
  bool http10 = false;              // to an HTTP/1.0 client: no chunked; keep-alive is announced
  bool upgrade = false;             // a 101: Connection: upgrade and Upgrade are forwarded
  Framing framing = Framing::none;  // as sent to the client
  uint64_t content_length = 0;
  std::string_view request_id;  // added as X-Request-Id when not empty, instead of the upstream's
  std::string_view date;        // IMF-fixdate to add if the upstream sent no Date (RFC 9110 section 6.6.1)
  const FieldModifier* modifier = nullptr;
};

// Writes an HTTP/1.1 response head, including the empty line. 1xx heads get no framing fields. Where framing
// is none (HEAD, 304) the upstream's Content-Length is passed on: it describes what a GET would have brought.
void write_response_head(HeadWriter& out, const ResponseHead& head, const ResponseForwarding& how) noexcept;

// Names dropped from requests whatever the configuration: with '_' or '.' in them they alias other names in
// CGI-like upstreams (X_Forwarded_Proto, Remote.User).
[[nodiscard]] bool is_alias_name(std::string_view name) noexcept;

}  // namespace mango::http
