// SPDX-License-Identifier: Apache-2.0
// A peer for the HTTP/2 server codec: nghttp2's client side where the client is honest, frames written by
// hand where it is not.
#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "http/h2_server.h"

namespace mango::http::test {

struct FakeClock final : Clock {
  [[nodiscard]] uint64_t now_ms() const noexcept override { return ms; }
  uint64_t ms = 1000;
};

struct BufferSink final : Sink {
  [[nodiscard]] bool put(std::string_view bytes) override {
    written.append(bytes);
    return !broken;
  }
  [[nodiscard]] size_t offer(std::string_view bytes) override {
    written.append(bytes);
    return bytes.size();
  }
  [[nodiscard]] bool congested() noexcept override { return written.size() >= high_water; }
  void finish() override {}
  std::string written;
  size_t high_water = SIZE_MAX;
  bool broken = false;
};

inline std::string describe_request(const RequestHead& head) {
  std::string text =
      std::string(head.method_name) + " " + std::string(head.target) + " " + std::string(head.authority);
  for (const Field& field : head.fields)
    text += "|" + std::string(field.name) + "=" + std::string(field.value);
  return text;
}

// Notes what the codec says, as text; what a test wants to do about it goes into the functions.
struct H2ServerNotes final : ServerEvents {
  void on_request(Stream& stream, RequestHead& head) override {
    text += "[" + std::to_string(stream.id) + " " + describe_request(head) + "]";
    streams[stream.id] = &stream;
    if (request) request(stream, head);
  }
  [[nodiscard]] size_t on_request_data(Stream& stream, std::string_view content) override {
    const size_t taken = data ? data(stream, content) : content.size();
    contents[stream.id].append(content.substr(0, taken));
    return taken;
  }
  void on_request_end(Stream& stream, std::string_view trailers) override {
    text += "[" + std::to_string(stream.id) + " end " + std::string(trailers) + "]";
    if (end) end(stream);
  }
  void on_response_writable(Stream& stream) override {
    if (writable) writable(stream);
  }
  void on_stream_lost(Stream& stream, StreamError error, const char* reason) override {
    text += "[" + std::to_string(stream.id) + " lost " + std::to_string(static_cast<int>(error)) + " " +
            reason + "]";
    streams.erase(stream.id);
  }
  void on_protocol_error(const Refusal& refusal) override {
    text += std::string("[error ") + refusal.reason + "]";
  }
  void on_malformed_request(const char* reason) override {
    text += std::string("[malformed ") + reason + "]";
  }

  std::string text;
  std::map<StreamId, Stream*> streams;
  std::map<StreamId, std::string> contents;
  std::function<void(Stream&, RequestHead&)> request;
  std::function<size_t(Stream&, std::string_view)> data;
  std::function<void(Stream&)> end;
  std::function<void(Stream&)> writable;
};

struct H2Server {
  explicit H2Server(const Http2Limits& limits = {}, const HeadLimits& head_limits = {})
      : codec(head_limits, limits, heads, sink, clock) {}
  void receive(std::string_view bytes) {
    std::string copy(bytes);
    copy.shrink_to_fit();
    EXPECT_EQ(copy.size(), codec.receive({copy.data(), copy.size()}, notes));
    for (const auto& task : std::exchange(later, {})) task();
  }
  [[nodiscard]] std::string take_output() {
    std::string output;
    output.swap(sink.written);
    return output;
  }
  // A response without content.
  void answer(Stream& stream, uint16_t status = 204) {
    ResponseHead head;
    head.status = status;
    EXPECT_TRUE(codec.send_head(stream, head, {}));
    EXPECT_TRUE(codec.send_end(stream, {}));
    codec.finish(stream);
  }
  void answer(Stream& stream, std::string_view content) {
    ResponseHead head;
    head.status = 200;
    EXPECT_TRUE(
        codec.send_head(stream, head, {.framing = Framing::length, .content_length = content.size()}));
    EXPECT_EQ(content.size(), codec.send_data(stream, content));
    EXPECT_TRUE(codec.send_end(stream, {}));
    codec.finish(stream);
  }

