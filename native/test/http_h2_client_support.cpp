// SPDX-License-Identifier: Apache-2.0
#include "http_h2_client_support.h"

namespace mango::http::test {

// --- frames by hand ---

std::string number(uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
  return text;
}

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string text = number(static_cast<uint32_t>(payload.size())).substr(1);
  text += static_cast<char>(type);
  text += static_cast<char>(flags);
  return text + number(stream) + std::string(payload);
}

namespace {

// RFC 7541 section 5.1, with a prefix of seven bits and no Huffman coding (section 5.2).
std::string literal(std::string_view text) {
  std::string out;
  size_t size = text.size();
  if (size < 127) {
    out += static_cast<char>(size);
  } else {
    out += '\x7f';
    for (size -= 127; size >= 128; size /= 128) out += static_cast<char>(size % 128 + 128);
    out += static_cast<char>(size);
  }
  return out.append(text);
}

}  // namespace

std::string block(const FieldPairs& fields) {
  std::string text;
  for (const auto& [name, value] : fields) text += '\0' + literal(name) + literal(value);
  return text;
}

std::string headers(uint32_t stream, const FieldPairs& fields, uint8_t flags) {
  const auto all = static_cast<uint8_t>(flags | NGHTTP2_FLAG_END_HEADERS);
  return frame(NGHTTP2_HEADERS, all, stream, block(fields));
}

std::string data(uint32_t stream, std::string_view content, uint8_t flags) {
  return frame(NGHTTP2_DATA, flags, stream, content);
}

std::string settings(const std::vector<std::pair<uint16_t, uint32_t>>& values) {
  std::string payload;
  for (const auto& [id, value] : values) payload += number(id).substr(2) + number(value);
  return frame(NGHTTP2_SETTINGS, 0, 0, payload);
}

// --- our side ---

Client::Client(const Http2Limits& limits) : codec(limits, heads, *this, clock) {}

Stream* Client::start(std::string_view head, Method method, Framing framing, bool upgrade) {
  return codec.start(
      {.head = head, .method = method, .framing = framing, .upgrade = upgrade, .secure = false});
}

Stream* Client::get(std::string_view path) {
  return start("GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n");
}

Stream* Client::post(std::string_view path, Framing framing) {
  return start("POST " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n", Method::post, framing);
}

Stream* Client::websocket() {
  return start(
      "GET /chat HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 13\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
      Method::get, Framing::none, true);
}

std::string Client::receive(std::string_view bytes) {
  std::string copy(bytes);  // of exactly its size, so that a read beyond it is found
  copy.shrink_to_fit();
  EXPECT_EQ(copy.size(), codec.receive({copy.data(), copy.size()}, *this));
  return take_text();
}

bool Client::put(std::string_view bytes) {
  if (broken) return false;
  output.append(bytes);
  return true;
}

namespace {

std::string tag(const Stream& stream, std::string_view what) {
  return "[" + std::to_string(stream.id) + " " + std::string(what);
}

}  // namespace

void Client::on_interim(Stream& stream, ResponseHead& head) {
  text += tag(stream, "interim ") + std::to_string(head.status) + "]";
  if (on_event) on_event(stream);
}

void Client::on_response(Stream& stream, ResponseHead& head) {
  constexpr const char* kFraming[] = {"none", "length", "chunked", "until_close"};
  text += tag(stream, "response ") + std::to_string(head.status);
  if (shows_fields) {
    text += std::string(" ") + kFraming[static_cast<size_t>(head.framing)];
    if (head.framing == Framing::length) text += " " + std::to_string(head.content_length);
    if (!head.upgrade.empty()) text += " upgrade=" + std::string(head.upgrade);
    for (const Field& field : head.fields)
      text += " " + std::string(field.name) + "=" + std::string(field.value);
  }
  text += "]";
  if (on_event) on_event(stream);
}

size_t Client::on_response_data(Stream& stream, std::string_view content) {
  const std::string_view taken = content.substr(0, appetite);
  contents[stream.id].append(taken);
  text.append(taken);
  if (on_event) on_event(stream);
  return taken.size();
}

void Client::on_response_end(Stream& stream, std::string_view trailers) {
  text += tag(stream, "end") + (trailers.empty() ? "" : " ") + std::string(trailers) + "]";
  const bool alive = !finishes || codec.finish(stream);
  EXPECT_TRUE(alive || !codec.reusable());
}

void Client::on_request_writable(Stream& stream) {
  text += tag(stream, "writable]");
  const size_t taken = codec.send_data(stream, to_send);
  to_send.erase(0, taken);
  EXPECT_TRUE(!to_send.empty() || codec.send_end(stream, {}));
}

void Client::on_response_error(Stream& stream, const Refusal& refusal) {
  text += tag(stream, "error ") + std::to_string(refusal.status) + " " + refusal.reason + "]";
  if (on_loss) on_loss();
}

void Client::on_stream_lost(Stream& stream, StreamError error) {
  constexpr const char* kErrors[] = {"none", "protocol", "internal", "refused", "cancelled", "calm"};
  text += tag(stream, "lost ") + kErrors[static_cast<size_t>(error)] + "]";
  if (on_loss) on_loss();
}

void Client::on_connection_error(const Refusal& refusal) {
  text += "[connection error " + std::to_string(refusal.status) + " " + refusal.reason + "]";
}

// --- their side ---

struct Upstream::Callbacks {
  static Upstream& self(void* user_data) { return *static_cast<Upstream*>(user_data); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_bytes,
                       const uint8_t* value, size_t value_bytes, uint8_t, void* user_data) {
    Request& request = self(user_data).requests[static_cast<uint32_t>(frame->hd.stream_id)];
    const bool trailer = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
    std::string& text = trailer ? request.trailers : request.fields;
    text.append(reinterpret_cast<const char*>(name), name_bytes).append("=");
    text.append(reinterpret_cast<const char*>(value), value_bytes).append("|");
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t count,
                     void* user_data) {
    self(user_data).requests[static_cast<uint32_t>(id)].content.append(reinterpret_cast<const char*>(bytes),
                                                                       count);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Upstream& upstream = self(user_data);
    if (frame->hd.type == NGHTTP2_GOAWAY) upstream.goaway = frame->goaway.error_code;
    if (frame->hd.stream_id == 0) return 0;
    Request& request = upstream.requests[static_cast<uint32_t>(frame->hd.stream_id)];
    if (frame->hd.type == NGHTTP2_RST_STREAM) request.reset = frame->rst_stream.error_code;
    const bool ends = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (ends && (frame->hd.flags & kEnd) != 0) request.ended = true;
    return 0;
  }
  static int on_invalid(nghttp2_session*, const nghttp2_frame*, int, void* user_data) {
    self(user_data).failed = true;
    return 0;
  }
  static ssize_t on_read(nghttp2_session* session, int32_t id, uint8_t* memory, size_t most, uint32_t* flags,
                         nghttp2_data_source*, void* user_data) {
    Response& response = self(user_data).responses_[static_cast<uint32_t>(id)];
    const size_t count = std::min(most, response.content.size());
    std::copy_n(response.content.data(), count, memory);
    response.content.erase(0, count);
    if (!response.content.empty()) return static_cast<ssize_t>(count);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!response.trailers.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const std::vector<nghttp2_nv> fields = fields_of(response.trailers);
      nghttp2_submit_trailer(session, id, fields.data(), fields.size());
    }
    return static_cast<ssize_t>(count);
  }
  static std::vector<nghttp2_nv> fields_of(const FieldPairs& pairs) {
    std::vector<nghttp2_nv> fields;
    const auto bytes = [](const std::string& text) {
      return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
    };
    for (const auto& [name, value] : pairs)
      fields.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    return fields;
  }
};

