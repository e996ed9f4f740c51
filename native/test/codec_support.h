// SPDX-License-Identifier: Apache-2.0
// What the codecs' tests and fuzzer share: a sink that takes as much as it likes, listeners that take as much
// content as they like, and a feeder that cuts the input anywhere. All the liking comes from one seed.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "http/h1_client.h"
#include "http/h1_server.h"

namespace mango::http::test {

class Whim {
 public:
  // Without a seed everything goes in one piece.
  explicit Whim(uint32_t seed = 0) : random_(seed), whole_(seed == 0) {}
  size_t up_to(size_t most) { return whole_ || most == 0 ? most : random_() % (most + 1); }

 private:
  std::minstd_rand random_;
  bool whole_;
};

class WhimSink final : public Sink {
 public:
  explicit WhimSink(Whim& whim) : whim_(whim) {}
  [[nodiscard]] bool put(std::string_view bytes) override {
    written.append(bytes);
    return true;
  }
  [[nodiscard]] size_t offer(std::string_view bytes) override {
    const size_t count = whim_.up_to(bytes.size());
    written.append(bytes.substr(0, count));
    return count;
  }
  [[nodiscard]] bool congested() noexcept override { return false; }
  void finish() override { finished = true; }
  std::string written;
  bool finished = false;

 private:
  Whim& whim_;
};

inline std::string describe(const RequestHead& head) {
  std::string text =
      std::string(head.method_name) + " " + std::string(head.target) + " " + std::string(head.host);
  for (const Field& field : head.fields)
    text += "|" + std::string(field.name) + "=" + std::string(field.value);
  return text;
}

// Notes what a server codec says, as text. Every request is answered as soon as it is complete, if `codec` is
// given.
struct ServerNotes final : ServerEvents {
  explicit ServerNotes(Whim& whim_in) : whim(whim_in) {}
  void on_request(Stream& stream, RequestHead& head) override {
    text += "[request " + std::to_string(stream.id) + " " + describe(head) + "]";
  }
  [[nodiscard]] size_t on_request_data(Stream&, std::string_view content) override {
    const size_t count = whim.up_to(content.size());
    text.append(content.substr(0, count));
    return count;
  }
  void on_request_end(Stream& stream, std::string_view trailers) override {
    text += "[end " + std::string(trailers) + "]";
    if (codec != nullptr) codec->finish(stream);
  }
  void on_response_writable(Stream&) override { text += "[writable]"; }
  void on_stream_lost(Stream& stream, StreamError, const char* reason) override {
    text += "[lost " + std::to_string(stream.id) + " " + reason + "]";
  }
  void on_protocol_error(const Refusal& refusal) override {
    text += "[error " + std::to_string(refusal.status) + " " + refusal.reason + "]";
  }
  Whim& whim;
  ServerCodec* codec = nullptr;
  std::string text;
};

struct ClientNotes final : ClientEvents {
  explicit ClientNotes(Whim& whim_in) : whim(whim_in) {}
  void on_interim(Stream&, ResponseHead& head) override {
    text += "[interim " + std::to_string(head.status) + "]";
  }
  void on_response(Stream&, ResponseHead& head) override {
    text += "[response " + std::to_string(head.status) + "]";
  }
  [[nodiscard]] size_t on_response_data(Stream&, std::string_view content) override {
    const size_t count = whim.up_to(content.size());
    text.append(content.substr(0, count));
    return count;
  }
  void on_response_end(Stream&, std::string_view trailers) override {
    text += "[end " + std::string(trailers) + "]";
  }
  void on_response_error(Stream&, const Refusal& refusal) override {
    text += "[error " + std::to_string(refusal.status) + " " + refusal.reason + "]";
  }
  void on_request_writable(Stream&) override { text += "[writable]"; }
  void on_stream_lost(Stream&, StreamError) override { text += "[lost]"; }
  void on_connection_error(const Refusal& refusal) override {
    text += "[error " + std::to_string(refusal.status) + " " + refusal.reason + "]";
  }
  void on_capacity_changed() override {}
  Whim& whim;
  std::string text;
};

// Feeds `bytes` in pieces, what was not used again with more behind it; answers what was never used.
template <typename Receive>
std::string feed(std::string_view bytes, Whim& whim, const Receive& receive) {
  std::string waiting;
  size_t idle_rounds = 0;
  while (idle_rounds < 40) {
    const size_t count = std::min(
        bytes.size(), std::max<size_t>(whim.up_to(std::min<size_t>(bytes.size(), 64)), whim.up_to(1)));
    const size_t fresh = bytes.size() > 64 && count == 64 ? whim.up_to(bytes.size()) : count;
    waiting.append(bytes.substr(0, fresh));
    bytes.remove_prefix(fresh);
    if (waiting.empty() && bytes.empty()) break;
    if (waiting.empty()) continue;
    std::string piece = waiting;  // of exactly its size, so that a read beyond it is found
    piece.shrink_to_fit();
    const size_t used = receive(std::span<char>(piece.data(), piece.size()));
    waiting = piece.substr(used);
    idle_rounds = used == 0 && bytes.empty() ? idle_rounds + 1 : 0;
  }
  return waiting + std::string(bytes);
}

// Sends `content` until the sink has taken it all.
template <typename Codec>
void send_all(Codec& codec, Stream& stream, std::string_view content) {
  while (!content.empty()) content.remove_prefix(codec.send_data(stream, content));
}

}  // namespace mango::http::test
