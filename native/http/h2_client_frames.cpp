// SPDX-License-Identifier: Apache-2.0
// What an upstream says over HTTP/2, and what it means for an exchange or for the connection.
#include <utility>

#include "http/h2_client.h"

namespace mango::http {

namespace {

// nghttp2 counts CONTINUATIONs, too, but anew with each piece in which the nine octets of a frame's head come
// in.
constexpr size_t kMaxContinuationPieces = (kMaxHeadContinuations + 1) * 9;
constexpr size_t kMaxPaddingBytes = 256;  // RFC 9113 section 6.1, with its length
constexpr int kFirstUnknownType = NGHTTP2_CONTINUATION + 1;
constexpr size_t kMaxRequestHeadBytes = 256 * 1024;  // more than any request that was let in

// Content, or its end. A frame no larger than padding can be is taken for nothing else.
bool brings_content(const nghttp2_frame_hd& head) noexcept {
  const bool padding = (head.flags & NGHTTP2_FLAG_PADDED) != 0 && head.length <= kMaxPaddingBytes;
  return (head.flags & NGHTTP2_FLAG_END_STREAM) != 0 || (head.length != 0 && !padding);
}

}  // namespace

// --- nghttp2's callbacks ---

struct H2ClientCodec::Callbacks {  // below nghttp2's frames, which know no exceptions
  static H2ClientCodec& self(void* user_data) noexcept {
    return static_cast<H2ClientCodec&>(*static_cast<H2Session*>(user_data));
  }
  // Whether nghttp2 may go on: the connection may have been given up meanwhile.
  static int answer(const H2ClientCodec& codec) noexcept {
    return codec.dead() || codec.failure_ != nullptr ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }

  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user_data) noexcept {
    H2ClientCodec& codec = self(user_data);
    codec.frame_began(*head);
    return answer(codec);
  }
  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) noexcept {
    H2ClientCodec& codec = self(user_data);
    codec.block_began(*frame);
    return answer(codec);
  }
  static int on_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                       uint8_t, void* user_data) noexcept {
    H2ClientCodec& codec = self(user_data);
    codec.field_came(name, value);
    return answer(codec);
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) noexcept {
    H2ClientCodec& codec = self(user_data);
    codec.frame_came(*frame);
    return answer(codec);
  }
  static int on_close(nghttp2_session*, int32_t id, uint32_t code, void* user_data) noexcept {
    H2ClientCodec& codec = self(user_data);
    if (Exchange* const exchange = codec.find(id); exchange != nullptr) codec.stream_closed(*exchange, code);
    return 0;  // in the middle of sending, too, where nothing may stop nghttp2
  }
  static int on_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data) noexcept {
    if (frame->hd.type == NGHTTP2_GOAWAY) self(user_data).goaway_sent(frame->goaway.error_code);
    return 0;
  }

  // A frame of a type nobody knows: counted when it began, and ignored (RFC 9113 section 5.5).
  static int on_unknown(nghttp2_session*, void**, const nghttp2_frame_hd*, void*) noexcept {
    return NGHTTP2_ERR_CANCEL;
  }
};

// --- frames ---

void H2ClientCodec::frame_began(const nghttp2_frame_hd& head) noexcept {
  if (head.type == NGHTTP2_PUSH_PROMISE) return fail(NGHTTP2_PROTOCOL_ERROR, "http2-unexpected-push");
  if (head.type == NGHTTP2_CONTINUATION && ++continuations_ > kMaxHeadContinuations)
    return fail(NGHTTP2_ENHANCE_YOUR_CALM, "http2-continuation-flood");
  if (head.type == NGHTTP2_HEADERS) return;
  if (head.type == NGHTTP2_DATA && brings_content(head)) return control_.earn(kEarnedByFrameReceived);
  if (!control_.take(clock_.now_ms())) fail(NGHTTP2_ENHANCE_YOUR_CALM, "http2-control-flood");
}

