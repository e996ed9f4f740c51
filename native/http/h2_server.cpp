// SPDX-License-Identifier: Apache-2.0
// What comes in, from bytes to requests, and the ends of streams. The rest of the codec:
// h2_server_session.cpp (nghttp2), h2_server_budgets.cpp (what a client may cost) and h2_server_output.cpp
// (responses).
#include "http/h2_server.h"

#include "http/h2_field_rules.h"

namespace mango::http {

namespace {

constexpr const char* kBadMessage = "http2-bad-message";

}  // namespace

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
    if (!dead() && !feed(piece, error)) session_failed(error);
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

// --- frames ---

void H2ServerCodec::frame_received(const nghttp2_frame& frame) noexcept {
  const bool ended = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      if (frame.headers.cat == NGHTTP2_HCAT_REQUEST)
        head_complete(static_cast<StreamId>(frame.hd.stream_id), ended);
      else if (Exchange* const exchange = find(frame.hd.stream_id); exchange != nullptr && ended)
        take_end(*exchange);
      else if (exchange != nullptr)
        break_stream(*exchange, kBadMessage);  // trailers that end nothing
      return;
    case NGHTTP2_DATA:
      if (frame.hd.length > frame.data.padlen)
        controls_.earn(kEarnedByFrameReceived);
      else if (frame.hd.length != 0 && !ended)
        charge_control();  // padding alone
      if (!ended) return;
      if (Exchange* const exchange = find(frame.hd.stream_id)) take_end(*exchange);
      return;
    case NGHTTP2_RST_STREAM:
      recent_.add(static_cast<StreamId>(frame.hd.stream_id), H2RecentResets::By::peer);
      if (Exchange* const exchange = find(frame.hd.stream_id)) exchange->peer_reset = true;
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
  if (exchange.finished || exchange.reset || dead()) {
    exchange.input_ended = true;
  } else if (exchange.content_left != 0 && exchange.content_left != UINT64_MAX) {
    break_stream(exchange, kBadMessage);
  } else {
    end_input(exchange);
  }
}

void H2ServerCodec::head_complete(StreamId id, bool ended) noexcept {
  last_id_ = id;
  auto* const exchange = new (std::nothrow) Exchange;
  if (exchange == nullptr) return fail("http2-internal", NGHTTP2_INTERNAL_ERROR);
  add_stream(exchange, id);
  controls_.earn(kEarnedByRequest);
  Refusal refusal;
  RequestHead& head = heads_.request;
  const H2RequestReader::Result result = reader_.read(head, ended, refusal);
  exchange->head_request = reader_.head_request();
  if (head.framing == Framing::length) exchange->content_left = head.content_length;
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

// The client's mistake costs this stream. Its exchange is told when nghttp2 lets the stream go.
void H2ServerCodec::break_stream(Exchange& exchange, const char* reason) noexcept {
  if (exchange.finished || exchange.reset) return;
  exchange.broken = reason;
  (void)submit_reset(exchange, StreamError::protocol);
}

void H2ServerCodec::take_trailer(Exchange& exchange, std::string_view name, std::string_view value) noexcept {
  if (exchange.finished || exchange.reset) return;
  if (!is_h2_name(name) || !is_h2_value(value) || is_h2_forbidden(field_id(name), value))
    return break_stream(exchange, "http2-bad-field");
  const bool fits =
      ++exchange.trailer_fields <= kDefaultTrailerFields && append_h2_trailer(exchange.trailers, name, value);
  if (!fits) break_stream(exchange, "trailers-too-large");
}

bool H2ServerCodec::accept_content(H2Stream& stream, size_t bytes) noexcept {
  auto& exchange = static_cast<Exchange&>(stream);
  if (exchange.content_left == UINT64_MAX) return true;
  if (bytes > exchange.content_left) {
    break_stream(exchange, kBadMessage);
    return false;
  }
  exchange.content_left -= bytes;
  return true;
}

// --- the end of streams ---

void H2ServerCodec::stream_closed(Exchange& exchange, uint32_t code) noexcept {
  exchange.closed = true;
  if (exchange.finished) {
    remove_stream(exchange);
    return;
  }
  const bool whole = exchange.end_sent && exchange.input_ended;
  if (whole || (exchange.reset && exchange.broken == nullptr)) return;  // finish() will come
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

}  // namespace mango::http
