// SPDX-License-Identifier: Apache-2.0
// One connection to a server: connect, PROXY header, TLS, then a codec that says how many exchanges it
// carries. Exchanges may be assigned before it is ready; they are told when it is, or that it failed.
#pragma once

#include <memory>
#include <vector>

#include "proxy/codec_connection.h"
#include "proxy/upstream.h"

namespace mango::proxy {

// Why an upstream gave no (whole) response.
enum class UpstreamFailure : uint8_t {
  connect,
  connect_timeout,
  tls,
  closed,
  reset,
  refused,       // the request was not processed, and the upstream says so
  bad_response,  // the upstream broke the protocol
  no_memory,
  device,  // the offload device below was reset: no fault of the server's
};

class UpstreamConnection final : public CodecConnection, public net::TimerTarget, public http::ClientEvents {
 public:
  UpstreamConnection(ServerPool& pool, UpstreamUse use);

  // Attaches the stream; false if the loop cannot watch it.
  [[nodiscard]] bool open(net::Stream stream, const net::Endpoint& endpoint);

  // --- for the pool ---
  [[nodiscard]] const net::Endpoint& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] uint32_t settings() const noexcept { return settings_; }
  [[nodiscard]] size_t load() const noexcept { return exchanges_.size(); }
  // Whether another exchange may be assigned beside those there are; while it is still being made, on the
  // assumption that it will carry many.
  [[nodiscard]] bool takes(UpstreamUse use) const noexcept;
  [[nodiscard]] bool multiplexed() const noexcept { return codec_ && codec_->multiplexed(); }
  void start_idle_timer(uint32_t idle_ms);
  // The connection is of no use; its exchanges, if any, are not told.
  void discard();
  // The device below was reset: the connection is gone already.
  void device_was_reset() { fail(UpstreamFailure::device); }

  // --- for exchanges ---
  // ready() may still be to come: then on_upstream_ready() follows, or on_upstream_failed().
  void assign(Exchange& exchange);
  [[nodiscard]] bool ready() const noexcept { return codec_ != nullptr; }
  // Whether another exchange was carried before that one.
  [[nodiscard]] bool reused() const noexcept { return reused_; }
  // Null if the request cannot be started yet: on_upstream_ready() follows.
  [[nodiscard]] http::Stream* start(Exchange& exchange, const http::RequestStart& request);
  [[nodiscard]] http::ClientCodec& codec() noexcept { return *codec_; }
  [[nodiscard]] ServerPool& pool() noexcept { return pool_; }
  // Content of the response that was not taken can be offered again.
  void resume(http::Stream& stream);
  void pause();
  // Whether the server is kept waiting, by us, with this response.
  [[nodiscard]] bool held_back() const noexcept { return !multiplexed() && input_paused(); }
  // The exchange is over, cleanly or not (`stream` null: it was not started, or is gone).
  void leave(Exchange& exchange, http::Stream* stream);

  // net::Connection
  size_t on_input(std::span<char> bytes) override;
  void on_input_end(net::Io io) override;
  void on_writable() override;
  void on_output_failed(net::Io io) override;
  void on_connected(net::Io io) override;
  void on_handshake_done() override;
  void on_no_memory() override;
  void on_timer(net::Timer& timer) override;
  // http::ClientEvents
  void on_interim(http::Stream& stream, http::ResponseHead& head) override;
  void on_response(http::Stream& stream, http::ResponseHead& head) override;
  size_t on_response_data(http::Stream& stream, std::string_view content) override;
  void on_response_end(http::Stream& stream, std::string_view trailers) override;
  void on_request_writable(http::Stream& stream) override;
  void on_response_error(http::Stream& stream, const http::Refusal& refusal) override;
  void on_stream_lost(http::Stream& stream, http::StreamError error) override;
  void on_connection_error(const http::Refusal& refusal) override;
  void on_capacity_changed() override;

 private:
  [[nodiscard]] bool start_client_tls();
  [[nodiscard]] bool send_proxy_header();
  void become_ready(bool http2);
  void wake_waiting();
  [[nodiscard]] Exchange* lose(http::Stream& stream) noexcept;
  void remove(Exchange& exchange) noexcept;
  void settle();
  void fail(UpstreamFailure failure, const char* reason = nullptr);

  ServerPool& pool_;
  net::Endpoint endpoint_;
  std::unique_ptr<http::ClientCodec> codec_;  // null until ready
  std::vector<Exchange*> exchanges_;
  net::Timer timer_;  // connect, or idle
  const uint32_t settings_;
  const UpstreamUse use_;  // what it was made for
  bool reused_ = false;
  bool discarded_ = false;
  bool settled_ = false;  // the peer's limits are known
};

}  // namespace mango::proxy