Upstream::Upstream(const std::vector<nghttp2_settings_entry>& entries) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, Callbacks::on_invalid);
  nghttp2_session* session = nullptr;
  nghttp2_session_server_new(&session, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  session_.reset(session);
  nghttp2_submit_settings(session, 0, entries.data(), entries.size());
}

std::string Upstream::exchange(std::string_view bytes) {
  const ssize_t used =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  EXPECT_EQ(static_cast<ssize_t>(bytes.size()), used);
  std::string output;
  const uint8_t* piece = nullptr;
  for (ssize_t count = 0; (count = nghttp2_session_mem_send(session_.get(), &piece)) > 0;)
    output.append(reinterpret_cast<const char*>(piece), static_cast<size_t>(count));
  return output;
}

void Upstream::respond(uint32_t stream, const FieldPairs& fields, const char* content,
                       const FieldPairs& trailers) {
  const std::vector<nghttp2_nv> list = Callbacks::fields_of(fields);
  nghttp2_data_provider provider{};
  provider.read_callback = Callbacks::on_read;
  if (content != nullptr) responses_[stream] = {content, trailers};
  EXPECT_EQ(0, nghttp2_submit_response(session_.get(), static_cast<int32_t>(stream), list.data(), list.size(),
                                       content == nullptr ? nullptr : &provider));
}

void Upstream::interim(uint32_t stream, const FieldPairs& fields) {
  const std::vector<nghttp2_nv> list = Callbacks::fields_of(fields);
  EXPECT_EQ(0, nghttp2_submit_headers(session_.get(), 0, static_cast<int32_t>(stream), nullptr, list.data(),
                                      list.size(), nullptr));
}

void meet(Client& client, Upstream& upstream) {
  client.codec.open();
  EXPECT_EQ("", converse(client, upstream));
  EXPECT_TRUE(client.codec.settled());
}

std::string converse(Client& client, Upstream& upstream) {
  for (;;) {
    const std::string answer = upstream.exchange(client.take_output());
    if (answer.empty()) return client.take_text();
    std::string bytes = answer;
    EXPECT_EQ(bytes.size(), client.codec.receive({bytes.data(), bytes.size()}, client));
  }
}

}  // namespace mango::http::test
