// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 codec towards upstreams: one exchange at a time. An upstream is not trusted either: what it
// sends before a request, after a response, or in two ways at once makes the connection unusable.
#pragma once

#include "http/body_writer.h"
#include "http/codec.h"
#include "http/h1_body.h"

namespace mango::http {

class H1ClientCodec final : public ClientCodec {
 public:
  H1ClientCodec(Heads& heads, Sink& sink) noexcept : heads_(heads), sink_(sink) {}

  [[nodiscard]] Stream* start(const RequestStart& request) override;
  [[nodiscard]] size_t send_data(Stream& stream, std::string_view content) override;
  [[nodiscard]] bool send_end(Stream& stream, std::string_view trailers) override;
  [[nodiscard]] bool finish(Stream& stream) override;
  [[nodiscard]] size_t receive(std::span<char> bytes, ClientEvents& events) override;
  [[nodiscard]] bool receive_end(ClientEvents& events) override;
  void writable(ClientEvents& events) override;
  [[nodiscard]] bool resume(Stream&, ClientEvents&) override { return false; }
  [[nodiscard]] size_t capacity() const noexcept override { return reusable() && !open_ ? 1 : 0; }
  [[nodiscard]] bool reusable() const noexcept override {
    return state_ == State::idle && keep_alive_ && request_ended_;
  }
  [[nodiscard]] bool tunnels() const noexcept override { return true; }
  [[nodiscard]] bool settled() const noexcept override { return true; }
  [[nodiscard]] bool multiplexed() const noexcept override { return false; }

 private:
  enum class State : uint8_t {
    idle,     // no exchange: any byte is one too many
    head,     // waiting for a response head
    body,     // reading content
    tunnel,   // after a 101: bytes are content without framing
    refused,  // the upstream broke the protocol
  };
  void set_state(State next) noexcept;
  [[nodiscard]] bool read_head(std::span<char> bytes, size_t& used, ClientEvents& events);
  [[nodiscard]] bool read_body(std::span<char> bytes, size_t& used, ClientEvents& events);
  [[nodiscard]] bool give(std::string_view slice, size_t consumed, size_t& used, ClientEvents& events);
  void take_final_head(ResponseHead& head, ClientEvents& events);
  void refuse(const Refusal& refusal, ClientEvents& events);

  Heads& heads_;
  Sink& sink_;
  Stream stream_;
  BodyReader reader_;
  BodyWriter writer_;
  size_t scanned_ = 0;
  size_t content_left_ = 0;  // see H1ServerCodec
  Method method_ = Method::other;
  State state_ = State::idle;
  uint8_t interim_heads_ = 0;
  bool open_ = false;  // the stream has an exchange
  bool keep_alive_ = true;
  bool wants_upgrade_ = false;
  bool request_ended_ = true;
};

}  // namespace mango::http