void H2ClientCodec::block_began(const nghttp2_frame& frame) {
  block_bytes_ = block_fields_ = continuations_ = 0;
  block_owner_ = find(frame.hd.stream_id);
  if (block_owner_ == nullptr) return;
  const Phase phase = block_owner_->phase;
  const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (phase == Phase::tunnel) return refuse(*block_owner_, "head-in-tunnel");
  if (phase == Phase::body && !ends) return refuse(*block_owner_, "second-head");
  block_.start(phase == Phase::head ? H2ResponseBlock::Kind::head : H2ResponseBlock::Kind::trailers);
}

void H2ClientCodec::field_came(nghttp2_rcbuf* name, nghttp2_rcbuf* value) {
  block_bytes_ += static_cast<uint32_t>(text_of(name).size() + text_of(value).size());
  if (block_bytes_ > kMaxBlockBytes || ++block_fields_ > kMaxBlockFields)
    return fail(NGHTTP2_ENHANCE_YOUR_CALM, "http2-header-bomb");
  if (block_owner_ == nullptr) return;
  if (const char* const why = block_.add(name, value)) refuse(*block_owner_, why);
}

void H2ClientCodec::frame_came(const nghttp2_frame& frame) {
  const bool ended = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      if (block_owner_ != nullptr) headers_came(*std::exchange(block_owner_, nullptr), ended);
      block_.clear();
      return;
    case NGHTTP2_DATA:
      if (Exchange* const exchange = ended ? find(frame.hd.stream_id) : nullptr; exchange != nullptr) {
        if (exchange->phase == Phase::head) return refuse(*exchange, "content-before-head");
        end_input(*exchange);
      }
      return;
    case NGHTTP2_SETTINGS:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) == 0) settled_ = true;
      want_wake();
      return;
    case NGHTTP2_WINDOW_UPDATE:
      want_wake();
      return;
    default:
      return;
  }
}

void H2ClientCodec::headers_came(Exchange& exchange, bool ended) {
  if (block_.is_trailers()) {
    block_.read_trailers(exchange.trailers);
    return end_input(exchange);
  }
  ResponseHead& head = heads_.response;
  const char* const why = block_.read_head(exchange.method, !exchange.protocol.empty(), ended, head);
  if (why != nullptr) return refuse(exchange, why);
  if (head.status < 200 && head.status != 101) {
    if (++exchange.interim_heads > kMaxInterimHeads) return refuse(exchange, "too-many-interim-responses");
    return events_->on_interim(exchange, head);
  }
  Watch watch{&exchange, watch_};
  watch_ = &watch;
  exchange.input_ended = ended;
  take_head(exchange, head);
  watch_ = watch.outer;
  if (ended && watch.exchange != nullptr) end_input(exchange);
}

void H2ClientCodec::take_head(Exchange& exchange, ResponseHead& head) {
  if (head.status == 101) {
    exchange.set_phase(Phase::tunnel);
    head.upgrade = exchange.protocol;
    if (exchange.has_accept)
      (void)head.fields.push({"sec-websocket-accept", {exchange.accept.data(), exchange.accept.size()}});
  } else {
    exchange.set_phase(Phase::body);
    if (head.framing == Framing::none) exchange.content_left = 0;
    if (head.framing == Framing::length) exchange.content_left = head.content_length;
    exchange.has_length = head.framing == Framing::length;
  }
  events_->on_response(exchange, head);
}

// Content is counted when it is taken, in the order of the response.
size_t H2ClientCodec::deliver(H2Stream& stream, std::string_view content) {
  Exchange& exchange = exchange_of(stream);
  if (exchange.phase == Phase::head) return refuse(exchange, "content-before-head"), content.size();
  if (content.size() > exchange.content_left)
    return refuse(exchange, exchange.has_length ? "content-too-long" : "unexpected-content"), content.size();
  Watch watch{&exchange, watch_};
  watch_ = &watch;
  const size_t taken = events_->on_response_data(exchange, content);
  watch_ = watch.outer;
  if (watch.exchange != nullptr && exchange.has_length) exchange.content_left -= taken;
  return taken;
}

void H2ClientCodec::deliver_end(H2Stream& stream) {
  Exchange& exchange = exchange_of(stream);
  if (exchange.has_length && exchange.content_left != 0) return refuse(exchange, "content-too-short");
  events_->on_response_end(exchange, exchange.trailers);
}