  std::vector<std::function<void()>> later;  // to be done when receive() is over
  Heads heads;
  BufferSink sink;
  FakeClock clock;
  H2ServerNotes notes;
  H2ServerCodec codec;
};

// --- frames by hand (RFC 9113 section 4.1) ---

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline std::string number(uint32_t value, int bytes = 4) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
  return text;
}
inline std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  return number(static_cast<uint32_t>(payload.size()), 3) + static_cast<char>(type) +
         static_cast<char>(flags) + number(stream) + std::string(payload);
}
inline std::string settings() {
  return frame(NGHTTP2_SETTINGS, 0, 0, "");
}
inline std::string greeting() {
  return std::string(kPreface) + settings();
}
// A string literal without Huffman coding (RFC 7541 section 5.2).
inline std::string hpack_string(std::string_view text) {
  std::string coded;
  size_t rest = text.size();
  if (rest < 127) {
    coded += static_cast<char>(rest);
  } else {
    coded += static_cast<char>(127);
    for (rest -= 127; rest >= 128; rest >>= 7) coded += static_cast<char>(rest % 128 + 128);
    coded += static_cast<char>(rest);
  }
  return coded + std::string(text);
}
using Fields = std::vector<std::pair<std::string, std::string>>;
inline std::string hpack(const Fields& fields) {
  std::string block;
  for (const auto& [name, value] : fields) block += '\0' + hpack_string(name) + hpack_string(value);
  return block;
}
inline Fields get(std::string_view path = "/", const Fields& more = {}) {
  Fields fields = {
      {":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", std::string(path)}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
inline std::string headers(uint32_t stream, const Fields& fields, bool ended = true) {
  return frame(NGHTTP2_HEADERS,
               static_cast<uint8_t>(NGHTTP2_FLAG_END_HEADERS | (ended ? NGHTTP2_FLAG_END_STREAM : 0)), stream,
               hpack(fields));
}
inline std::string content(uint32_t stream, std::string_view bytes, bool ended = false) {
  return frame(NGHTTP2_DATA, ended ? NGHTTP2_FLAG_END_STREAM : 0, stream, bytes);
}
inline std::string reset_frame(uint32_t stream, uint32_t code = NGHTTP2_CANCEL) {
  return frame(NGHTTP2_RST_STREAM, 0, stream, number(code));
}
inline std::string window(uint32_t stream, uint32_t bytes) {
  return frame(NGHTTP2_WINDOW_UPDATE, 0, stream, number(bytes));
}

// --- an honest client ---

struct H2Answer {
  std::string fields;  // "name=value|", blocks in [], in the order they came
  std::string content;
  bool closed = false;
  uint32_t code = 0;
};

class H2Peer {
 public:
  explicit H2Peer(uint32_t window_bytes = 65535) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, window_bytes == 65535 ? 0 : 1);
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &entry, 1);
  }
  ~H2Peer() { nghttp2_session_del(session_); }
  H2Peer(const H2Peer&) = delete;
  H2Peer& operator=(const H2Peer&) = delete;

  // Content goes with END_STREAM behind it, then trailers if there are any.
  uint32_t request(const Fields& fields, std::string content = {}, Fields trailers = {}) {
    auto body = std::make_unique<Body>(Body{std::move(content), std::move(trailers), 0});
    nghttp2_data_provider provider;
    provider.source.ptr = body.get();
    provider.read_callback = on_read;
    const bool any = !body->content.empty() || !body->trailers.empty();
    const int32_t id = nghttp2_submit_request(session_, nullptr, convert(fields).data(), fields.size(),
                                              any ? &provider : nullptr, nullptr);
    bodies_.push_back(std::move(body));
    return static_cast<uint32_t>(id);
  }

  void grant(uint32_t stream, int32_t bytes) {
    nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, static_cast<int32_t>(stream), bytes);
  }

  // Bytes to and fro until both are silent.
  void talk(H2Server& server) {
    for (;;) {
      const std::string output = take_output();
      if (!output.empty()) server.receive(output);
      const std::string input = server.take_output();
      if (!input.empty()) {
        EXPECT_EQ(
            static_cast<ssize_t>(input.size()),
            nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(input.data()), input.size()));
        server.codec.writable(server.notes);
      }
      if (output.empty() && input.empty()) return;
    }
  }
  [[nodiscard]] std::string take_output() {
    std::string output;
    const uint8_t* bytes = nullptr;
    for (ssize_t count = 0; (count = nghttp2_session_mem_send(session_, &bytes)) > 0;)
      output.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
    return output;
  }
  [[nodiscard]] nghttp2_session* session() { return session_; }

  std::map<uint32_t, H2Answer> answers;
  std::vector<std::pair<uint32_t, uint32_t>> goaways;  // last stream, code
  std::string complaints;                              // frames that broke the rules

 private:
  struct Body {
    std::string content;
    Fields trailers;
    size_t sent;
  };
  static std::vector<nghttp2_nv> convert(const Fields& fields) {
    std::vector<nghttp2_nv> converted;
    for (const auto& [name, value] : fields) {
      converted.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                           reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                           value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return converted;
  }
  static H2Peer& self(void* user_data) { return *static_cast<H2Peer*>(user_data); }
  static ssize_t on_read(nghttp2_session* session, int32_t id, uint8_t* to, size_t most, uint32_t* flags,
                         nghttp2_data_source* source, void*) {
    Body& body = *static_cast<Body*>(source->ptr);
    const size_t count = std::min(most, body.content.size() - body.sent);
    body.content.copy(reinterpret_cast<char*>(to), count, body.sent);
    body.sent += count;
    if (body.sent < body.content.size()) return static_cast<ssize_t>(count);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!body.trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      nghttp2_submit_trailer(session, id, convert(body.trailers).data(), body.trailers.size());
    }
    return static_cast<ssize_t>(count);
  }
  static int on_begin(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    self(user_data).answers[static_cast<uint32_t>(frame->hd.stream_id)].fields += "[";
    return 0;
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_bytes,
                       const uint8_t* value, size_t value_bytes, uint8_t, void* user_data) {
    std::string& fields = self(user_data).answers[static_cast<uint32_t>(frame->hd.stream_id)].fields;
    if (!fields.ends_with("[")) fields += "|";
    fields.append(reinterpret_cast<const char*>(name), name_bytes).append("=");
    fields.append(reinterpret_cast<const char*>(value), value_bytes);
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t bytes,
                     void* user_data) {
    self(user_data).answers[static_cast<uint32_t>(id)].content.append(reinterpret_cast<const char*>(data),
                                                                      bytes);
    return 0;
  }
  static int on_close(nghttp2_session*, int32_t id, uint32_t code, void* user_data) {
    H2Answer& answer = self(user_data).answers[static_cast<uint32_t>(id)];
    answer.closed = true;
    answer.code = code;
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    if (frame->hd.type == NGHTTP2_HEADERS)
      self(user_data).answers[static_cast<uint32_t>(frame->hd.stream_id)].fields += "]";
    if (frame->hd.type == NGHTTP2_GOAWAY)
      self(user_data).goaways.emplace_back(frame->goaway.last_stream_id, frame->goaway.error_code);
    return 0;
  }
  static int on_invalid(nghttp2_session*, const nghttp2_frame* frame, int error, void* user_data) {
    self(user_data).complaints += "[" + std::to_string(frame->hd.type) + " " + nghttp2_strerror(error) + "]";
    return 0;
  }

  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Body>> bodies_;
};

// Frames that came out, "TYPE(stream,flags)" or with the code for RST_STREAM and GOAWAY.
inline std::string outline(std::string_view bytes) {
  static const char* const kNames[] = {"DATA", "HEADERS", "PRIORITY", "RST",    "SETTINGS",
                                       "PUSH", "PING",    "GOAWAY",   "WINDOW", "CONTINUATION"};
  const auto at = [&bytes](size_t offset, size_t count) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
    return value;
  };
  std::string text;
  while (bytes.size() >= 9) {
    const uint32_t payload = at(0, 3);
    const uint32_t type = at(3, 1);
    if (type != NGHTTP2_SETTINGS && type != NGHTTP2_WINDOW_UPDATE) {
      text += std::string(type < 10 ? kNames[type] : "?") + "(" + std::to_string(at(5, 4) & 0x7fffffff);
      if (type == NGHTTP2_RST_STREAM) text += "," + std::to_string(at(9, 4));
      if (type == NGHTTP2_GOAWAY) text += "," + std::to_string(at(13, 4));
      text += ")";
    }
    if (bytes.size() < 9 + payload) return text + "...";
    bytes.remove_prefix(9 + payload);
  }
  return text;
}

}  // namespace mango::http::test
