// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 codec towards clients (RFC 9112): one request at a time; pipelined ones wait as bytes.
// What an early answer left unread of a request is drained, within a limit, to keep the connection.
#pragma once

#include "http/body_writer.h"
#include "http/codec.h"
#include "http/h1_body.h"

namespace mango::http {

class H1ServerCodec final : public ServerCodec {
 public:
  H1ServerCodec(const HeadLimits& limits, Heads& heads, Sink& sink) noexcept
      : limits_(limits), heads_(heads), sink_(sink) {}

  [[nodiscard]] size_t receive(std::span<char> bytes, ServerEvents& events) override;
  [[nodiscard]] bool receive_end(ServerEvents& events) override;
  void writable(ServerEvents& events) override;
  [[nodiscard]] bool resume(Stream&, ServerEvents&) override { return false; }
  [[nodiscard]] bool send_head(Stream& stream, const ResponseHead& head, ResponseForwarding how) override;
  [[nodiscard]] size_t send_data(Stream& stream, std::string_view content) override;
  [[nodiscard]] bool send_end(Stream& stream, std::string_view trailers) override;
  [[nodiscard]] bool send_local(Stream& stream, LocalResponse response) override;
  [[nodiscard]] bool send_refusal(LocalResponse response) override { return send_local(stream_, response); }
  [[nodiscard]] bool reset(Stream&, StreamError) override { return false; }
  void finish(Stream& stream) override;
  void announce_close(StreamError, bool) override { closing_ = true; }
  [[nodiscard]] bool persistent() const noexcept override { return keep_alive_ && !closing_; }
  [[nodiscard]] bool idle() const noexcept override { return state_ == State::head; }
  [[nodiscard]] bool reading_head() const noexcept override { return partial_head_; }
  [[nodiscard]] bool multiplexed() const noexcept override { return false; }

 private:
  enum class State : uint8_t {
    head,     // reading a request head
    body,     // reading its content
    waiting,  // the request is complete; its response is not
    tunnel,   // after a 101: bytes are content without framing
    refused,  // after a protocol error: nothing is read any more
  };
  void set_state(State next) noexcept;
  [[nodiscard]] bool read_head(std::span<char> bytes, size_t& used, ServerEvents& events);
  [[nodiscard]] bool read_body(std::span<char> bytes, size_t& used, ServerEvents& events);
  [[nodiscard]] bool read_tunnel(std::string_view bytes, size_t& used, ServerEvents& events);
  void end_body(ServerEvents& events);
  [[nodiscard]] size_t drain(size_t bytes) noexcept;
  void refuse(const Refusal& refusal, ServerEvents& events);

  const HeadLimits limits_;
  Heads& heads_;
  Sink& sink_;
  Stream stream_;
  BodyReader reader_;
  BodyWriter writer_;
  size_t scanned_ = 0;       // how far an incomplete head was searched for its end
  size_t content_left_ = 0;  // bytes at the front of the input known to be content, refused before
  uint32_t drained_bytes_ = 0;
  State state_ = State::head;
  bool open_ = false;  // the stream has an exchange; content without one is drained
  bool partial_head_ = false;
  bool keep_alive_ = true;
  bool closing_ = false;
  bool request_ended_ = false;  // of a tunnel
  bool http10_ = false;
  bool head_request_ = false;
};

}  // namespace mango::http
