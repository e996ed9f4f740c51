// SPDX-License-Identifier: Apache-2.0
// One header block from an upstream (RFC 9113 section 8.1), field by field: a response head, or trailers. As
// strict as for HTTP/1.1, with the same limits: what comes in here leaves as text, so every octet that could
// end a line or mean something to a connection is refused.
//
// nghttp2's own check of messages is off for upstreams: it says that a rule was broken but not which one, and
// an operator wants the word for it.
#pragma once

#include <string>
#include <vector>

#include "http/message.h"

namespace mango::http {

class H2ResponseBlock {
 public:
  enum class Kind : uint8_t { head, trailers };

  // A block begins; what the last one left is forgotten.
  void start(Kind kind) noexcept;
  // Null, or why the message is refused. The views need not outlive the call.
  [[nodiscard]] const char* add(std::string_view name, std::string_view value);

  // The head is complete; null, or why it is refused. Its views live until start(). `ended`: the stream ended
  // with this block. A head that opens a tunnel (`tunnel` was asked for and the status is 2xx) gets status
  // 101.
  [[nodiscard]] const char* read_head(Method request_method, bool tunnel, bool ended, ResponseHead& head);
  // The trailers as field lines, without those that must not come that late. They live until start().
  [[nodiscard]] std::string_view trailers() const noexcept { return text_; }

  [[nodiscard]] bool is_trailers() const noexcept { return kind_ == Kind::trailers; }

 private:
  struct Extent {
    uint32_t name_bytes;
    uint32_t value_bytes;
    FieldId id;
  };
  [[nodiscard]] const char* add_pseudo(std::string_view name, std::string_view value) noexcept;
  [[nodiscard]] const char* check_field(const Field& field) const noexcept;
  void keep(const Field& field);
  [[nodiscard]] const char* read_framing_of(Method request_method, bool ended, ResponseHead& head);

  std::string text_;  // "name: value\r\n" ...; grows with the largest head, within the limits
  std::vector<Extent> extents_;
  uint32_t bytes_ = 0;
  uint16_t fields_ = 0;
  uint16_t status_ = 0;
  Kind kind_ = Kind::head;
};

}  // namespace mango::http
