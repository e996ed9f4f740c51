// SPDX-License-Identifier: Apache-2.0
// Requests out, and what the codec is asked; what the upstream says: h2_client_frames.cpp.
#include "http/h2_client.h"

#include <algorithm>
#include <cassert>
#include <memory>
#include <new>
#include <utility>

#include "http/h1_lines.h"
#include "http/h2_fields.h"

namespace mango::http {

namespace {

// Upstreams count our resets as we count a client's (CVE-2023-44487): before one takes us for the attacker
// whose requests we cancel, the connection takes no more of them. The strictest limit known is 200 in half a
// minute.
constexpr uint32_t kResetBurst = 100;
constexpr uint32_t kResetsPerSecond = 3;

// Of nghttp2's fatal errors.
const char* reason_of(int error) noexcept {
  if (error == NGHTTP2_ERR_FLOODED) return "http2-control-flood";
  if (error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) return "http2-continuation-flood";
  return "http2-internal";
}

}  // namespace

// --- a turn: events may be told ---

class H2ClientCodec::Turn {
 public:
  Turn(H2ClientCodec& codec, ClientEvents& events) noexcept
      : codec_(codec),
        outer_(std::exchange(codec.events_, &events)),
        capacity_(codec.capacity() != 0),
        reusable_(codec.reusable()),
        settled_(codec.settled_) {}
  ~Turn() { codec_.events_ = outer_; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // What is to be done after everything else; an outer turn does it for its inner ones.
  void end() {
    if (outer_ != nullptr) return;
    codec_.pump();
    codec_.report_failure();
    codec_.tell_losses();
    codec_.wake_blocked();
    codec_.report_failure();
    const bool changed = (codec_.capacity() != 0) != capacity_ || codec_.reusable() != reusable_ ||
                         codec_.settled_ != settled_;
    if (changed && !codec_.dead()) codec_.events_->on_capacity_changed();
  }

 private:
  H2ClientCodec& codec_;
  ClientEvents* const outer_;
  const bool capacity_;
  const bool reusable_;
  const bool settled_;
};

void H2ClientCodec::report_failure() {
  if (failure_told_) return;
  if (failure_ == nullptr && dead()) failure_ = "http2-internal";  // nghttp2 ran out of memory
  if (failure_ == nullptr) return;
  if (!dead()) (void)nghttp2_session_terminate_session(session(), failure_code_);
  pump();
  die();
  failure_told_ = true;
  events_->on_connection_error({502, failure_});
}

// --- requests ---

Stream* H2ClientCodec::start(const RequestStart& request) {
  if (capacity() == 0 || (request.upgrade && !tunnels())) return nullptr;
  Exchange* const exchange = submit(request);
  if (exchange == nullptr) return nullptr;
  control_.earn(kEarnedByRequest);
  pump();
  if (find(static_cast<int32_t>(exchange->id)) == exchange)
    H2String().swap(exchange->head);  // it is serialised
  return exchange;
}

// A tunnel's request direction stays open, but carries nothing before the response.
H2ClientCodec::Exchange* H2ClientCodec::submit(const RequestStart& request) {
  const std::string_view key =
      request.upgrade ? find_text_field(request.head, "sec-websocket-key") : std::string_view{};
  std::unique_ptr<Exchange> exchange(new (std::nothrow) Exchange);
  if (exchange == nullptr) return nullptr;
  exchange->method = request.method;
  if (request.upgrade) {
    exchange->protocol = find_text_field(request.head, "upgrade");
    if (exchange->protocol.empty()) return nullptr;
  }
  exchange->output_ended = request.framing == Framing::none && !request.upgrade;
  exchange->head_submitted = true;
  if (!key.empty()) exchange->accept = websocket_accept(key);
  exchange->has_accept = !key.empty();
  H2Fields fields;
  exchange->head = request.head;
  if (!fields.read_request({exchange->head.data(), exchange->head.size()}, request.secure, request.upgrade))
    return nullptr;
  fields.lend();
  const nghttp2_data_provider content = provider(*exchange);
  const int32_t id = nghttp2_submit_request(session(), nullptr, fields.data(), fields.size(),
                                            exchange->output_ended ? nullptr : &content, nullptr);
  if (id < 0) return nullptr;
  add_stream(exchange.get(), static_cast<StreamId>(id));
  return exchange.release();
}

void H2ClientCodec::Exchange::set_phase(Phase to) noexcept {
  assert(phase == Phase::head && to != Phase::head);
  phase = to;
}

size_t H2ClientCodec::send_data(Stream& stream, std::string_view content) {
  return send_content(exchange_of(stream), content);
}

bool H2ClientCodec::send_end(Stream& stream, std::string_view trailers) {
  return end_content(exchange_of(stream), trailers);
}

bool H2ClientCodec::finish(Stream& stream) {
  Exchange& exchange = exchange_of(stream);
  if (!exchange.finished) {  // else its end is being told
    const auto id = static_cast<int32_t>(exchange.id);
    const bool sent = nghttp2_session_get_stream_local_close(session(), id) == 1;
    if (!exchange.input_ended)
      cancel(exchange);
    else if (!sent)
      (void)submit_reset(exchange, StreamError::none);  // RFC 9113 section 8.1
    remove(exchange);
    pump();
  }
  return !dead() && (streams() != 0 || reusable());
}

// --- what comes in ---

size_t H2ClientCodec::receive(std::span<char> bytes, ClientEvents& events) {
  if (dead()) return bytes.size();
  Turn turn(*this, events);
  int error = 0;
  receiving_ = true;
  const bool fed = feed(bytes, error);
  receiving_ = false;
  if (!fed && failure_ == nullptr && !dead()) {
    fail(error == NGHTTP2_ERR_NOMEM ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM, reason_of(error));
  }
  turn.end();
  return bytes.size();
}

bool H2ClientCodec::receive_end(ClientEvents&) {
  input_ended_ = true;
  for (H2Stream* stream = first_stream(); stream != nullptr; stream = stream->next)
    if (!stream->input_ended) return false;
  return streams() != 0;
}

void H2ClientCodec::writable(ClientEvents& events) {
  if (dead()) return;
  Turn turn(*this, events);
  want_wake();
  turn.end();
}

bool H2ClientCodec::resume(Stream& stream, ClientEvents& events) {
  Turn turn(*this, events);
  offer_held(exchange_of(stream));
  turn.end();
  return true;
}

void H2ClientCodec::cancel(Exchange& exchange) {
  (void)submit_reset(exchange, StreamError::cancelled);
  worn_ = worn_ || !resets_.take(clock_.now_ms());
}

size_t H2ClientCodec::capacity() const noexcept {
  if (!reusable()) return 0;
  const uint32_t theirs = settled_
                              ? nghttp2_session_get_remote_settings(const_cast<nghttp2_session*>(session()),
                                                                    NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
                              : kUnsettledStreams;
  const size_t most = std::min(max_streams_, theirs);
  const size_t open = streams() - ending_;
  return most > open ? most - open : 0;
}

bool H2ClientCodec::reusable() const noexcept {
  return !dead() && !worn_ && failure_ == nullptr && !input_ended_ && !outlet_.failed() &&
         nghttp2_session_check_request_allowed(const_cast<nghttp2_session*>(session())) != 0;
}

bool H2ClientCodec::tunnels() const noexcept {
  return settled_ && !dead() &&
         nghttp2_session_get_remote_settings(const_cast<nghttp2_session*>(session()),
                                             NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

bool H2ClientCodec::complete(const Stream& stream) const noexcept {
  return static_cast<const Exchange&>(stream).input_ended;
}

// --- set-up and teardown ---

H2ClientCodec::H2ClientCodec(const Http2Limits& limits, Heads& heads, Sink& sink, const Clock& clock)
    : H2Session(outlet_, false),
      outlet_(sink),
      heads_(heads),
      clock_(clock),
      control_(limits.control_burst, limits.controls_per_second, clock.now_ms()),
      resets_(kResetBurst, kResetsPerSecond, clock.now_ms()),
      max_streams_(limits.max_concurrent_streams) {
  nghttp2_session* session = nullptr;
  if (callbacks() != nullptr && options() != nullptr)
    (void)nghttp2_session_client_new3(&session, callbacks(), static_cast<H2Session*>(this), options(),
                                      h2_memory());
  adopt(session);
  if (session != nullptr) greet(limits);
}

void H2ClientCodec::greet(const Http2Limits& limits) noexcept {
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxResponseHeadBytes}};
  const auto window = static_cast<int32_t>(limits.connection_window_bytes);
  if (nghttp2_submit_settings(session(), NGHTTP2_FLAG_NONE, settings, std::size(settings)) != 0 ||
      nghttp2_session_set_local_window_size(session(), NGHTTP2_FLAG_NONE, 0, window) != 0)
    die();
}

void H2ClientCodec::close() noexcept {
  failure_told_ = true;
  die();
}

}  // namespace mango::http
