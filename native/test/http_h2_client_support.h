// SPDX-License-Identifier: Apache-2.0
// Both ends of an HTTP/2 connection to an upstream, in memory: our codec with notes of what it says, and
// either a real server (nghttp2's) or frames written by hand.
#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/h2_client.h"

namespace mango::http::test {

using FieldPairs = std::vector<std::pair<std::string, std::string>>;

// --- frames by hand ---

[[nodiscard]] std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);
// Fields as HPACK literals that use no table (RFC 7541 section 6.2.2).
[[nodiscard]] std::string block(const FieldPairs& fields);
[[nodiscard]] std::string headers(uint32_t stream, const FieldPairs& fields, uint8_t flags = 0);
[[nodiscard]] std::string data(uint32_t stream, std::string_view content, uint8_t flags = 0);
[[nodiscard]] std::string settings(const std::vector<std::pair<uint16_t, uint32_t>>& values = {});
[[nodiscard]] std::string number(uint32_t value);  // in network order
inline constexpr uint8_t kEnd = NGHTTP2_FLAG_END_STREAM;

// --- our side ---

struct HandClock final : Clock {
  [[nodiscard]] uint64_t now_ms() const noexcept override { return now; }
  uint64_t now = 1000;
};

// The codec, the sink it writes to and the one who takes its events.
class Client final : public Sink, public ClientEvents {
 public:
  explicit Client(const Http2Limits& limits = {});

  [[nodiscard]] Stream* start(std::string_view head, Method method = Method::get,
                              Framing framing = Framing::none, bool upgrade = false);
  [[nodiscard]] Stream* get(std::string_view path = "/");
  [[nodiscard]] Stream* post(std::string_view path = "/", Framing framing = Framing::chunked);
  [[nodiscard]] Stream* websocket();
  // Bytes arrive; answers what that made the codec say, which is then forgotten.
  std::string receive(std::string_view bytes);
  std::string take_text() { return std::exchange(text, {}); }
  std::string take_output() { return std::exchange(output, {}); }

  [[nodiscard]] bool put(std::string_view bytes) override;
  [[nodiscard]] size_t offer(std::string_view) override { return 0; }
  [[nodiscard]] bool congested() noexcept override { return full; }
  void finish() override {}

  void on_interim(Stream& stream, ResponseHead& head) override;
  void on_response(Stream& stream, ResponseHead& head) override;
  [[nodiscard]] size_t on_response_data(Stream& stream, std::string_view content) override;
  void on_response_end(Stream& stream, std::string_view trailers) override;
  void on_request_writable(Stream& stream) override;
  void on_response_error(Stream& stream, const Refusal& refusal) override;
  void on_stream_lost(Stream& stream, StreamError error) override;
  void on_connection_error(const Refusal& refusal) override;
  void on_capacity_changed() override { ++capacity_changes; }

  HandClock clock;
  Heads heads;
  H2ClientCodec codec;
  std::string text;    // events
  std::string output;  // bytes for the upstream
  size_t appetite = SIZE_MAX;
  bool full = false;
  bool broken = false;
  bool finishes = true;  // a stream whose response has ended
  bool shows_fields = false;
  int capacity_changes = 0;
  std::string to_send;  // what on_request_writable sends; an end follows
  std::map<uint32_t, std::string> contents;
  std::function<void(Stream&)> on_event;  // called within events other than ends
  std::function<void()> on_loss;          // ... and within those of a stream that is lost or refused
};

// --- their side ---

// A server that keeps the rules.
class Upstream {
 public:
  explicit Upstream(const std::vector<nghttp2_settings_entry>& entries = {});

  struct Request {
    std::string fields;  // "name=value|"...
    std::string content;
    std::string trailers;
    bool ended = false;
    int64_t reset = -1;  // the code
  };
  // Takes bytes, answers bytes.
  std::string exchange(std::string_view bytes);
  // HEADERS, and DATA unless `content` is null, and trailers.
  void respond(uint32_t stream, const FieldPairs& fields, const char* content = nullptr,
               const FieldPairs& trailers = {});
  void interim(uint32_t stream, const FieldPairs& fields);
  [[nodiscard]] nghttp2_session* session() noexcept { return session_.get(); }

  std::map<uint32_t, Request> requests;
  bool failed = false;  // the client broke a rule
  int64_t goaway = -1;

 private:
  struct Callbacks;
  struct Response {
    std::string content;
    FieldPairs trailers;
  };
  struct Deleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };
  std::unique_ptr<nghttp2_session, Deleter> session_;
  std::map<uint32_t, Response> responses_;
};

// Both ends greet each other.
void meet(Client& client, Upstream& upstream);
// Carries bytes to and fro until nobody says anything more; answers what the client's codec said.
std::string converse(Client& client, Upstream& upstream);

}  // namespace mango::http::test
