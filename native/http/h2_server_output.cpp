// SPDX-License-Identifier: Apache-2.0
// What goes out: responses, resets, farewells.
#include "http/h2_fields.h"
#include "http/h2_server.h"

namespace mango::http {

namespace {

// Serialised heads: the largest head taken in, plus the fields we add to it.
constexpr size_t kResponseHeadBytes = 48 * 1024;

}  // namespace

// Serialised at once where that is possible: the fields need not be copied then.
bool H2ServerCodec::submit_head(Exchange& exchange, H2Fields& fields, HeadKind kind) noexcept {
  const bool at_once = drain();
  if (at_once) fields.lend();
  const auto id = static_cast<int32_t>(exchange.id);
  int error = 0;
  if (kind == HeadKind::interim) {
    error = nghttp2_submit_headers(session(), NGHTTP2_FLAG_NONE, id, nullptr, fields.data(), fields.size(),
                                   nullptr);
  } else {
    const bool content = kind == HeadKind::content;
    exchange.head_submitted = true;
    exchange.output_ended = exchange.output_ended || !content;
    nghttp2_data_provider data = provider(exchange);
    error = nghttp2_submit_response(session(), id, fields.data(), fields.size(), content ? &data : nullptr);
  }
  if (at_once) pump_frame();
  return error == 0;
}

bool H2ServerCodec::send_head(Stream& stream, const ResponseHead& head, ResponseForwarding how) {
  auto& exchange = static_cast<Exchange&>(stream);
  if (dead()) return false;
  if (exchange.closed || exchange.reset || exchange.head_submitted) return true;
  const bool tunnel = head.status == 101;
  const bool interim = head.status < 200 && !tunnel;
  how.keep_alive = true;
  how.http10 = how.upgrade = false;
  const bool chunked = how.framing == Framing::chunked || how.framing == Framing::until_close;
  if (chunked) how.framing = Framing::until_close;  // no field tells of it
  H2ResponseFields fields(head.status);
  HeadWriter out(fields);
  write_response_head(out, head, how);
  HeadKind kind = HeadKind::interim;
  if (tunnel) {
    kind = HeadKind::content;
  } else if (!interim) {
    const Field* const trailers = head.fields.find(FieldId::trailer);
    if (chunked && trailers != nullptr) fields.field("trailer", trailers->value);
    const bool length = how.framing == Framing::length && trailers == nullptr;
    if (length) exchange.to_send = how.content_length;
    const bool empty = how.framing == Framing::none || (length && how.content_length == 0);
    kind = empty ? HeadKind::alone : HeadKind::content;
  }
  if (!fields.ok() || !submit_head(exchange, fields.fields(), kind))
    return reset(stream, StreamError::internal);
  return !dead();
}

size_t H2ServerCodec::send_data(Stream& stream, std::string_view content) {
  return send_content(static_cast<Exchange&>(stream), content);
}

bool H2ServerCodec::send_end(Stream& stream, std::string_view trailers) {
  return end_content(static_cast<Exchange&>(stream), trailers);
}

bool H2ServerCodec::send_local(Stream& stream, LocalResponse response) {
  auto& exchange = static_cast<Exchange&>(stream);
  if (dead()) return false;
  if (exchange.closed || exchange.reset || exchange.head_submitted) return true;
  char memory[kResponseHeadBytes];
  HeadWriter out(memory);
  response.keep_alive = true;
  response.http10 = false;
  response.head_request = exchange.head_request;
  write_local_response(out, response);
  const size_t head_bytes = out.text().find("\r\n\r\n") + 4;
  if (!out.ok() || head_bytes < 4) return reset(stream, StreamError::internal);
  exchange.tail = out.text().substr(head_bytes);
  exchange.output_ended = true;
  const HeadKind kind = exchange.tail.empty() ? HeadKind::alone : HeadKind::content;
  H2Fields fields;
  if (!fields.read_response({memory, head_bytes}) || !submit_head(exchange, fields, kind))
    return reset(stream, StreamError::internal);
  pump();
  return !dead();
}

bool H2ServerCodec::reset(Stream& stream, StreamError error) {
  const bool submitted = submit_reset(static_cast<Exchange&>(stream), error);
  pump();
  return submitted && !dead();
}

void H2ServerCodec::finish(Stream& stream) {
  auto& exchange = static_cast<Exchange&>(stream);
  if (exchange.finished) return;
  exchange.finished = true;
  exchange.finished_ms = clock_.now_ms();
  exchange.user = nullptr;
  drop_held(exchange);
  if (exchange.closed) return remove_stream(exchange);
  if (!exchange.output_ended && exchange.to_send != 0)
    (void)submit_reset(exchange, StreamError::internal);  // the response is not whole
  else if (exchange.end_sent && !exchange.input_ended)
    (void)submit_reset(exchange, StreamError::none);  // it is, and the rest of the request not wanted
  pump();
}

void H2ServerCodec::expire(uint32_t limit_ms) noexcept {
  const uint64_t now_ms = clock_.now_ms();
  for (H2Stream* stream = first_stream(); stream != nullptr; stream = stream->next) {
    const auto& exchange = static_cast<const Exchange&>(*stream);
    const bool waits = exchange.finished && !exchange.end_sent && !exchange.reset;
    if (waits && now_ms - exchange.finished_ms > limit_ms)
      (void)submit_reset(*stream, StreamError::cancelled);
  }
  pump();
}

// A finished stream stays until nghttp2 is done with it: its end may have to wait for the client's window.
void H2ServerCodec::frame_sent(const nghttp2_frame& frame) noexcept {
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA: {
      if ((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
      Exchange* const exchange = find(frame.hd.stream_id);
      if (exchange == nullptr) return;
      exchange->end_sent = exchange->output_ended = true;
      if (exchange->finished && !exchange->input_ended) (void)submit_reset(*exchange, StreamError::none);
      return;
    }
    case NGHTTP2_RST_STREAM: {
      recent_.add(static_cast<StreamId>(frame.hd.stream_id), H2RecentResets::By::us);
      const Exchange* const exchange = find(frame.hd.stream_id);
      if (exchange == nullptr || !exchange->reset || exchange->broken != nullptr)
        charge_reset();  // the client's mistake (CVE-2025-8671)
      return;
    }
    case NGHTTP2_GOAWAY:
      if (frame.goaway.error_code == NGHTTP2_NO_ERROR || frame.goaway.error_code == own_code_) return;
      broken_ = {400,
                 h2_reason(frame.goaway.error_code)};  // found by nghttp2, which ignores all that follows
      return;
    default:
      return;
  }
}

void H2ServerCodec::announce_close(StreamError error, bool final) {
  closing_ = true;
  if (dead()) return;
  own_goaway_ = true;
  own_code_ = h2_error_code(error);
  if (final)
    (void)nghttp2_submit_goaway(session(), NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session()), h2_error_code(error),
                                nullptr, 0);
  else
    (void)nghttp2_submit_shutdown_notice(session());
  pump();
}

}  // namespace mango::http
