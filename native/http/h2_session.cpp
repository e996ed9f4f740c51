// SPDX-License-Identifier: Apache-2.0
#include "http/h2_session.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <tuple>

#include "http/h2_fields.h"
#include "http/h2_limits.h"

namespace mango::http {

namespace {

constexpr size_t kFrameHeadBytes = 9;  // RFC 9113 section 4.1

}  // namespace

// Within nghttp2's callbacks. The library's C frames are on the stack: nothing here may throw.
struct H2Session::Callbacks {
  static H2Session& self(void* user_data) noexcept { return *static_cast<H2Session*>(user_data); }

  static ssize_t on_read(nghttp2_session*, int32_t, uint8_t*, size_t most, uint32_t* flags,
                         nghttp2_data_source* source, void* user_data) {
    H2Session& session = self(user_data);
    H2Stream& stream = *static_cast<H2Stream*>(source->ptr);
    const size_t waiting = stream.offered.size() + stream.tail.size() - stream.tail_sent;
    if (waiting == 0 && !stream.output_ended) return NGHTTP2_ERR_DEFERRED;
    if (waiting != 0 && session.sink_.congested()) {
      session.block(stream);
      return NGHTTP2_ERR_DEFERRED;
    }
    const size_t bytes = std::min(waiting, most);
    const bool last = (stream.output_ended && bytes == waiting) || bytes >= stream.to_send;
    if (last) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (bytes != 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return static_cast<ssize_t>(bytes);
  }

  static int on_send(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t bytes,
                     nghttp2_data_source* source, void* user_data) {
    H2Session& session = self(user_data);
    H2Stream& stream = *static_cast<H2Stream*>(source->ptr);
    assert(frame->data.padlen == 0);  // nobody asks for padding
    (void)frame;
    const bool own = stream.offered.empty();
    const std::string_view content =
        own ? std::string_view(stream.tail).substr(stream.tail_sent, bytes) : stream.offered.substr(0, bytes);
    if (own) {
      stream.tail_sent += bytes;
    } else {
      stream.offered.remove_prefix(bytes);
    }
    if (stream.to_send != UINT64_MAX) stream.to_send -= std::min<uint64_t>(stream.to_send, bytes);
    if (!session.sink_.put({reinterpret_cast<const char*>(head), kFrameHeadBytes}) ||
        !session.sink_.put(content))
      session.die();
    session.content_moved(bytes);
    if (stream.offered.empty() && stream.tail_sent == stream.tail.size()) session.content_ran_out();
    return 0;
  }

  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t bytes,
                     void* user_data) {
    H2Session& session = self(user_data);
    if (session.dead_) return NGHTTP2_ERR_CALLBACK_FAILURE;
    session.content_moved(bytes);
    session.take_content(id, {reinterpret_cast<const char*>(data), bytes});
    return session.dead_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }
};

// --- output ---

void H2Session::pump() noexcept {
  if (busy_ || dead_) return;
  busy_ = true;
  while (nghttp2_session_want_write(session_) != 0 && !dead_ && !sink_.congested() && serialise()) {
  }
  busy_ = false;
}

bool H2Session::drain() noexcept {
  pump();
  return !busy_ && !dead_ && !sink_.congested();
}

void H2Session::pump_frame() noexcept {
  busy_ = true;
  (void)serialise();
  busy_ = false;
}

// One frame; false if there was none.
bool H2Session::serialise() noexcept {
  const uint8_t* bytes = nullptr;
  const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
  if (count == 0) return false;
  if (count < 0 || !sink_.put({reinterpret_cast<const char*>(bytes), static_cast<size_t>(count)})) die();
  return true;
}

nghttp2_data_provider H2Session::provider(H2Stream& stream) noexcept {
  nghttp2_data_provider result;
  result.source.ptr = &stream;
  result.read_callback = Callbacks::on_read;
  return result;
}

size_t H2Session::send_content(H2Stream& stream, std::string_view content) noexcept {
  const bool useless = dead_ || stream.closed || stream.reset || stream.output_ended || stream.to_send == 0;
  if (useless) return content.size();  // nobody will ever read it
  if (content.empty()) return 0;
  if (busy_ || sink_.congested()) {
    block(stream);
    return 0;
  }
  stream.offered = content;
  (void)nghttp2_session_resume_data(session_, static_cast<int32_t>(stream.id));  // fails where not deferred
  pump();
  const size_t left = stream.offered.size();
  stream.offered = {};
  if (dead_ || stream.closed) return content.size();
  if (left != 0) block(stream);
  return content.size() - left;
}

bool H2Session::end_content(H2Stream& stream, std::string_view trailers) noexcept {
  if (dead_) return false;
  if (stream.output_ended || stream.closed || stream.reset) return true;
  stream.output_ended = true;
  unblock(stream);
  const auto id = static_cast<int32_t>(stream.id);
  if (stream.to_send == 0) return true;  // went with the last content
  if (trailers.empty()) {
    (void)nghttp2_session_resume_data(session_, id);
  } else {
    // All content is serialised, so these can overtake none; and no window keeps them back.
    std::array<char, kDefaultTrailerBytes + 256> text;
    H2Fields fields;
    const std::span<char> lines(text.data(), std::min(trailers.size(), text.size()));
    std::copy_n(trailers.data(), lines.size(), lines.data());
    if (lines.size() < trailers.size() || !fields.read_trailers(lines) ||
        nghttp2_submit_trailer(session_, id, fields.data(), fields.size()) != 0)
      return false;
  }
  pump();
  return !dead_;
}

bool H2Session::submit_reset(H2Stream& stream, StreamError error) noexcept {
  if (dead_) return false;
  if (stream.closed || stream.reset) return true;
  stream.reset = true;
  unblock(stream);
  return nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, static_cast<int32_t>(stream.id),
                                   h2_error_code(error)) == 0;
}

