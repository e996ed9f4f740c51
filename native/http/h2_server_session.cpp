// SPDX-License-Identifier: Apache-2.0
// The codec's nghttp2 session: callbacks, options, settings.
#include <array>

#include "http/h2_server.h"

namespace mango::http {

namespace {

constexpr uint64_t kUnlimitedRate = uint64_t{1} << 40;

const char* reason_of_error(int error) noexcept {
  switch (error) {
    case NGHTTP2_ERR_FLOW_CONTROL:
      return "http2-flow-control";
    case NGHTTP2_ERR_STREAM_CLOSED:
      return "http2-stream-closed";
    case NGHTTP2_ERR_REFUSED_STREAM:
      return "http2-too-many-streams";
    default:
      return "http2-protocol";
  }
}

}  // namespace

// Within nghttp2: returning other than 0 ends the call at once, which is what a dead session is for.
struct H2ServerCodec::Callbacks {
  static H2ServerCodec& self(void* user_data) noexcept {
    return static_cast<H2ServerCodec&>(*static_cast<H2Session*>(user_data));
  }
  static int verdict(const H2ServerCodec& codec) noexcept {
    return codec.dead() ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    H2ServerCodec& codec = self(user_data);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) codec.reader_.begin();
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name,
                       nghttp2_rcbuf* value, uint8_t, void* user_data) {
    H2ServerCodec& codec = self(user_data);
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      if (!codec.reader_.add(name, value)) codec.fail(kHeaderBomb, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (Exchange* const exchange = codec.find(frame->hd.stream_id)) {
      codec.take_trailer(*exchange, text_of(name), text_of(value));
    }
    return verdict(codec);
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    H2ServerCodec& codec = self(user_data);
    codec.frame_received(*frame);
    return verdict(codec);
  }

  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int error, void* user_data) {
    H2ServerCodec& codec = self(user_data);
    codec.recent_.add(static_cast<StreamId>(frame->hd.stream_id), H2RecentResets::By::us);
    Exchange* const exchange = codec.find(frame->hd.stream_id);
    if (exchange != nullptr)
      exchange->broken = reason_of_error(error);
    else if (error == NGHTTP2_ERR_REFUSED_STREAM && codec.events_ != nullptr)
      codec.events_->on_malformed_request(reason_of_error(error));
    return verdict(codec);
  }

  static int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    H2ServerCodec& codec = self(user_data);
    codec.frame_sent(*frame);
    return verdict(codec);
  }

  static int on_stream_close(nghttp2_session*, int32_t id, uint32_t code, void* user_data) {
    H2ServerCodec& codec = self(user_data);
    if (Exchange* const exchange = codec.find(id)) codec.stream_closed(*exchange, code);
    return verdict(codec);
  }

  static nghttp2_session_callbacks* make() noexcept {
    nghttp2_session_callbacks* callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return nullptr;
    set_content_callbacks(callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    return callbacks;
  }

  static nghttp2_option* make_option() noexcept {
    nghttp2_option* option = nullptr;
    if (nghttp2_option_new(&option) != 0) return nullptr;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_no_http_messaging(option, 1);  // see h2_field_rules.h
    nghttp2_option_set_max_outbound_ack(option, kMaxOutboundAcks);
    nghttp2_option_set_max_continuations(option, SIZE_MAX);  // begin_frame() counts them
    nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
    nghttp2_option_set_stream_reset_rate_limit(option, kUnlimitedRate, kUnlimitedRate);  // resets_ is ours
    return option;
  }
};

H2ServerCodec::H2ServerCodec(const HeadLimits& head_limits, const Http2Limits& limits, Heads& heads,
                             Sink& sink, const Clock& clock) noexcept
    : H2Session(sink),
      heads_(heads),
      clock_(clock),
      reader_(head_limits),
      frames_(kH2PrefaceBytes),
      resets_(limits.reset_burst, limits.resets_per_second, clock.now_ms()),
      controls_(limits.control_burst, limits.controls_per_second, clock.now_ms()) {
  static nghttp2_session_callbacks* const callbacks = Callbacks::make();
  static nghttp2_option* const option = Callbacks::make_option();
  nghttp2_session* session = nullptr;
  auto* const user_data = static_cast<H2Session*>(this);
  if (callbacks != nullptr && option != nullptr)
    (void)nghttp2_session_server_new3(&session, callbacks, user_data, option, h2_memory());
  adopt(session);
  if (session != nullptr) open(limits, head_limits.head_bytes);
}

void H2ServerCodec::open(const Http2Limits& limits, uint32_t head_bytes) noexcept {
  const std::array<nghttp2_settings_entry, 5> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head_bytes},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  const bool settled =
      nghttp2_submit_settings(session(), NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0 &&
      nghttp2_session_set_local_window_size(session(), NGHTTP2_FLAG_NONE, 0,
                                            static_cast<int32_t>(limits.connection_window_bytes)) == 0;
  if (!settled) die();
}

// What nghttp2 calls fatal; or its call was ended by us.
void H2ServerCodec::session_failed(int error) noexcept {
  switch (error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
      return fail("http2-bad-preface", NGHTTP2_PROTOCOL_ERROR);
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_SETTINGS:
      return fail(kControlFlood, NGHTTP2_ENHANCE_YOUR_CALM);
    default:
      return fail("http2-internal", NGHTTP2_INTERNAL_ERROR);
  }
}

}  // namespace mango::http
