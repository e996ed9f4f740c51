// SPDX-License-Identifier: Apache-2.0
#include "http/h1_server.h"

#include <cassert>

namespace mango::http {

namespace {

// Serialised heads: the largest head taken in, plus the fields we add to it.
constexpr size_t kResponseHeadBytes = 48 * 1024;
constexpr BodyLimits kBodyLimits;
// Of a request that was answered early: reading this much away beats a new connection.
constexpr uint32_t kMaxDrainBytes = 64 * 1024;

}  // namespace

void H1ServerCodec::set_state(State next) noexcept {
  assert(next == State::refused || (next == State::body && state_ == State::head) ||
         (next == State::waiting && (state_ == State::head || state_ == State::body)) ||
         (next == State::tunnel && state_ == State::waiting) ||
         (next == State::head && state_ == State::waiting));
  state_ = next;
}

size_t H1ServerCodec::receive(std::span<char> bytes, ServerEvents& events) {
  size_t used = 0;
  bool more = true;
  while (more) {
    const std::span<char> rest = bytes.subspan(used);
    if (state_ == State::head)
      more = read_head(rest, used, events);
    else if (state_ == State::body)
      more = read_body(rest, used, events);
    else if (state_ == State::tunnel)
      more = read_tunnel({rest.data(), rest.size()}, used, events);
    else
      more = false;
  }
  return state_ == State::refused ? bytes.size() : used;
}

bool H1ServerCodec::read_head(std::span<char> bytes, size_t& used, ServerEvents& events) {
  partial_head_ = !bytes.empty();
  if (bytes.empty()) return false;
  // What is no HTTP at all (a ClientHello, HTTP/0.9) has no end to wait for: the first bytes are parsed at
  // once.
  const bool first = scanned_ == 0;
  const size_t end = find_head_end({bytes.data(), bytes.size()}, &scanned_);
  if (end == 0 && !first && bytes.size() <= limits_.head_bytes) return false;
  RequestHead& head = heads_.request;
  head.clear();
  Refusal refusal;
  switch (parse_request_head(end == 0 ? bytes : bytes.first(end), limits_, head, refusal)) {
    case Parsed::incomplete:
      return false;
    case Parsed::refused:
      refuse(refusal, events);
      return false;
    case Parsed::complete:
      break;
  }
  scanned_ = 0;
  partial_head_ = false;
  used += head.head_bytes;
  ++stream_.id;
  open_ = true;
  keep_alive_ = head.keep_alive;
  http10_ = head.version == Version::http10;
  head_request_ = head.method == Method::head;
  drained_bytes_ = 0;
  reader_.start(head.framing, head.content_length);
  set_state(State::body);
  events.on_request(stream_, head);
  return true;
}

bool H1ServerCodec::read_body(std::span<char> bytes, size_t& used, ServerEvents& events) {
  std::string_view slice;
  size_t consumed = 0;
  if (content_left_ > 0) {
    slice = std::string_view(bytes.data(), bytes.size()).substr(0, content_left_);
    consumed = slice.size();
  } else {
    const BodyReader::Result step = reader_.next({bytes.data(), bytes.size()}, kBodyLimits);
    switch (step.step) {
      case BodyReader::Step::need_more:
        used += step.consumed;
        return false;
      case BodyReader::Step::refused:
        refuse(reader_.refusal(), events);
        return false;
      case BodyReader::Step::end:
        used += step.consumed;
        end_body(events);
        return true;
      case BodyReader::Step::data:
        slice = step.slice;
        consumed = step.consumed;
        break;
    }
  }
  const size_t taken = open_ ? events.on_request_data(stream_, slice) : drain(slice.size());
  content_left_ = slice.size() - taken;
  used += consumed - content_left_;
  return content_left_ == 0 && state_ == State::body;
}

void H1ServerCodec::end_body(ServerEvents& events) {
  set_state(State::waiting);
  if (open_)
    events.on_request_end(stream_, reader_.trailers());
  else
    finish(stream_);
}

// Content nobody waits for. Too much of it, and the connection is given up.
size_t H1ServerCodec::drain(size_t bytes) noexcept {
  drained_bytes_ += static_cast<uint32_t>(bytes);
  if (drained_bytes_ > kMaxDrainBytes) {
    keep_alive_ = false;
    set_state(State::refused);
  }
  return bytes;
}

bool H1ServerCodec::read_tunnel(std::string_view bytes, size_t& used, ServerEvents& events) {
  if (bytes.empty()) return false;
  const size_t taken = open_ ? events.on_request_data(stream_, bytes) : bytes.size();
  used += taken;
  return taken > 0 && taken < bytes.size();
}

bool H1ServerCodec::receive_end(ServerEvents& events) {
  if (state_ != State::tunnel || request_ended_ || !open_) return false;
  request_ended_ = true;
  events.on_request_end(stream_, {});
  return true;
}

void H1ServerCodec::writable(ServerEvents& events) {
  if (open_) events.on_response_writable(stream_);
}

void H1ServerCodec::refuse(const Refusal& refusal, ServerEvents& events) {
  set_state(State::refused);
  partial_head_ = false;
  keep_alive_ = false;
  events.on_protocol_error(refusal);
}

void H1ServerCodec::finish(Stream&) {
  open_ = false;
  stream_.user = nullptr;
  if (state_ == State::waiting && persistent()) set_state(State::head);
}

bool H1ServerCodec::send_head(Stream&, const ResponseHead& head, ResponseForwarding how) {
  char memory[kResponseHeadBytes];
  HeadWriter out(memory);
  const bool interim = head.status < 200;
  if (head.status == 101) {
    keep_alive_ = false;
    set_state(State::tunnel);
  } else if (interim && http10_) {
    return true;  // RFC 9110 section 15.2
  } else if (!interim) {
    if (http10_ && how.framing == Framing::chunked) how.framing = Framing::until_close;
    if (how.framing == Framing::until_close || !how.keep_alive) keep_alive_ = false;
    writer_.start(how.framing);
  }
  how.http10 = http10_;
  how.keep_alive = persistent();
  write_response_head(out, head, how);
  return out.ok() && sink_.put(out.text());
}

size_t H1ServerCodec::send_data(Stream&, std::string_view content) {
  return state_ == State::tunnel ? sink_.offer(content) : writer_.data(content, sink_);
}

bool H1ServerCodec::send_end(Stream&, std::string_view trailers) {
  if (state_ != State::tunnel) return writer_.end(trailers, sink_);
  sink_.finish();
  return true;
}

bool H1ServerCodec::send_local(Stream&, LocalResponse response) {
  char memory[kResponseHeadBytes];
  HeadWriter out(memory);
  keep_alive_ = keep_alive_ && response.keep_alive;
  response.keep_alive = persistent();
  response.http10 = http10_;
  response.head_request = head_request_;
  write_local_response(out, response);
  return out.ok() && sink_.put(out.text());
}

}  // namespace mango::http
