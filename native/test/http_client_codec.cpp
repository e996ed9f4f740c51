// SPDX-License-Identifier: Apache-2.0
#include "codec_support.h"
#include "http_support.h"

namespace mango::http::test {
namespace {

struct Exchanged {
  std::string events;
  std::string rest;
  bool ended_well = false;  // of the stream, where it ends
  bool reusable = false;
};

struct Request {
  Method method = Method::get;
  bool upgrade = false;
  bool ended = true;
  Framing framing = Framing::none;
};

Exchanged exchange(std::string_view bytes, const Request& request = {}, uint32_t seed = 0) {
  Whim whim(seed);
  WhimSink sink(whim);
  Heads heads;
  H1ClientCodec codec(heads, sink);
  ClientNotes notes(whim);
  EXPECT_NE(nullptr, codec.start({"", request.method, request.framing, request.upgrade}));
  Exchanged done;
  done.rest = feed(bytes, whim, [&](std::span<char> piece) { return codec.receive(piece, notes); });
  done.reusable = codec.reusable();
  done.ended_well = codec.receive_end(notes);
  done.events = notes.text;
  return done;
}

const std::string kPlain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const std::string kChunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n";

TEST(H1ClientCodec, TellsAResponseAndMayThenCarryAnother) {
  EXPECT_EQ("[response 200]hello[end ]", exchange(kPlain).events);
  EXPECT_TRUE(exchange(kPlain).reusable);
  EXPECT_EQ("[response 200]abcdefg[end X-T: 1\r\n]", exchange(kChunked).events);
  EXPECT_TRUE(exchange(kChunked).reusable);
}

TEST(H1ClientCodec, CarriesOneExchangeAfterTheOther) {
  Whim whole;
  WhimSink sink(whole);
  Heads heads;
  H1ClientCodec codec(heads, sink);
  ClientNotes notes(whole);
  for (int round = 0; round < 3; ++round) {
    Stream* stream = codec.start({"", Method::get});
    ASSERT_NE(nullptr, stream);
    EXPECT_EQ(0U, codec.capacity());
    std::string bytes = round == 1 ? kChunked : kPlain;
    EXPECT_EQ(bytes.size(), codec.receive(bytes, notes));
    EXPECT_TRUE(codec.finish(*stream));
    EXPECT_EQ(1U, codec.capacity());
  }
  EXPECT_EQ("[response 200]hello[end ][response 200]abcdefg[end X-T: 1\r\n][response 200]hello[end ]",
            notes.text);
}

TEST(H1ClientCodec, SaysTheSameHoweverTheBytesArriveAndAreTaken) {
  const std::string interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
  const std::string until_close = "HTTP/1.1 200 OK\r\n\r\n" + std::string(3000, 'x');
  for (const std::string& input :
       {kPlain, interim + kChunked, until_close, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + kPlain}) {
    const Exchanged whole = exchange(input);
    for (uint32_t seed = 1; seed <= 200; ++seed) {
      const Exchanged split = exchange(input, {}, seed);
      ASSERT_EQ(whole.events, split.events) << seed;
      ASSERT_EQ(whole.ended_well, split.ended_well) << seed;
      ASSERT_EQ(whole.reusable, split.reusable) << seed;
    }
  }
}

TEST(H1ClientCodec, KnowsWhichResponsesHaveNoContent) {
  EXPECT_EQ("[response 200][end ]",
            exchange("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {.method = Method::head}).events);
  EXPECT_EQ("[response 304][end ]",
            exchange("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").events);
  EXPECT_EQ("[response 204][end ]", exchange("HTTP/1.1 204 No Content\r\n\r\n").events);
}

TEST(H1ClientCodec, DistrustsAConnectionWithBytesBehindTheResponse) {
  const Exchanged done = exchange(kPlain + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
  EXPECT_EQ("[response 200]hello[end ]", done.events);
  EXPECT_FALSE(done.reusable);
  EXPECT_FALSE(exchange("HTTP/1.1 204 No Content\r\n\r\nx").reusable);
  EXPECT_FALSE(exchange("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").reusable);
  EXPECT_FALSE(exchange("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello").reusable);
  EXPECT_FALSE(exchange(kPlain, {.framing = Framing::length}).reusable) << "the request is not over";
}

TEST(H1ClientCodec, TakesTheEndOfTheStreamAsAnEndOnlyWhereItIsOne) {
  const Exchanged until_close = exchange("HTTP/1.1 200 OK\r\n\r\nall of it");
  EXPECT_TRUE(until_close.ended_well);
  EXPECT_EQ("[response 200]all of it[end ]", until_close.events);
  for (const std::string cut : {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"})
    EXPECT_FALSE(exchange(cut).ended_well) << cut;
}

TEST(H1ClientCodec, OpensATunnelOnlyIfOneWasAskedFor) {
  const std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
  for (uint32_t seed = 0; seed < 20; ++seed)
    EXPECT_EQ("[response 101]\r\n\r\nanything[end ]",
              exchange(head + "\r\n\r\nanything", {.upgrade = true}, seed).events);
  EXPECT_EQ("[error 502 unexpected-101]", exchange(head + "x").events);
}

TEST(H1ClientCodec, BoundsTheInterimHeads) {
  std::string many;
  for (int i = 0; i < 16; ++i) many += "HTTP/1.1 103 Early Hints\r\n\r\n";
  EXPECT_TRUE(exchange(many + kPlain).events.ends_with("[response 200]hello[end ]"));
  const std::string events = exchange(many + "HTTP/1.1 100 Continue\r\n\r\n" + kPlain).events;
  EXPECT_TRUE(events.ends_with("[error 502 too-many-interim-responses]")) << events;
}

TEST(H1ClientCodec, RefusesBrokenResponses) {
  for (const std::string& bad :
       {std::string("HTTP/2.0 200 OK\r\n\r\n"), std::string("nonsense\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\nA: b\n\n"), "HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'x'),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")}) {
    const Exchanged done = exchange(bad);
    EXPECT_NE(std::string::npos, done.events.find("[error 502 ")) << done.events;
    EXPECT_FALSE(done.reusable);
    EXPECT_FALSE(done.ended_well);
  }
}

TEST(H1ClientCodec, WritesContentThatReadsBackHoweverItIsTaken) {
  const std::string content(30'000, 'c');
  for (uint32_t seed = 0; seed < 50; ++seed) {
    Whim whim(seed);
    WhimSink sink(whim);
    Heads heads;
    H1ClientCodec codec(heads, sink);
    Stream* stream = codec.start({"", Method::post, Framing::chunked});
    send_all(codec, *stream, content);
    ASSERT_TRUE(codec.send_end(*stream, "X-T: 1\r\n"));
    const BodyResult body = read_body(Framing::chunked, 0, sink.written);
    ASSERT_TRUE(body.ended);
    ASSERT_EQ(content, body.content);
    ASSERT_EQ("X-T: 1\r\n", body.trailers);
  }
}

}  // namespace
}  // namespace mango::http::test