void H2Session::block(H2Stream& stream) noexcept {
  if (busy_) wake_wanted_ = true;  // no window is missing, only the right moment
  if (stream.blocked) return;
  stream.blocked = true;
  ++blocked_;
}

void H2Session::unblock(H2Stream& stream) noexcept {
  if (!stream.blocked) return;
  stream.blocked = false;
  --blocked_;
}

bool H2Session::can_send(const H2Stream& stream) noexcept {
  return nghttp2_session_get_remote_window_size(session_) > 0 &&
         nghttp2_session_get_stream_remote_window_size(session_, static_cast<int32_t>(stream.id)) > 0;
}

// The best of the blocked streams again and again, each at most once: what a wake-up does to the others is
// seen by the next choice. Few streams are blocked by anything but the connection's window, where the first
// ones end the search.
void H2Session::wake_blocked() noexcept {
  if (!wake_wanted_ || busy_) return;
  wake_wanted_ = false;
  const uint64_t round = wakes_;
  const auto order = [](const H2Stream& stream) {
    return std::tuple(stream.urgency, stream.incremental, stream.incremental ? stream.woken : stream.id,
                      stream.id);
  };
  while (blocked_ != 0 && !dead_ && !sink_.congested()) {
    H2Stream* best = nullptr;
    for (H2Stream* stream = first_; stream != nullptr; stream = stream->next) {
      const bool due = stream->blocked && stream->woken <= round && can_send(*stream);
      if (due && (best == nullptr || order(*stream) < order(*best))) best = stream;
    }
    if (best == nullptr) return;
    best->woken = ++wakes_;
    unblock(*best);
    if (best->tail_sent < best->tail.size()) {
      (void)nghttp2_session_resume_data(session_, static_cast<int32_t>(best->id));
      pump();
    } else {
      wake(*best);
    }
  }
}

bool H2Session::queue_too_long() const noexcept {
  return nghttp2_session_get_outbound_queue_size(const_cast<nghttp2_session*>(session_)) > kMaxQueuedFrames;
}

// --- streams ---

void H2Session::add_stream(H2Stream* stream, StreamId id) noexcept {
  stream->id = id;
  stream->next = first_;
  if (first_ != nullptr) first_->previous = stream;
  first_ = stream;
  ++count_;
  (void)nghttp2_session_set_stream_user_data(session_, static_cast<int32_t>(id), stream);
}

void H2Session::remove_stream(H2Stream& stream) noexcept {
  unblock(stream);
  if (!stream.closed)
    (void)nghttp2_session_set_stream_user_data(session_, static_cast<int32_t>(stream.id), nullptr);
  (stream.previous == nullptr ? first_ : stream.previous->next) = stream.next;
  if (stream.next != nullptr) stream.next->previous = stream.previous;
  --count_;
  delete &stream;
}

bool H2Session::has_stream(const H2Stream* stream, StreamId id) const noexcept {
  const H2Stream* at = first_;
  while (at != nullptr && at != stream) at = at->next;
  return at != nullptr && at->id == id;
}

H2Stream* H2Session::find_stream(int32_t id) noexcept {
  return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session_, id));
}

// --- set-up and teardown ---

void H2Session::set_content_callbacks(nghttp2_session_callbacks* callbacks) noexcept {
  nghttp2_session_callbacks_set_send_data_callback(callbacks, Callbacks::on_send);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data);
}

void H2Session::adopt(nghttp2_session* session) noexcept {
  session_ = session;
  if (session_ == nullptr) die();
}

H2Session::~H2Session() {
  nghttp2_session_del(session_);
  while (first_ != nullptr) {
    H2Stream* const stream = first_;
    first_ = stream->next;
    delete stream;
  }
}

}  // namespace mango::http
