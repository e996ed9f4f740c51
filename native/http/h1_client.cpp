// SPDX-License-Identifier: Apache-2.0
#include "http/h1_client.h"

#include <cassert>

namespace mango::http {

namespace {

constexpr HeadLimits kResponseLimits{.head_bytes = 32 * 1024, .fields = 256};
constexpr BodyLimits kBodyLimits;
// More than any real server sends before one response; an endless row of 1xx must not keep us busy.
constexpr uint8_t kMaxInterimHeads = 16;

}  // namespace

void H1ClientCodec::set_state(State next) noexcept {
  assert(next == State::refused || (next == State::head && state_ == State::idle) ||
         ((next == State::body || next == State::tunnel) && state_ == State::head) ||
         (next == State::idle && state_ == State::body));
  state_ = next;
}

Stream* H1ClientCodec::start(const RequestStart& request) {
  if (capacity() == 0) return nullptr;
  set_state(State::head);
  ++stream_.id;
  open_ = true;
  method_ = request.method;
  wants_upgrade_ = request.upgrade;
  interim_heads_ = 0;
  scanned_ = 0;
  request_ended_ = request.framing == Framing::none;
  writer_.start(request.framing);
  (void)sink_.put(request.head);  // a connection that takes no more says so by itself
  return &stream_;
}

size_t H1ClientCodec::send_data(Stream&, std::string_view content) {
  return state_ == State::tunnel ? sink_.offer(content) : writer_.data(content, sink_);
}

bool H1ClientCodec::send_end(Stream&, std::string_view trailers) {
  request_ended_ = true;
  if (state_ != State::tunnel) return writer_.end(trailers, sink_);
  sink_.finish();
  return true;
}

bool H1ClientCodec::finish(Stream&) {
  open_ = false;
  stream_.user = nullptr;
  return reusable();
}

void H1ClientCodec::writable(ClientEvents& events) {
  if (open_) events.on_request_writable(stream_);
}

size_t H1ClientCodec::receive(std::span<char> bytes, ClientEvents& events) {
  size_t used = 0;
  bool more = true;
  while (more) {
    const std::span<char> rest = bytes.subspan(used);
    if (state_ == State::head)
      more = read_head(rest, used, events);
    else if (state_ == State::body)
      more = read_body(rest, used, events);
    else if (state_ == State::tunnel)
      more = !rest.empty() && give({rest.data(), rest.size()}, rest.size(), used, events);
    else
      more = false;
  }
  if (state_ == State::idle && used < bytes.size()) keep_alive_ = false;
  return state_ == State::refused || state_ == State::idle ? bytes.size() : used;
}

bool H1ClientCodec::read_head(std::span<char> bytes, size_t& used, ClientEvents& events) {
  if (bytes.empty()) return false;
  const size_t end = find_head_end({bytes.data(), bytes.size()}, &scanned_);
  if (end == 0 && bytes.size() <= kResponseLimits.head_bytes) return false;
  scanned_ = 0;
  ResponseHead& head = heads_.response;
  head.clear();
  Refusal refusal;
  const std::string_view text(bytes.data(), end == 0 ? bytes.size() : end);
  switch (parse_response_head(text, kResponseLimits, method_, head, refusal)) {
    case Parsed::incomplete:
      return false;
    case Parsed::refused:
      refuse(refusal, events);
      return false;
    case Parsed::complete:
      break;
  }
  used += head.head_bytes;
  if (head.status >= 200 || head.status == 101) {
    take_final_head(head, events);
  } else if (++interim_heads_ > kMaxInterimHeads) {
    refuse({502, "too-many-interim-responses"}, events);
  } else {
    events.on_interim(stream_, head);
  }
  return true;
}

void H1ClientCodec::take_final_head(ResponseHead& head, ClientEvents& events) {
  if (head.status == 101) {
    if (!wants_upgrade_) {
      refuse({502, "unexpected-101"}, events);
      return;
    }
    keep_alive_ = false;
    set_state(State::tunnel);
  } else {
    keep_alive_ = head.keep_alive && head.framing != Framing::until_close;
    reader_.start(head.framing, head.content_length);
    set_state(State::body);
  }
  events.on_response(stream_, head);
}

bool H1ClientCodec::read_body(std::span<char> bytes, size_t& used, ClientEvents& events) {
  const std::string_view text(bytes.data(), bytes.size());
  if (content_left_ > 0) {
    const std::string_view slice = text.substr(0, content_left_);
    return give(slice, slice.size(), used, events);
  }
  const BodyReader::Result step = reader_.next(text, kBodyLimits);
  switch (step.step) {
    case BodyReader::Step::need_more:
      used += step.consumed;
      return false;
    case BodyReader::Step::refused:
      refuse({502, reader_.refusal().reason}, events);
      return false;
    case BodyReader::Step::data:
      return give(step.slice, step.consumed, used, events);
    case BodyReader::Step::end:
      used += step.consumed;
      set_state(State::idle);
      if (step.consumed < bytes.size()) keep_alive_ = false;  // bytes after the end of the response
      events.on_response_end(stream_, reader_.trailers());
      return false;
  }
  return false;
}

// Hands content on; what is refused stays at the front of the input.
bool H1ClientCodec::give(std::string_view slice, size_t consumed, size_t& used, ClientEvents& events) {
  const size_t taken = events.on_response_data(stream_, slice);
  content_left_ = slice.size() - taken;
  used += consumed - content_left_;
  if (state_ == State::tunnel) content_left_ = 0;
  return taken == slice.size() && (state_ == State::body || state_ == State::tunnel);
}

bool H1ClientCodec::receive_end(ClientEvents& events) {
  if (state_ == State::tunnel) {
    events.on_response_end(stream_, {});
    return true;
  }
  if (state_ != State::body || !reader_.finish()) return false;
  keep_alive_ = false;
  set_state(State::idle);
  events.on_response_end(stream_, {});
  return true;
}

void H1ClientCodec::refuse(const Refusal& refusal, ClientEvents& events) {
  set_state(State::refused);
  keep_alive_ = false;
  events.on_response_error(stream_, refusal);
}

}  // namespace mango::http
