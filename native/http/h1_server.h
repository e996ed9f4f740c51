// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 codec towards clients (RFC 9112): one request at a time; pipelined ones wait as bytes.
#pragma once

#include "http/body_writer.h"
#include "http/codec.h"
#include "http/h1_body.h"

namespace mango::http {

class H1ServerCodec final : public ServerCodec {
 public:
  H1ServerCodec(const HeadLimits& limits, Heads& heads) noexcept : limits_(limits), heads_(heads) {}

  [[nodiscard]] size_t receive(std::span<char> bytes, ServerEvents& events) override;
  [[nodiscard]] bool send_head(StreamId stream, const ResponseHead& head, ResponseForwarding how,
                               Sink& sink) override;
  [[nodiscard]] size_t send_data(StreamId stream, std::string_view content, Sink& sink) override;
  [[nodiscard]] bool send_end(StreamId stream, std::string_view trailers, Sink& sink) override;
  [[nodiscard]] bool send_local(StreamId stream, LocalResponse response, Sink& sink) override;
  [[nodiscard]] bool persistent() const noexcept override { return keep_alive_; }
  void finish(StreamId stream) noexcept override;
  [[nodiscard]] bool idle() const noexcept override { return state_ == State::head; }

 private:
  enum class State : uint8_t {
    head,     // reading a request head
    body,     // reading its content
    waiting,  // the request is complete; its response is not
    refused,  // after a protocol error: nothing is read any more
  };
  void set_state(State next) noexcept;
  [[nodiscard]] bool read_head(std::span<char> bytes, size_t& used, ServerEvents& events);
  [[nodiscard]] bool read_body(std::span<char> bytes, size_t& used, ServerEvents& events);
  void refuse(const Refusal& refusal, ServerEvents& events);

  const HeadLimits limits_;
  Heads& heads_;
  BodyReader reader_;
  BodyWriter writer_;
  size_t scanned_ = 0;       // how far an incomplete head was searched for its end
  size_t content_left_ = 0;  // bytes at the front of the input known to be content, refused before
  StreamId stream_ = 0;
  State state_ = State::head;
  bool keep_alive_ = true;
  bool http10_ = false;
  bool head_request_ = false;
};

}  // namespace mango::http
