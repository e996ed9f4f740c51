// SPDX-License-Identifier: Apache-2.0
#include "codec_support.h"
#include "http_support.h"

namespace mango::http::test {
namespace {

struct Served {
  std::string events;
  std::string rest;
  bool persistent = true;
};

Served serve(std::string_view bytes, uint32_t seed = 0, bool answer = true) {
  Whim whim(seed);
  WhimSink sink(whim);
  Heads heads;
  H1ServerCodec codec(HeadLimits{}, heads, sink);
  ServerNotes notes(whim);
  if (answer) notes.codec = &codec;
  Served served;
  served.rest = feed(bytes, whim, [&](std::span<char> piece) { return codec.receive(piece, notes); });
  served.events = notes.text;
  served.persistent = codec.persistent();
  return served;
}

const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const std::string kPost = "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const std::string kChunked =
    "PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-T: "
    "1\r\n\r\n";

TEST(H1ServerCodec, TellsARequestItsContentAndItsEnd) {
  EXPECT_EQ("[request 1 GET /a h|Host=h][end ]", serve(kGet).events);
  EXPECT_EQ("[request 1 POST /b h|Host=h|Content-Length=5]hello[end ]", serve(kPost).events);
  EXPECT_EQ("[request 1 PUT /c h|Host=h|Transfer-Encoding=chunked]abcdefg[end X-T: 1\r\n]",
            serve(kChunked).events);
}

TEST(H1ServerCodec, LeavesPipelinedRequestsUntilTheAnswerIsOver) {
  const Served served = serve(kPost + kGet, 0, false);
  EXPECT_EQ("[request 1 POST /b h|Host=h|Content-Length=5]hello[end ]", served.events);
  EXPECT_EQ(kGet, served.rest);
  EXPECT_EQ(
      "[request 1 GET /a h|Host=h][end ][request 2 POST /b h|Host=h|Content-Length=5]hello[end ][request 3 "
      "GET /a h|Host=h][end ]",
      serve(kGet + kPost + kGet).events);
}

TEST(H1ServerCodec, SaysTheSameHoweverTheBytesArriveAndAreTaken) {
  const std::vector<std::string> inputs = {
      kGet + kPost + kChunked + kGet,
      kChunked + "\r\n" + kChunked,
      kChunked + "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" + kGet,
      "PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40000\r\n\r\n" + std::string(40000, 'x') + kGet,
  };
  for (const std::string& input : inputs) {
    const Served whole = serve(input);
    for (uint32_t seed = 1; seed <= 200; ++seed) {
      const Served split = serve(input, seed);
      ASSERT_EQ(whole.events, split.events) << seed;
      ASSERT_EQ(whole.rest, split.rest) << seed;
    }
  }
}

TEST(H1ServerCodec, TakesNothingBehindTheLastRequest) {
  const std::string last = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  const Served served = serve(last + kGet);
  EXPECT_EQ("[request 1 GET / h|Host=h|Connection=close][end ]", served.events);
  EXPECT_FALSE(served.persistent);
}

TEST(H1ServerCodec, RefusesWhatIsNoHttpAtItsFirstBytes) {
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  EXPECT_TRUE(serve(hello).events.starts_with("[error 400 ")) << serve(hello).events;
  EXPECT_TRUE(serve("GET /\r\n").events.starts_with("[error ")) << serve("GET /\r\n").events;
  EXPECT_TRUE(serve("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").events.starts_with("[error "));
}

TEST(H1ServerCodec, SwallowsEverythingAfterARefusal) {
  const Served served = serve("GET / HTTP/1.1\r\nHost : h\r\n\r\n" + kGet);
  EXPECT_TRUE(served.events.starts_with("[error 400 "));
  EXPECT_EQ(std::string::npos, served.events.find("request"));
  EXPECT_EQ("", served.rest);
  EXPECT_FALSE(served.persistent);
}

TEST(H1ServerCodec, RefusesAHeadThatNeverEnds) {
  for (const uint32_t seed : {0U, 5U}) {
    const std::string endless = "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(20'000, 'x');
    EXPECT_TRUE(serve(endless, seed).events.starts_with("[error 431 ")) << serve(endless, seed).events;
  }
}

// --- the response
// -------------------------------------------------------------------------------------------

struct Answer {
  Framing framing = Framing::length;
  std::string content;
  std::string trailers;
  std::string request = kGet;
  bool keep_alive = true;
};

std::pair<std::string, bool> answer(const Answer& how, uint32_t seed = 0) {
  Whim whim(seed);
  WhimSink sink(whim);
  Heads heads;
  H1ServerCodec codec(HeadLimits{}, heads, sink);
  Whim whole;
  ServerNotes notes(whole);
  std::string request = how.request;
  EXPECT_EQ(request.size(), codec.receive(request, notes));
  Stream stream;
  ResponseHead head;
  head.status = 200;
  EXPECT_TRUE(codec.send_head(
      stream, head,
      {.keep_alive = how.keep_alive, .framing = how.framing, .content_length = how.content.size()}));
  send_all(codec, stream, how.content);
  EXPECT_TRUE(codec.send_end(stream, how.trailers));
  return {sink.written, codec.persistent()};
}

// As a client's parser reads it.
std::pair<std::string, std::string> read_back(const std::string& bytes, Method method = Method::get) {
  const ResponseResult head = parse_response(bytes, method);
  EXPECT_EQ(Parsed::complete, head.parsed) << bytes;
  const BodyResult body = read_body(head.head->framing, head.head->content_length,
                                    std::string_view(bytes).substr(head.head->head_bytes));
  EXPECT_TRUE(body.ended || head.head->framing == Framing::until_close);
  EXPECT_EQ("", body.rest);
  return {body.content, body.trailers};
}

TEST(H1ServerCodec, WritesContentThatReadsBackHoweverItIsTaken) {
  const std::string content = std::string(5000, 'a') + std::string(5000, 'b');
  for (const Framing framing : {Framing::length, Framing::chunked}) {
    for (uint32_t seed = 0; seed < 50; ++seed) {
      const auto [bytes, persistent] = answer({.framing = framing, .content = content}, seed);
      ASSERT_EQ(content, read_back(bytes).first) << seed;
      EXPECT_TRUE(persistent);
    }
  }
  EXPECT_EQ("X-T: 1\r\n",
            read_back(answer({.framing = Framing::chunked, .content = "c", .trailers = "X-T: 1\r\n"}).first)
                .second);
  EXPECT_EQ("", read_back(answer({.framing = Framing::chunked}).first).first);
}

TEST(H1ServerCodec, EndsTheConnectionWhereTheContentHasNoOtherEnd) {
  EXPECT_FALSE(answer({.framing = Framing::until_close, .content = "x"}).second);
  EXPECT_FALSE(answer({.content = "x", .keep_alive = false}).second);
  const auto [bytes, persistent] =
      answer({.framing = Framing::chunked,
              .content = "old",
              .request = "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"});
  EXPECT_FALSE(persistent);
  EXPECT_EQ(std::string::npos, bytes.find("chunked")) << "HTTP/1.0 knows no chunks";
  EXPECT_TRUE(bytes.ends_with("\r\n\r\nold")) << bytes;
}

TEST(H1ServerCodec, SendsNoInterimHeadToHttp10) {
  for (const char* version : {"1.0", "1.1"}) {
    Whim whole;
    WhimSink sink(whole);
    Heads heads;
    H1ServerCodec codec(HeadLimits{}, heads, sink);
    ServerNotes notes(whole);
    std::string request = "GET / HTTP/" + std::string(version) + "\r\nHost: h\r\n\r\n";
    (void)codec.receive(request, notes);
    Stream stream;
    ResponseHead head;
    head.status = 103;
    EXPECT_TRUE(codec.send_head(stream, head, {}));
    EXPECT_EQ(version == std::string_view("1.1"), sink.written.starts_with("HTTP/1.1 103 ")) << sink.written;
  }
}

TEST(H1ServerCodec, AnswersHeadRequestsOfItsOwnWithoutContent) {
  Whim whole;
  WhimSink sink(whole);
  Heads heads;
  H1ServerCodec codec(HeadLimits{}, heads, sink);
  ServerNotes notes(whole);
  std::string request = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
  (void)codec.receive(request, notes);
  Stream stream;
  EXPECT_TRUE(codec.send_local(stream, {.status = 404, .keep_alive = true}));
  EXPECT_TRUE(sink.written.ends_with("\r\n\r\n")) << sink.written;
  EXPECT_TRUE(codec.persistent());
}

TEST(H1ServerCodec, ClosesWithItsOwnAnswerIfTheClientAskedForIt) {
  Whim whole;
  WhimSink sink(whole);
  Heads heads;
  H1ServerCodec codec(HeadLimits{}, heads, sink);
  ServerNotes notes(whole);
  std::string request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  (void)codec.receive(request, notes);
  Stream stream;
  EXPECT_TRUE(codec.send_local(stream, {.status = 404, .keep_alive = true}));
  EXPECT_NE(std::string::npos, sink.written.find("Connection: close\r\n")) << sink.written;
  EXPECT_FALSE(codec.persistent());
}

}  // namespace
}  // namespace mango::http::test
