// SPDX-License-Identifier: Apache-2.0
// Fuzzes the HTTP/2 codec towards clients as the proxy drives it. Input: one byte of seed, then what comes
// behind the preface. The taker of the events answers, takes a part, resets, ends and leaves streams alone as
// the seed says; the sink is congested now and then. What may never happen: memory beyond the bounds, bytes
// out that do not form frames, events for streams that are over, anything after an error.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "http/h2_server.h"

namespace {

using namespace mango::http;

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "property violated: %s\n", what);
  std::abort();
}

struct HandClock final : Clock {
  [[nodiscard]] uint64_t now_ms() const noexcept override { return ms; }
  uint64_t ms = 0;
};

struct FrameSink final : Sink {
  [[nodiscard]] bool put(std::string_view bytes) override {
    waiting.append(bytes);
    return true;
  }
  [[nodiscard]] size_t offer(std::string_view bytes) override {
    waiting.append(bytes);
    return bytes.size();
  }
  [[nodiscard]] bool congested() noexcept override { return waiting.size() > 20000; }
  void finish() override {}
  // Takes whole frames away, and requires that there are no others.
  void drain() {
    std::string_view rest = waiting;
    while (!rest.empty()) {
      require(rest.size() >= 9, "whole frame heads go out");
      size_t payload = 0;
      for (size_t i = 0; i < 3; ++i) payload = payload << 8 | static_cast<uint8_t>(rest[i]);
      require(payload <= 16384, "no frame is larger than allowed");
      require(rest.size() >= 9 + payload, "whole frames go out");
      rest.remove_prefix(9 + payload);
    }
    waiting.clear();
  }
  std::string waiting;
};

class Taker final : public ServerEvents {
 public:
  explicit Taker(uint32_t seed) : random_(seed) {}
  void on_request(Stream& stream, RequestHead& head) override {
    alive(stream.user == nullptr);
    require(!head.host.empty() && !head.path.empty() && head.version == Version::http2, "heads are whole");
    require(head.fields.size() <= kDefaultHeadFields && head.head_bytes <= kDefaultHeadBytes,
            "heads are within limits");
    for (const Field& field : head.fields) {
      const bool clean = field.name.find_first_of("\r\n: ") == std::string_view::npos &&
                         field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
      require(clean, "fields are clean");
    }
    stream.user = this;
    require(streams_.emplace(stream.id, &stream).second, "a stream begins once");
    require(streams_.size() <= kStreams, "streams are bounded");
    held_[stream.id] = 0;
    if (random_() % 4 == 0) act(stream);
  }
  [[nodiscard]] size_t on_request_data(Stream& stream, std::string_view content) override {
    known(stream);
    require(content.size() <= kWindow, "held content is bounded");
    if (random_() % 16 == 0) {
      act(stream);
      return 0;
    }
    return random_() % (content.size() + 1);
  }
  void on_request_end(Stream& stream, std::string_view) override {
    known(stream);
    require(ended_.emplace(stream.id, true).second, "a request ends once");
    if (random_() % 2 == 0) act(stream);
  }
  void on_response_writable(Stream& stream) override {
    known(stream);
    act(stream);
  }
  void on_stream_lost(Stream& stream, StreamError, const char*) override {
    known(stream);
    streams_.erase(stream.id);
  }
  void on_protocol_error(const Refusal& refusal) override {
    alive(*refusal.reason != '\0');
    failed_ = true;
  }
  [[nodiscard]] bool on_request_refused(Stream& stream, const Refusal&) override {
    alive(true);
    if (random_() % 2 == 0) return false;
    (void)codec->send_local(stream, {.status = 400});
    codec->finish(stream);
    return true;
  }
  // Between the calls of the network.
  void idle() {
    for (size_t i = random_() % 3; i > 0 && !streams_.empty(); --i) {
      auto at = streams_.begin();
      std::advance(at, random_() % std::min<size_t>(streams_.size(), 8));
      act(*at->second);
    }
  }
  [[nodiscard]] uint32_t random() { return static_cast<uint32_t>(random_()); }
  [[nodiscard]] size_t open() const { return streams_.size(); }

  ServerCodec* codec = nullptr;
  static constexpr size_t kStreams = 10;
  static constexpr size_t kWindow = 1000;

 private:
  void alive(bool condition) const { require(condition && !failed_, "nothing is told after an error"); }
  void known(const Stream& stream) const {
    alive(streams_.contains(stream.id) && streams_.at(stream.id) == &stream);
  }
  void finish(Stream& stream) {
    streams_.erase(stream.id);
    codec->finish(stream);
  }
  void act(Stream& stream) {
    static const std::string kContent(30000, 'c');
    ResponseHead head;
    switch (random_() % 10) {
      case 0:
        (void)codec->send_local(stream, {.status = 404});
        return finish(stream);
      case 1:
        (void)codec->reset(stream, StreamError::refused);
        return finish(stream);
      case 2:
        return finish(stream);
      case 3:
        head.status = 103;
        return (void)codec->send_head(stream, head, {});
      case 4:
        head.status = 200;
        return (void)codec->send_head(stream, head, {.framing = Framing::chunked});
      case 5:
        head.status = 200;
        return (void)codec->send_head(stream, head, {.framing = Framing::length, .content_length = 70000});
      case 6:
        head.status = 101;
        head.upgrade = "websocket";
        return (void)codec->send_head(stream, head, {.upgrade = true});
      case 7:
        (void)codec->send_end(stream, random_() % 2 == 0 ? "x: y\r\n" : "");
        return finish(stream);
      case 8:
        return (void)codec->resume(stream, *this);
      default:
        return (void)codec->send_data(stream, std::string_view(kContent).substr(random_() % kContent.size()));
    }
  }

  std::minstd_rand random_;
  std::map<StreamId, Stream*> streams_;
  std::map<StreamId, size_t> held_;
  std::map<StreamId, bool> ended_;
  bool failed_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  Taker taker(data[0] + 1U);
  Heads heads;
  FrameSink sink;
  HandClock clock;
  const Http2Limits limits{.max_concurrent_streams = Taker::kStreams,
                           .stream_window_bytes = Taker::kWindow,
                           .connection_window_bytes = 65535};
  H2ServerCodec codec(HeadLimits{}, limits, heads, sink, clock);
  taker.codec = &codec;
  std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  bytes.append(reinterpret_cast<const char*>(data + 1), size - 1);
  while (!bytes.empty()) {
    const size_t count = std::min<size_t>(bytes.size(), 1 + taker.random() % 300);
    std::string piece = bytes.substr(0, count);  // of exactly its size, so that a read beyond it is found
    piece.shrink_to_fit();
    require(codec.receive({piece.data(), piece.size()}, taker) == count, "all bytes are used");
    bytes.erase(0, count);
    require(sink.waiting.size() < 200000, "output is bounded");
    taker.idle();
    if (taker.random() % 4 != 0) {
      sink.drain();
      codec.writable(taker);
    }
    if (taker.random() % 64 == 0) codec.announce_close(StreamError::none, taker.random() % 2 == 0);
    clock.ms += taker.random() % 100;
  }
  sink.drain();
  return 0;
}
