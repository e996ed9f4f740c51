// SPDX-License-Identifier: Apache-2.0
// Fuzzes the HTTP/1.1 codecs as connections drive them. Input: one letter (s a server's side, c a client's
// side, t one that asked for an upgrade, h one that sent HEAD), one byte of seed, then what the network
// brings. However the bytes are cut, and however little of the content is taken at a time, the codec says the
// same; and what it writes reads back as the content it was given.
#include <cstdio>
#include <cstdlib>

#include "test/codec_support.h"

namespace {

using namespace mango::http;
using namespace mango::http::test;

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "property violated: %s\n", what);
  std::abort();
}

struct Run {
  std::string events;
  bool alive = false;  // persistent() or reusable()
  bool ended = false;
};

Run serve(std::string_view bytes, uint32_t seed) {
  Whim whim(seed);
  WhimSink sink(whim);
  Heads heads;
  H1ServerCodec codec(HeadLimits{}, heads, sink);
  ServerNotes notes(whim);
  notes.codec = &codec;
  (void)feed(bytes, whim, [&](std::span<char> piece) {
    const size_t used = codec.receive(piece, notes);
    require(used <= piece.size(), "no more is used than there is");
    return used;
  });
  return {notes.text, codec.persistent(), codec.idle()};
}

Run exchange(std::string_view bytes, uint32_t seed, char side) {
  Whim whim(seed);
  WhimSink sink(whim);
  Heads heads;
  H1ClientCodec codec(heads, sink);
  ClientNotes notes(whim);
  require(codec.start({"", side == 'h' ? Method::head : Method::get, Framing::none, side == 't'}) != nullptr,
          "a fresh connection takes a request");
  (void)feed(bytes, whim, [&](std::span<char> piece) {
    const size_t used = codec.receive(piece, notes);
    require(used <= piece.size(), "no more is used than there is");
    return used;
  });
  const bool alive = codec.reusable();
  const bool ended = codec.receive_end(notes);
  return {notes.text, alive, ended};
}

void check_writing(std::string_view content, uint32_t seed) {
  Whim whim(seed);
  WhimSink sink(whim);
  BodyWriter writer;
  writer.start(Framing::chunked);
  for (std::string_view left = content; !left.empty();) left.remove_prefix(writer.data(left, sink));
  require(writer.end({}, sink), "the end is written");
  BodyReader reader;
  reader.start(Framing::chunked, 0);
  std::string read;
  std::string_view rest = sink.written;
  for (;;) {
    const auto step = reader.next(rest, {});
    read.append(step.slice);
    rest.remove_prefix(step.consumed);
    if (step.step != BodyReader::Step::data) break;
  }
  require(reader.ended() && rest.empty(), "what is written is a whole message");
  require(read == content, "what is written reads back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const char side = static_cast<char>(data[0]);
  const uint32_t seed = data[1] + 1U;
  std::string bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  check_writing(bytes, seed);
  // Bytes that never come to an end may be refused early or late, by what was there at the first look. With
  // an end there is one answer.
  bytes += "\r\n\r\n";
  const Run whole = side == 's' ? serve(bytes, 0) : exchange(bytes, 0, side);
  const Run split = side == 's' ? serve(bytes, seed) : exchange(bytes, seed, side);
  require(whole.events == split.events, "the same is said however the bytes come");
  require(whole.alive == split.alive && whole.ended == split.ended, "the connection's fate is the same");
  return 0;
}
