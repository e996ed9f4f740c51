// SPDX-License-Identifier: Apache-2.0
// Fuzzes the HTTP/2 codec towards upstreams as a connection drives it. Input: two bytes of seed, then a
// script: each byte says what the proxy does next, or that so many of the bytes behind it come from the
// upstream. The first frame is always SETTINGS, so that the rest gets somewhere.
//
// Whatever comes: no event reaches a stream that is finished or lost, none follows the connection's end, a
// response's events keep their order, and what is held and queued stays within the windows.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "http/h2_client.h"

namespace {

using namespace mango::http;

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "property violated: %s\n", what);
  std::abort();
}

constexpr std::string_view kGet =
    "GET /a HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: abc\r\nConnection: TE\r\nTE: trailers\r\n\r\n";
constexpr std::string_view kUpgrade =
    "GET /a HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: abc\r\nConnection: upgrade\r\nUpgrade: "
    "websocket\r\n\r\n";

class Proxy final : public Sink, public ClientEvents, public Clock {
 public:
  explicit Proxy(uint32_t seed) : random_(seed) {}

  void act(uint8_t what) {
    switch (what % 8) {
      case 0:
      case 1:
        return start();
      case 2:
        return with_one([this](Stream& stream) {
          const std::string content(random_() % 40'000, 'c');
          require(codec_.send_data(stream, content) <= content.size(), "no more is taken than is given");
        });
      case 3:
        return with_one(
            [this](Stream& stream) { (void)codec_.send_end(stream, random_() % 2 ? "a: b\r\n" : ""); });
      case 4:
        return with_one([this](Stream& stream) { finish(stream); });
      case 5:
        return with_one([this](Stream& stream) { (void)codec_.resume(stream, *this); });
      case 6:
        full_ = !full_;
        if (!full_) codec_.writable(*this);
        return;
      default:
        now_ += 100;
        if (what == 255) (void)codec_.receive_end(*this);
        if (what == 247) close();
    }
  }

  void receive(std::string_view bytes) {
    std::string copy(bytes);
    copy.shrink_to_fit();
    require(codec_.receive({copy.data(), copy.size()}, *this) == copy.size(), "all is used");
    require(written_ < size_t{1} << 24, "little is said");
  }

  [[nodiscard]] bool put(std::string_view bytes) override {
    written_ += bytes.size();
    return random_() % 1024 != 0;
  }
  [[nodiscard]] size_t offer(std::string_view) override { return 0; }
  [[nodiscard]] bool congested() noexcept override { return full_; }
  void finish() override {}
  [[nodiscard]] uint64_t now_ms() const noexcept override { return now_; }

  void on_interim(Stream& stream, ResponseHead& head) override {
    require(state_of(stream) == State::waiting, "interim heads come first");
    require(head.status < 200 && head.status != 101, "an interim status");
    meddle(stream);
  }
  void on_response(Stream& stream, ResponseHead& head) override {
    require(state_of(stream) == State::waiting, "one head a response");
    require(head.status == 101 || head.status >= 200, "a final status");
    for (const Field& field : head.fields)
      for (const char c : field.value)
        require(c != '\r' && c != '\n' && c != '\0', "fields stay within their line");
    states_[&stream] = State::responding;
    meddle(stream);
  }
  [[nodiscard]] size_t on_response_data(Stream& stream, std::string_view content) override {
    require(state_of(stream) == State::responding, "content follows a head");
    const size_t taken = random_() % 3 == 0 ? content.size() : random_() % (content.size() + 1);
    meddle(stream);
    return taken;
  }
  void on_response_end(Stream& stream, std::string_view) override {
    require(state_of(stream) == State::responding, "the end follows a head, once");
    states_[&stream] = State::ended;
    if (random_() % 4 != 0) finish(stream);
  }
  void on_request_writable(Stream& stream) override {
    (void)state_of(stream);
    (void)codec_.send_data(stream, std::string(random_() % 40'000, 'c'));
    meddle(stream);
  }
  void on_response_error(Stream& stream, const Refusal& refusal) override {
    require(refusal.status == 502 && *refusal.reason != '\0', "there is a reason");
    gone(stream);
  }
  void on_stream_lost(Stream& stream, StreamError error) override {
    require(error != StreamError::none, "there is an error");
    gone(stream);
  }
  void on_connection_error(const Refusal& refusal) override {
    require(!ended_ && *refusal.reason != '\0', "once, with a reason");
    ended_ = true;
  }
  void on_capacity_changed() override { require(!ended_, "no event follows the end"); }

 private:
  enum class State : uint8_t { waiting, responding, ended };

  void start() {
    const bool upgrade = random_() % 8 == 0;
    const auto framing = random_() % 2 ? Framing::none : Framing::chunked;
    const size_t room = codec_.capacity();
    Stream* const stream = codec_.start({.head = upgrade ? kUpgrade : kGet,
                                         .method = random_() % 8 ? Method::get : Method::head,
                                         .framing = upgrade ? Framing::none : framing,
                                         .upgrade = upgrade,
                                         .secure = true});
    require(room != 0 || stream == nullptr, "no more streams than there is room for");
    if (stream != nullptr) require(states_.emplace(stream, State::waiting).second, "a stream of its own");
  }

  // The proxy does something in the middle of an event, to this stream or another.
  void meddle(Stream& stream) {
    const uint32_t what = random_() % 64;
    if (what == 0) return finish(stream);
    if (what == 1) return close();
    if (what < 8) act(static_cast<uint8_t>(random_() % 8));
  }

  template <typename Action>
  void with_one(const Action& action) {
    if (states_.empty()) return;
    auto at = states_.begin();
    std::advance(at, random_() % states_.size());
    action(*at->first);
  }

  State state_of(Stream& stream) {
    require(!ended_, "no event follows the end");
    const auto found = states_.find(&stream);
    require(found != states_.end(), "no event for a stream that is gone");
    return found->second;
  }
  void gone(Stream& stream) {
    (void)state_of(stream);
    states_.erase(&stream);
  }
  void finish(Stream& stream) {
    states_.erase(&stream);
    (void)codec_.finish(stream);
  }
  void close() {
    ended_ = true;
    codec_.close();
  }

  std::minstd_rand random_;
  uint64_t now_ = 1000;
  size_t written_ = 0;
  bool full_ = false;
  bool ended_ = false;
  Heads heads_;
  std::map<Stream*, State> states_;
  H2ClientCodec codec_{Http2Limits{.max_concurrent_streams = 8}, heads_, *this, *this};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Proxy proxy(data[0] * 256U + data[1] + 1U);
  std::string_view script(reinterpret_cast<const char*>(data + 2), size - 2);
  proxy.act(0);
  // SETTINGS_ENABLE_CONNECT_PROTOCOL = 1
  proxy.receive(std::string_view("\0\0\6\4\0\0\0\0\0\0\x8\0\0\0\1", 15));
  while (!script.empty()) {
    const auto what = static_cast<uint8_t>(script.front());
    script.remove_prefix(1);
    const bool acts = what < 64 || what == 255 || what == 247;
    if (acts) {
      proxy.act(what);
      continue;
    }
    const std::string_view piece = script.substr(0, size_t{what} - 63);
    proxy.receive(piece);
    script.remove_prefix(piece.size());
  }
  return 0;
}
