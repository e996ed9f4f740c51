// SPDX-License-Identifier: Apache-2.0
// The other direction of a session: content that comes in, and waits for its taker.
#include "http/chars.h"
#include "http/h1_body.h"
#include "http/h2_session.h"

namespace mango::http {

namespace {

constexpr int kLowestUrgency = 7;

}  // namespace

bool H2Session::feed(std::span<const char> bytes, int& error) noexcept {
  busy_ = true;
  const ssize_t used =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  busy_ = false;
  error = used < 0 ? static_cast<int>(used) : 0;
  return used >= 0;
}

void H2Session::take_content(int32_t id, std::string_view content) noexcept {
  H2Stream* const stream = find_stream(id);
  size_t taken = content.size();
  if (stream != nullptr && !stream->finished && !stream->reset && accept_content(*stream, content.size())) {
    const bool in_turn = stream->held.empty() && !stream->offering;
    taken = in_turn ? deliver(*stream, content) : 0;
    // The stream may be gone; if it is not, nothing in between can have filled its held content.
    if (taken < content.size() && find_stream(id) == stream && !stream->finished)
      hold(*stream, content.substr(taken));
    else
      taken = content.size();
  }
  consume(static_cast<StreamId>(id), taken);
}

// A taker that never catches up leaves ever more behind it: the half that was taken goes before more comes.
void H2Session::hold(H2Stream& stream, std::string_view content) {
  if (stream.held_taken * 2 > stream.held.size()) {
    stream.held.erase(0, stream.held_taken);
    stream.held_taken = 0;
  }
  stream.held.append(content);
  if (!hold_connection_ && !dead_) (void)nghttp2_session_consume_connection(session_, content.size());
}

void H2Session::consume(StreamId id, size_t bytes) noexcept {
  if (bytes == 0 || dead_) return;
  (void)nghttp2_session_consume_connection(session_, bytes);
  (void)nghttp2_session_consume_stream(session_, static_cast<int32_t>(id), bytes);
}

void H2Session::consume_held(StreamId id, size_t bytes) noexcept {
  if (hold_connection_)
    consume(id, bytes);
  else if (bytes != 0 && !dead_)
    (void)nghttp2_session_consume_stream(session_, static_cast<int32_t>(id), bytes);
}

void H2Session::offer_held(H2Stream& stream) noexcept {
  if (stream.offering || stream.finished || dead_) return;
  const StreamId id = stream.id;
  if (!stream.held.empty()) {
    const std::string_view rest = std::string_view(stream.held).substr(stream.held_taken);
    stream.offering = true;
    const size_t taken = deliver(stream, rest);
    if (!has_stream(&stream, id) || stream.finished) return;  // its held content was dropped with it
    stream.offering = false;
    stream.held_taken += taken;
    if (taken == rest.size()) {
      H2String().swap(stream.held);
      stream.held_taken = 0;
    }
    consume_held(id, taken);
  }
  if (!stream.input_ended || stream.end_told || !stream.held.empty() || dead_) return;
  stream.end_told = true;
  deliver_end(stream);
}

void H2Session::end_input(H2Stream& stream) noexcept {
  stream.input_ended = true;
  if (stream.held.empty()) offer_held(stream);
}

void H2Session::drop_held(H2Stream& stream) noexcept {
  const size_t left = stream.held.size() - stream.held_taken;
  H2String().swap(stream.held);
  stream.held_taken = 0;
  consume_held(stream.id, left);
}

void read_h2_priority(std::string_view value, H2Stream& stream) noexcept {
  std::string_view item;
  while (next_list_item(value, item)) {
    const std::string_view bare = trim(item.substr(0, item.find(';')));
    if (bare.size() == 3 && bare.starts_with("u=") && bare[2] >= '0' && bare[2] <= '0' + kLowestUrgency)
      stream.urgency = static_cast<uint8_t>(bare[2] - '0');
    else if (bare == "i" || bare == "i=?1")
      stream.incremental = true;
    else if (bare == "i=?0")
      stream.incremental = false;
  }
}

bool append_h2_trailer(H2String& trailers, std::string_view name, std::string_view value) noexcept {
  if (is_forbidden_trailer(name)) return true;
  if (trailers.size() + name.size() + value.size() + 4 > kDefaultTrailerBytes) return false;
  trailers.append(name).append(": ").append(value).append("\r\n");
  return true;
}

}  // namespace mango::http
