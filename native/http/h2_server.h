// SPDX-License-Identifier: Apache-2.0
// The HTTP/2 codec towards clients (RFC 9113, RFC 8441, RFC 9218) on nghttp2.
//
// Rules broken within a stream cost the stream, where the RFC allows it; rules of the connection, and budgets
// overdrawn, cost the connection. Budgets: a client may reset streams, make us reset them, and send frames
// that carry no request and no content only so often (CVE-2023-44487, CVE-2025-8671, CVE-2019-9511 to 9518).
#pragma once

#include "http/clock.h"
#include "http/h2_budget.h"
#include "http/h2_fields.h"
#include "http/h2_frames.h"
#include "http/h2_limits.h"
#include "http/h2_request.h"
#include "http/h2_resets.h"
#include "http/h2_session.h"

namespace mango::http {

class H2ServerCodec final : public ServerCodec, private H2Session {
 public:
  // Our SETTINGS go out with the first call that writes. The clock has to outlive the codec.
  H2ServerCodec(const HeadLimits& head_limits, const Http2Limits& limits, Heads& heads, Sink& sink,
                const Clock& clock) noexcept;

  // The client's preface is part of the bytes.
  [[nodiscard]] size_t receive(std::span<char> bytes, ServerEvents& events) override;
  [[nodiscard]] bool receive_end(ServerEvents& events) override;
  void writable(ServerEvents& events) override;
  [[nodiscard]] bool resume(Stream& stream, ServerEvents& events) override;
  [[nodiscard]] bool send_head(Stream& stream, const ResponseHead& head, ResponseForwarding how) override;
  [[nodiscard]] size_t send_data(Stream& stream, std::string_view content) override;
  [[nodiscard]] bool send_end(Stream& stream, std::string_view trailers) override;
  [[nodiscard]] bool send_local(Stream& stream, LocalResponse response) override;
  [[nodiscard]] bool send_refusal(LocalResponse) override { return false; }
  [[nodiscard]] bool reset(Stream& stream, StreamError error) override;
  void finish(Stream& stream) override;
  void announce_close(StreamError error, bool final) override;
  [[nodiscard]] bool persistent() const noexcept override {
    return !closing_ && !dead() && broken_.status == 0;
  }
  [[nodiscard]] bool idle() const noexcept override { return streams() == 0 && !reading_head_; }
  [[nodiscard]] bool reading_head() const noexcept override { return reading_head_; }
  [[nodiscard]] bool multiplexed() const noexcept override { return true; }
  void close() noexcept override { die(); }
  // Ends, by CANCEL, streams whose exchange is over while their last bytes wait for the client's window
  // longer than that: nobody else would.
  void expire(uint32_t limit_ms) noexcept override;

 private:
  struct Exchange final : H2Stream {
    const char* broken = nullptr;        // the rule that was broken, if one was
    uint64_t content_left = UINT64_MAX;  // of a declared length
    uint64_t finished_ms = 0;
    uint16_t trailer_fields = 0;
    bool peer_reset = false;
    bool head_request = false;
    bool lost = false;       // closed before its time; on_stream_lost is still to be told
    uint32_t lost_code = 0;  // why
  };
  static constexpr const char* kControlFlood = "http2-control-flood";
  static constexpr const char* kContinuationFlood = "http2-continuation-flood";
  static constexpr const char* kHeaderBomb = "http2-header-bomb";
  static constexpr const char* kRapidReset = "http2-rapid-reset";

  enum class HeadKind : uint8_t { interim, alone, content };
  struct Callbacks;
  class Calls;

  void open(const Http2Limits& limits, uint32_t head_bytes) noexcept;
  // Budgets; false once one is overdrawn, and the connection given up.
  void begin_frame(const H2FrameHead& head) noexcept;
  void check_stream(const H2FrameHead& head) noexcept;
  bool charge_control() noexcept;
  bool charge_reset() noexcept;
  void fail(const char* reason, uint32_t code) noexcept;
  void session_failed(int error) noexcept;
  void frame_received(const nghttp2_frame& frame) noexcept;
  void frame_sent(const nghttp2_frame& frame) noexcept;
  void head_complete(StreamId id, bool ended) noexcept;
  void take_end(Exchange& exchange) noexcept;
  void refuse_request(Exchange& exchange, const Refusal& refusal) noexcept;
  void refuse_malformed(Exchange& exchange, const char* reason) noexcept;
  void break_stream(Exchange& exchange, const char* reason) noexcept;
  void take_trailer(Exchange& exchange, std::string_view name, std::string_view value) noexcept;
  void stream_closed(Exchange& exchange, uint32_t code) noexcept;
  void tell_lost(Exchange& exchange, uint32_t code) noexcept;
  void tell_losses() noexcept;
  void settle() noexcept;
  [[nodiscard]] bool submit_head(Exchange& exchange, H2Fields& fields, HeadKind kind) noexcept;
  [[nodiscard]] Exchange* find(int32_t id) noexcept { return static_cast<Exchange*>(find_stream(id)); }

  [[nodiscard]] size_t deliver(H2Stream& stream, std::string_view content) override;
  void deliver_end(H2Stream& stream) override;
  void wake(H2Stream& stream) override;
  [[nodiscard]] bool accept_content(H2Stream& stream, size_t bytes) noexcept override;
  void content_moved(size_t bytes) noexcept override;
  void content_ran_out() noexcept override;

  Heads& heads_;
  const Clock& clock_;
  H2RequestReader reader_;
  H2FrameReader frames_;
  H2RecentResets recent_;
  H2Budget resets_;
  H2Budget controls_;
  ServerEvents* events_ = nullptr;  // within calls that bring them
  Refusal broken_;                  // why the connection is given up; still to be told
  uint32_t own_code_ = 0;           // of the GOAWAY that we were told to send
  StreamId last_id_ = 0;            // the client's last request
  uint32_t continuations_ = 0;
  bool feeding_ = false;  // what came in is being read
  bool own_goaway_ = false;
  bool broken_told_ = false;
  bool reading_head_ = false;
  bool closing_ = false;
  bool losses_ = false;  // some exchange is lost and does not know
};

}  // namespace mango::http
