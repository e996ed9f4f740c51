// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 message content (RFC 9112 sections 6 and 7): turns received bytes into slices of content. Pure.
#pragma once

#include <string>

#include "http/message.h"

namespace mango::http {

struct BodyLimits {
  uint32_t chunk_head_bytes = kDefaultChunkHeadBytes;  // size, extensions, CRLF of one chunk
  uint32_t trailer_bytes = kDefaultTrailerBytes;       // all trailer fields of one message
  uint16_t trailer_fields = kDefaultTrailerFields;
};

class BodyReader {
 public:
  enum class Step : uint8_t {
    need_more,  // all of the input that could be used is; feed more
    data,       // `slice` is content; call again with the rest
    end,        // the message is over; bytes after `consumed` belong to the next one
    refused,    // see refusal(); the connection cannot be used any more
  };

  struct Result {
    Step step;
    size_t consumed;         // bytes of the input to drop after using `slice`
    std::string_view slice;  // content, a view into the input
  };

  // Starts a message. `until_close` never ends by itself: call finish() at end of stream.
  void start(Framing framing, uint64_t content_length) noexcept;

  // Takes the next step over `input`. `need_more` with consumed < size means an element (chunk head, trailer
  // line) is incomplete: feed the rest again with more behind it; such a rest is bounded by the limits.
  [[nodiscard]] Result next(std::string_view input, const BodyLimits& limits) noexcept;

  // End of stream: true if the message was complete or framed until_close, false if it was cut short.
  [[nodiscard]] bool finish() noexcept;

  [[nodiscard]] bool ended() const noexcept;
  [[nodiscard]] const Refusal& refusal() const noexcept;
  // Content left when the framing is `length`, in bytes.
  [[nodiscard]] uint64_t remaining() const noexcept;

  // Trailer fields of a chunked message: valid from `data`/`end` of the call that met them on; the reader
  // copies them to storage of its own only while a trailer section is read. Views, forbidden names (framing,
  // routing, authentication: RFC 9110 section 6.5.1) already dropped. Serialised as received, "name:
  // value\r\n".
  [[nodiscard]] std::string_view trailers() const noexcept;

 private:
  enum class State : uint8_t {
    length,
    chunk_head,
    chunk_data,
    chunk_end,
    trailers,
    until_close,
    ended,
    refused
  };

  // One step of one state over `input`; false when it needs more bytes than there are.
  [[nodiscard]] bool read_chunk_head(std::string_view input, const BodyLimits& limits,
                                     size_t& consumed) noexcept;
  [[nodiscard]] bool read_chunk_end(std::string_view input, size_t& consumed) noexcept;
  [[nodiscard]] bool read_trailer_line(std::string_view input, const BodyLimits& limits,
                                       size_t& consumed) noexcept;
  [[nodiscard]] std::string_view take_content(std::string_view input) noexcept;
  [[nodiscard]] bool advance(std::string_view input, const BodyLimits& limits, size_t& consumed) noexcept;
  void refuse(uint16_t status, const char* reason) noexcept;
  void set_state(State next) noexcept;

  State state_ = State::ended;
  uint16_t trailer_fields_ = 0;
  uint32_t trailer_bytes_ = 0;
  uint64_t remaining_ = 0;  // of the message (length) or of the chunk (chunk_data)
  Refusal refusal_;
  std::string trailers_;
};

// Names that must not come late (RFC 9110 section 6.5.1): framing, routing, authentication, content and
// request or response control, and whatever the proxy itself adds or drops.
[[nodiscard]] bool is_forbidden_trailer(std::string_view name) noexcept;

}  // namespace mango::http
