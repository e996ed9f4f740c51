// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 codec towards upstreams (RFC 9113, RFC 8441): many exchanges at once on one connection. An
// upstream is not trusted either: what breaks one response costs its stream, what breaks the connection's
// rules, or only keeps us busy, costs the connection.
//
// A connection is shared by clients who know nothing of each other, so one who does not read must not stop
// the others: content that waits for its taker is held against its stream's window only. What all streams
// hold is bounded by their number times that window.
#pragma once

#include <array>

#include "http/clock.h"
#include "http/h2_budget.h"
#include "http/h2_limits.h"
#include "http/h2_response.h"
#include "http/h2_session.h"
#include "http/websocket.h"

namespace mango::http {

// A sink that goes on when the connection takes nothing more: what the upstream said before may still be on
// its way, and is worth reading.
class H2Outlet final : public Sink {
 public:
  explicit H2Outlet(Sink& sink) noexcept : sink_(sink) {}
  [[nodiscard]] bool put(std::string_view bytes) override {
    failed_ = failed_ || !sink_.put(bytes);
    return true;
  }
  [[nodiscard]] size_t offer(std::string_view bytes) override { return sink_.offer(bytes); }
  [[nodiscard]] bool congested() noexcept override { return !failed_ && sink_.congested(); }
  void finish() override { sink_.finish(); }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  Sink& sink_;
  bool failed_ = false;
};

class H2ClientCodec final : public ClientCodec, private H2Session {
 public:
  // The clock has to outlive the codec.
  H2ClientCodec(const Http2Limits& limits, Heads& heads, Sink& sink, const Clock& clock);

  // Greets the upstream, as start() does if nobody did before. Not before bytes can be sent.
  void open() { pump(); }
  // The upstream's first SETTINGS came. Before, one request may be started, and no tunnel.
  [[nodiscard]] bool settled() const noexcept override { return settled_; }
  // All of the response is here, though some of it may be held for its taker: it needs no connection any
  // more.
  [[nodiscard]] bool complete(const Stream& stream) const noexcept;
  // The connection is given up: no event follows, nothing is written. Allowed within events.
  void close() noexcept override;

  [[nodiscard]] Stream* start(const RequestStart& request) override;
  [[nodiscard]] size_t send_data(Stream& stream, std::string_view content) override;
  [[nodiscard]] bool send_end(Stream& stream, std::string_view trailers) override;
  [[nodiscard]] bool finish(Stream& stream) override;
  [[nodiscard]] size_t receive(std::span<char> bytes, ClientEvents& events) override;
  // True if every response that is not finished is complete; the connection may then stay for them.
  [[nodiscard]] bool receive_end(ClientEvents& events) override;
  void writable(ClientEvents& events) override;
  [[nodiscard]] bool resume(Stream& stream, ClientEvents& events) override;
  // A stream that is over makes room at once; who finishes one should look, for no event tells.
  [[nodiscard]] size_t capacity() const noexcept override;
  [[nodiscard]] bool reusable() const noexcept override;
  [[nodiscard]] bool tunnels() const noexcept override;
  [[nodiscard]] bool multiplexed() const noexcept override { return true; }

 private:
  enum class Phase : uint8_t {
    head,    // waiting for a response head
    body,    // content, and trailers at the end
    tunnel,  // content alone
  };
  struct Exchange final : H2Stream {
    void set_phase(Phase to) noexcept;
    H2String head;                       // until it is serialised: nghttp2 has views of it
    uint64_t content_left = UINT64_MAX;  // of the declared length; no length: never reached
    H2String protocol;                   // of the tunnel that is asked for
    std::array<char, kWebSocketAcceptBytes> accept;
    StreamError lost = StreamError::none;  // closed before its time; on_stream_lost is still to be told
    Method method = Method::other;
    Phase phase = Phase::head;
    uint8_t interim_heads = 0;
    bool has_accept = false;  // the client speaks HTTP/1.1 and wants `accept` in the 101
    bool has_length = false;
  };
  // An exchange whose events are being told; null once it is gone.
  struct Watch {
    Exchange* exchange;
    Watch* outer;
  };
  class Turn;
  struct Callbacks;
  friend struct H2ClientPeek;  // tests use up stream ids, which takes years otherwise
  static Exchange& exchange_of(Stream& stream) noexcept { return static_cast<Exchange&>(stream); }
  [[nodiscard]] Exchange* find(int32_t id) noexcept { return static_cast<Exchange*>(find_stream(id)); }

  [[nodiscard]] static const nghttp2_session_callbacks* callbacks() noexcept;
  [[nodiscard]] static const nghttp2_option* options() noexcept;
  void greet(const Http2Limits& limits) noexcept;
  [[nodiscard]] Exchange* submit(const RequestStart& request);

  // --- what nghttp2 says, in its callbacks ---
  void frame_began(const nghttp2_frame_hd& head) noexcept;
  void block_began(const nghttp2_frame& frame);
  void field_came(nghttp2_rcbuf* name, nghttp2_rcbuf* value);
  void frame_came(const nghttp2_frame& frame);
  void headers_came(Exchange& exchange, bool ended);
  void take_head(Exchange& exchange, ResponseHead& head);
  void stream_closed(Exchange& exchange, uint32_t code);
  void goaway_sent(uint32_t code) noexcept;

  void refuse(Exchange& exchange, const char* reason);
  void lose(Exchange& exchange);
  void tell_losses();
  void remove(Exchange& exchange) noexcept;
  // Resets a stream whose exchange nobody wants any more.
  void cancel(Exchange& exchange);
  // The connection cannot go on; report_failure() tells.
  void fail(uint32_t code, const char* reason) noexcept;
  void report_failure();

  [[nodiscard]] size_t deliver(H2Stream& stream, std::string_view content) override;
  void deliver_end(H2Stream& stream) override;
  void wake(H2Stream& stream) override;
  void content_moved(size_t bytes) noexcept override;
  void content_ran_out() noexcept override;

  H2Outlet outlet_;
  Heads& heads_;
  const Clock& clock_;
  H2Budget control_;
  H2Budget resets_;  // of ours
  const uint32_t max_streams_;
  ClientEvents* events_ = nullptr;  // within a turn
  Watch* watch_ = nullptr;
  H2ResponseBlock block_;
  Exchange* block_owner_ = nullptr;  // null: nobody wants the block
  size_t ending_ = 0;                // streams whose end is being told: they make room already
  uint32_t block_bytes_ = 0;         // decoded, wanted or not
  uint16_t block_fields_ = 0;
  uint16_t continuations_ = 0;
  const char* failure_ = nullptr;
  uint32_t failure_code_ = NGHTTP2_NO_ERROR;
  bool failure_told_ = false;  // or not wanted
  bool losses_ = false;        // some are still to be told
  bool receiving_ = false;
  bool worn_ = false;  // resets_ is overdrawn
  bool settled_ = false;
  bool input_ended_ = false;
};

}  // namespace mango::http
