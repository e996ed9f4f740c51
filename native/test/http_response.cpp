// SPDX-License-Identifier: Apache-2.0
#include "http/h1_parser.h"
#include "http_support.h"

namespace mango::http::test {

namespace {

using namespace std::string_literals;

std::string response_with(std::string_view field_lines, std::string_view start = "HTTP/1.1 200 OK") {
  return std::string(start) + "\r\n" + std::string(field_lines) + "\r\n";
}

ResponseResult expect_accepted(std::string_view bytes, Method method = Method::get) {
  SCOPED_TRACE(bytes);
  auto result = parse_response(bytes, method);
  EXPECT_EQ(result.parsed, Parsed::complete) << result.refusal.reason;
  return result;
}

void expect_refused(std::string_view bytes, std::string_view reason) {
  SCOPED_TRACE(bytes);
  const auto result = parse_response(bytes);
  EXPECT_EQ(result.parsed, Parsed::refused);
  EXPECT_EQ(result.refusal.status, 502);
  EXPECT_EQ(result.refusal.reason, reason);
}

}  // namespace

TEST(ResponseHead, IsReadIntoViewsOfTheBytes) {
  const auto result = expect_accepted("HTTP/1.1 404 Not  Found\r\nContent-Length: 3\r\nServer: x\r\n\r\nabc");
  EXPECT_EQ(result.head->status, 404);
  EXPECT_EQ(result.head->reason, "Not  Found");
  EXPECT_EQ(result.head->framing, Framing::length);
  EXPECT_EQ(result.head->content_length, 3u);
  EXPECT_EQ(result.head->head_bytes, result.bytes->size() - 3);
  EXPECT_TRUE(result.head->keep_alive);
}

TEST(ResponseHead, TheReasonMayBeMissing) {
  EXPECT_EQ(expect_accepted(response_with("", "HTTP/1.1 200 ")).head->reason, "");
  EXPECT_EQ(expect_accepted(response_with("", "HTTP/1.1 200")).head->reason, "");
}

TEST(ResponseHead, MalformedStatusLinesAreRefused) {
  for (const std::string start : {"HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 X", "HTTP/1.1 600 X",
                                  "HTTP/1.1 2x0 X", "HTTP/1.1  200 OK", "HTTP/1.1 -20 X"}) {
    expect_refused(response_with("", start), "bad-status");
  }
  for (const std::string start :
       {"HTTP/2.0 200 OK", "HTTP/1.1\t200 OK", "http/1.1 200 OK", "ICY 200 OK", "HTTP/1.1"}) {
    expect_refused(response_with("", start), "bad-version");
  }
  expect_refused("HTTP/1.1 200 O\rK\r\n\r\n", "bare-cr");
  expect_refused("HTTP/1.1 200 OK\n\r\n", "bare-lf");
  expect_refused("HTTP/1.1 200\n\r\n", "bare-lf");
  expect_refused("HTTP/1.1 200 O\0K\r\n\r\n"s, "control-character");
  expect_refused("<html>", "bad-version");
}

TEST(ResponseHead, MalformedFieldLinesAreRefused) {
  expect_refused(response_with("A: b\n"), "bare-lf");
  expect_refused(response_with("A: b\rc\r\n"), "bare-cr");
  expect_refused(response_with("A : b\r\n"), "space-before-colon");
  expect_refused(response_with("A: b\r\n c\r\n"), "obs-fold");
  expect_refused(response_with(": b\r\n"), "empty-field-name");
  expect_refused(response_with("A: b\0\r\n"s), "control-character");
}

TEST(ResponseHead, TwoWaysToFrameOneResponseAreRefused) {
  expect_refused(response_with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
                 "length-and-transfer-encoding");
  expect_refused(response_with("Content-Length: 3\r\nContent-Length: 4\r\n"), "duplicate-content-length");
  expect_refused(response_with("Content-Length: 3\r\nContent-Length: 3\r\n"), "duplicate-content-length");
  expect_refused(response_with("Content-Length: 3, 3\r\n"), "bad-content-length");
  expect_refused(response_with("Content-Length: -1\r\n"), "bad-content-length");
  expect_refused(response_with("Transfer-Encoding: gzip, chunked\r\n"), "bad-transfer-encoding");
  expect_refused(response_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                 "duplicate-transfer-encoding");
  expect_refused(response_with("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK"),
                 "transfer-encoding-in-http10");
}

TEST(ResponseHead, FramingDependsOnStatusAndMethod) {
  const auto framing = [](std::string_view status, std::string_view lines, Method method) {
    return expect_accepted(response_with(lines, "HTTP/1.1 " + std::string(status) + " X"), method)
        .head->framing;
  };
  EXPECT_EQ(framing("200", "", Method::get), Framing::until_close);
  EXPECT_EQ(framing("200", "Transfer-Encoding: chunked\r\n", Method::get), Framing::chunked);
  for (const std::string lines : {"", "Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n"}) {
    EXPECT_EQ(framing("200", lines, Method::head), Framing::none);
    EXPECT_EQ(framing("204", lines, Method::get), Framing::none);
    EXPECT_EQ(framing("304", lines, Method::get), Framing::none);
    EXPECT_EQ(framing("103", lines, Method::get), Framing::none);
    EXPECT_EQ(framing("101", lines, Method::get), Framing::none);
  }
}

TEST(ResponseHead, PersistenceFollowsVersionConnectionAndFraming) {
  const auto keep_alive = [](std::string_view lines, std::string_view start) {
    return expect_accepted(response_with(lines, start)).head->keep_alive;
  };
  EXPECT_TRUE(keep_alive("Content-Length: 1\r\n", "HTTP/1.1 200 OK"));
  EXPECT_FALSE(keep_alive("Content-Length: 1\r\nConnection: close\r\n", "HTTP/1.1 200 OK"));
  EXPECT_FALSE(keep_alive("", "HTTP/1.1 200 OK"));
  EXPECT_FALSE(keep_alive("Content-Length: 1\r\n", "HTTP/1.0 200 OK"));
  EXPECT_TRUE(keep_alive("Content-Length: 1\r\nConnection: keep-alive\r\n", "HTTP/1.0 200 OK"));
}

TEST(ResponseHead, OnlyA101Upgrades) {
  const std::string lines = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  EXPECT_EQ(expect_accepted(response_with(lines, "HTTP/1.1 101 Switching Protocols")).head->upgrade,
            "websocket");
  EXPECT_EQ(expect_accepted(response_with(lines)).head->upgrade, "");
  EXPECT_EQ(expect_accepted(response_with("Upgrade: websocket\r\n", "HTTP/1.1 101 X")).head->upgrade, "");
}

TEST(ResponseHead, HeadsBeyondTheLimitsAreRefused) {
  const auto huge = parse_response("HTTP/1.1 200 OK\r\nA: " + std::string(1 << 20, 'a'));
  EXPECT_EQ(huge.refusal.status, 502);
  EXPECT_STREQ(huge.refusal.reason, "head-too-large");
  const auto many = parse_response(response_with("A: b\r\nA: b\r\n"), Method::get, {.fields = 1});
  EXPECT_STREQ(many.refusal.reason, "too-many-fields");
}

TEST(ResponseHead, TwoHeadsInARowAreReadOneByOne) {
  const std::string first = response_with("Content-Length: 0\r\n");
  EXPECT_EQ(expect_accepted(first + response_with("")).head->head_bytes, first.size());
}

}  // namespace mango::http::test
