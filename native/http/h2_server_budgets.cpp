// SPDX-License-Identifier: Apache-2.0
// What a client may cost: every frame is looked at before nghttp2 sees it, and what brings neither a request
// nor content is counted. An overdraft ends the connection.
#include <array>

#include "http/h2_server.h"

namespace mango::http {

bool H2ServerCodec::charge_control() noexcept {
  if (controls_.take(clock_.now_ms())) return true;
  fail(kControlFlood, NGHTTP2_ENHANCE_YOUR_CALM);
  return false;
}

bool H2ServerCodec::charge_reset() noexcept {
  if (resets_.take(clock_.now_ms())) return true;
  fail(kRapidReset, NGHTTP2_ENHANCE_YOUR_CALM);
  return false;
}

// A frame's head is here; nghttp2 has seen all that comes before it.
void H2ServerCodec::begin_frame(const H2FrameHead& head) noexcept {
  reading_head_ = head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_CONTINUATION;
  switch (head.type) {
    case NGHTTP2_HEADERS:
      continuations_ = 0;
      check_stream(head);
      return;
    case NGHTTP2_CONTINUATION:
      if (++continuations_ > kMaxHeadContinuations) fail(kContinuationFlood, NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    case NGHTTP2_DATA:
      if (head.payload_bytes == 0 && (head.flags & NGHTTP2_FLAG_END_STREAM) == 0) charge_control();
      check_stream(head);
      return;
    case NGHTTP2_RST_STREAM:
      charge_reset();
      return;
    case NGHTTP2_PRIORITY:  // of no meaning to us (RFC 9113 section 5.3.2), but with rules
      if (head.stream == 0 || head.dependency == head.stream) fail("http2-protocol", NGHTTP2_PROTOCOL_ERROR);
      charge_control();
      return;
    default:
      charge_control();
  }
}

// RFC 9113 section 5.1: frames for streams that are closed. nghttp2 ignores them.
void H2ServerCodec::check_stream(const H2FrameHead& head) noexcept {
  const bool may_be_closed = !own_goaway_ && head.stream <= last_id_ && head.stream % 2 == 1;
  if (!may_be_closed || nghttp2_session_find_stream(session(), static_cast<int32_t>(head.stream)) != nullptr)
    return;
  switch (recent_.find(head.stream)) {
    case H2RecentResets::By::us:
      return;
    case H2RecentResets::By::peer:
      (void)nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, static_cast<int32_t>(head.stream),
                                      NGHTTP2_STREAM_CLOSED);
      return;
    case H2RecentResets::By::nobody:
      fail("http2-stream-closed", NGHTTP2_STREAM_CLOSED);
  }
}

void H2ServerCodec::content_moved(size_t bytes) noexcept {
  controls_.earn(kEarnedByByte * bytes);
}

void H2ServerCodec::content_ran_out() noexcept {
  controls_.earn(kEarnedByMessageSent);
}

// GOAWAY is written by hand: nghttp2 may be on the stack, or beyond use. What it had queued is dropped.
void H2ServerCodec::fail(const char* reason, uint32_t code) noexcept {
  if (dead()) return;
  broken_ = {400, reason};
  std::array<char, 17> frame{0, 0, 8, NGHTTP2_GOAWAY};
  const auto put_number = [&frame](size_t at, uint32_t number) {
    for (size_t i = 0; i < 4; ++i) frame[at + i] = static_cast<char>(number >> (24 - 8 * i));
  };
  put_number(9, last_id_);
  put_number(13, code);
  (void)sink().put({frame.data(), frame.size()});
  die();
}

}  // namespace mango::http
