// SPDX-License-Identifier: Apache-2.0
#include "http/h1_body.h"

#include "http/chunk.h"
#include "http_support.h"

namespace mango::http::test {

namespace {

using namespace std::string_literals;

BodyResult read_chunked(std::string_view bytes, const BodyLimits& limits = {}) {
  SCOPED_TRACE(bytes.substr(0, 100));
  return read_body(Framing::chunked, 0, bytes, limits);
}

void expect_refused(std::string_view bytes, std::string_view reason, const BodyLimits& limits = {}) {
  const BodyResult result = read_chunked(bytes, limits);
  EXPECT_FALSE(result.ended) << bytes;
  EXPECT_EQ(result.refusal.reason, reason) << bytes;
}

}  // namespace

TEST(BodyReader, WithoutFramingTheMessageIsOverAtOnce) {
  const BodyResult result = read_body(Framing::none, 0, "GET / HTTP/1.1");
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.rest, "GET / HTTP/1.1");
}

TEST(BodyReader, ALengthIsCountedExactly) {
  const BodyResult result = read_body(Framing::length, 5, "helloGET");
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.content, "hello");
  EXPECT_EQ(result.rest, "GET");
  EXPECT_TRUE(read_body(Framing::length, 0, "").ended);
  EXPECT_FALSE(read_body(Framing::length, 6, "hello").ended);
}

TEST(BodyReader, TheLengthLeftIsKnown) {
  BodyReader reader;
  reader.start(Framing::length, 10);
  EXPECT_EQ(reader.next("abc", {}).slice, "abc");
  EXPECT_EQ(reader.remaining(), 7u);
  EXPECT_FALSE(reader.finish());
}

TEST(BodyReader, UntilCloseEndsWithTheStreamOnly) {
  BodyReader reader;
  reader.start(Framing::until_close, 0);
  EXPECT_EQ(reader.next("abc", {}).slice, "abc");
  EXPECT_EQ(reader.next("", {}).step, BodyReader::Step::need_more);
  EXPECT_FALSE(reader.ended());
  EXPECT_TRUE(reader.finish());
  EXPECT_TRUE(reader.ended());
  EXPECT_TRUE(reader.finish());
}

TEST(BodyReader, ChunksAreJoined) {
  const BodyResult result = read_chunked("5\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\n\r\nGET");
  EXPECT_TRUE(result.ended) << result.refusal.reason;
  EXPECT_EQ(result.content, "hello 0123456789");
  EXPECT_EQ(result.rest, "GET");
}

TEST(BodyReader, ChunkExtensionsAreSkipped) {
  const BodyResult result = read_chunked("5;a=b;c=\"d;e\"\r\nhello\r\n1 ;x\r\n!\r\n0;end\r\n\r\n");
  EXPECT_TRUE(result.ended) << result.refusal.reason;
  EXPECT_EQ(result.content, "hello!");
}

TEST(BodyReader, AStreamCutShortIsNoticed) {
  for (const std::string bytes :
       {"", "5", "5\r\n", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "0\r\n", "0\r\n\r"}) {
    BodyReader reader;
    reader.start(Framing::chunked, 0);
    std::string_view rest = bytes;
    for (;;) {
      const auto step = reader.next(rest, {});
      rest.remove_prefix(step.consumed);
      if (step.step != BodyReader::Step::data) break;
    }
    EXPECT_FALSE(reader.finish()) << bytes;
  }
}

TEST(BodyReader, MalformedChunkSizesAreRefused) {
  for (const std::string head :
       {"0x5", "5_0", "+5", "-5", "", " 5", "5 ", "5 5", "g", "5,", "5\t", "\"5\"", ";a", "8000000000000000",
        "ffffffffffffffff", "10000000000000000", "00000000000000005"}) {
    expect_refused(head + "\r\nhello\r\n0\r\n\r\n", "bad-chunk-size");
  }
}

