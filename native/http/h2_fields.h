// SPDX-License-Identifier: Apache-2.0
// From the neutral form of heads and trailers, HTTP/1.1 text, to the fields of HTTP/2 (RFC 9113 section 8).
// The text is what our own writers made, so it is well-formed; what does not belong into HTTP/2 is left out.
// Names are made lower case where they stand and the fields are views: the text has to outlive their use.
//
// Response heads, of which there are most, come without the detour over text.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <span>
#include <string_view>

#include "http/head_writer.h"
#include "http/limits.h"
#include "http/message.h"

namespace mango::http {

class H2Fields {
 public:
  // A response head. A 101 becomes the 200 that opens an extended CONNECT (RFC 8441 section 5). False if
  // there is no status line or there are too many fields.
  [[nodiscard]] bool read_response(std::span<char> head) noexcept;
  // A request head. One that asks for a tunnel becomes an extended CONNECT.
  [[nodiscard]] bool read_request(std::span<char> head, bool secure, bool upgrade) noexcept;
  // Lines of trailer fields.
  [[nodiscard]] bool read_trailers(std::span<char> lines) noexcept;

  // nghttp2 need not copy names and values: they are serialised before the text goes.
  void lend() noexcept;

  [[nodiscard]] const nghttp2_nv* data() const noexcept { return fields_.data(); }
  [[nodiscard]] size_t size() const noexcept { return count_; }
  [[nodiscard]] uint16_t status() const noexcept { return status_; }  // of a response, as in the text

 private:
  static constexpr size_t kPseudoFields = 5;
  static constexpr size_t kOwnFields = 24;  // what forwarding adds to the most that can come in

  [[nodiscard]] bool push(std::string_view name, std::string_view value, uint8_t flags = 0) noexcept;
  [[nodiscard]] bool read_lines(std::span<char> lines) noexcept;
  [[nodiscard]] bool read_line(std::span<char> name, std::string_view value) noexcept;
  [[nodiscard]] bool passes(FieldId id, std::string_view name, std::string_view value) const noexcept;

  std::array<nghttp2_nv, kMaxFields + kPseudoFields + kOwnFields> fields_;
  size_t count_ = 0;
  uint16_t status_ = 0;
  bool upgrade_ = false;
  friend class H2ResponseFields;
};

// A response head's fields as write_response_head() tells them, which is asked for none that concern a
// connection: neither keep-alive nor upgrade, and no transfer coding. Large: for the stack.
class H2ResponseFields final : public FieldSink {
 public:
  explicit H2ResponseFields(uint16_t status) noexcept;
  void field(std::string_view name, std::string_view value) noexcept override;
  void field(std::string_view name, uint64_t value) noexcept override;
  // There was room for all.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] H2Fields& fields() noexcept { return fields_; }

 private:
  // Names in lower case, and numbers.
  static constexpr size_t kScratchBytes = 48 * 1024;

  H2Fields fields_;
  size_t used_ = 0;
  bool ok_ = true;
  std::array<char, kScratchBytes> scratch_;
};

// Takes the line up to CRLF off the front; false at the end.
[[nodiscard]] bool take_text_line(std::span<char>& text, std::span<char>& line) noexcept;

}  // namespace mango::http