void H2ClientCodec::wake(H2Stream& stream) {
  events_->on_request_writable(stream);
}

void H2ClientCodec::content_moved(size_t bytes) noexcept {
  control_.earn(kEarnedByByte * bytes);
}

void H2ClientCodec::content_ran_out() noexcept {
  control_.earn(kEarnedByMessageSent);
}

// --- ends ---

// nghttp2 has let the stream go. A response that is complete needs it no more; a tunnel does while its other
// direction is open.
void H2ClientCodec::stream_closed(Exchange& exchange, uint32_t code) {
  exchange.closed = true;
  const bool over = exchange.input_ended && (exchange.output_ended || exchange.phase != Phase::tunnel);
  if (over && code == NGHTTP2_NO_ERROR) return;
  const bool begun = exchange.phase != Phase::head || exchange.interim_heads != 0;
  exchange.lost = h2_stream_error(code);
  if (exchange.lost == StreamError::none) exchange.lost = StreamError::internal;
  if (exchange.lost == StreamError::refused && begun) exchange.lost = StreamError::internal;  // a lie
  if (receiving_)
    lose(exchange);
  else
    losses_ = true;  // in the middle of sending, on whose behalf nobody knows
}

void H2ClientCodec::lose(Exchange& exchange) {
  exchange.finished = true;
  ++ending_;
  events_->on_stream_lost(exchange, exchange.lost);
  --ending_;
  remove(exchange);
}

void H2ClientCodec::tell_losses() {
  while (std::exchange(losses_, false) && !dead()) {
    for (H2Stream* stream = first_stream(); stream != nullptr; stream = stream->next) {
      Exchange& exchange = static_cast<Exchange&>(*stream);
      if (exchange.lost == StreamError::none || exchange.finished) continue;
      losses_ = true;  // others may follow, and the list may change meanwhile
      lose(exchange);
      break;
    }
  }
}

void H2ClientCodec::refuse(Exchange& exchange, const char* reason) {
  exchange.finished = true;
  (void)submit_reset(exchange, StreamError::protocol);
  ++ending_;
  events_->on_response_error(exchange, {502, reason});
  --ending_;
  remove(exchange);
}

void H2ClientCodec::remove(Exchange& exchange) noexcept {
  if (block_owner_ == &exchange) block_owner_ = nullptr;
  for (Watch* watch = watch_; watch != nullptr; watch = watch->outer)
    if (watch->exchange == &exchange) watch->exchange = nullptr;
  drop_held(exchange);
  remove_stream(exchange);
}

void H2ClientCodec::fail(uint32_t code, const char* reason) noexcept {
  if (failure_ != nullptr) return;
  failure_ = reason;
  failure_code_ = code;
}

// nghttp2 says so when it gives the connection up, and only then.
void H2ClientCodec::goaway_sent(uint32_t code) noexcept {
  if (code != NGHTTP2_NO_ERROR) fail(code, settled_ ? h2_reason(code) : "not-http2");
}

// --- nghttp2's settings ---

const nghttp2_session_callbacks* H2ClientCodec::callbacks() noexcept {
  static nghttp2_session_callbacks* const shared = [] {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) return made;
    set_content_callbacks(made);
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, Callbacks::on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, Callbacks::on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(made, Callbacks::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, Callbacks::on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, Callbacks::on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, Callbacks::on_sent);
    nghttp2_session_callbacks_set_unpack_extension_callback(made, Callbacks::on_unknown);
    return made;
  }();
  return shared;
}

const nghttp2_option* H2ClientCodec::options() noexcept {
  static nghttp2_option* const shared = [] {
    nghttp2_option* made = nullptr;
    if (nghttp2_option_new(&made) != 0) return made;
    nghttp2_option_set_no_http_messaging(made, 1);  // see h2_response.h
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_max_continuations(made, kMaxContinuationPieces);
    nghttp2_option_set_max_send_header_block_length(made, kMaxRequestHeadBytes);
    for (int type = kFirstUnknownType; type <= UINT8_MAX; ++type)  // else nghttp2 does not show them
      nghttp2_option_set_user_recv_extension_type(made, static_cast<uint8_t>(type));
    return made;
  }();
  return shared;
}

}  // namespace mango::http