TEST(BodyReader, LineEndsOtherThanCrlfAreRefused) {
  expect_refused("5\nhello\r\n0\r\n\r\n", "bare-lf");
  expect_refused("5\rhello\r\n0\r\n\r\n", "bare-cr");
  expect_refused("5;a\nhello\r\n0\r\n\r\n", "bare-lf");
  expect_refused("5;a\rb\r\nhello\r\n0\r\n\r\n", "bare-cr");
  expect_refused("5;a\0\r\nhello\r\n0\r\n\r\n"s, "control-character");
  expect_refused("5\r\nhello\n0\r\n\r\n", "bad-chunk-end");
  expect_refused("5\r\nhello\r0\r\n\r\n", "bad-chunk-end");
  expect_refused("5\r\nhello!\r\n0\r\n\r\n", "bad-chunk-end");
  expect_refused("0\r\n\n", "bare-lf");
  expect_refused("0\r\n\rX", "bare-cr");
  expect_refused("0\r\nA: b\n\r\n", "bare-lf");
}

TEST(BodyReader, AnEndlessChunkExtensionIsRefused) {
  expect_refused("5;" + std::string(64 * 1024, 'x'), "chunk-head-too-long");
  expect_refused("5;" + std::string(300, 'x') + "\r\nhello", "chunk-head-too-long");
  expect_refused("5" + std::string(300, ' '), "chunk-head-too-long");
}

TEST(BodyReader, TrailersAreKeptWithoutTheForbiddenOnes) {
  const BodyResult result = read_chunked(
      "0\r\nX-Checksum:  abc \r\nContent-Length: 3\r\nHost: evil\r\nTransfer-Encoding: chunked\r\n"
      "Authorization: x\r\nX_Alias: y\r\nX-Forwarded-For: 1\r\nSet-Cookie: a\r\nServer-Timing: "
      "t\r\n\r\nrest");
  EXPECT_TRUE(result.ended) << result.refusal.reason;
  EXPECT_EQ(result.trailers, "X-Checksum: abc\r\nServer-Timing: t\r\n");
  EXPECT_EQ(result.rest, "rest");
}

TEST(BodyReader, TrailersAreBounded) {
  const BodyLimits limits{.trailer_bytes = 20, .trailer_fields = 2};
  expect_refused("0\r\nA: " + std::string(30, 'a') + "\r\n\r\n", "trailers-too-large", limits);
  expect_refused("0\r\nA: 12345\r\nB: 12345\r\n\r\n", "trailers-too-large", limits);
  expect_refused("0\r\nA:\r\nB:\r\nC:\r\n\r\n", "too-many-trailers", limits);
  EXPECT_TRUE(read_chunked("0\r\nA:\r\nB:\r\n\r\n", limits).ended);
  expect_refused("0\r\nA: b\r\n c\r\n\r\n", "obs-fold");
  expect_refused("0\r\nA : b\r\n\r\n", "space-before-colon");
}

TEST(BodyReader, IsAsNewAfterARefusal) {
  BodyReader reader;
  reader.start(Framing::chunked, 0);
  EXPECT_EQ(reader.next("x", {}).step, BodyReader::Step::refused);
  EXPECT_EQ(reader.next("5\r\n", {}).step, BodyReader::Step::refused);
  reader.start(Framing::length, 1);
  EXPECT_EQ(reader.next("a", {}).slice, "a");
  EXPECT_STREQ(reader.refusal().reason, "");
  EXPECT_EQ(reader.next("b", {}).step, BodyReader::Step::end);
}

TEST(ChunkHead, IsWrittenAsItIsRead) {
  std::array<char, kChunkHeadBytes> memory;
  EXPECT_EQ(write_chunk_head(memory, 1), "1\r\n");
  EXPECT_EQ(write_chunk_head(memory, 0xabc0), "abc0\r\n");
  EXPECT_EQ(write_chunk_head(memory, UINT64_MAX), "ffffffffffffffff\r\n");
  const std::string body = std::string(write_chunk_head(memory, 3)) + "abc" + std::string(kChunkEnd);
  EXPECT_EQ(read_chunked(body + std::string(kLastChunk)).content, "abc");
}

}  // namespace mango::http::test
