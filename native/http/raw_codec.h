// SPDX-License-Identifier: Apache-2.0
// Plain TCP as codecs: a tunnel from its first byte. Bytes are content as they come, a FIN is its end.
#pragma once

#include "http/codec.h"

namespace mango::http {

class RawServerCodec final : public ServerCodec {
 public:
  explicit RawServerCodec(Sink& sink) noexcept : sink_(sink) {}

  // The one stream there is; its owner begins the exchange, for no byte need come first.
  [[nodiscard]] Stream& stream() noexcept { return stream_; }

  [[nodiscard]] size_t receive(std::span<char> bytes, ServerEvents& events) override {
    return open_ ? events.on_request_data(stream_, {bytes.data(), bytes.size()}) : bytes.size();
  }
  [[nodiscard]] bool receive_end(ServerEvents& events) override {
    if (!open_ || request_ended_) return false;
    request_ended_ = true;
    events.on_request_end(stream_, {});
    return true;
  }
  void writable(ServerEvents& events) override {
    if (open_) events.on_response_writable(stream_);
  }
  [[nodiscard]] bool resume(Stream&, ServerEvents&) override { return false; }
  [[nodiscard]] bool send_head(Stream&, const ResponseHead&, ResponseForwarding) override { return true; }
  [[nodiscard]] size_t send_data(Stream&, std::string_view content) override { return sink_.offer(content); }
  [[nodiscard]] bool send_end(Stream&, std::string_view) override {
    sink_.finish();
    return true;
  }
  [[nodiscard]] bool send_local(Stream&, LocalResponse) override { return true; }  // no words for it
  [[nodiscard]] bool send_refusal(LocalResponse) override { return false; }
  [[nodiscard]] bool reset(Stream&, StreamError) override { return false; }
  void finish(Stream&) override { open_ = false; }
  void announce_close(StreamError, bool) override {}
  [[nodiscard]] bool persistent() const noexcept override { return false; }
  [[nodiscard]] bool idle() const noexcept override { return false; }
  [[nodiscard]] bool reading_head() const noexcept override { return false; }
  [[nodiscard]] bool multiplexed() const noexcept override { return false; }

 private:
  Sink& sink_;
  Stream stream_{.id = 1};
  bool open_ = true;
  bool request_ended_ = false;
};

class RawClientCodec final : public ClientCodec {
 public:
  explicit RawClientCodec(Sink& sink) noexcept : sink_(sink) {}

  [[nodiscard]] Stream* start(const RequestStart&) override {
    if (used_) return nullptr;
    used_ = open_ = true;
    return &stream_;
  }
  [[nodiscard]] size_t send_data(Stream&, std::string_view content) override { return sink_.offer(content); }
  [[nodiscard]] bool send_end(Stream&, std::string_view) override {
    sink_.finish();
    return true;
  }
  [[nodiscard]] bool finish(Stream&) override {
    open_ = false;
    return false;
  }
  [[nodiscard]] size_t receive(std::span<char> bytes, ClientEvents& events) override {
    return open_ ? events.on_response_data(stream_, {bytes.data(), bytes.size()}) : bytes.size();
  }
  [[nodiscard]] bool receive_end(ClientEvents& events) override {
    if (!open_) return false;
    events.on_response_end(stream_, {});
    return true;
  }
  void writable(ClientEvents& events) override {
    if (open_) events.on_request_writable(stream_);
  }
  [[nodiscard]] bool resume(Stream&, ClientEvents&) override { return false; }
  [[nodiscard]] size_t capacity() const noexcept override { return used_ ? 0 : 1; }
  [[nodiscard]] bool reusable() const noexcept override { return false; }
  [[nodiscard]] bool tunnels() const noexcept override { return true; }
  [[nodiscard]] bool settled() const noexcept override { return true; }
  [[nodiscard]] bool multiplexed() const noexcept override { return false; }

 private:
  Sink& sink_;
  Stream stream_{.id = 1};
  bool used_ = false;
  bool open_ = false;
};

}  // namespace mango::http
