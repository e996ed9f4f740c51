// SPDX-License-Identifier: Apache-2.0
// One header block from an upstream (RFC 9113 section 8.1), field by field: a response head, or trailers. As
// strict as for HTTP/1.1, with the same limits: what comes in here leaves as text, so every octet that could
// end a line or mean something to a connection is refused.
//
// nghttp2's own check of messages is off for upstreams: it says that a rule was broken but not which one, and
// an operator wants the word for it.
#pragma once

#include <nghttp2/nghttp2.h>

#include <vector>

#include "http/h2_memory.h"
#include "http/message.h"

namespace mango::http {

class H2ResponseBlock {
 public:
  enum class Kind : uint8_t { head, trailers };

  H2ResponseBlock() = default;
  H2ResponseBlock(const H2ResponseBlock&) = delete;
  H2ResponseBlock& operator=(const H2ResponseBlock&) = delete;
  ~H2ResponseBlock() { clear(); }

  // A block begins.
  void start(Kind kind) noexcept;
  // Null, or why the message is refused. Keeps what it needs of the two.
  [[nodiscard]] const char* add(nghttp2_rcbuf* name, nghttp2_rcbuf* value);

  // The head is complete; null, or why it is refused. Its views live until clear(). `ended`: the stream ended
  // with this block. A head that opens a tunnel (`tunnel` was asked for and the status is 2xx) gets status
  // 101.
  [[nodiscard]] const char* read_head(Method request_method, bool tunnel, bool ended, ResponseHead& head);
  // Appends the trailers as field lines, without those that must not come that late.
  void read_trailers(H2String& text) const;
  // Lets go of all that was kept.
  void clear() noexcept;

  [[nodiscard]] bool is_trailers() const noexcept { return kind_ == Kind::trailers; }

 private:
  struct Kept {
    nghttp2_rcbuf* name;
    nghttp2_rcbuf* value;
    FieldId id;
  };
  [[nodiscard]] const char* add_pseudo(std::string_view name, std::string_view value) noexcept;
  [[nodiscard]] const char* check_field(const Field& field) const noexcept;
  [[nodiscard]] const char* read_framing_of(Method request_method, bool ended, ResponseHead& head);

  std::vector<Kept> kept_;
  uint32_t bytes_ = 0;
  uint16_t fields_ = 0;
  uint16_t status_ = 0;
  Kind kind_ = Kind::head;
};

}  // namespace mango::http
