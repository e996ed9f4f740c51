// SPDX-License-Identifier: Apache-2.0
// What comes in: nghttp2's callbacks, budgets, requests. What goes out: h2_server_output.cpp.
#include "http/h2_server.h"

#include <array>

#include "http/chars.h"

namespace mango::http {

namespace {

// RFC 9113 section 6.10 sets no limit (CVE-2024-27316). A head within any configured limit needs fewer.
constexpr uint32_t kMaxContinuations = 8;
constexpr size_t kMaxOutboundAcks = 1000;         // queued by nghttp2 while nobody reads
constexpr uint64_t kTokensPerRequest = 2 * 1000;  // thousandths: priorities and windows go with it
// A client may answer each frame of content with two WINDOW_UPDATEs, and a small message with a PING on top.
// A frame that its window cut short earns for its bytes alone: one octet a window is a flood (CVE-2019-9511).
constexpr uint64_t kTokenThousandthsPerByte = 4;
constexpr uint64_t kTokensPerMessageSent = 3 * 1000;
constexpr uint64_t kTokensPerFrameReceived = 1 * 1000;
constexpr uint64_t kUnlimitedRate = uint64_t{1} << 40;

constexpr const char* kControlFlood = "http2-control-flood";
constexpr const char* kContinuationFlood = "http2-continuation-flood";
constexpr const char* kHeaderBomb = "http2-header-bomb";

std::string_view view(nghttp2_rcbuf* buffer) noexcept {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

// What nghttp2 calls fatal.
struct Fatal {
  const char* reason;
  uint32_t code;
};
Fatal fatal_of_error(int error) noexcept {
  switch (error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
      return {"http2-bad-preface", NGHTTP2_PROTOCOL_ERROR};
    case NGHTTP2_ERR_FLOODED:
      return {kControlFlood, NGHTTP2_ENHANCE_YOUR_CALM};
    case NGHTTP2_ERR_TOO_MANY_SETTINGS:
      return {kControlFlood, NGHTTP2_ENHANCE_YOUR_CALM};
    case NGHTTP2_ERR_NOMEM:
      return {"http2-internal", NGHTTP2_INTERNAL_ERROR};
    default:  // nghttp2's own bound on CONTINUATION, whose number not every version has
      return {kContinuationFlood, NGHTTP2_ENHANCE_YOUR_CALM};
  }
}

// Of a request, that is; not of the connection.
bool is_about_message(int error) noexcept {
  return error == NGHTTP2_ERR_HTTP_HEADER || error == NGHTTP2_ERR_HTTP_MESSAGING ||
         error == NGHTTP2_ERR_REFUSED_STREAM;
}

const char* reason_of_error(int error) noexcept {
  switch (error) {
    case NGHTTP2_ERR_HTTP_HEADER:
      return "http2-bad-field";
    case NGHTTP2_ERR_HTTP_MESSAGING:
      return "http2-bad-message";
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
      if (!codec.reader_.add(view(name), view(value))) codec.fail(kHeaderBomb, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (Exchange* const exchange = codec.find(frame->hd.stream_id)) {
      codec.take_trailer(*exchange, view(name), view(value));
    }
    return verdict(codec);
  }

  // nghttp2 would leave some of them out; a message with such a field is malformed (RFC 9113 section 8.2.1).
  static int on_invalid_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf*, nghttp2_rcbuf*,
                               uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
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
    else if (is_about_message(error) && codec.events_ != nullptr)
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
    nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
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
    nghttp2_option_set_max_outbound_ack(option, kMaxOutboundAcks);
    nghttp2_option_set_max_continuations(option, SIZE_MAX);  // begin_frame() counts them
    nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
    nghttp2_option_set_stream_reset_rate_limit(option, kUnlimitedRate, kUnlimitedRate);  // resets_ is ours
    return option;
  }
};

// The events of one call. Calls nest: an event's taker may call the codec again.
class H2ServerCodec::Calls {
 public:
  Calls(H2ServerCodec& codec, ServerEvents& events) noexcept : codec_(codec), outer_(codec.events_) {
    codec_.events_ = &events;
  }
  ~Calls() { codec_.events_ = outer_; }
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

 private:
  H2ServerCodec& codec_;
  ServerEvents* outer_;
};

// --- calls from outside ---

size_t H2ServerCodec::receive(std::span<char> bytes, ServerEvents& events) {
  const Calls calls(*this, events);
  feeding_ = true;
  for (std::span<const char> rest = bytes; !rest.empty() && !dead();) {
    bool begun = false;
    const std::span<const char> piece = rest.first(frames_.next(rest, begun));
    rest = rest.subspan(piece.size());
    if (begun) begin_frame(frames_.head());
    int error = 0;
    if (!dead() && !feed(piece, error) && !dead()) {
      const Fatal fatal = fatal_of_error(error);
      fail(fatal.reason, fatal.code);
    }
    if (frames_.between_frames() && (frames_.head().flags & NGHTTP2_FLAG_END_HEADERS) != 0)
      reading_head_ = false;
  }
  feeding_ = false;
  if (!dead() && queue_too_long()) fail(kControlFlood, NGHTTP2_ENHANCE_YOUR_CALM);
  settle();
  return bytes.size();
}

bool H2ServerCodec::receive_end(ServerEvents&) {
  return false;  // every direction of every stream has an end of its own
}

void H2ServerCodec::writable(ServerEvents& events) {
  const Calls calls(*this, events);
  want_wake();
  settle();
}

bool H2ServerCodec::resume(Stream& stream, ServerEvents& events) {
  const Calls calls(*this, events);
  offer_held(static_cast<Exchange&>(stream));
  pump();  // windows to give back
  return true;
}

// What is left to do once nghttp2 has returned.
void H2ServerCodec::settle() noexcept {
  if (busy()) return;
  pump();
  tell_losses();
  wake_blocked();
  tell_losses();
  if (broken_.status == 0 || broken_told_) return;
  broken_told_ = true;
  die();
  events_->on_protocol_error(broken_);
}

// --- budgets ---

bool H2ServerCodec::charge_control() noexcept {
  if (controls_.take(clock_.now_ms())) return true;
  fail(kControlFlood, NGHTTP2_ENHANCE_YOUR_CALM);
  return false;
}

bool H2ServerCodec::charge_reset() noexcept {
  if (resets_.take(clock_.now_ms())) return true;
  fail("http2-rapid-reset", NGHTTP2_ENHANCE_YOUR_CALM);
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
      if (++continuations_ > kMaxContinuations) fail(kContinuationFlood, NGHTTP2_ENHANCE_YOUR_CALM);
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
  controls_.earn(kTokenThousandthsPerByte * bytes);
}

void H2ServerCodec::content_ran_out() noexcept {
  controls_.earn(kTokensPerMessageSent);
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

// --- frames ---

void H2ServerCodec::frame_received(const nghttp2_frame& frame) noexcept {
  const bool ended = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  Exchange* const exchange = find(frame.hd.stream_id);
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      if (frame.headers.cat == NGHTTP2_HCAT_REQUEST)
        head_complete(static_cast<StreamId>(frame.hd.stream_id), ended);
      else if (exchange != nullptr)
        take_end(*exchange);
      return;
    case NGHTTP2_DATA:
      if (frame.hd.length > frame.data.padlen)
        controls_.earn(kTokensPerFrameReceived);
      else if (frame.hd.length != 0 && !ended)
        charge_control();  // padding alone
      if (exchange != nullptr && ended) take_end(*exchange);
      return;
    case NGHTTP2_RST_STREAM:
      recent_.add(static_cast<StreamId>(frame.hd.stream_id), H2RecentResets::By::peer);
      if (exchange != nullptr) exchange->peer_reset = true;
      return;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_WINDOW_UPDATE:
      want_wake();
      return;
    case NGHTTP2_GOAWAY:
      closing_ = true;
      return;
    case NGHTTP2_PRIORITY_UPDATE: {
      const auto& update = *static_cast<const nghttp2_ext_priority_update*>(frame.ext.payload);
      Exchange* const target = find(update.stream_id);
      const auto* const value = reinterpret_cast<const char*>(update.field_value);
      if (target != nullptr) read_h2_priority({value, update.field_value_len}, *target);
      return;
    }
    default:
      return;
  }
}

void H2ServerCodec::take_end(Exchange& exchange) noexcept {
  if (exchange.finished)
    exchange.input_ended = true;
  else if (!dead())
    end_input(exchange);
}

void H2ServerCodec::head_complete(StreamId id, bool ended) noexcept {
  last_id_ = id;
  auto* const exchange = new (std::nothrow) Exchange;
  if (exchange == nullptr) return fail("http2-internal", NGHTTP2_INTERNAL_ERROR);
  add_stream(exchange, id);
  controls_.earn(kTokensPerRequest);
  Refusal refusal;
  RequestHead& head = heads_.request;
  const H2RequestReader::Result result = reader_.read(head, ended, refusal);
  exchange->head_request = reader_.head_request();
  read_h2_priority(reader_.priority(), *exchange);
  if (result != H2RequestReader::Result::request) exchange->input_ended = ended;
  switch (result) {
    case H2RequestReader::Result::malformed:
      refuse_malformed(*exchange, refusal.reason);
      break;
    case H2RequestReader::Result::refused:
      refuse_request(*exchange, refusal);
      break;
    case H2RequestReader::Result::request:
      events_->on_request(*exchange, head);
      if (ended) take_end(*exchange);
      break;
  }
  reader_.end();
}

void H2ServerCodec::refuse_malformed(Exchange& exchange, const char* reason) noexcept {
  exchange.finished = true;
  (void)submit_reset(exchange, StreamError::protocol);
  events_->on_malformed_request(reason);
  (void)charge_reset();
}

void H2ServerCodec::refuse_request(Exchange& exchange, const Refusal& refusal) noexcept {
  if (events_->on_request_refused(exchange, refusal)) return;
  (void)send_local(exchange, {.status = refusal.status});
  finish(exchange);
}

void H2ServerCodec::take_trailer(Exchange& exchange, std::string_view name, std::string_view value) noexcept {
  if (exchange.finished || exchange.reset) return;
  const bool fits =
      ++exchange.trailer_fields <= kDefaultTrailerFields && append_h2_trailer(exchange.trailers, name, value);
  if (fits) return;
  exchange.broken = "trailers-too-large";
  (void)submit_reset(exchange, StreamError::protocol);
  exchange.reset = false;  // not our own decision: the exchange is told when nghttp2 lets the stream go
}

// --- the end of streams ---

void H2ServerCodec::stream_closed(Exchange& exchange, uint32_t code) noexcept {
  exchange.closed = true;
  if (exchange.finished) {
    remove_stream(exchange);
    return;
  }
  const bool whole = exchange.end_sent && exchange.input_ended;
  if (whole || exchange.reset) return;  // finish() will come
  if (feeding_) {
    tell_lost(exchange, code);
    return;
  }
  exchange.lost = true;
  exchange.lost_code = code;
  losses_ = true;
}

void H2ServerCodec::tell_lost(Exchange& exchange, uint32_t code) noexcept {
  exchange.finished = true;  // finish() has nothing to do
  const char* reason = exchange.broken;
  if (reason == nullptr) reason = exchange.peer_reset ? "" : h2_reason(code);
  if (!dead()) events_->on_stream_lost(exchange, h2_stream_error(code), reason);
  remove_stream(exchange);
}

void H2ServerCodec::tell_losses() noexcept {
  while (losses_ && !dead()) {
    H2Stream* stream = first_stream();
    while (stream != nullptr && !static_cast<Exchange*>(stream)->lost) stream = stream->next;
    losses_ = stream != nullptr;
    if (losses_) tell_lost(static_cast<Exchange&>(*stream), static_cast<Exchange*>(stream)->lost_code);
  }
}

// --- the session's events ---

size_t H2ServerCodec::deliver(H2Stream& stream, std::string_view content) {
  return events_ == nullptr ? 0 : events_->on_request_data(stream, content);
}

void H2ServerCodec::deliver_end(H2Stream& stream) {
  events_->on_request_end(stream, stream.trailers);
}

void H2ServerCodec::wake(H2Stream& stream) {
  events_->on_response_writable(stream);
}

// --- set-up ---

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

}  // namespace mango::http
